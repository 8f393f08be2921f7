//! Deletion: a stream that has ended goes whole in time, and nothing that was acknowledged goes with it unseen.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::clock::Timestamp;
use crate::entity::{Catalog, Corruption, Input, KindInfo, Machine, Step, StepCx, Typed};
use crate::id::{StreamKey, TenantId};
use crate::journal::memory::MemoryJournal;
use crate::journal::{Entry, Event, Journal, Json, NewEvent, Rejected, Snapshot};
use crate::projection::index::{MemoryIndex, Search, Term};
use crate::runtime::NodeSeed;
use crate::supervise::{DeadLetter, Quarantine};
use crate::testkit::{Tally, TallyEvent};

/// While it is set, the tally of [`one_that_is_quarantined_stays`] cannot be brought to life.
static IS_BROKEN: AtomicBool = AtomicBool::new(false);

/// A tally that has ended when its total is even, and may say itself when it is deleted.
struct Ending(Typed<Tally>, Option<Duration>);

impl Machine for Ending {
    fn step(&mut self, input: &Input, cx: &StepCx<'_>) -> Result<Step, Rejected> {
        self.0.step(input, cx)
    }

    fn apply(&mut self, event: &Event) -> Result<(), Corruption> {
        self.0.apply(event)
    }

    fn ready(&self) -> Result<(), Corruption> {
        let total = self.0.state().map_or(0, |tally| tally.total);
        match total == 777_778 && IS_BROKEN.load(Ordering::Relaxed) {
            true => Err(Corruption { seq: 0, reason: "it is broken".to_owned() }),
            false => Ok(()),
        }
    }

    fn view(&self) -> Option<Value> {
        self.0.view()
    }

    fn may_delete(&self) -> bool {
        self.0.view().is_some_and(|view| view["total"].as_i64().is_some_and(|total| total % 2 == 0))
    }

    fn deletion(&self) -> Option<Duration> {
        self.1
    }

    fn snapshot(&self) -> Option<(u16, Json)> {
        self.0.snapshot()
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<bool, Corruption> {
        self.0.restore(snapshot)
    }
}

/// Tallies of which the first says 100 s, the second 5,000 s, and the others nothing.
fn ending() -> Catalog {
    let own = |stream: &StreamKey| {
        let of = [(1, 100), (2, 5_000)].into_iter().find(|(n, _)| stream.id == tally(*n));
        of.map(|(_, seconds)| Duration::from_secs(seconds))
    };
    let machine = move |stream: &StreamKey| -> Box<dyn Machine> {
        Box::new(Ending(Typed::<Tally>::new(), own(stream)))
    };
    let shortest: crate::entity::ShortestRetention = Arc::new(|| Some(Duration::from_secs(100)));
    let fields = |view: Option<&Value>| {
        let total = view.and_then(|view| view["total"].as_f64()).unwrap_or(-1.0);
        vec![("total".to_owned(), Term::Number(total))]
    };
    let tallies = KindInfo {
        machine: Arc::new(machine),
        own_deletion: Some(shortest),
        fields: Some(fields),
        ..Typed::<Tally>::info()
    };
    let catalog = Catalog::new().add_kind(tallies).and_then(Catalog::add::<DeadLetter>);
    catalog.and_then(Catalog::add::<Quarantine>).unwrap()
}

fn config(deletion: Option<u64>) -> Config {
    let deletion = deletion.map(|seconds| (Prefix::new("tally"), Duration::from_secs(seconds)));
    Config { deletion: deletion.into_iter().collect(), idle: Duration::from_secs(30), ..Config::default() }
}

/// A node over a store, and an index that outlives it.
async fn served(store: &MemoryStore, index: &Arc<MemoryIndex>, config: Config, at: Timestamp) -> Node {
    node_on(MemoryJournal::open(store), index, config, Context::simulated(at, store.appends())).await
}

async fn node_on(journal: Arc<MemoryJournal>, index: &Arc<MemoryIndex>, config: Config, cx: Context) -> Node {
    let journal: Arc<dyn Journal> = journal;
    let (leasing, prepare, index) = (None, None, Some(index.clone() as _));
    let (catalog, connectors) = (ending(), crate::effect::Connectors::default());
    Node::start(NodeSeed { journal, leasing, prepare, index, rules: None, catalog, connectors, config, cx })
        .await
        .unwrap()
}

fn events(store: &MemoryStore, n: u64) -> usize {
    store.events().iter().filter(|event| event.stream == key(tally(n))).count()
}

/// How many tallies are listed, and found.
async fn seen(node: &Node) -> (usize, usize) {
    let (tenant, prefix) = (TenantId::default_tenant(), Prefix::new("tally"));
    let listed = node.list(&tenant, prefix, None, true, 99).await.unwrap().streams.len();
    let search = Search { tenant, prefix, tests: Vec::new() };
    (listed, node.find(&search, None, 99).await.unwrap().streams.len())
}

#[tokio::test(start_paused = true)]
async fn what_has_ended_goes_by_its_own_time_or_that_of_its_kind() {
    for (node_time, third) in [(Some(1_000), 0), (None, 2)] {
        let (store, index) = (MemoryStore::new(1), Arc::new(MemoryIndex::default()));
        let node = served(&store, &index, config(node_time), EPOCH).await;
        for n in [1, 2, 3] {
            add(&node, tally(n), 1).await;
            node.command(keyed(tally(n), "add", &json!({ "amount": 1 }), &format!("k{n}"))).await.unwrap();
        }
        add(&node, tally(4), 1).await;
        let mut counts = Vec::new();
        for seconds in [90, 40, 1_000, 7_700] {
            node.cx().sleep(Duration::from_secs(seconds)).await;
            counts.push([1, 2, 3, 4].map(|n| events(&store, n)));
        }
        assert_eq!(counts, [[2, 2, 2, 1], [0, 2, 2, 1], [0, 2, third, 1], [0, 0, third, 1]], "{node_time:?}");
        let left = if third == 0 { 1 } else { 2 };
        assert_eq!(seen(&node).await, (left, left));
        assert!(view(&node, tally(1)).await.is_none());
        assert_eq!(
            node.read_at(&key(tally(1)), EPOCH.plus(Duration::from_secs(50))).await.unwrap().map(|_| ()),
            None
        );
        let missing = node.command(command(tally(1), "rung", &json!({}))).await.unwrap().outcome;
        assert!(matches!(missing, Outcome::Rejected(r) if r.kind == RejectionKind::NotFound));
        let again = node.command(keyed(tally(1), "add", &json!({ "amount": 3 }), "k1")).await.unwrap();
        assert_eq!(
            (reply(&again.outcome), again.replayed),
            (json!({ "total": 3 }), false),
            "the key is free"
        );
        assert_eq!(seen(&node).await, (left + 1, left + 1));
        node.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_index_loses_what_is_deleted_though_the_node_dies_at_once() {
    let (store, index) = (MemoryStore::new(1), Arc::new(MemoryIndex::default()));
    let mut node = served(&store, &index, config(None), EPOCH).await;
    for n in 1..=3 {
        add(&node, tally(n), 2).await;
    }
    assert_eq!(seen(&node).await, (3, 3));
    let list = async || MemoryJournal::open(&store).forgotten(0, 0, 9).await.unwrap().len();
    while events(&store, 1) > 0 {
        node.cx().sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(list().await, 1, "it stands on the list until the index has lost it");
    let now = node.cx().now();
    store.crash();
    node = served(&store, &index, config(None), now).await;
    assert_eq!(seen(&node).await, (2, 2));
    node.cx().sleep(Duration::from_secs(10)).await;
    assert_eq!(list().await, 0);
    // One that is made anew has it neither.
    node.stop().await;
    let node = served(&store, &Arc::new(MemoryIndex::default()), config(None), now).await;
    assert_eq!(seen(&node).await, (2, 2));
}

#[tokio::test(start_paused = true)]
async fn what_is_acknowledged_meanwhile_is_not_lost() {
    const AFTER: u64 = 10;
    let (mut anew, mut kept) = (0, 0);
    for seed in 0..12 {
        let mut chance = StdRng::seed_from_u64(seed);
        let (store, index) = (MemoryStore::new(seed), Arc::new(MemoryIndex::default()));
        let mut node = served(&store, &index, config(Some(AFTER)), EPOCH).await;
        // The total that was acknowledged last, and since when it stands.
        let mut last: Option<(i64, Timestamp)> = None;
        for step in 0..40 {
            let wait = match chance.random_range(0..3) {
                0 => chance.random_range(0..2_000),
                // Around the moment at which it goes.
                _ => AFTER * 1_000 + chance.random_range(0..2_500),
            };
            node.cx().sleep(Duration::from_millis(wait)).await;
            if chance.random_bool(0.1) {
                let now = node.cx().now();
                store.crash();
                node = served(&store, &index, config(Some(AFTER)), now).await;
            }
            let context = format!("seed {seed}, step {step}");
            let amount = chance.random_range(1..4);
            let told = reply(&add(&node, tally(9), amount).await)["total"].as_i64().unwrap();
            match last {
                Some((total, _)) if told == total + amount => kept += 1,
                Some((total, since)) => {
                    assert_eq!(told, amount, "{context}");
                    assert_eq!(total % 2, 0, "{context}: it had not ended");
                    assert!(
                        node.cx().now().since(since) > Duration::from_secs(AFTER),
                        "{context}: too early"
                    );
                    anew += 1;
                }
                None => assert_eq!(told, amount, "{context}"),
            }
            last = Some((told, node.cx().now()));
            assert_eq!(total(&node, tally(9)).await, json!(told), "{context}");
        }
    }
    assert!(anew > 50 && kept > 50, "{anew} went, {kept} stayed");
}

#[tokio::test(start_paused = true)]
async fn one_that_is_quarantined_stays() {
    let (store, index) = (MemoryStore::new(1), Arc::new(MemoryIndex::default()));
    let node = served(&store, &index, config(None), EPOCH).await;
    add(&node, tally(7), 777_778).await;
    add(&node, tally(8), 2).await;
    node.stop().await;
    IS_BROKEN.store(true, Ordering::Relaxed);
    let node = served(&store, &index, config(Some(10)), EPOCH).await;
    let told = node.read(&key(tally(7))).await;
    assert!(matches!(told, Err(Fault::Quarantined { .. })), "{told:?}");
    IS_BROKEN.store(false, Ordering::Relaxed);
    node.cx().sleep(Duration::from_secs(100)).await;
    assert_eq!((events(&store, 7), events(&store, 8)), (1, 0), "the other one goes");
    assert_eq!(node.quarantined().len(), 1);
}

/// A store with a tally of many events.
async fn with_many(count: usize) -> MemoryStore {
    let store = MemoryStore::new(1);
    let journal = MemoryJournal::open(&store);
    let fence = journal.take_over(0, uuid::Uuid::from_u128(9)).await.unwrap().fence;
    let (name, data) = crate::codec::write_named(&TallyEvent::Added { amount: 2 }).unwrap();
    let origin = Arc::new(crate::journal::Origin::root("test", "tester"));
    let mut entry = Entry::new(key(tally(1)), EPOCH);
    entry.events = vec![NewEvent { name: name.into(), version: 1, data, origin }; count];
    journal.append(fence, &[entry]).await.unwrap()[0].as_ref().unwrap();
    store
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_many_events_is_whole_until_it_is_gone_wherever_the_node_dies() {
    const MANY: usize = 2_500;
    let later = Config { upkeep: Duration::from_millis(200), ..config(None) };
    let (mut pieces, mut deaths) = (std::collections::BTreeSet::new(), 0);
    for point in [CrashPoint::BeforeCommit, CrashPoint::AfterCommit] {
        for calls in 0..32 {
            let store = with_many(MANY).await;
            let index = Arc::new(MemoryIndex::default());
            let journal = MemoryJournal::open(&store);
            let cx = |seconds| Context::simulated(EPOCH.plus(Duration::from_secs(seconds)), calls);
            let node = node_on(journal.clone(), &index, later.clone(), cx(200)).await;
            journal.crash_after(calls, point);
            node.cx().sleep(Duration::from_secs(2)).await;
            deaths += usize::from(!journal.lives());
            let left = events(&store, 1);
            pieces.insert(left);
            let next = node_on(MemoryJournal::open(&store), &index, later.clone(), cx(300)).await;
            let wanted = if left == 0 { Value::Null } else { json!(2 * MANY) };
            assert_eq!(total(&next, tally(1)).await, wanted, "{point:?} after {calls} calls: {left} left");
            next.cx().sleep(Duration::from_secs(20)).await;
            assert_eq!((events(&store, 1), seen(&next).await), (0, (0, 0)), "{point:?} after {calls} calls");
            assert_eq!(MemoryJournal::open(&store).forgotten(0, 0, 9).await.unwrap().len(), 0);
        }
    }
    assert!(deaths > 20, "{deaths} deaths");
    assert!([0, 1, 500, 1_500, MANY].iter().all(|left| pieces.contains(left)), "{pieces:?}");
}
