//! A process that is stopped for a while, and one that comes too many.

use futures_util::future::join;
use promptsales_tests::{Dice, Server, Settings, pause};

use super::ALONE;
use super::load::{Book, outside};

#[tokio::test]
async fn a_process_that_is_stopped_and_goes_on_loses_nothing() {
    let _alone = ALONE.lock().await;
    let mut dice = Dice::new("stopped process", 7);
    let book = Book::default();
    let server = Server::start(Settings { sandbox: Some(outside()), ..Settings::default() }).await;
    let script = async {
        pause(500).await;
        server.signal("STOP").await;
        pause(3_000).await;
        server.signal("CONT").await;
        pause(500).await;
        book.stop();
    };
    join(book.work(&server.http, 6, &mut dice), script).await;
    println!("{:?} asked for and acknowledged, refused {:?}", book.counts(), book.refused());
    book.prove("stopped process", &server).await;
}

#[tokio::test]
async fn a_second_process_is_refused_and_disturbs_nothing() {
    let _alone = ALONE.lock().await;
    let mut dice = Dice::new("second process", 8);
    let book = Book::default();
    let server = Server::start(Settings { sandbox: Some(outside()), ..Settings::default() }).await;
    let script = async {
        for _ in 0..3 {
            pause(200).await;
            let log = server.second_process().await;
            let holder = format!("process {} holds", server.pid().expect("the server runs"));
            assert!(log.contains(&holder) || log.contains("in use"), "{log}");
        }
        book.stop();
    };
    join(book.work(&server.http, 6, &mut dice), script).await;
    assert_eq!(book.refused().len(), 0, "the first process went on: {:?}", book.refused());
    book.prove("second process", &server).await;
}

#[tokio::test]
async fn a_process_that_is_told_to_end_as_soon_as_it_listens_ends_in_good_order() {
    let _alone = ALONE.lock().await;
    let mut server = Server::start(Settings::default()).await;
    for _ in 0..5 {
        assert_eq!(server.terminate().await, Some(0));
        server.restart().await;
    }
}
