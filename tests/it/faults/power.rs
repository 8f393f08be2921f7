//! Power loss: what was not synced is gone, and no reply went before its sync.

use futures_util::future::join;
use promptsales_tests::{Dice, Disk, Loss, Lost, Server, Settings, long_runs, pause};

use super::ALONE;
use super::load::{Book, outside};

fn settings(env: Vec<(String, String)>) -> Settings {
    Settings { sandbox: Some(outside()), env, ..Settings::default() }
}

/// Loads a server for a random while, kills it, and cuts the power.
async fn round(server: &mut Server, disk: &Disk, book: &Book, dice: &mut Dice, loss: Loss) -> Lost {
    let http = server.http.clone();
    let moment = 100 + dice.roll(400);
    let kill = async {
        pause(moment).await;
        server.kill().await;
    };
    join(book.work(&http, 6, dice), kill).await;
    disk.lose_power(loss)
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_by_a_power_loss() {
    let _alone = ALONE.lock().await;
    let rounds = if long_runs() { 51 } else { 6 };
    let mut dice = Dice::new("power loss", 1);
    let (disk, book) = (Disk::new(), Book::default());
    let mut server = Server::over(disk.folder(), settings(disk.env())).await;
    let mut lost = Lost::default();
    for number in 0..rounds {
        let loss = match number % 3 {
            0 => Loss::Journal,
            1 => Loss::Everything,
            _ => Loss::AllBut(dice.roll(20)),
        };
        let this = round(&mut server, &disk, &book, &mut dice, loss).await;
        println!("{loss:?}: {this:?}");
        lost.add(this);
        server.restart().await;
        let acknowledged = book.counts().1;
        assert_eq!(book.lost(&server.http).await, 0, "of {acknowledged} acknowledged, after {loss:?}");
    }
    println!("{:?} asked for and acknowledged, refused {:?}", book.counts(), book.refused());
    assert!(lost.writes > 100 && lost.syncs > 20, "the disk is watched: {lost:?}");
    assert!(lost.undone > 0 && lost.bytes > 0, "the power losses took something of the journal: {lost:?}");
    book.prove("power loss", &server).await;
}

#[tokio::test]
async fn a_disk_that_lies_about_syncs_is_found_out() {
    let _alone = ALONE.lock().await;
    let mut dice = Dice::new("lying disk", 2);
    let (disk, book) = (Disk::new(), Book::default());
    let mut server = Server::over(disk.folder(), settings(disk.env())).await;
    assert_eq!(server.terminate().await, Some(0));
    disk.lose_power(Loss::Everything);
    server.restart_with(settings(disk.lying_env())).await;
    round(&mut server, &disk, &book, &mut dice, Loss::Everything).await;
    server.restart_with(settings(disk.env())).await;
    let (acknowledged, lost) = (book.counts().1, book.lost(&server.http).await);
    println!("{lost} of {acknowledged} acknowledged commands are lost, as the disk lied");
    assert!(lost > 0, "the test would not notice a reply that goes before its sync");
}
