//! Appending: atomic entries, expected numbers, gap-free positions.

use std::sync::Arc;

use futures_util::future::join_all;

use super::Backend;
use super::fixture::{
    Desk, THING, accepted, at, entry, everything, id, key_record, message, message_id, origin, rejected,
    tenant, thing, told,
};
use crate::id::StreamKey;
use crate::journal::{Appended, Entry, EntryError, Json, KeyHash, KeyRecord, Received, Snapshot, TimerOp};

pub(super) async fn a_batch_is_committed_and_read_back(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    let answers =
        desk.append(&[entry(&thing(1), 0, &["made", "named"]), entry(&thing(2), 0, &["made"])]).await;
    let answers: Vec<_> = answers.into_iter().map(|answer| answer.expect("taken")).collect();
    assert_eq!(answers, [Appended { position: 2, seq: 2 }, Appended { position: 3, seq: 1 }]);

    let log = desk.log().await;
    let (one, two) = (thing(1).to_string(), thing(2).to_string());
    let wanted = [
        (1, one.clone(), 1, "made".to_owned(), r#"{"n":0,"of":2}"#.to_owned()),
        (2, one, 2, "named".to_owned(), r#"{"n":1,"of":2}"#.to_owned()),
        (3, two, 1, "made".to_owned(), r#"{"n":0,"of":1}"#.to_owned()),
    ];
    assert_eq!(log.iter().map(told).collect::<Vec<_>>(), wanted);
    assert!(log.iter().all(|event| event.at == at(0) && event.body.version == 1));
    assert!(log.iter().all(|event| event.body.origin == origin()));

    let loaded = desk.journal.load(&thing(1)).await.expect("loads");
    assert_eq!(loaded.head, 2);
    assert_eq!(loaded.events.iter().map(told).collect::<Vec<_>>(), wanted[..2]);
    let nothing = desk.journal.load(&thing(3)).await.expect("loads");
    assert_eq!((nothing.head, nothing.events.len(), nothing.snapshot), (0, 0, None));
}

pub(super) async fn positions_are_gap_free_and_in_commit_order(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    let mut wanted = 0;
    for round in 0..20 {
        let count = usize::try_from(round % 3 + 1).expect("small");
        let appended = desk.put(entry(&thing(round), 0, &["made", "named", "kept"][..count])).await;
        wanted += count as u64;
        assert_eq!(appended.position, wanted);
        let conflict = desk.refused(entry(&thing(round), 0, &["made"])).await;
        assert!(matches!(conflict, EntryError::Conflict { .. }), "{conflict}");
    }
    let positions: Vec<_> = desk.log().await.iter().map(|event| event.position).collect();
    assert_eq!(positions, (1..=wanted).collect::<Vec<_>>());
}

pub(super) async fn the_expected_number_is_checked(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    desk.put(entry(&thing(1), 0, &["made", "named"])).await;
    for wrong in [0, 1, 3] {
        let error = desk.refused(entry(&thing(1), wrong, &["late"])).await;
        let EntryError::Conflict { stream, expected, actual } = error else { panic!("{error}") };
        assert_eq!((stream, expected, actual), (thing(1), wrong, 2));
    }
    let error = desk.refused(entry(&thing(2), 1, &["early"])).await;
    assert!(matches!(error, EntryError::Conflict { actual: 0, .. }), "{error}");
    let mut unsure = entry(&thing(1), 2, &["named"]);
    unsure.expected = None;
    assert_eq!(desk.put(unsure.clone()).await, Appended { position: 3, seq: 3 }, "behind what stands");
    let both = desk.append(&[unsure.clone(), unsure]).await;
    let seqs: Vec<_> = both.iter().flatten().map(|appended| appended.seq).collect();
    assert_eq!(seqs, [4, 5]);

    let mut beside = entry(&thing(1), 2, &[]);
    beside.timers = vec![TimerOp::Set { name: "late".to_owned(), due: at(5) }];
    assert!(matches!(desk.refused(beside).await, EntryError::Conflict { .. }), "checked without events too");
}

pub(super) async fn later_entries_see_earlier_ones_of_their_batch(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    let batch = [
        entry(&thing(1), 0, &["made"]),
        entry(&thing(1), 1, &["named", "kept"]),
        entry(&thing(1), 1, &["late"]),
        entry(&thing(1), 3, &["closed"]),
    ];
    let answers = desk.append(&batch).await;
    assert!(matches!(answers[2], Err(EntryError::Conflict { expected: 1, actual: 3, .. })));
    let seqs: Vec<_> = answers.iter().flatten().map(|appended| appended.seq).collect();
    assert_eq!(seqs, [1, 3, 4]);
}

pub(super) async fn one_bad_entry_fails_alone(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    let sends = |n: u64, id: u64| {
        let mut sends = entry(&thing(n), 0, &["sent"]);
        sends.messages = vec![message(&thing(n), id)];
        sends
    };
    desk.put(sends(1, 7)).await;
    let batch = [
        sends(2, 8),
        sends(3, 7),
        entry(&thing(3), 1, &["follows"]),
        sends(4, 9),
        sends(5, 9),
        entry(&thing(6), 0, &["made"]),
    ];
    let answers = desk.append(&batch).await;
    assert!(matches!(answers[1], Err(EntryError::Refused { .. })), "{:?}", answers[1]);
    assert!(
        matches!(answers[2], Err(EntryError::Conflict { actual: 0, .. })),
        "what it built on is not there"
    );
    assert!(matches!(answers[4], Err(EntryError::Refused { .. })), "{:?}", answers[4]);
    let positions: Vec<_> = answers.iter().flatten().map(|appended| appended.position).collect();
    assert_eq!(positions, [2, 3, 4]);
    assert_eq!(desk.log().await.len(), 4);
    let waiting = desk.journal.outbox(0, 0, 10).await.expect("reads");
    let waiting: Vec<_> = waiting.into_iter().map(|(_, message)| message.id).collect();
    assert_eq!(waiting, [message_id(7), message_id(8), message_id(9)]);
}

pub(super) async fn an_entry_is_all_or_nothing(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    let mut first = entry(&thing(1), 0, &["made"]);
    first.received = vec![Received { id: message_id(1), outcome: accepted(1, 1.into()) }];
    desk.put(first).await;
    // Everything in it is new but one message, which has been taken in already.
    let mut again = everything(&thing(1), 1);
    again.received = vec![Received { id: message_id(1), outcome: rejected("twice") }];
    assert!(matches!(desk.refused(again).await, EntryError::Refused { .. }));

    let loaded = desk.journal.load(&thing(1)).await.expect("loads");
    assert_eq!((loaded.head, loaded.snapshot, loaded.received.len()), (1, None, 1));
    assert_eq!(loaded.received[0].outcome, accepted(1, 1.into()), "the first answer stands");
    assert_eq!(desk.journal.find_key(&[9; 16]).await.expect("reads"), None);
    assert!(desk.journal.due_timers(0, at(1_000_000), 9).await.expect("reads").is_empty());
    assert!(desk.journal.outbox(0, 0, 9).await.expect("reads").is_empty());
    assert!(desk.journal.open_effects(0, 0, 9).await.expect("reads").is_empty());
    desk.put(everything(&thing(1), 1)).await;
}

pub(super) async fn what_belongs_to_another_stream_is_refused(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    let elsewhere = StreamKey::new(tenant("other"), id(THING, 1));
    let whole = everything(&thing(1), 0);
    let of = |change: fn(&mut Entry, &Entry)| {
        let mut bare = entry(&thing(1), 0, &["made"]);
        change(&mut bare, &everything(&elsewhere, 0));
        bare
    };
    let wrong = [
        of(|entry, other| entry.keys = other.keys.clone()),
        of(|entry, other| entry.messages = other.messages.clone()),
        of(|entry, other| entry.effects = other.effects.clone()),
        of(|entry, _| entry.timers = vec![TimerOp::Clear { name: "a\0b".to_owned() }]),
        of(|entry, _| entry.snapshot = Some(Snapshot { seq: 2, version: 1, data: Json::null() })),
    ];
    for entry in wrong {
        let error = desk.refused(entry).await;
        assert!(matches!(error, EntryError::Refused { .. }), "{error}");
    }
    desk.put(whole).await;
}

pub(super) async fn an_empty_entry_and_an_empty_batch_change_nothing(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    assert!(desk.append(&[]).await.is_empty());
    assert_eq!(desk.put(Entry::new(thing(1), at(0))).await, Appended { position: 0, seq: 0 });
    desk.put(entry(&thing(1), 0, &["made"])).await;
    assert_eq!(desk.put(Entry::new(thing(1), at(0))).await, Appended { position: 1, seq: 1 });
    assert_eq!(desk.log().await.len(), 1);
}

pub(super) async fn many_tasks_append_at_once(backend: Arc<dyn Backend>) {
    const TASKS: u64 = 16;
    const EACH: u64 = 12;
    let desk = &Desk::open(backend).await;
    let writer = |n: u64| async move {
        for seq in 0..EACH {
            let appended = desk.put(entry(&thing(n), seq, &["made"])).await;
            let read = desk.journal.read_stream(&thing(n), seq, 9).await.expect("reads");
            assert_eq!(read.len(), 1, "a read sees what has returned");
            assert_eq!((read[0].seq, read[0].position), (appended.seq, appended.position));
        }
    };
    join_all((0..TASKS).map(writer)).await;
    let log = desk.log().await;
    let positions: Vec<_> = log.iter().map(|event| event.position).collect();
    assert_eq!(positions, (1..=TASKS * EACH).collect::<Vec<_>>());
    for n in 0..TASKS {
        let seqs: Vec<_> =
            log.iter().filter(|event| event.stream == thing(n)).map(|event| event.seq).collect();
        assert_eq!(seqs, (1..=EACH).collect::<Vec<_>>());
    }
}

pub(super) async fn a_large_batch_is_taken_whole(backend: Arc<dyn Backend>) {
    const ENTRIES: u64 = 130;
    let desk = Desk::open(backend).await;
    let names = vec!["made"; 20];
    let large = |n: u64| {
        let mut large = entry(&thing(n), 0, &names);
        let records = (0..20).map(|at| KeyRecord { key: key_of(n * 20 + at), ..key(&thing(n)) });
        large.keys = records.collect();
        large
    };
    let batch: Vec<_> = (1..=ENTRIES).map(large).collect();
    assert!(desk.append(&batch).await.iter().all(Result::is_ok));
    let log = desk.log().await;
    assert_eq!(log.len() as u64, ENTRIES * 20);
    assert!(log.iter().zip(1..).all(|(event, position)| event.position == position));
    let keys: Vec<_> = (20..(ENTRIES + 1) * 20).map(key_of).collect();
    assert_eq!(desk.journal.taken_keys(&keys).await.expect("reads").len(), keys.len());
    let again = desk.refused(large(7)).await;
    assert!(matches!(again, EntryError::Conflict { .. }), "{again}");
}

fn key(stream: &StreamKey) -> KeyRecord {
    key_record(1, stream, accepted(1, 1.into()))
}

fn key_of(number: u64) -> KeyHash {
    let mut key = [7; 16];
    key[..8].copy_from_slice(&number.to_le_bytes());
    key
}
