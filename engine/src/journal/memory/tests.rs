use std::time::Duration;

use futures_util::FutureExt;

use async_trait::async_trait;
use uuid::Uuid;

use super::*;
use crate::clock::Timestamp;
use crate::id::{Prefix, StreamId, StreamKey, TenantId};
use crate::journal::conformance::{Backend, CASES, Node, OWNERSHIP, SEVERAL, Town};
use crate::journal::{Entry, EntryError, Fence, Journal, Json, NewEvent, Origin, Seq};
use crate::partition::{Beat, Member, Ownership};

struct Memory(MemoryStore);

#[async_trait]
impl Backend for Memory {
    async fn open(&self) -> Arc<dyn Journal> {
        MemoryJournal::open(&self.0)
    }
}

#[tokio::test]
async fn every_conformance_case_holds() {
    for (name, case) in CASES {
        println!("{name}");
        case(Arc::new(Memory(MemoryStore::new(1)))).await;
    }
    for (name, case) in SEVERAL {
        println!("{name}");
        case(Arc::new(Memory(MemoryStore::with_partitions(1, 3)))).await;
    }
}

fn made(n: u64, expected: Seq) -> Entry {
    let id = StreamId::new(Prefix::new("thing"), Uuid::from_u128(n.into()));
    let mut entry = Entry::new(StreamKey::new(TenantId::default_tenant(), id), Timestamp::from_ms(1));
    entry.expected = Some(expected);
    let origin = Arc::new(Origin::root("test", "test"));
    entry.events = vec![NewEvent { name: "made".into(), version: 1, data: Json::null(), origin }];
    entry
}

async fn start(store: &MemoryStore) -> (Arc<MemoryJournal>, Fence) {
    let journal = MemoryJournal::open(store);
    let lease = journal.take_over(0, Uuid::from_u128(7)).await.unwrap();
    (journal, lease.fence)
}

#[tokio::test]
async fn a_crash_before_the_commit_loses_the_append_and_one_after_it_does_not() {
    for (point, kept) in [(CrashPoint::BeforeCommit, 1), (CrashPoint::AfterCommit, 2)] {
        let store = MemoryStore::new(1);
        let (journal, fence) = start(&store).await;
        store.crash_after(1, point);
        journal.append(fence, &[made(1, 0)]).await.unwrap();
        assert!(journal.append(fence, &[made(2, 0)]).now_or_never().is_none(), "the dead do not answer");
        assert!(journal.load(&made(1, 0).stream).now_or_never().is_none());
        store.set_after_crash(AfterCrash::Fails);
        assert!(matches!(journal.append(fence, &[made(3, 0)]).await, Err(Error::Unavailable { .. })));
        assert_eq!((store.events().len(), store.appends()), (kept, 2));
        let (journal, fence) = start(&store).await;
        assert_eq!(fence.epoch, 2);
        assert_eq!(
            journal.append(fence, &[made(4, 0)]).await.unwrap()[0].as_ref().unwrap().position,
            kept as u64 + 1
        );
    }
}

#[tokio::test]
async fn a_held_append_is_not_seen_before_the_sync_and_gone_with_a_crash() {
    let store = MemoryStore::new(1);
    let (journal, fence) = start(&store).await;
    store.set_sync(SyncMode::Held);
    let batch = [made(1, 0)];
    let mut first = journal.append(fence, &batch);
    assert!((&mut first).now_or_never().is_none());
    store.held(1).await;
    assert_eq!(journal.load(&batch[0].stream).await.unwrap().head, 0);
    store.sync();
    assert_eq!(first.await.unwrap()[0].as_ref().unwrap().position, 1);
    assert_eq!(journal.load(&batch[0].stream).await.unwrap().head, 1);

    let batch = [made(2, 0)];
    let mut second = journal.append(fence, &batch);
    assert!((&mut second).now_or_never().is_none());
    store.crash();
    assert!((&mut second).now_or_never().is_none());
    assert_eq!(store.events().len(), 1);
}

#[tokio::test]
async fn a_held_append_of_a_stale_owner_is_fenced_when_it_arrives() {
    let store = MemoryStore::new(1);
    let (old, fence) = start(&store).await;
    store.set_sync(SyncMode::Held);
    let batch = [made(1, 0)];
    let mut late = old.append(fence, &batch);
    assert!((&mut late).now_or_never().is_none());
    let (new, _) = start(&store).await;
    store.sync();
    assert!(matches!(late.await, Err(Error::Fenced { partition: 0 })));
    assert_eq!(new.read_log(0, 0, 9).await.unwrap().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn latency_and_lost_answers_take_their_time() {
    let store = MemoryStore::new(1);
    let (journal, fence) = start(&store).await;
    store.set_latency(Duration::from_secs(3));
    store.inject(Fault::LostAnswer(Duration::from_secs(60)));
    let batch = [made(1, 0)];
    let cut = tokio::time::timeout(Duration::from_secs(2), journal.append(fence, &batch)).await;
    assert!(cut.is_err());
    assert_eq!(store.events().len(), 0, "dropped on its way, it commits nothing");
    let cut = tokio::time::timeout(Duration::from_secs(4), journal.append(fence, &batch)).await;
    assert!(cut.is_err());
    assert_eq!(store.events().len(), 1, "dropped after the commit, it stands");
    assert!(journal.append(fence, &[made(1, 1)]).await.unwrap()[0].is_ok());
}

#[tokio::test]
async fn faults_come_in_turn() {
    let store = MemoryStore::new(1);
    let (journal, fence) = start(&store).await;
    for fault in [Fault::Unavailable, Fault::UnknownLost, Fault::UnknownCommitted, Fault::Refuse(1)] {
        store.inject(fault);
    }
    assert!(matches!(journal.append(fence, &[made(1, 0)]).await, Err(Error::Unavailable { .. })));
    assert!(matches!(journal.append(fence, &[made(1, 0)]).await, Err(Error::Unknown { .. })));
    assert_eq!(store.events().len(), 0);
    assert!(matches!(journal.append(fence, &[made(1, 0)]).await, Err(Error::Unknown { .. })));
    assert_eq!(store.events().len(), 1);
    let answers = journal.append(fence, &[made(2, 0), made(3, 0)]).await.unwrap();
    assert!(answers[0].is_ok() && matches!(answers[1], Err(EntryError::Refused { .. })));
}

/// A store whose time passes when it is told to.
struct Clocked(MemoryStore, std::sync::Mutex<Duration>);

#[async_trait]
impl Town for Clocked {
    async fn open(&self) -> Node {
        let journal = MemoryJournal::open(&self.0);
        Node { journal: journal.clone(), ownership: journal }
    }

    async fn pass(&self, duration: Duration) {
        let mut now = self.1.lock().unwrap();
        *now += duration;
        self.0.set_clock(*now);
    }
}

#[tokio::test]
async fn every_case_of_ownership_holds() {
    for (name, case) in OWNERSHIP {
        println!("{name}");
        let store = MemoryStore::with_partitions(1, 4);
        store.set_clock(Duration::from_secs(10));
        case(Arc::new(Clocked(store, std::sync::Mutex::new(Duration::from_secs(10))))).await;
    }
}

#[tokio::test]
async fn a_lease_holds_to_the_millisecond() {
    let store = MemoryStore::with_partitions(1, 2);
    store.set_clock(Duration::from_secs(10));
    let (one, other) = (MemoryJournal::open(&store), MemoryJournal::open(&store));
    let member = |n: u128| {
        let (node, incarnation) = (Uuid::from_u128(n), Uuid::from_u128(10 + n));
        Member { node, incarnation, address: format!("http://node-{n}"), lease: Duration::from_secs(2) }
    };
    let standings = async |journal: &MemoryJournal, n| match journal.heartbeat(&member(n)).await.unwrap() {
        Beat::Renewed(standings) => standings,
        Beat::Replaced => panic!("{n} was replaced"),
    };
    let free = standings(&one, 1).await;
    assert_eq!(one.claim(&member(1), &free).await.unwrap().len(), 2);
    for (ms, is_free) in [(11_999, false), (12_000, true)] {
        store.set_clock(Duration::from_millis(ms));
        assert!(standings(&other, 2).await.iter().all(|standing| standing.free == is_free), "{ms}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_process_dies_or_is_cut_off_alone() {
    let store = MemoryStore::with_partitions(1, 2);
    let (dead, live) = (MemoryJournal::open(&store), MemoryJournal::open(&store));
    let first = dead.take_over(0, Uuid::from_u128(7)).await.unwrap().fence;
    let second = live.take_over(1, Uuid::from_u128(8)).await.unwrap().fence;
    store.set_sync(SyncMode::Held);
    let (lost, kept) = ([made(1, 0)], [made(2, 0)]);
    let (mut lost, mut kept) = (dead.append(first, &lost), live.append(second, &kept));
    assert!((&mut lost).now_or_never().is_none() && (&mut kept).now_or_never().is_none());
    dead.kill();
    store.sync();
    kept.await.unwrap()[0].as_ref().unwrap();
    assert!((&mut lost).now_or_never().is_none(), "the dead do not answer");
    store.set_sync(SyncMode::Always);
    live.set_link(Link::Cut(Duration::from_secs(1)));
    assert!(matches!(live.append(second, &[made(3, 0)]).await, Err(Error::Unknown { .. })));
    assert!(matches!(live.read_log(1, 0, 9).await, Err(Error::Unavailable { .. })));
    live.set_link(Link::Deaf(Duration::from_secs(1)));
    assert!(matches!(live.append(second, &[made(4, 0)]).await, Err(Error::Unknown { .. })));
    live.set_link(Link::Up);
    let log = live.read_log(1, 0, 9).await.unwrap();
    assert_eq!(log.iter().map(|e| e.stream.clone()).collect::<Vec<_>>(), [2, 4].map(|n| made(n, 0).stream));
}
