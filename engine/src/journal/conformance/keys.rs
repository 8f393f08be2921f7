//! Idempotency keys, and messages taken in: recorded in the commit, and once.

use std::sync::Arc;

use super::Backend;
use super::fixture::{
    Desk, THING, accepted, at, entry, id, key_record, message, message_id, rejected, tenant, thing,
};
use crate::id::StreamKey;
use crate::journal::{Entry, EntryError, INBOX_KEPT, KEYS_KEPT, Received};

pub(super) async fn a_key_is_recorded_with_the_events_and_taken_once(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    let mut first = entry(&thing(1), 0, &["made"]);
    first.keys = vec![key_record(1, &thing(1), accepted(1, serde_json::json!({ "id": 7 })))];
    desk.put(first.clone()).await;
    assert_eq!(desk.journal.find_key(&[1; 16]).await.expect("reads"), Some(first.keys[0].clone()));
    assert_eq!(desk.journal.find_key(&[2; 16]).await.expect("reads"), None);

    let mut again = entry(&thing(1), 1, &["named"]);
    again.keys = vec![key_record(2, &thing(1), accepted(2, 0.into())), first.keys[0].clone()];
    assert!(matches!(desk.refused(again).await, EntryError::KeyTaken { stream } if stream == thing(1)));
    let mut elsewhere = entry(&thing(2), 0, &["made"]);
    elsewhere.keys = vec![key_record(1, &thing(2), accepted(1, 0.into()))];
    assert!(matches!(desk.refused(elsewhere).await, EntryError::KeyTaken { stream } if stream == thing(2)));
    assert_eq!(desk.journal.find_key(&[2; 16]).await.expect("reads"), None, "the entry left nothing");
    assert_eq!(desk.log().await.len(), 1);
}

pub(super) async fn a_rejection_is_recorded_without_events(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    let mut no = Entry::new(thing(1), at(3));
    no.keys = vec![key_record(1, &thing(1), rejected("too_late"))];
    no.received = vec![Received { id: message_id(1), outcome: rejected("too_late") }];
    let appended = desk.put(no.clone()).await;
    assert_eq!((appended.position, appended.seq), (0, 0));
    assert_eq!(desk.journal.find_key(&[1; 16]).await.expect("reads"), Some(no.keys[0].clone()));
    let loaded = desk.journal.load(&thing(1)).await.expect("loads");
    assert_eq!((loaded.head, loaded.received), (0, no.received.clone()));
    let page = desk.journal.list_streams(&thing(1).tenant, THING, None, false, 9).await.expect("reads");
    assert!(page.streams.is_empty(), "a stream without events is not listed");

    assert!(matches!(desk.refused(no).await, EntryError::KeyTaken { .. }));
    desk.put(entry(&thing(1), 0, &["made"])).await;
    let page = desk.journal.list_streams(&thing(1).tenant, THING, None, false, 9).await.expect("reads");
    assert_eq!(page.streams.len(), 1);
}

pub(super) async fn a_key_is_taken_once_within_a_batch_too(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    let with_key = |n: u64| {
        let mut with_key = entry(&thing(n), 0, &["made"]);
        with_key.keys = vec![key_record(1, &thing(n), accepted(1, n.into()))];
        with_key
    };
    let mut twice = entry(&thing(3), 0, &["made"]);
    twice.keys = vec![key_record(5, &thing(3), rejected("a")), key_record(5, &thing(3), rejected("b"))];
    let answers = desk.append(&[with_key(1), with_key(2), twice, entry(&thing(4), 0, &["made"])]).await;
    assert!(answers[0].is_ok() && answers[3].is_ok());
    assert!(matches!(answers[1], Err(EntryError::KeyTaken { .. })));
    assert!(matches!(answers[2], Err(EntryError::KeyTaken { .. })));
    assert_eq!(desk.log().await.len(), 2);
    let record = desk.journal.find_key(&[1; 16]).await.expect("reads").expect("recorded");
    assert_eq!(record.stream, thing(1));
}

pub(super) async fn a_message_is_taken_in_once_by_each_stream(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    let takes = |stream: &StreamKey, seq: u64| {
        let mut takes = entry(stream, seq, &["taken"]);
        takes.received = vec![Received { id: message_id(1), outcome: accepted(seq + 1, seq.into()) }];
        takes
    };
    desk.put(takes(&thing(1), 0)).await;
    assert!(matches!(desk.refused(takes(&thing(1), 1)).await, EntryError::Refused { .. }));
    desk.put(takes(&thing(2), 0)).await;
    let other = StreamKey::new(tenant("other"), id(THING, 1));
    desk.put(takes(&other, 0)).await;
    let answers = desk.append(&[entry(&thing(1), 1, &["x"]), takes(&thing(2), 1), takes(&thing(3), 0)]).await;
    assert!(answers[0].is_ok() && answers[1].is_err() && answers[2].is_ok());
    let mut several = entry(&thing(3), 1, &["more"]);
    several.received =
        (5..9).rev().map(|n| Received { id: message_id(n), outcome: rejected("no") }).collect();
    desk.put(several).await;
    let loaded = desk.journal.load(&thing(3)).await.expect("loads");
    let ids: Vec<_> = loaded.received.iter().map(|received| received.id).collect();
    assert_eq!(ids, [1, 8, 7, 6, 5].map(message_id), "in the order in which they were taken in");
}

pub(super) async fn what_is_not_kept_for_ever_is_kept_long_enough(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    let mut sender = entry(&thing(1), 0, &["sent"]);
    sender.messages = vec![message(&thing(1), 1), message(&thing(1), 2)];
    desk.put(sender).await;
    let mut receiver = entry(&thing(2), 0, &["taken"]);
    receiver.received =
        [1, 2].map(|n| Received { id: message_id(n), outcome: accepted(1, n.into()) }).to_vec();
    receiver.keys = vec![key_record(1, &thing(2), accepted(1, 1.into()))];
    desk.put(receiver).await;
    let mut acknowledges = entry(&thing(1), 1, &["done"]);
    acknowledges.acknowledged = vec![message_id(1)];
    desk.put(acknowledges).await;
    // One key behind it, as the newest may stay for reasons of a back end's own.
    let mut newest = Entry::new(thing(3), at(1));
    newest.keys = vec![key_record(2, &thing(3), rejected("no"))];
    desk.put(newest).await;

    let hour = at(0).plus(INBOX_KEPT);
    keep_up(&desk, hour).await;
    assert_eq!(desk.journal.load(&thing(2)).await.expect("loads").received.len(), 2);
    keep_up(&desk, at(1).plus(INBOX_KEPT)).await;
    let left = desk.journal.load(&thing(2)).await.expect("loads").received;
    assert_eq!(left.len(), 1, "what is acknowledged and an hour old is forgotten");
    assert_eq!(left[0].id, message_id(2), "what waits in the outbox is not");

    keep_up(&desk, at(0).plus(KEYS_KEPT)).await;
    assert!(desk.journal.find_key(&[1; 16]).await.expect("reads").is_some());
    keep_up(&desk, at(1).plus(KEYS_KEPT)).await;
    assert_eq!(desk.journal.find_key(&[1; 16]).await.expect("reads"), None);
    let mut anew = entry(&thing(2), 1, &["named"]);
    anew.keys = vec![key_record(1, &thing(2), rejected("new"))];
    desk.put(anew.clone()).await;
    assert_eq!(desk.journal.find_key(&[1; 16]).await.expect("reads"), Some(anew.keys[0].clone()));
}

/// Does the upkeep often enough that everything has had its turn.
async fn keep_up(desk: &Desk, now: crate::clock::Timestamp) {
    for _ in 0..3 {
        desk.journal.maintain(now).await.expect("upkeep is possible");
    }
}

pub(super) async fn taken_keys_are_told_from_free_ones(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    let mut keyed = entry(&thing(1), 0, &["made"]);
    keyed.keys =
        vec![key_record(1, &thing(1), accepted(1, 1.into())), key_record(2, &thing(1), rejected("no"))];
    desk.put(keyed).await;
    let asked = [[1; 16], [2; 16], [3; 16], [1; 16]];
    let taken = desk.journal.taken_keys(&asked).await.expect("reads");
    assert_eq!(taken, [[1; 16], [2; 16]].into());
    let desk = desk.reopen().await;
    assert_eq!(desk.journal.taken_keys(&asked).await.expect("reads"), taken);
    assert!(desk.journal.taken_keys(&[]).await.expect("reads").is_empty());
}
