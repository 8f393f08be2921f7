use std::time::Duration;

use futures_util::FutureExt;

use super::*;
use crate::journal::conformance::{Backend, CASES, SEVERAL};
use crate::journal::{Json, NewEvent, Origin};

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
