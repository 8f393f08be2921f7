//! One entity of many is brought down under load, again and again, over the journal that writes to a disk.

use std::sync::Arc;

use futures_util::future::{join, join_all};
use promptsales_engine::effect::Connectors;
use promptsales_engine::id::{Prefix, Slot, StreamId, uuid_v7};
use promptsales_engine::journal::Outcome;
use promptsales_engine::journal::sqlite::SqliteJournal;
use promptsales_engine::runtime::{Config, Context, Node, NodeSeed};
use promptsales_engine::testkit::{catalog, command, key};
use promptsales_tests::{Stopwatch, Tally, long_runs};
use serde_json::json;

use super::ALONE;

/// Clients that go on with keys of their own.
const OTHERS: u64 = 8;
/// The bound on the 99th percentile, which the long run holds.
const BOUND_MS: u128 = 50;

fn tally(n: u64) -> StreamId {
    StreamId::new(Prefix::new("tally"), uuid_v7(1, Slot::new(7), n))
}

/// Adds one to a tally, and fails where that is not what happens.
async fn add(node: &Node, n: u64) {
    let answer = node.command(command(tally(n), "add", &json!({ "amount": 1 }))).await;
    let answer = answer.expect("it is taken in");
    assert!(matches!(answer.outcome, Outcome::Accepted(_)), "tally {n}: {:?}", answer.outcome);
}

async fn total(node: &Node, n: u64) -> i64 {
    let view = node.read(&key(tally(n))).await.expect("it can be read").expect("it is there");
    view.state.value()["total"].as_i64().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entity_that_crashes_under_load_is_back_at_once_and_no_other_sees_an_error() {
    let _alone = ALONE.lock().await;
    let rounds = if long_runs() { 2_000 } else { 200 };
    let folder = tempfile::tempdir().expect("a folder can be made");
    let journal = Arc::new(SqliteJournal::open(folder.path()).await.expect("the journal can be opened"));
    let config = Config { strikes: 1, ..Config::default() };
    let (leasing, prepare, connectors) = (None, None, Connectors::default());
    let seed = NodeSeed {
        journal,
        leasing,
        prepare,
        index: None,
        rules: None,
        catalog: catalog(),
        connectors,
        config,
        cx: Context::real(),
    };
    let node = Node::start(seed).await.expect("the node starts");
    let stopped = std::sync::atomic::AtomicBool::new(false);
    let (node, stopped) = (&node, &stopped);
    let others = join_all((0..OTHERS).map(|n| async move {
        let mut done = 0;
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            add(node, n).await;
            done += 1;
        }
        done
    }));
    let crashes = async {
        let mut took = Vec::new();
        for n in OTHERS..OTHERS + rounds {
            add(node, n).await;
            let poison = command(tally(n), "explode", &json!({}));
            let watch = Stopwatch::start();
            let fell = node.command(poison).await.expect("it is taken in").outcome;
            assert!(matches!(&fell, Outcome::Rejected(no) if no.code == "dead_lettered"), "{fell:?}");
            add(node, n).await;
            took.push(watch.ms());
        }
        stopped.store(true, std::sync::atomic::Ordering::Relaxed);
        took.sort_unstable();
        took
    };
    let (done, took) = join(others, crashes).await;
    let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
    println!(
        "{rounds} crashes: from the crash to the first good answer {} ms at p50, {} at p99",
        at(50),
        at(99)
    );
    let mut count = Tally::default();
    let wanted = done.into_iter().zip(0..).chain((OTHERS..OTHERS + rounds).map(|n| (2, n)));
    for (wanted, n) in wanted {
        let total = total(node, n).await;
        count.acknowledged += usize::try_from(wanted).expect("a count fits");
        count.present += usize::try_from(wanted.min(total)).expect("a count fits");
        count.lost += usize::try_from((wanted - total).max(0)).expect("a count fits");
        count.duplicated += usize::try_from((total - wanted).max(0)).expect("a count fits");
    }
    count.settle("crashing entity");
    assert!(!long_runs() || at(99) < BOUND_MS, "{} ms at p99", at(99));
    assert!(node.stop().await, "the node ends in good order");
}
