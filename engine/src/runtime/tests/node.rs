//! What a node promises, over a journal in memory and simulated time.

use std::time::Duration;

use serde_json::{Value, json};

use crate::entity::{Fault, Overload, View};
use crate::id::{Prefix, Slot, StreamId, uuid_v7};
use crate::journal::memory::{self, CrashPoint, MemoryStore, SyncMode};
use crate::journal::{Outcome, RejectionKind};
use crate::runtime::{Config, Context, Node};
use crate::testkit::{EPOCH, catalog, command, key, keyed, node};

mod circuits;
mod deletion;
mod hold;
mod past;
mod quarantine;
mod retention;
mod tail;
mod tree;
mod views;
mod watchdog;

fn tally(n: u64) -> StreamId {
    StreamId::new(Prefix::new("tally"), uuid_v7(1, Slot::new(7), n))
}

async fn start(store: &MemoryStore) -> Node {
    start_with(store, Config::default()).await
}

async fn start_with(store: &MemoryStore, config: Config) -> Node {
    node(store, catalog(), config, Context::simulated(EPOCH, store.appends())).await.expect("the node starts")
}

async fn add(node: &Node, id: StreamId, amount: i64) -> Outcome {
    node.command(command(id, "add", &json!({ "amount": amount }))).await.expect("it is taken in").outcome
}

async fn view(node: &Node, id: StreamId) -> Option<View> {
    node.read(&key(id)).await.expect("it can be read")
}

async fn total(node: &Node, id: StreamId) -> Value {
    view(node, id).await.map_or(Value::Null, |v| v.state.value()["total"].clone())
}

fn reply(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Accepted(accepted) => accepted.reply.value(),
        Outcome::Rejected(rejected) => panic!("rejected: {}", rejected.message),
    }
}

#[tokio::test(start_paused = true)]
async fn commands_count_and_survive_a_restart() {
    let store = MemoryStore::new(1);
    let first = start(&store).await;
    assert_eq!(reply(&add(&first, tally(1), 2).await), json!({ "total": 2 }));
    assert_eq!(reply(&add(&first, tally(1), 3).await), json!({ "total": 5 }));
    assert!(view(&first, tally(2)).await.is_none());
    assert!(first.stop().await, "an idle node ends in good order");
    let second = start(&store).await;
    let seen = view(&second, tally(1)).await.unwrap();
    assert_eq!((seen.seq, &seen.state.value()["total"]), (2, &json!(5)));
}

#[tokio::test(start_paused = true)]
async fn the_same_key_gives_the_same_answer_once() {
    let store = MemoryStore::new(1);
    let first = start(&store).await;
    let one = |node: &Node| {
        let (node, command) = (node.clone(), keyed(tally(1), "add", &json!({ "amount": 2 }), "k"));
        async move { node.command(command).await }
    };
    let (a, b) = tokio::join!(one(&first), one(&first));
    assert_eq!(a.unwrap().outcome, b.unwrap().outcome, "a concurrent repeat joins the first");
    let other = first.command(keyed(tally(1), "add", &json!({ "amount": 3 }), "k")).await;
    assert_eq!(other, Err(Fault::KeyReused));
    let second = start(&store).await;
    let again = one(&second).await.unwrap();
    assert!(again.replayed);
    assert_eq!(total(&second, tally(1)).await, json!(2));
}

#[tokio::test(start_paused = true)]
async fn a_rejection_changes_nothing_and_is_recorded_under_its_key() {
    let store = MemoryStore::new(1);
    let node = start(&store).await;
    let refuse = || node.command(keyed(tally(1), "add", &json!({ "amount": -1 }), "no"));
    let first = refuse().await.unwrap();
    assert!(matches!(&first.outcome, Outcome::Rejected(r) if r.code == "below_zero"));
    add(&node, tally(1), 5).await;
    let again = refuse().await.unwrap();
    assert_eq!((again.outcome, again.replayed), (first.outcome, true));
    assert_eq!(total(&node, tally(1)).await, json!(5));
    let missing = node.command(command(tally(2), "rung", &json!({}))).await.unwrap();
    assert!(matches!(missing.outcome, Outcome::Rejected(r) if r.kind == RejectionKind::NotFound));
    let unknown = node.command(command(tally(1), "add", &json!({ "amount": 1, "x": 1 }))).await.unwrap();
    assert!(matches!(unknown.outcome, Outcome::Rejected(r) if r.message.contains('x')));
}

#[tokio::test(start_paused = true)]
async fn a_poison_command_is_set_aside_and_the_entity_goes_on() {
    let store = MemoryStore::new(1);
    let node = start(&store).await;
    add(&node, tally(1), 1).await;
    let poison = node.command(keyed(tally(1), "explode", &json!({}), "boom")).await.unwrap();
    assert!(matches!(poison.outcome, Outcome::Rejected(r) if r.code == "dead_lettered"));
    assert_eq!(reply(&add(&node, tally(1), 1).await), json!({ "total": 2 }));
    let again = node.command(keyed(tally(1), "explode", &json!({}), "boom")).await.unwrap();
    assert!(again.replayed, "what was set aside is not tried again");
    let letters = store.events().into_iter().filter(|e| e.stream.id.prefix().as_str() == "dead");
    let letters: Vec<_> = letters.map(|e| e.body.data.value()).collect();
    assert_eq!(letters.len(), 1);
    assert_eq!((&letters[0]["cause"], &letters[0]["strikes"]), (&json!("told to explode"), &json!(3)));
}

#[tokio::test(start_paused = true)]
async fn timers_fire_in_time_also_after_a_crash() {
    let store = MemoryStore::new(1);
    let first = start(&store).await;
    add(&first, tally(1), 1).await;
    first.command(command(tally(1), "ring", &json!({ "afterMs": 60_000 }))).await.unwrap();
    first.cx().sleep(Duration::from_millis(59_999)).await;
    assert_eq!(view(&first, tally(1)).await.unwrap().state.value()["rings"], json!(0), "never early");
    first.cx().sleep(Duration::from_millis(10)).await;
    assert_eq!(view(&first, tally(1)).await.unwrap().state.value()["rings"], json!(1));
    first.command(command(tally(1), "ring", &json!({ "afterMs": 60_000 }))).await.unwrap();
    store.crash();
    let second = start(&store).await;
    second.cx().sleep(Duration::from_secs(121)).await;
    assert_eq!(view(&second, tally(1)).await.unwrap().state.value()["rings"], json!(2), "once, and not lost");
}

#[tokio::test(start_paused = true)]
async fn more_timers_at_one_moment_than_are_held_are_read_some_at_a_time() {
    let store = MemoryStore::new(1);
    let few = Config { backlog: 10, ..Config::default() };
    let node = start_with(&store, few).await;
    for n in 0..100 {
        add(&node, tally(n), 1).await;
        let after = (EPOCH.ms() + 60_000) - node.cx().now().ms();
        node.command(command(tally(n), "ring", &json!({ "afterMs": after }))).await.unwrap();
    }
    let before = store.timer_reads();
    node.cx().sleep_until(EPOCH.plus(Duration::from_millis(60_100))).await;
    for n in 0..100 {
        assert_eq!(view(&node, tally(n)).await.unwrap().state.value()["rings"], json!(1), "{n}");
    }
    let reads = store.timer_reads() - before;
    assert!(reads <= 30, "{reads} reads for 100 timers, of which 10 are held");
}

#[tokio::test(start_paused = true)]
async fn a_message_counts_once_whereever_the_node_dies() {
    for appends in 0..8 {
        for point in [CrashPoint::BeforeCommit, CrashPoint::AfterCommit] {
            let store = MemoryStore::new(1);
            let first = start(&store).await;
            add(&first, tally(1), 1).await;
            store.crash_after(appends, point);
            let pass = keyed(tally(1), "pass", &json!({ "amount": 5, "to": tally(2) }), "p");
            let answered = tokio::time::timeout(Duration::from_secs(5), first.command(pass.clone())).await;
            first.cx().sleep(Duration::from_secs(5)).await;
            store.crash();
            let second = start(&store).await;
            if !matches!(answered, Ok(Ok(_))) {
                second.command(pass).await.unwrap();
            }
            second.cx().sleep(Duration::from_secs(5)).await;
            let totals = (total(&second, tally(1)).await, total(&second, tally(2)).await);
            assert_eq!(totals, (json!(6), json!(5)), "crash at append {appends} {point:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_reply_precedes_the_sync() {
    let store = MemoryStore::new(1);
    let node = start(&store).await;
    store.set_sync(SyncMode::Held);
    let early = tokio::time::timeout(Duration::from_secs(10), add(&node, tally(1), 1)).await;
    assert!(early.is_err(), "the answer waits for the sync");
    store.crash();
    store.set_sync(SyncMode::Always);
    let again = start(&store).await;
    assert!(
        view(&again, tally(1)).await.is_none(),
        "what was not synced is gone, and nobody was told otherwise"
    );
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_fails_is_told_and_leaves_nothing_half_done() {
    let store = MemoryStore::new(1);
    let node = start(&store).await;
    add(&node, tally(1), 1).await;
    store.inject(memory::Fault::Unavailable);
    let failed = node.command(command(tally(1), "add", &json!({ "amount": 1 }))).await;
    assert!(matches!(failed, Err(Fault::Unavailable { .. })), "{failed:?}");
    store.inject(memory::Fault::UnknownCommitted);
    let unknown = node.command(keyed(tally(1), "add", &json!({ "amount": 1 }), "u")).await;
    assert_eq!(unknown, Err(Fault::Unknown));
    let again = node.command(keyed(tally(1), "add", &json!({ "amount": 1 }), "u")).await.unwrap();
    assert!(again.replayed);
    assert_eq!(total(&node, tally(1)).await, json!(2));
}

#[tokio::test(start_paused = true)]
async fn one_refused_command_of_a_batch_fails_alone() {
    let store = MemoryStore::new(1);
    let node = start(&store).await;
    add(&node, tally(1), 1).await;
    store.inject(memory::Fault::Refuse(0));
    let work = (1..=3).map(|n| add(&node, tally(1), n));
    let outcomes = futures_util::future::join_all(work).await;
    assert_eq!(outcomes.len(), 3);
    assert_eq!(total(&node, tally(1)).await, json!(7));
}

#[tokio::test(start_paused = true)]
async fn idle_entities_go_to_rest_and_come_back() {
    let store = MemoryStore::new(1);
    let node = start(&store).await;
    for n in 0..50 {
        add(&node, tally(n), 1).await;
    }
    assert_eq!(node.tree().entities.len(), 50);
    node.cx().sleep(Duration::from_secs(400)).await;
    assert_eq!(node.tree().entities.len(), 0);
    assert_eq!(total(&node, tally(3)).await, json!(1));
    let few = Config { live_entities: 10, ..Config::default() };
    node.stop().await;
    let node = start_with(&store, few).await;
    for n in 0..50 {
        add(&node, tally(n), 1).await;
    }
    node.cx().sleep(Duration::from_secs(3)).await;
    assert_eq!(node.tree().entities.len(), 10);
}

#[tokio::test(start_paused = true)]
async fn beyond_the_intake_commands_are_refused_with_the_reason() {
    let store = MemoryStore::new(1);
    let config = Config { intake_per_entity: 2, ..Config::default() };
    let node = start_with(&store, config).await;
    store.set_latency(Duration::from_millis(10));
    let burst = (0..10).map(|_| node.command(command(tally(1), "add", &json!({ "amount": 1 }))));
    let answers = futures_util::future::join_all(burst).await;
    let full = |answer: &_| {
        matches!(answer, Err(Fault::Overloaded { reason: Overload::EntityIntakeFull, retry_after })
            if *retry_after >= Duration::from_secs(1))
    };
    let refused = answers.iter().filter(|answer| full(answer)).count();
    let taken = answers.iter().filter(|a| a.is_ok()).count();
    assert!(refused > 0 && taken > 0, "{refused} refused, {taken} taken");
    assert_eq!(total(&node, tally(1)).await, json!(taken));
}

#[tokio::test(start_paused = true)]
async fn the_nodes_own_work_goes_on_under_any_load() {
    let store = MemoryStore::new(1);
    let config = Config { admission_least: 1, admission_most: 1, ..Config::default() };
    let node = start_with(&store, config).await;
    store.set_latency(Duration::from_millis(10));
    let pass = command(tally(1), "pass", &json!({ "amount": 2, "to": tally(2) }));
    node.command(pass).await.unwrap();
    let add = |n| node.command(command(tally(n), "add", &json!({ "amount": 1 })));
    for _ in 0..100 {
        let (first, second) = tokio::join!(add(3), add(4));
        assert!(first.is_ok(), "{first:?}");
        let full = matches!(second, Err(Fault::Overloaded { reason: Overload::NodeIntakeFull, .. }));
        assert!(full, "{second:?}");
    }
    assert_eq!(total(&node, tally(2)).await, json!(2), "the message has come meanwhile");
}

#[tokio::test(start_paused = true)]
async fn snapshots_shorten_loading_and_change_nothing() {
    let store = MemoryStore::new(1);
    let config = || Config { snapshot_every: 10, ..Config::default() };
    let node = start_with(&store, config()).await;
    for _ in 0..35 {
        add(&node, tally(1), 1).await;
    }
    node.stop().await;
    let node = start_with(&store, config()).await;
    let seen = view(&node, tally(1)).await.unwrap();
    assert_eq!((seen.seq, &seen.state.value()["total"], seen.created_at), (35, &json!(35), EPOCH));
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_of_the_last_event_keeps_its_time_and_place() {
    let store = MemoryStore::new(1);
    let config = || Config { snapshot_every: 1, ..Config::default() };
    let node = start_with(&store, config()).await;
    add(&node, tally(1), 1).await;
    node.cx().sleep(Duration::from_secs(60)).await;
    add(&node, tally(1), 1).await;
    let live = view(&node, tally(1)).await.unwrap();
    node.stop().await;
    let node = start_with(&store, config()).await;
    let seen = view(&node, tally(1)).await.unwrap();
    let facts = |view: &View| (view.seq, view.created_at, view.updated_at, view.position);
    assert_eq!(facts(&seen), facts(&live));
    assert_eq!(seen.updated_at, EPOCH.plus(Duration::from_secs(60)));
}

#[tokio::test(start_paused = true)]
async fn what_a_commit_of_unknown_end_set_off_is_carried_out() {
    let store = MemoryStore::new(1);
    let node = start(&store).await;
    add(&node, tally(1), 1).await;
    add(&node, tally(2), 1).await;
    store.inject(memory::Fault::UnknownCommitted);
    let pass = command(tally(1), "pass", &json!({ "amount": 2, "to": tally(2) }));
    assert_eq!(node.command(pass).await.unwrap_err(), Fault::Unknown);
    node.cx().sleep(Duration::from_secs(2)).await;
    assert_eq!(total(&node, tally(2)).await, json!(3), "the message has come");
    store.inject(memory::Fault::UnknownCommitted);
    let ring = command(tally(1), "ring", &json!({ "afterMs": 1_000 }));
    assert_eq!(node.command(ring).await.unwrap_err(), Fault::Unknown);
    node.cx().sleep(Duration::from_secs(2)).await;
    assert_eq!(view(&node, tally(1)).await.unwrap().state.value()["rings"], json!(1), "the timer has fired");
}

#[tokio::test(start_paused = true)]
async fn a_timer_whose_commit_is_of_unknown_end_fires_once() {
    for fault in [memory::Fault::UnknownCommitted, memory::Fault::UnknownLost] {
        let store = MemoryStore::new(1);
        let node = start(&store).await;
        add(&node, tally(1), 1).await;
        node.command(command(tally(1), "ring", &json!({ "afterMs": 1_000 }))).await.unwrap();
        let told = format!("{fault:?}");
        store.inject(fault);
        node.cx().sleep(Duration::from_secs(60)).await;
        assert_eq!(view(&node, tally(1)).await.unwrap().state.value()["rings"], json!(1), "{told}");
    }
}
