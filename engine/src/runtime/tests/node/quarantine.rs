//! What is set aside: it is journalled, outlives the process, and is what an operator makes of it.

use std::sync::Arc;

use super::*;
use crate::entity::{Answer, Dedup};
use crate::id::StreamKey;
use crate::journal::{Event, Origin};
use crate::runtime::Act;
use crate::runtime::tests::broken::Broken;

async fn begin(store: &MemoryStore, broken: &Broken) -> Node {
    let cx = Context::simulated(EPOCH, 1 + store.appends());
    node(store, broken.catalog(), Config::default(), cx).await.unwrap()
}

fn act(why: &str) -> Act {
    Act { why: why.to_owned(), origin: Arc::new(Origin::root("press", "ana")), dedup: Dedup::None }
}

fn rejection(answer: &Answer) -> &str {
    match &answer.outcome {
        Outcome::Accepted(_) => "accepted",
        Outcome::Rejected(rejected) => &rejected.code,
    }
}

/// A store with two tallies of which the first is quarantined, and the node that found it.
async fn poisoned(store: &MemoryStore, broken: &Broken) -> Node {
    let node = begin(store, broken).await;
    add(&node, tally(1), 5).await;
    add(&node, tally(2), 1).await;
    node.stop().await;
    broken.set(tally(1));
    let node = begin(store, broken).await;
    let refused = node.read(&key(tally(1))).await.unwrap_err();
    let Fault::Quarantined { stream, cause, .. } = refused else { panic!("{refused}") };
    assert_eq!(stream, key(tally(1)));
    assert!(cause.contains("panicked"), "{cause}");
    node
}

/// The names of the events of the quarantine, with who and why.
fn register(store: &MemoryStore) -> Vec<(String, String, Value)> {
    let events = store.events().into_iter().filter(|e| e.stream.id.prefix().as_str() == "quar");
    let told = |e: Event| {
        let (name, by) = (e.body.name.to_string(), e.body.origin.principal.to_string());
        (name, by, e.body.data.value()["why"].clone())
    };
    events.map(told).collect()
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_loaded_is_quarantined_while_everything_else_runs() {
    let (store, broken) = (MemoryStore::new(1), Broken::default());
    let node = poisoned(&store, &broken).await;
    add(&node, tally(2), 1).await;
    let again = node.command(command(tally(1), "add", &json!({ "amount": 1 }))).await;
    assert!(matches!(again, Err(Fault::Quarantined { .. })), "{again:?}");
    node.cx().sleep(Duration::from_millis(10)).await;
    assert_eq!(register(&store), [("quarantined".to_owned(), "system".to_owned(), Value::Null)]);
    let tree = node.tree().entities;
    let shown = tree.iter().find(|live| live.id == tally(1)).unwrap();
    assert_eq!((shown.state, shown.restarts), ("quarantined", 6));
    assert!(shown.quarantined_since.is_some() && shown.last_fault.is_some());
    assert_eq!(node.quarantined().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_quarantine_outlives_a_crash_and_is_not_tried_again() {
    let (store, broken) = (MemoryStore::new(1), Broken::default());
    let node = poisoned(&store, &broken).await;
    node.cx().sleep(Duration::from_millis(10)).await;
    drop(node);
    let node = begin(&store, &broken).await;
    let begun = node.cx().now();
    let refused = node.read(&key(tally(1))).await;
    assert!(matches!(refused, Err(Fault::Quarantined { .. })), "{refused:?}");
    assert_eq!(node.cx().now(), begun, "it is refused at once, and not brought to life");
    add(&node, tally(2), 1).await;
    assert_eq!(register(&store).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_release_is_journalled_with_who_and_why_and_forgets_the_faults() {
    let (store, broken) = (MemoryStore::new(1), Broken::default());
    let node = poisoned(&store, &broken).await;
    assert_eq!(rejection(&node.release(&key(tally(1)), act(" ")).await.unwrap()), "no_reason");
    assert_eq!(rejection(&node.release(&key(tally(2)), act("x")).await.unwrap()), "not_quarantined");
    // Still broken: it is tried, and set aside again.
    assert_eq!(rejection(&node.release(&key(tally(1)), act("a try")).await.unwrap()), "accepted");
    let refused = node.read(&key(tally(1))).await;
    assert!(matches!(refused, Err(Fault::Quarantined { .. })), "{refused:?}");
    broken.mend();
    assert_eq!(rejection(&node.release(&key(tally(1)), act("mended")).await.unwrap()), "accepted");
    assert_eq!(total(&node, tally(1)).await, json!(5));
    let told = register(&store);
    let acts: Vec<_> = told.iter().map(|(name, by, why)| (name.as_str(), by.as_str(), why.clone())).collect();
    let aside = ("quarantined", "system", Value::Null);
    let wanted =
        [aside.clone(), ("released", "ana", json!("a try")), aside, ("released", "ana", json!("mended"))];
    assert_eq!(acts, wanted);
    assert_eq!(node.quarantine_history(&key(tally(1))).await.unwrap().len(), 4);
    drop(node);
    let node = begin(&store, &broken).await;
    assert_eq!(total(&node, tally(1)).await, json!(5), "a release outlives the process too");
}

#[tokio::test(start_paused = true)]
async fn of_two_operators_one_releases_and_the_other_is_told() {
    let (store, broken) = (MemoryStore::new(1), Broken::default());
    let node = poisoned(&store, &broken).await;
    broken.mend();
    let stream = key(tally(1));
    let (a, b) = tokio::join!(node.release(&stream, act("one")), node.release(&stream, act("two")));
    let mut answers = [rejection(&a.unwrap()).to_owned(), rejection(&b.unwrap()).to_owned()];
    answers.sort();
    assert_eq!(answers, ["accepted", "not_quarantined"]);
    assert_eq!(register(&store).len(), 2);
    assert_eq!(total(&node, tally(1)).await, json!(5));
}

#[tokio::test(start_paused = true)]
async fn a_release_whose_answer_was_lost_is_finished_by_the_next() {
    let (store, broken) = (MemoryStore::new(1), Broken::default());
    let node = poisoned(&store, &broken).await;
    node.cx().sleep(Duration::from_secs(1)).await;
    broken.mend();
    store.inject(memory::Fault::UnknownCommitted);
    assert_eq!(node.release(&key(tally(1)), act("mended")).await, Err(Fault::Unknown));
    let again = node.release(&key(tally(1)), act("mended")).await.unwrap();
    assert_eq!(rejection(&again), "not_quarantined", "the first one stands");
    assert_eq!(total(&node, tally(1)).await, json!(5));
}

#[tokio::test(start_paused = true)]
async fn a_quarantine_is_journalled_as_soon_as_the_store_can_be_used() {
    let (store, broken) = (MemoryStore::new(1), Broken::default());
    let node = begin(&store, &broken).await;
    add(&node, tally(1), 5).await;
    node.stop().await;
    broken.set(tally(1));
    let node = begin(&store, &broken).await;
    for _ in 0..3 {
        store.inject(memory::Fault::Unavailable);
    }
    let refused = node.read(&key(tally(1))).await;
    assert!(matches!(refused, Err(Fault::Quarantined { .. })), "{refused:?}");
    node.cx().sleep(Duration::from_secs(5)).await;
    assert_eq!(register(&store).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn guilty_commands_are_set_aside_and_their_entity_is_not() {
    let store = MemoryStore::new(1);
    let node = start(&store).await;
    add(&node, tally(1), 1).await;
    for n in 0..5 {
        let poison = keyed(tally(1), "explode", &json!({}), &format!("boom {n}"));
        assert_eq!(rejection(&node.command(poison).await.unwrap()), "dead_lettered");
    }
    assert_eq!(reply(&add(&node, tally(1), 1).await), json!({ "total": 2 }));
    assert_eq!(node.quarantined(), []);
}

/// Has a tally set a command aside; gives the letter.
async fn letter_of(node: &Node, idempotency: &str) -> StreamKey {
    let poison = keyed(tally(1), "explode", &json!({}), idempotency);
    let answer = node.command(poison).await.unwrap();
    let Outcome::Rejected(rejected) = answer.outcome else { panic!("it is poison") };
    key(rejected.detail.value()["deadLetter"].as_str().unwrap().parse().unwrap())
}

async fn letter(node: &Node, stream: &StreamKey) -> Value {
    node.read(stream).await.unwrap().unwrap().state.value()
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_is_retried_while_still_poison_becomes_another() {
    let store = MemoryStore::new(1);
    let node = start(&store).await;
    add(&node, tally(1), 1).await;
    let first = letter_of(&node, "boom").await;
    let (a, b) = tokio::join!(
        node.retry_letter(first.clone(), act("one")),
        node.retry_letter(first.clone(), act("two"))
    );
    let mut answers = [rejection(&a.unwrap()).to_owned(), rejection(&b.unwrap()).to_owned()];
    answers.sort();
    assert_eq!(answers, ["accepted", "dead_letter_closed"]);
    node.cx().sleep(Duration::from_secs(5)).await;
    let shown = letter(&node, &first).await;
    assert_eq!(
        (&shown["status"], &shown["answer"]["rejected"]),
        (&json!("retried"), &json!("dead_lettered"))
    );
    assert_eq!(shown["act"]["by"], json!("ana"));
    let letters = store.events().into_iter().filter(|e| e.body.name == "recorded").count();
    assert_eq!(letters, 2);
    assert_eq!(reply(&add(&node, tally(1), 1).await), json!({ "total": 2 }), "and the entity goes on");
    assert_eq!(rejection(&node.discard_letter(first, act("late")).await.unwrap()), "dead_letter_closed");
}

#[tokio::test(start_paused = true)]
async fn a_retry_is_carried_out_once_whatever_crashes() {
    let store = MemoryStore::new(1);
    let node = start(&store).await;
    add(&node, tally(1), 1).await;
    let poison = letter_of(&node, "boom").await;
    store.set_latency(Duration::from_millis(20));
    assert_eq!(rejection(&node.retry_letter(poison.clone(), act("try")).await.unwrap()), "accepted");
    drop(node);
    store.crash();
    store.set_latency(Duration::ZERO);
    let node = start(&store).await;
    node.cx().sleep(Duration::from_secs(5)).await;
    assert_eq!(letter(&node, &poison).await["status"], json!("retried"));
    let letters = store.events().into_iter().filter(|e| e.body.name == "recorded").count();
    assert_eq!(letters, 2, "the command came once more");
}

#[tokio::test(start_paused = true)]
async fn timers_of_what_is_quarantined_do_not_stop_those_of_others() {
    let (store, broken) = (MemoryStore::new(1), Broken::default());
    let few = || Config { deliveries: 2, ..Config::default() };
    let begin = async || {
        let cx = Context::simulated(EPOCH, 1 + store.appends());
        node(&store, broken.catalog(), few(), cx).await.unwrap()
    };
    let first = begin().await;
    for n in 0..5 {
        add(&first, tally(n), 1).await;
        first.command(command(tally(n), "ring", &json!({ "afterMs": 60_000 + n }))).await.unwrap();
    }
    first.stop().await;
    (0..4).for_each(|n| broken.set(tally(n)));
    let second = begin().await;
    second.cx().sleep(Duration::from_secs(120)).await;
    assert_eq!(second.quarantined().len(), 4);
    let rung = view(&second, tally(4)).await.unwrap();
    assert_eq!(rung.state.value()["rings"], json!(1));
    broken.mend();
    for n in 0..4 {
        second.release(&key(tally(n)), act("mended")).await.unwrap();
    }
    second.cx().sleep(Duration::from_secs(30)).await;
    for n in 0..4 {
        assert_eq!(
            view(&second, tally(n)).await.unwrap().state.value()["rings"],
            json!(1),
            "it fires once released"
        );
    }
}
