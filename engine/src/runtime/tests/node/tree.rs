//! What is supervised by whom: restarts, escalation, wedged services, the end of the node, over a journal in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::{add, start, start_with, tally, total};
use crate::entity::Fault;
use crate::journal::memory::{MemoryStore, SyncMode};
use crate::runtime::{Config, Context, Node};
use crate::supervise::{Policy, Pulse, Root, Service, ServiceFault, ServiceSpec};
use crate::testkit::{EPOCH, command, keyed};

/// A service that fails as it is told to.
#[derive(Clone)]
struct Failing {
    runs: Arc<AtomicUsize>,
    how: fn(usize) -> Result<(), ServiceFault>,
}

#[async_trait]
impl Service for Failing {
    async fn run(&mut self) -> Result<(), ServiceFault> {
        let nth = self.runs.fetch_add(1, Ordering::Relaxed);
        (self.how)(nth)?;
        std::future::pending().await
    }
}

fn failing(how: fn(usize) -> Result<(), ServiceFault>) -> (Failing, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    (Failing { runs: runs.clone(), how }, runs)
}

async fn root(cx: &Context, specs: Vec<ServiceSpec>) -> Root {
    Root::start(specs, &Config::default(), cx.clone()).await.expect("the root starts")
}

async fn exit_of(cx: &Context, within: Duration) -> Option<(u8, String)> {
    let asked = tokio::time::timeout(within, cx.exit_asked()).await.ok()?;
    Some((asked.code, asked.reason))
}

#[tokio::test(start_paused = true)]
async fn a_service_that_panics_is_restarted_and_its_sibling_is_not() {
    let cx = Context::simulated(EPOCH, 1);
    let (bad, runs) = failing(|nth| if nth < 3 { panic!("as told") } else { Ok(()) });
    let (good, good_runs) = failing(|_| Ok(()));
    let specs = vec![
        ServiceSpec::new("bad", move || bad.clone()),
        ServiceSpec::new("good", move || good.clone()).depth(|| 7),
    ];
    let root = root(&cx, specs).await;
    cx.sleep(Duration::from_secs(5)).await;
    assert_eq!((runs.load(Ordering::Relaxed), good_runs.load(Ordering::Relaxed)), (4, 1));
    let seen = root.services();
    let facts: Vec<_> = seen.iter().map(|s| (s.name, s.state, s.restarts, s.mailbox)).collect();
    assert_eq!(facts, [("bad", "running", 3, 0), ("good", "running", 0, 7)]);
    assert!(seen[0].last_fault.as_ref().unwrap().reason.contains("as told"));
    assert!(seen[0].uptime_ms.unwrap() < seen[1].uptime_ms.unwrap());
    assert_eq!(exit_of(&cx, Duration::from_secs(1)).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_cannot_be_kept_running_ends_the_process() {
    let cx = Context::simulated(EPOCH, 1);
    let (bad, runs) = failing(|_| Err(ServiceFault::passing("no disk")));
    let policy = Policy::new(2, Duration::from_secs(60));
    let _root = root(&cx, vec![ServiceSpec::new("bad", move || bad.clone()).policy(policy)]).await;
    let (code, reason) = exit_of(&cx, Duration::from_secs(60)).await.expect("the process has to end");
    assert_eq!((code, runs.load(Ordering::Relaxed)), (1, 3));
    assert!(reason.contains("`bad`") && reason.contains("no disk"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn a_fatal_fault_ends_the_process_at_once() {
    let cx = Context::simulated(EPOCH, 1);
    let (bad, runs) = failing(|_| Err(ServiceFault::fatal("another process owns the store")));
    let _root = root(&cx, vec![ServiceSpec::new("bad", move || bad.clone())]).await;
    assert_eq!(exit_of(&cx, Duration::from_secs(1)).await.map(|(code, _)| code), Some(1));
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

/// A service that is at one piece of work for ever, the first times.
#[derive(Clone)]
struct Wedging {
    runs: Arc<AtomicUsize>,
    times: usize,
    pulse: Pulse,
}

#[async_trait]
impl Service for Wedging {
    async fn run(&mut self) -> Result<(), ServiceFault> {
        if self.runs.fetch_add(1, Ordering::Relaxed) < self.times {
            self.pulse.during(std::future::pending::<()>()).await;
        }
        std::future::pending().await
    }
}

async fn wedged(times: usize) -> (Context, Root, Arc<AtomicUsize>) {
    let cx = Context::simulated(EPOCH, 1);
    let (runs, pulse) = (Arc::new(AtomicUsize::new(0)), Pulse::new(cx.clone()));
    let service = Wedging { runs: runs.clone(), times, pulse: pulse.clone() };
    let spec = ServiceSpec::new("wedging", move || service.clone()).within(&pulse, Duration::from_secs(3));
    let policy = Policy::new(3, Duration::from_secs(60));
    let root = root(&cx, vec![spec.policy(policy)]).await;
    (cx, root, runs)
}

#[tokio::test(start_paused = true)]
async fn a_wedged_service_is_ended_and_restarted() {
    let (cx, root, runs) = wedged(2).await;
    cx.sleep(Duration::from_secs(60)).await;
    let seen = &root.services()[0];
    assert_eq!(
        (runs.load(Ordering::Relaxed), seen.restarts, seen.state, seen.busy_ms),
        (3, 2, "running", None)
    );
    assert!(seen.last_fault.as_ref().unwrap().reason.starts_with("wedged"));
    assert_eq!(exit_of(&cx, Duration::from_secs(600)).await, None, "it may wait for work for ever");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_wedges_again_and_again_ends_the_process() {
    let (cx, _root, _) = wedged(usize::MAX).await;
    let (code, reason) = exit_of(&cx, Duration::from_secs(120)).await.expect("the process has to end");
    assert!(code == 1 && reason.contains("wedged"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn a_wedged_writer_is_a_fault_and_its_callers_are_told() {
    let store = MemoryStore::new(1);
    let node = start(&store).await;
    add(&node, tally(1), 1).await;
    store.set_sync(SyncMode::Held);
    let adding = keyed(tally(1), "add", &json!({ "amount": 1 }), "k");
    let told = node.command(adding.clone()).await;
    assert_eq!(told, Err(Fault::Unknown));
    store.set_sync(SyncMode::Always);
    let again = tokio::time::timeout(Duration::from_secs(60), node.command(adding)).await;
    assert!(again.expect("it is answered in time").is_ok());
    assert_eq!(total(&node, tally(1)).await, json!(2), "and counted once");
    let lane = node.tree().services.into_iter().find(|s| s.name == "lane").unwrap();
    assert_eq!((lane.restarts, lane.state), (1, "running"));
}

#[tokio::test(start_paused = true)]
async fn a_service_of_a_partition_is_restarted_and_reads_the_journal_again() {
    let store = MemoryStore::new(1);
    let node = start_with(&store, unwatched(5)).await;
    add(&node, tally(1), 1).await;
    node.command(command(tally(1), "ring", &json!({ "afterMs": 350_000 }))).await.unwrap();
    // The timers read the journal before the next ones are due, and cannot; what they knew is read again.
    store.fail_timer_reads(2);
    node.cx().sleep(Duration::from_secs(500)).await;
    let view = node.read(&crate::testkit::key(tally(1))).await.unwrap().unwrap();
    assert_eq!(view.state.value()["rings"], json!(1));
    assert_eq!(restarts_of(&node, "timers"), 2);
}

/// Limits of a node whose watchdog does not read timers meanwhile: reads that fail are counted.
fn unwatched(restart_intensity: usize) -> Config {
    Config { restart_intensity, watchdog: Duration::from_secs(3_600), ..Config::default() }
}

fn restarts_of(node: &Node, name: &str) -> u64 {
    let services = node.tree().partitions.into_iter().flat_map(|partition| partition.services);
    services.filter(|service| service.name == name).map(|service| service.restarts).sum()
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_cannot_keep_a_service_is_restarted_with_all_below_it() {
    let store = MemoryStore::new(1);
    let node = start_with(&store, unwatched(2)).await;
    for n in 0..20 {
        add(&node, tally(n), 1).await;
    }
    node.command(command(tally(1), "ring", &json!({ "afterMs": 350_000 }))).await.unwrap();
    store.fail_timer_reads(3);
    node.cx().sleep(Duration::from_secs(500)).await;
    let tree = node.tree();
    let partition = &tree.partitions[0];
    assert_eq!((partition.state, partition.restarts), ("running", 1));
    assert!(partition.last_fault.as_ref().unwrap().reason.contains("`timers`"));
    assert!(tree.services.iter().all(|service| service.restarts == 0), "no sibling is concerned");
    for n in 0..20 {
        add(&node, tally(n), 1).await;
        assert_eq!(total(&node, tally(n)).await, json!(2));
    }
    let view = node.read(&crate::testkit::key(tally(1))).await.unwrap().unwrap();
    assert_eq!(view.state.value()["rings"], json!(1), "its timer has fired, and once");
    assert!(node.stop().await, "nothing is left waiting");
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_cannot_be_kept_running_ends_the_process() {
    let store = MemoryStore::new(1);
    let config = Config { restart_intensity: 1, ..Config::default() };
    let node = start_with(&store, config).await;
    store.fail_timer_reads(u32::MAX);
    let (code, reason) = exit_of(node.cx(), Duration::from_secs(900)).await.expect("the process has to end");
    assert!(code == 1 && reason.contains("partition 0 cannot be kept running"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn what_hosts_had_in_hand_when_their_partition_failed_is_answered_and_not_counted_for_ever() {
    let store = MemoryStore::new(1);
    let node = start_with(&store, unwatched(1)).await;
    add(&node, tally(1), 1).await;
    store.set_latency(Duration::from_secs(20));
    store.fail_timer_reads(2);
    let adding = keyed(tally(1), "add", &json!({ "amount": 1 }), "k");
    let slow = async {
        // The timers read the journal again five minutes after the start.
        node.cx().sleep(Duration::from_secs(295)).await;
        node.command(adding.clone()).await
    };
    assert_eq!(slow.await, Err(Fault::Unknown), "its host was ended with the partition");
    assert_eq!(node.tree().partitions[0].restarts, 1);
    store.set_latency(Duration::ZERO);
    node.cx().sleep(Duration::from_secs(60)).await;
    assert!(node.command(adding).await.is_ok());
    assert_eq!((total(&node, tally(1)).await, node.tree().node.mailbox), (json!(2), 0));
}
