//! kill -9, again and again.

use futures_util::future::join;
use promptsales_tests::{Dice, Server, Settings, long_runs, pause};

use super::ALONE;
use super::load::{Book, outside};

#[tokio::test]
async fn nothing_acknowledged_is_lost_by_kill_9() {
    let _alone = ALONE.lock().await;
    let rounds = if long_runs() { 120 } else { 20 };
    let mut dice = Dice::new("kill -9", 9);
    let book = Book::default();
    let mut server = Server::start(Settings { sandbox: Some(outside()), ..Settings::default() }).await;
    for _ in 0..rounds {
        let http = server.http.clone();
        let moment = 50 + dice.roll(550);
        let kill = async {
            pause(moment).await;
            server.kill().await;
        };
        join(book.work(&http, 6, &mut dice), kill).await;
        server.restart().await;
    }
    let (asked, acknowledged) = book.counts();
    println!("{rounds} rounds: {asked} asked for, {acknowledged} acknowledged, refused {:?}", book.refused());
    assert!(acknowledged > rounds * 10, "there was load");
    book.prove("kill -9", &server).await;
}
