//! Both nodes under load, and the owner killed, ended, stopped past its lease, and cut off, again and again.

use std::sync::Arc;

use futures_util::future::join3;
use promptsales_tests::{Dice, Readiness, Stopwatch, long_runs, pause, until};
use serde_json::json;

use super::ALONE;
use super::fixture::{Cluster, LEASE_MS, Member, PARTITIONS};
use super::load::Load;

/// Looks at the epochs again and again; gives how far they rose, and fails where one falls.
async fn watch_epochs(cluster: &Arc<Cluster>, load: &Load) -> u64 {
    let mut known = vec![0; PARTITIONS];
    while !load.is_stopped() {
        let looking = cluster.clone();
        let look = std::thread::spawn(move || looking.epochs());
        while !look.is_finished() {
            pause(20).await;
        }
        let now = look.join().expect("the database answers");
        assert!(known.iter().zip(&now).all(|(before, now)| before <= now), "{known:?}, then {now:?}");
        known = now;
        pause(200).await;
    }
    known.into_iter().sum()
}

/// Which of the nodes owns everything, once one does.
async fn owner(members: &[Member]) -> usize {
    until("one owner of everything", || async {
        for (place, member) in members.iter().enumerate() {
            if member.server.readiness().await == Readiness::Owner(PARTITIONS) {
                return Some(place);
            }
        }
        None
    })
    .await
}

/// Harms a node, for about as long as a lease holds or longer, and mends it.
async fn harm(place: usize, members: &mut [Member], load: &Load, dice: &mut Dice) {
    let Member { server, proxy } = &mut members[place];
    let away = LEASE_MS / 2 + dice.roll(LEASE_MS * 2);
    let what = *dice.pick(&["kill", "end", "stop", "stop", "cut off", "cut off"]);
    println!("node {place}: {what}, for {away} ms");
    match what {
        "kill" | "end" => {
            if what == "kill" {
                server.kill().await;
            } else {
                assert_eq!(server.terminate().await, Some(0));
            }
            pause(away / 2).await;
            server.restart().await;
            load.moved(place, &server.http);
        }
        "stop" => {
            server.signal("STOP").await;
            pause(away).await;
            server.signal("CONT").await;
        }
        _ => {
            proxy.cut_off();
            pause(away).await;
            proxy.connect_again();
        }
    }
}

#[tokio::test]
async fn no_fault_of_owner_or_standby_loses_or_repeats_an_acknowledged_command() {
    let _alone = ALONE.lock().await;
    let mut dice = Dice::new("hammer", 13);
    let cluster = Arc::new(Cluster::new().with_sandbox(json!({ "latencyMs": 30 })));
    let (one, two) = cluster.pair().await;
    let load = Load::of(&[&one.server, &two.server]);
    let mut members = [one, two];
    let (length, begun) = (if long_runs() { 120_000 } else { 18_000 }, Stopwatch::start());
    let mut faults = dice.fork();
    let script = async {
        while begun.ms() < length {
            let owner = owner(&members).await;
            pause(faults.roll(500)).await;
            let place = if faults.roll(5) == 0 { 1 - owner } else { owner };
            harm(place, &mut members, &load, &mut faults).await;
        }
        load.stop();
    };
    let ((), (), risen) = join3(load.work(8, &mut dice), script, watch_epochs(&cluster, &load)).await;
    println!("the epochs of {PARTITIONS} partitions rose by {risen}");
    let owner = owner(&members).await;
    load.prove(&members[owner].server.http, "owner and stand-by").await;
    assert_eq!(cluster.books().repeated, [], "nothing was done twice outside");
}
