//! A machine that is too small: a disk that is really full, a slow one, few descriptors, little memory.

use futures_util::future::join;
use futures_util::stream::{self, StreamExt};
use promptsales_tests::{
    Dice, FewDescriptors, MemoryCap, Room, Server, Settings, SlowDisk, Tally, memory_of, pause,
};
use reqwest::Method;
use serde_json::json;

use super::ALONE;
use super::load::{Book, outside};
use super::steady::Steady;

/// What the server may use of the memory.
const MEMORY: u64 = 144 << 20;
/// Leads, whose attributes are far more than that together.
const BIG_LEADS: u64 = 11_000;
/// The bytes of a big lead's attributes.
const BIG: usize = 100 * 145;
/// Leads kept in memory.
const LIVE: &str = "50";

fn settings(env: Vec<(String, String)>) -> Settings {
    Settings { sandbox: Some(outside()), env, ..Settings::default() }
}

#[tokio::test]
async fn a_small_file_system_that_is_full_refuses_and_goes_on_when_there_is_room() {
    let _alone = ALONE.lock().await;
    let mut dice = Dice::new("small file system", 22);
    let (room, book) = (Room::of(160), Book::default());
    let books = tempfile::tempdir().expect("a folder can be made");
    let link = room.folder().path().join("sandbox.jsonl");
    std::os::unix::fs::symlink(books.path().join("sandbox.jsonl"), link).expect("a link can be made");
    let mut server = Server::over(room.folder(), settings(room.env())).await;
    let http = server.http.clone();
    let script = async {
        for _ in 0..3 {
            pause(400).await;
            room.fill();
            pause(700).await;
            room.make_room();
            pause(400).await;
        }
        book.stop();
    };
    join(book.work(&http, 6, &mut dice), script).await;
    let refused = book.refused();
    println!("refused {refused:?}");
    assert!(refused.get("journal_unavailable").is_some_and(|times| *times > 0), "it says why: {refused:?}");
    server.kill().await;
    server.restart().await;
    book.prove("small file system", &server).await;
}

#[tokio::test]
async fn a_slow_disk_makes_everything_slow_and_nothing_wrong() {
    let _alone = ALONE.lock().await;
    let mut dice = Dice::new("slow disk", 23);
    let (disk, book) = (SlowDisk::new(), Book::default());
    let server = Server::start(settings(disk.env())).await;
    let script = async {
        for ms in [50, 400, 0] {
            disk.slow_by(ms);
            pause(2_000).await;
        }
        book.stop();
    };
    join(book.work(&server.http, 6, &mut dice), script).await;
    println!("refused {:?}", book.refused());
    book.prove("slow disk", &server).await;
}

#[tokio::test]
async fn a_server_out_of_descriptors_goes_on_when_it_has_them_again() {
    let _alone = ALONE.lock().await;
    let mut dice = Dice::new("few descriptors", 24);
    let server = Server::start(settings(Vec::new())).await;
    let steady = Steady::on(&server.http);
    let script = async {
        for _ in 0..3 {
            pause(500).await;
            steady.open_window();
            let few = FewDescriptors::of(server.pid().expect("the server runs"), &server.url, 2);
            pause(1_500).await;
            drop(few);
            steady.close_window().await;
        }
        pause(2_000).await;
        steady.book.stop();
    };
    join(steady.work(&mut dice), script).await;
    assert!(server.log().contains("connections cannot be taken in"), "it ran out of them");
    steady.book.prove("few descriptors", &server).await;
    steady.prove_calm();
}

#[tokio::test]
async fn more_than_fits_into_memory_is_served_under_a_cap() {
    let _alone = ALONE.lock().await;
    let cap = MemoryCap::of(MEMORY);
    let limit = (MEMORY >> 20).to_string();
    let env = vec![
        ("PROMPTSALES_LIVE_ENTITIES".to_owned(), LIVE.to_owned()),
        ("PROMPTSALES_MEMORY_LIMIT_MIB".to_owned(), limit),
    ];
    let server = Server::start(Settings { env, within: cap.within(), ..Settings::default() }).await;
    let make = |n: u64| {
        let http = server.http.clone();
        async move {
            let attributes: serde_json::Map<_, _> =
                (0..100).map(|name| (format!("note{name}"), json!("x".repeat(BIG / 100)))).collect();
            let body = json!({ "externalKey": format!("big-{n}"), "attributes": attributes });
            loop {
                let answer = http.post_keyed("/api/v1/leads", &format!("big-{n}"), &body).await;
                match answer.status {
                    429 | 503 => pause(20).await,
                    _ => return answer.ok(),
                }
            }
        }
    };
    stream::iter(0..BIG_LEADS).map(make).buffer_unordered(4).collect::<Vec<_>>().await;
    let look = |n: u64| {
        let http = server.http.clone();
        async move {
            let path = format!("/api/v1/leads/~big-{n}");
            let answer = http.send(Method::GET, &path, &[], None).await.expect("the server lives");
            let size = answer.body["attributes"]["note99"].as_str().map(str::len);
            (answer.status, size) == (200, Some(BIG / 100)) && answer.body["version"] == 1
        }
    };
    let found = stream::iter(0..BIG_LEADS).map(look).buffer_unordered(4);
    let present = found.filter(|found| std::future::ready(*found)).count().await;
    let (peak, bytes) = (memory_of(server.pid().expect("it lives"), "VmHWM"), BIG_LEADS * BIG as u64);
    println!(
        "{bytes} bytes of attributes were read twice under {MEMORY}: {peak} at most resident, with mapped files"
    );
    assert!(bytes > MEMORY, "all of it would not fit: {bytes}");
    let acknowledged = usize::try_from(BIG_LEADS).expect("a count fits");
    Tally { acknowledged, present, lost: acknowledged - present, ..Tally::default() }.settle("memory cap");
}
