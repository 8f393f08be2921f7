//! Events that are not kept for ever: the state is as before, and the past says that it is gone.

use std::sync::Arc;

use uuid::Uuid;

use super::*;
use crate::clock::Timestamp;
use crate::entity::{Catalog, Corruption, Input, KindInfo, Machine, Step, StepCx, Typed};
use crate::id::StreamKey;
use crate::journal::memory::MemoryJournal;
use crate::journal::{Entry, Event, Journal, Json, Rejected, Snapshot};
use crate::runtime::StartError;
use crate::supervise::{DeadLetter, Quarantine};
use crate::testkit::Tally;

const KEPT: Duration = Duration::from_secs(1_000);

fn config() -> Config {
    let retention = vec![(Prefix::new("tally"), KEPT)];
    Config { retention, snapshot_every: 4, idle: Duration::from_secs(10), ..Config::default() }
}

fn after(seconds: u64) -> Timestamp {
    EPOCH.plus(Duration::from_secs(seconds))
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_keeps_its_state_and_loses_its_past() {
    let store = MemoryStore::new(1);
    let node = start_with(&store, config()).await;
    for _ in 0..10 {
        add(&node, tally(1), 1).await;
        node.cx().sleep(Duration::from_secs(1)).await;
    }
    for _ in 0..130 {
        add(&node, tally(2), 1).await;
        node.cx().sleep(Duration::from_secs(10)).await;
    }
    let events = |id| store.events().iter().filter(|event| event.stream == key(id)).count();
    assert_eq!((events(tally(1)), events(tally(2))), (1, 130), "what goes on keeps its past");
    let seen = view(&node, tally(1)).await.unwrap();
    let facts =
        |view: &View| (view.seq, view.state.value()["total"].clone(), view.created_at, view.updated_at);
    let wanted = (10, json!(10), EPOCH, after(9));
    assert_eq!(facts(&seen), wanted);
    assert_eq!(
        node.read_at(&key(tally(1)), Timestamp::from_ms(EPOCH.ms() - 1)).await.unwrap().map(|_| ()),
        None
    );
    let gone = Fault::Trimmed { seq: 10, at: after(9) };
    assert_eq!(node.read_at(&key(tally(1)), after(5)).await.unwrap_err(), gone);
    for at in [after(9), after(2_000)] {
        assert_eq!(facts(&node.read_at(&key(tally(1)), at).await.unwrap().unwrap()), wanted);
    }
    node.stop().await;
    let node = start_with(&store, config()).await;
    assert_eq!(facts(&view(&node, tally(1)).await.unwrap()), wanted, "after a restart too");
    add(&node, tally(1), 5).await;
    let seen = view(&node, tally(1)).await.unwrap();
    assert_eq!(
        (seen.seq, seen.created_at, &seen.state.value()["total"]),
        (11, EPOCH, &json!(15)),
        "it goes on"
    );
    let then = node.read_at(&key(tally(1)), after(9)).await.unwrap().unwrap();
    assert_eq!(facts(&then), wanted);
}

/// A tally that says itself how long its events are kept.
struct Keeping(Typed<Tally>, Option<Duration>);

impl Machine for Keeping {
    fn step(&mut self, input: &Input, cx: &StepCx<'_>) -> Result<Step, Rejected> {
        self.0.step(input, cx)
    }

    fn apply(&mut self, event: &Event) -> Result<(), Corruption> {
        self.0.apply(event)
    }

    fn view(&self) -> Option<Value> {
        self.0.view()
    }

    fn retention(&self) -> Option<Duration> {
        self.1
    }

    fn snapshot(&self) -> Option<(u16, Json)> {
        self.0.snapshot()
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<bool, Corruption> {
        self.0.restore(snapshot)
    }
}

/// Tallies of which the first keeps its events for 100 s, the second for 5,000 s, and the others as their kind does.
fn keeping() -> Catalog {
    let own = |stream: &StreamKey| {
        let of = [(1, 100), (2, 5_000)].into_iter().find(|(n, _)| stream.id == tally(*n));
        of.map(|(_, seconds)| Duration::from_secs(seconds))
    };
    let machine = move |stream: &StreamKey| -> Box<dyn Machine> {
        Box::new(Keeping(Typed::<Tally>::new(), own(stream)))
    };
    let shortest: crate::entity::ShortestRetention = Arc::new(|| Some(Duration::from_secs(100)));
    let tallies =
        KindInfo { machine: Arc::new(machine), own_retention: Some(shortest), ..Typed::<Tally>::info() };
    let catalog = Catalog::new().add_kind(tallies).and_then(Catalog::add::<DeadLetter>);
    catalog.and_then(Catalog::add::<Quarantine>).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_stream_may_say_itself_how_long_its_events_are_kept() {
    for (config, third) in [(config(), 1), (Config { retention: Vec::new(), ..config() }, 2)] {
        let store = MemoryStore::new(1);
        let cx = Context::simulated(EPOCH, store.appends());
        let node = node(&store, keeping(), config, cx).await.unwrap();
        for n in [1, 2, 3] {
            add(&node, tally(n), 1).await;
            add(&node, tally(n), 1).await;
        }
        let events = |n| store.events().iter().filter(|event| event.stream == key(tally(n))).count();
        let mut seen = Vec::new();
        for seconds in [90, 40, 1_000, 7_700] {
            node.cx().sleep(Duration::from_secs(seconds)).await;
            seen.push([events(1), events(2), events(3)]);
        }
        assert_eq!(seen, [[2, 2, 2], [1, 2, 2], [1, 2, third], [1, 1, third]]);
        node.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_that_cannot_be_read_falls_back_to_the_base_and_a_base_is_checked_at_the_start() {
    let store = MemoryStore::new(1);
    let node = start_with(&store, config()).await;
    for _ in 0..4 {
        add(&node, tally(1), 1).await;
    }
    node.stop().await;
    let journal = MemoryJournal::open(&store);
    assert_eq!(journal.trim(&key(tally(1)), 9).await.unwrap(), 3);
    let keep = async |version| {
        let fence = journal.take_over(0, Uuid::from_u128(9)).await.unwrap().fence;
        let mut entry = Entry::new(key(tally(1)), EPOCH);
        entry.snapshot = Some(Snapshot { seq: 5, version, data: Json::null() });
        journal.append(fence, &[entry]).await.unwrap()[0].as_ref().unwrap();
    };
    let node = start(&store).await;
    add(&node, tally(1), 1).await;
    node.stop().await;
    keep(999).await;
    let node = start(&store).await;
    assert_eq!(total(&node, tally(1)).await, json!(5), "from the base and what came after it");
    node.stop().await;
    assert_eq!(journal.trim(&key(tally(1)), 9).await.unwrap(), 1);
    let refused = node_over(&store).await;
    assert!(matches!(refused, Err(StartError::Bases { version: 999, .. })), "{:?}", refused.err());
}

async fn node_over(store: &MemoryStore) -> Result<Node, StartError> {
    node(store, catalog(), config(), Context::simulated(EPOCH, store.appends())).await
}
