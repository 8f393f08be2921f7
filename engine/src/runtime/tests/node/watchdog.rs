//! The watchdog: what does not go on is found, shown, and mended where that can be done.

use std::sync::Arc;

use super::*;
use crate::entity::{Catalog, Corruption, Input, KindInfo, Machine, Step, StepCx, Typed};
use crate::journal::{Event, Rejected, Snapshot};
use crate::runtime::{Overdue, OverdueKind};
use crate::testkit::Tally;

/// Longer than a look and the time after which something is overdue.
const LONG: Duration = Duration::from_secs(60);

fn kinds(node: &Node) -> Vec<(OverdueKind, StreamId)> {
    node.overdue().into_iter().map(|of| (of.kind, of.stream)).collect()
}

/// Waits until something is overdue.
async fn found(node: &Node) -> Vec<Overdue> {
    for _ in 0..600 {
        let found = node.overdue();
        if !found.is_empty() {
            return found;
        }
        node.cx().sleep(Duration::from_millis(100)).await;
    }
    panic!("nothing was found");
}

#[tokio::test(start_paused = true)]
async fn what_goes_on_is_not_overdue() {
    let node = start(&MemoryStore::new(1)).await;
    add(&node, tally(1), 1).await;
    node.command(command(tally(1), "pass", &json!({ "amount": 1, "to": tally(2) }))).await.unwrap();
    node.command(command(tally(1), "ring", &json!({ "afterMs": 90_000 }))).await.unwrap();
    for _ in 0..40 {
        node.cx().sleep(Duration::from_secs(5)).await;
        assert_eq!(kinds(&node), []);
    }
    assert_eq!(view(&node, tally(1)).await.unwrap().state.value()["rings"], json!(1));
}

#[tokio::test(start_paused = true)]
async fn a_timer_whose_wake_up_was_lost_is_found_and_fires() {
    let node = start(&MemoryStore::new(1)).await;
    add(&node, tally(1), 1).await;
    node.command(command(tally(1), "ring", &json!({ "afterMs": 1_000 }))).await.unwrap();
    let owned = node.0.partitions.holdings.all();
    owned[0].feeds().timers.lose();
    node.cx().sleep(Duration::from_secs(10)).await;
    assert_eq!(view(&node, tally(1)).await.unwrap().state.value()["rings"], json!(0), "it was lost");
    let found = found(&node).await;
    assert_eq!((found[0].kind, found[0].stream), (OverdueKind::Timer, tally(1)));
    assert_eq!((found[0].since, found[0].until), (EPOCH.plus(Duration::from_secs(1)), found[0].since));
    assert!(found[0].overdue_ms >= 30_000, "{found:?}");
    node.cx().sleep(LONG).await;
    assert_eq!(view(&node, tally(1)).await.unwrap().state.value()["rings"], json!(1), "it was mended");
    assert_eq!(kinds(&node), [], "and is not shown any more");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_lost_is_found_and_carried() {
    let node = start(&MemoryStore::new(1)).await;
    let held = node.0.partitions.holdings.all();
    add(&node, tally(2), 1).await;
    held[0].feeds().messages.lose(true);
    let body = json!({ "amount": 5, "to": tally(2) });
    node.command(command(tally(1), "pass", &body)).await.unwrap();
    held[0].feeds().messages.lose(false);
    node.cx().sleep(Duration::from_secs(10)).await;
    assert_eq!(total(&node, tally(2)).await, json!(1), "it was lost");
    let found = found(&node).await;
    assert_eq!((found[0].kind, found[0].stream), (OverdueKind::Message, tally(1)));
    node.cx().sleep(LONG).await;
    assert_eq!(total(&node, tally(2)).await, json!(6), "it was mended");
    assert_eq!(kinds(&node), []);
}

#[tokio::test(start_paused = true)]
async fn an_entity_whose_wake_up_was_lost_is_found_and_woken() {
    let node = start(&MemoryStore::new(1)).await;
    add(&node, tally(1), 1).await;
    node.0.partitions.directory.lose_wake_up(&key(tally(1)));
    let waiting = node.clone();
    let mut waits = std::pin::pin!(add(&waiting, tally(1), 1));
    assert!(tokio::time::timeout(Duration::from_secs(20), &mut waits).await.is_err(), "nobody looks");
    let (found, _) = tokio::join!(found(&node), waits);
    assert_eq!((found[0].kind, found[0].stream), (OverdueKind::Entity, tally(1)));
    assert_eq!(total(&node, tally(1)).await, json!(2), "it was mended");
    node.cx().sleep(LONG).await;
    assert_eq!(kinds(&node), []);
}

/// A run that has forgotten what it waits for.
struct Idle;

impl Machine for Idle {
    fn step(&mut self, _: &Input, _: &StepCx<'_>) -> Result<Step, Rejected> {
        Ok(Step {
            events: vec![crate::journal::NewEvent {
                name: "added".into(),
                version: 1,
                data: crate::journal::Json::from(&json!({ "amount": 1 })),
                origin: Arc::new(crate::journal::Origin::root("test", "tester")),
            }],
            ..Step::default()
        })
    }

    fn apply(&mut self, _: &Event) -> Result<(), Corruption> {
        Ok(())
    }

    fn view(&self) -> Option<Value> {
        Some(json!({ "status": "running", "waitingFor": [], "startedAt": EPOCH, "endedAt": null }))
    }

    fn snapshot(&self) -> Option<(u16, crate::journal::Json)> {
        None
    }

    fn restore(&mut self, _: &Snapshot) -> Result<bool, Corruption> {
        Ok(true)
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_for_nothing_is_found() {
    let of = Typed::<Tally>::info();
    let kind = crate::entity::Kind { name: "run", plural: "runs", prefix: Prefix::new("run") };
    let runs = KindInfo { kind, machine: Arc::new(|_| Box::new(Idle)), ..of };
    let catalog = Catalog::new().add_kind(runs).unwrap();
    let cx = Context::simulated(EPOCH, 1);
    let node = node(&MemoryStore::new(1), catalog, Config::default(), cx).await.unwrap();
    let run = StreamId::new(Prefix::new("run"), uuid_v7(1, Slot::new(7), 1));
    node.command(command(run, "add", &json!({ "amount": 1 }))).await.unwrap();
    let found = found(&node).await;
    assert_eq!((found[0].kind, found[0].stream), (OverdueKind::Run, run));
    assert_eq!(found[0].waits_for, "nothing, though it is running");
}
