//! Appends to several partitions at once. The stores of these cases have at least two partitions.

use std::sync::Arc;

use uuid::Uuid;

use super::Backend;
use super::fixture::{accepted, at, entry, key_record, message, message_id, thing};
use crate::id::StreamKey;
use crate::journal::{Entry, EntryError, Error, Fence, Journal, PartitionId, TimerOp};

/// Two partitions that have been taken over, with streams that belong to them.
struct Desks {
    journal: Arc<dyn Journal>,
    fences: [Fence; 2],
    streams: [Vec<StreamKey>; 2],
}

impl Desks {
    async fn open(backend: Arc<dyn Backend>) -> Self {
        let journal = backend.open().await;
        let ids: Vec<PartitionId> = journal.info().partitions.iter().copied().take(2).collect();
        let [one, two] = ids[..] else { panic!("the store has one partition only") };
        let of = |id| -> Vec<_> {
            let own = (0..4096).map(thing).filter(|key| journal.info().partition_of(key) == id);
            own.take(8).collect()
        };
        let streams = [of(one), of(two)];
        let mut fences = Vec::new();
        for id in ids {
            let lease = journal.take_over(id, Uuid::from_u128(1)).await.expect("it can be taken over");
            fences.push(lease.fence);
        }
        Self { fences: [fences[0], fences[1]], streams, journal }
    }

    fn stream(&self, partition: usize, n: usize) -> &StreamKey {
        &self.streams[partition][n]
    }

    async fn log(&self, partition: usize) -> Vec<(u64, String)> {
        let log =
            self.journal.read_log(self.fences[partition].partition, 0, 99).await.expect("it can be read");
        log.iter().map(|event| (event.position, event.stream.to_string())).collect()
    }
}

pub(super) async fn each_partition_has_positions_of_its_own(backend: Arc<dyn Backend>) {
    let desks = Desks::open(backend).await;
    let (a, b) = (desks.stream(0, 0), desks.stream(1, 0));
    for round in 0..3 {
        let batches = [
            (desks.fences[1], vec![entry(b, round, &["made"])]),
            (desks.fences[0], vec![entry(a, round * 2, &["made", "named"]), Entry::new(a.clone(), at(0))]),
        ];
        let answers = desks.journal.append_all(&batches).await;
        let positions: Vec<Vec<_>> = answers
            .into_iter()
            .map(|batch| batch.expect("taken").into_iter().map(|one| one.expect("taken").position).collect())
            .collect();
        let last = round * 2 + 2;
        assert_eq!(positions, [vec![round + 1], vec![last, last]], "in the order of the batches");
    }
    assert_eq!((desks.log(0).await.len(), desks.log(1).await.len()), (6, 3));
    assert!(desks.journal.append_all(&[]).await.is_empty());
}

pub(super) async fn one_fenced_partition_fails_alone(backend: Arc<dyn Backend>) {
    let desks = Desks::open(backend).await;
    let partition = desks.fences[0].partition;
    desks.journal.take_over(partition, Uuid::from_u128(2)).await.expect("it can be taken over");
    for (n, stale) in [desks.fences[0], Fence { partition: 4095, ..desks.fences[0] }].into_iter().enumerate()
    {
        let batches = [
            (stale, vec![entry(desks.stream(0, 0), 0, &["made"])]),
            (desks.fences[1], vec![entry(desks.stream(1, n), 0, &["made"])]),
        ];
        let answers = desks.journal.append_all(&batches).await;
        let partition = stale.partition;
        assert!(matches!(&answers[0], Err(Error::Fenced { partition: fenced }) if *fenced == partition));
        assert!(answers[1].as_ref().expect("it stands")[0].is_ok());
    }
    assert_eq!((desks.log(0).await.len(), desks.log(1).await.len()), (0, 2));
}

pub(super) async fn refusals_in_one_partition_leave_the_other_alone(backend: Arc<dyn Backend>) {
    let desks = Desks::open(backend).await;
    let with_key = |stream: &StreamKey, n: u8| {
        let mut with_key = entry(stream, 0, &["made"]);
        with_key.keys = vec![key_record(n, stream, accepted(1, n.into()))];
        with_key
    };
    let (a, b) = (desks.stream(0, 0), desks.stream(1, 0));
    // The same key in both: it is taken once.
    let batches = [
        (desks.fences[0], vec![with_key(a, 1), entry(desks.stream(0, 1), 4, &["late"])]),
        (desks.fences[1], vec![entry(desks.stream(1, 1), 0, &["made"]), with_key(b, 1)]),
    ];
    let answers = desks.journal.append_all(&batches).await;
    let one = answers[0].as_ref().expect("the batch stands");
    assert!(one[0].is_ok());
    assert!(matches!(one[1], Err(EntryError::Conflict { actual: 0, .. })));
    let two = answers[1].as_ref().expect("the batch stands");
    assert!(two[0].is_ok());
    assert!(matches!(&two[1], Err(EntryError::KeyTaken { stream }) if stream == b));
    assert_eq!((desks.log(0).await.len(), desks.log(1).await.len()), (1, 1));
    let record = desks.journal.find_key(&[1; 16]).await.expect("reads").expect("recorded");
    assert_eq!(&record.stream, a);
}

pub(super) async fn what_waits_is_read_by_partition(backend: Arc<dyn Backend>) {
    let desks = Desks::open(backend).await;
    let sends = |partition: usize, n: u64| {
        let stream = desks.stream(partition, 0);
        let mut sends = entry(stream, 0, &["sent"]);
        sends.messages = vec![message(stream, n)];
        sends.timers = vec![TimerOp::Set { name: format!("timer {n}"), due: at(1) }];
        (desks.fences[partition], vec![sends])
    };
    for answer in desks.journal.append_all(&[sends(0, 1), sends(1, 2)]).await {
        assert!(answer.expect("taken")[0].is_ok());
    }
    for (partition, n) in [(0, 1), (1, 2)] {
        let id = desks.fences[partition].partition;
        let waiting = desks.journal.outbox(id, 0, 9).await.expect("reads");
        assert_eq!(waiting.iter().map(|(_, each)| each.id).collect::<Vec<_>>(), [message_id(n)]);
        let due = desks.journal.due_timers(id, at(1), 9).await.expect("reads");
        assert_eq!(due.iter().map(|each| each.name.clone()).collect::<Vec<_>>(), [format!("timer {n}")]);
    }
}
