//! A disk that is full and then has room again, and one that fails to sync.

use futures_util::future::join;
use promptsales_tests::{Dice, Disk, Http, Loss, Server, Settings, pause, until};
use reqwest::Method;
use serde_json::json;

use super::ALONE;
use super::load::{Book, outside};

fn settings(disk: &Disk) -> Settings {
    Settings { sandbox: Some(outside()), env: disk.env(), ..Settings::default() }
}

#[tokio::test]
async fn a_full_disk_refuses_and_goes_on_when_there_is_room() {
    let _alone = ALONE.lock().await;
    let mut dice = Dice::new("disk full", 3);
    let (disk, book) = (Disk::new(), Book::default());
    let server = Server::over(disk.folder(), settings(&disk)).await;
    let script = async {
        for _ in 0..3 {
            pause(300).await;
            disk.fill();
            pause(700).await;
            disk.make_room();
            pause(500).await;
        }
        book.stop();
    };
    join(book.work(&server.http, 6, &mut dice), script).await;
    println!("{:?} asked for and acknowledged, refused {:?}", book.counts(), book.refused());
    let refused = book.refused();
    assert!(refused.get("journal_unavailable").is_some_and(|times| *times > 0), "it says why: {refused:?}");
    book.prove("disk full", &server).await;
}

#[tokio::test]
async fn what_a_full_disk_refuses_is_not_there_and_reads_go_on() {
    let _alone = ALONE.lock().await;
    let disk = Disk::new();
    let mut server = Server::over(disk.folder(), settings(&disk)).await;
    let command = "/api/v1/leads/~one/commands/record-activity";
    let body = |n: u64| json!({ "activity": format!("activity {n}"), "score": 1 });
    server.http.post_keyed(command, "first", &body(1)).await.ok();
    disk.fill();
    let mut refused = 0;
    for n in 2..40 {
        // A commit that fits into the write-ahead log as it is may go through.
        let answer = server.http.post_keyed(command, &format!("key {n}"), &body(n)).await;
        match answer.status {
            200 => {}
            _ => {
                assert_eq!(answer.problem(503), "journal_unavailable");
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "the disk was full");
    let lead = server.http.get("/api/v1/leads/~one").await.ok();
    let accepted = 39 - refused;
    assert_eq!(lead["activityCount"], json!(accepted), "only what was accepted counts");
    server.kill().await;
    disk.lose_power(Loss::Everything);
    disk.make_room();
    server.restart().await;
    let lead = server.http.get("/api/v1/leads/~one").await.ok();
    assert_eq!(lead["activityCount"], json!(accepted), "nothing half-done comes back");
    for n in 2..40 {
        server.http.post_keyed(command, &format!("key {n}"), &body(n)).await.ok();
    }
    let lead = server.http.get("/api/v1/leads/~one").await.ok();
    assert_eq!(lead["activityCount"], json!(39));
}

#[tokio::test]
async fn a_start_on_a_full_disk_ends_or_serves_and_loses_nothing() {
    let _alone = ALONE.lock().await;
    let mut dice = Dice::new("start on a full disk", 4);
    let (disk, book) = (Disk::new(), Book::default());
    let mut server = Server::over(disk.folder(), settings(&disk)).await;
    let http = server.http.clone();
    let fill = async {
        pause(400).await;
        disk.fill();
        pause(100).await;
        server.kill().await;
    };
    join(book.work(&http, 6, &mut dice), fill).await;
    match Server::try_over(disk.folder(), settings(&disk)).await {
        Ok(mut started) => {
            println!("it starts on a full disk");
            started.kill().await;
        }
        Err(_) => println!("it does not start on a full disk"),
    }
    disk.make_room();
    server.restart().await;
    book.prove("start on a full disk", &server).await;
}

/// Sends a command until the sync that is to fail has failed; gives the answer that it had, and its key.
async fn meet_failure(http: &Http, disk: &Disk, from: u64) -> (u64, u16, String) {
    disk.fail_next_sync();
    for n in from.. {
        let (status, code) = record(http, n).await;
        if disk.has_failed() {
            return (n, status, code);
        }
    }
    unreachable!("the loop has no end")
}

async fn record(http: &Http, n: u64) -> (u16, String) {
    let key = format!("key {n}");
    let body = json!({ "activity": format!("activity {n}"), "score": 1 }).to_string();
    let path = "/api/v1/leads/~one/commands/record-activity";
    let answer = http.send(Method::POST, path, &[("idempotency-key", &key)], Some(body)).await;
    let answer = answer.expect("the server answers");
    (answer.status, answer.code().to_owned())
}

#[tokio::test]
async fn a_failed_sync_is_never_answered_as_a_success_that_power_can_take() {
    let _alone = ALONE.lock().await;
    let disk = Disk::new();
    let mut server = Server::over(disk.folder(), settings(&disk)).await;
    let mut next = 1;
    let mut accepted = 0;
    for _ in 0..4 {
        for n in next..next + 5 {
            assert_eq!(record(&server.http, n).await.0, 200);
        }
        let (failed, status, code) = meet_failure(&server.http, &disk, next + 5).await;
        println!("a failed sync is answered {status} {code}");
        assert!(status == 200 || status == 503, "{status} {code}");
        accepted += failed - next + u64::from(status == 200);
        next = failed + 1;
        // The power goes at once: what the failed sync should have kept is not there, unless it was synced again.
        server.kill().await;
        disk.lose_power(Loss::Everything);
        server.restart().await;
        let lead = server.http.get("/api/v1/leads/~one").await.ok();
        assert_eq!(lead["activityCount"], json!(accepted), "after {status} {code}");
    }
}

#[tokio::test]
async fn after_a_failed_sync_the_server_goes_on() {
    let _alone = ALONE.lock().await;
    let mut dice = Dice::new("failing sync", 5);
    let (disk, book) = (Disk::new(), Book::default());
    let mut server = Server::over(disk.folder(), settings(&disk)).await;
    let script = async {
        for _ in 0..5 {
            pause(150 + dice.clone().roll(100)).await;
            disk.fail_next_sync();
            until("a failed sync", || async { disk.has_failed().then_some(()) }).await;
        }
        pause(200).await;
        book.stop();
    };
    let mut clients = Dice::new("failing sync's clients", 6);
    join(book.work(&server.http, 6, &mut clients), script).await;
    println!("{:?} asked for and acknowledged, refused {:?}", book.counts(), book.refused());
    dice.roll(2);
    server.kill().await;
    disk.lose_power(Loss::Everything);
    server.restart().await;
    assert_eq!(book.lost(&server.http).await, 0);
    book.prove("failing sync", &server).await;
}
