//! Forgetting: a stream goes whole or not at all, and only its numbers and positions are not used again.

use std::sync::Arc;

use futures_util::future::{join, join_all};
use serde_json::json;
use uuid::Uuid;

use super::Backend;
use super::fixture::{
    Desk, PARTITION, THING, accepted, at, effect, entry, everything, id, key_record, message, message_id,
    rejected, tenant, thing,
};
use crate::effect::{EffectFailure, EffectOp, EffectOutcome};
use crate::id::StreamKey;
use crate::journal::{
    Age, Entry, EntryError, Error, Fence, Forgotten, Json, Message, Received, Seq, Snapshot, TimerOp,
};

async fn forget(desk: &Desk, stream: &StreamKey, head: Seq) -> Forgotten {
    desk.journal.forget(desk.fence, stream, head).await.expect("it can be forgotten")
}

/// Ends what the entry with everything began.
async fn end_all(desk: &Desk, stream: &StreamKey) {
    let mut end = Entry::new(stream.clone(), at(1));
    end.timers = vec![TimerOp::Clear { name: "due".to_owned() }];
    end.acknowledged = vec![message_id(3)];
    let outcome = EffectOutcome::Confirmed(Json::from(&json!(1)));
    end.effects = vec![EffectOp::End { key: effect(stream, "a").key, outcome }];
    desk.put(end).await;
}

/// The streams of the kind, the oldest first or the newest.
async fn listed(desk: &Desk, newest_first: bool) -> Vec<StreamKey> {
    let page = desk.journal.list_streams(&tenant("default"), THING, None, newest_first, 99).await;
    page.expect("reads").streams.into_iter().map(|(key, _)| key).collect()
}

/// Nothing can be read of a stream any more.
async fn is_nowhere(desk: &Desk, stream: &StreamKey) {
    let loaded = desk.journal.load(stream).await.expect("loads");
    assert_eq!((loaded.head, loaded.snapshot, loaded.events.len()), (0, None, 0), "{stream}");
    assert_eq!((loaded.received.len(), loaded.created_at, loaded.last), (0, None, None), "{stream}");
    for after in [0, 1, 9] {
        assert_eq!(desk.journal.read_stream(stream, after, 9).await.expect("reads").len(), 0, "{stream}");
    }
    assert_eq!(desk.journal.base(stream).await.expect("reads"), None, "{stream}");
    assert_eq!(desk.journal.trim(stream, 9).await.expect("trims"), 0, "{stream}");
    assert!(desk.log().await.iter().all(|event| event.stream != *stream), "{stream}");
    for newest_first in [false, true] {
        assert!(!listed(desk, newest_first).await.contains(stream), "{stream}");
    }
    let age = Age { trim: Some(at(99)), forget: Some(at(99)) };
    let old = desk.journal.old_streams(PARTITION, THING, age, 0, 99).await.expect("reads");
    assert!(!old.streams.contains(stream), "{stream}");
}

pub(super) async fn nothing_is_left_of_a_stream(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    desk.put(entry(&thing(2), 0, &["other"])).await;
    desk.put(everything(&thing(1), 0)).await;
    desk.put(entry(&thing(1), 1, &["b", "c"])).await;
    end_all(&desk, &thing(1)).await;
    let mut last = entry(&thing(1), 3, &["d"]);
    last.snapshot = Some(Snapshot { seq: 4, version: 7, data: Json::null() });
    desk.put(last).await;
    assert_eq!(desk.journal.trim(&thing(1), 2).await.expect("trims"), 2, "it is half trimmed");
    assert_eq!(desk.journal.base_shapes().await.expect("reads"), [(THING, 7)]);
    assert_eq!(listed(&desk, true).await, [thing(1), thing(2)]);
    assert!(desk.journal.find_key(&[9; 16]).await.expect("reads").is_some());
    assert_eq!(forget(&desk, &thing(1), 4).await, Forgotten::Gone);
    let mut desk = desk;
    for _ in 0..2 {
        is_nowhere(&desk, &thing(1)).await;
        assert_eq!(desk.journal.base_shapes().await.expect("reads"), []);
        assert_eq!(desk.journal.find_key(&[9; 16]).await.expect("reads").map(|_| ()), None);
        assert!(desk.journal.taken_keys(&[[9; 16]]).await.expect("reads").is_empty());
        let key = effect(&thing(1), "a").key;
        assert_eq!(desk.journal.find_effect(&key).await.expect("reads").map(|_| ()), None);
        assert_eq!(listed(&desk, false).await, [thing(2)], "others stay");
        assert_eq!(desk.journal.load(&thing(2)).await.expect("loads").head, 1);
        assert_eq!(forget(&desk, &thing(1), 4).await, Forgotten::Gone, "it is gone already");
        desk = desk.reopen().await;
    }
}

pub(super) async fn the_log_goes_on_behind_what_was_forgotten(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    desk.put(entry(&thing(1), 0, &["a"])).await;
    desk.put(entry(&thing(2), 0, &["x", "y"])).await;
    assert_eq!(forget(&desk, &thing(2), 2).await, Forgotten::Gone);
    let desk = desk.reopen().await;
    assert_eq!(desk.journal.load(&thing(1)).await.expect("loads").head, 1, "the end of the log is a gap");
    let appended = desk.put(entry(&thing(3), 0, &["b"])).await;
    assert_eq!((appended.seq, appended.position), (1, 4), "no position is used twice");
    assert_eq!(forget(&desk, &thing(3), 1).await, Forgotten::Gone);
    let appended = desk.put(entry(&thing(1), 1, &["c"])).await;
    assert_eq!((appended.seq, appended.position), (2, 5));
    let desk = desk.reopen().await;
    for (after, wanted) in [(0, vec![1, 5]), (1, vec![5]), (3, vec![5]), (5, vec![])] {
        let log = desk.journal.read_log(PARTITION, after, 9).await.expect("reads");
        assert_eq!(log.iter().map(|event| event.position).collect::<Vec<_>>(), wanted, "after {after}");
    }
    let lease = desk.journal.take_over(PARTITION, Uuid::from_u128(8)).await.expect("it is there");
    assert_eq!(lease.position, 5);
}

pub(super) async fn a_name_begins_anew(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    let whole = || {
        let mut whole = everything(&thing(1), 0);
        whole.timers.clear();
        whole.messages.clear();
        let failure = EffectFailure { code: "deadline".into(), message: "no answer".to_owned() };
        let key = effect(&thing(1), "a").key;
        whole.effects.push(EffectOp::End { key, outcome: EffectOutcome::Unknown(failure) });
        whole
    };
    let mut desk = desk;
    for round in 1..=4_u64 {
        let appended = desk.put(whole()).await;
        assert_eq!(appended.seq, 1, "numbers begin anew");
        assert_eq!(desk.journal.load(&thing(1)).await.expect("loads").received.len(), 1);
        if round.is_multiple_of(2) {
            desk.journal.maintain(at(0)).await.expect("upkeep is possible");
            desk = desk.reopen().await;
        }
        assert_eq!(forget(&desk, &thing(1), 1).await, Forgotten::Gone, "round {round}");
        is_nowhere(&desk, &thing(1)).await;
        if round == 3 {
            let (last, _) =
                desk.journal.forgotten(PARTITION, 0, 9).await.expect("reads").pop().expect("some");
            desk.journal.settle_forgotten(desk.fence, last).await.expect("settles");
        }
    }
    // Its keys are free for others too, in a batch with one that is not in order.
    let mut other = whole();
    other.stream = thing(2);
    other.keys = vec![key_record(9, &thing(2), rejected("no"))];
    other.effects = vec![EffectOp::Intend(Box::new(effect(&thing(2), "a")))];
    let answers = desk.append(&[entry(&thing(3), 5, &["wrong"]), other]).await;
    assert!(matches!(answers[0], Err(EntryError::Conflict { .. })), "{answers:?}");
    assert!(answers[1].is_ok(), "{answers:?}");
    assert_eq!(desk.journal.find_key(&[9; 16]).await.expect("reads").expect("there").stream, thing(2));
    let taken = desk.refused(Entry {
        keys: vec![key_record(9, &thing(4), rejected("x"))],
        ..entry(&thing(4), 0, &["a"])
    });
    assert!(matches!(taken.await, EntryError::KeyTaken { .. }));
}

type Change = fn(&mut Entry);

/// What keeps the first stream, each with how that ends.
const UNDER_WAY: [(Change, Change); 4] = [
    (
        |entry| entry.timers = vec![TimerOp::Set { name: "t".to_owned(), due: at(10) }],
        |entry| entry.timers = vec![TimerOp::Fired { name: "t".to_owned(), due: at(10) }],
    ),
    (
        |entry| {
            let dispatched = EffectOp::Dispatch { key: effect(&thing(1), "a").key, epoch: 1, attempt: 1 };
            entry.effects = vec![EffectOp::Intend(Box::new(effect(&thing(1), "a"))), dispatched];
        },
        |entry| {
            let outcome = EffectOutcome::Confirmed(Json::null());
            entry.effects = vec![EffectOp::End { key: effect(&thing(1), "a").key, outcome }];
        },
    ),
    (|entry| entry.messages = vec![message(&thing(1), 5)], |entry| entry.acknowledged = vec![message_id(5)]),
    (
        |entry| {
            entry.stream = thing(2);
            entry.messages = vec![Message { to: id(THING, 1), ..message(&thing(2), 77) }];
        },
        |entry| {
            entry.stream = thing(2);
            entry.acknowledged = vec![message_id(77)];
        },
    ),
];

pub(super) async fn what_something_is_under_way_for_is_kept(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    desk.put(entry(&thing(1), 0, &["a"])).await;
    desk.put(entry(&thing(2), 0, &["a"])).await;
    let put = async |change: Change| {
        let mut made = Entry::new(thing(1), at(0));
        change(&mut made);
        desk.put(made).await;
    };
    for (place, (begin, end)) in UNDER_WAY.into_iter().enumerate() {
        put(begin).await;
        assert_eq!(forget(&desk, &thing(1), 1).await, Forgotten::Kept, "{place}");
        assert_eq!(desk.journal.load(&thing(1)).await.expect("loads").head, 1, "{place}");
        assert!(desk.journal.forgotten(PARTITION, 0, 9).await.expect("reads").is_empty(), "{place}");
        put(end).await;
    }
    assert_eq!(forget(&desk, &thing(1), 1).await, Forgotten::Gone);
    // What is only like it does not hold it: a message to the same id of another tenant.
    let rival = StreamKey::new(tenant("rival"), id(THING, 2));
    let mut like = entry(&rival, 0, &["a"]);
    like.messages = vec![Message { to: id(THING, 2), ..message(&rival, 88) }];
    desk.put(like).await;
    assert_eq!(forget(&desk, &thing(2), 1).await, Forgotten::Gone);
    assert_eq!(desk.journal.load(&rival).await.expect("loads").head, 1);
}

pub(super) async fn a_stream_that_has_gone_on_is_kept(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    desk.put(entry(&thing(1), 0, &["a", "b"])).await;
    for head in [0, 1, 3] {
        assert_eq!(forget(&desk, &thing(1), head).await, Forgotten::Kept, "{head}");
    }
    assert_eq!(forget(&desk, &thing(9), 1).await, Forgotten::Gone, "there is none");
    let mut only_keys = Entry::new(thing(5), at(0));
    only_keys.keys = vec![key_record(5, &thing(5), rejected("no"))];
    desk.put(only_keys).await;
    assert_eq!(forget(&desk, &thing(5), 1).await, Forgotten::Gone, "it has no events");
    assert!(desk.journal.find_key(&[5; 16]).await.expect("reads").is_some(), "and keeps what it has");
    assert_eq!(desk.journal.load(&thing(1)).await.expect("loads").head, 2);
    assert_eq!(desk.put(entry(&thing(1), 2, &["c"])).await.seq, 3);
    assert_eq!(forget(&desk, &thing(1), 2).await, Forgotten::Kept);
    assert_eq!(forget(&desk, &thing(1), 3).await, Forgotten::Gone);
    let refused = desk.refused(entry(&thing(1), 3, &["d"])).await;
    assert!(matches!(refused, EntryError::Conflict { actual: 0, .. }), "{refused}");
}

pub(super) async fn only_the_owner_forgets(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    desk.put(entry(&thing(1), 0, &["a"])).await;
    let stale = desk.fence;
    let lease = desk.journal.take_over(PARTITION, Uuid::from_u128(2)).await.expect("it is there");
    let wrong = Fence { incarnation: Uuid::from_u128(3), ..lease.fence };
    for fence in [stale, wrong] {
        for stream in [thing(1), thing(2)] {
            let refused = desk.journal.forget(fence, &stream, 1).await;
            assert!(matches!(refused, Err(Error::Fenced { .. })), "{refused:?}");
        }
    }
    assert_eq!(desk.journal.load(&thing(1)).await.expect("loads").head, 1);
    let stream = thing(1);
    let both = join(desk.journal.forget(stale, &stream, 1), desk.journal.forget(lease.fence, &stream, 1));
    let (refused, gone) = both.await;
    assert!(matches!(refused, Err(Error::Fenced { .. })), "{refused:?}");
    assert_eq!(gone.expect("the owner may"), Forgotten::Gone);
    let (last, _) = desk.journal.forgotten(PARTITION, 0, 9).await.expect("reads").remove(0);
    desk.journal.settle_forgotten(stale, last).await.expect("without effect");
    assert_eq!(desk.journal.forgotten(PARTITION, 0, 9).await.expect("reads").len(), 1);
}

pub(super) async fn many_are_forgotten_at_once_while_others_append(backend: Arc<dyn Backend>) {
    const MANY: u64 = 150;
    let desk = Desk::open(backend).await;
    let batch: Vec<_> = (1..=MANY).map(|n| entry(&thing(n), 0, &["a", "b"])).collect();
    assert!(desk.append(&batch).await.iter().all(Result::is_ok));
    let forgets = join_all((1..=MANY).map(|n| {
        let desk = &desk;
        async move { desk.journal.forget(desk.fence, &thing(n), 2).await.expect("it can be tried") }
    }));
    // Every third one goes on, sooner or later than it is forgotten.
    let appends = join_all((1..=MANY).step_by(3).map(|n| {
        let desk = &desk;
        async move { desk.append(&[entry(&thing(n), 2, &["c"])]).await.remove(0).is_ok() }
    }));
    let (forgotten, appended) = join(forgets, appends).await;
    let mut desk = desk;
    for _ in 0..2 {
        let mut left = Vec::new();
        for n in 1..=MANY {
            let went_on = n % 3 == 1 && appended[(n / 3) as usize];
            let is_gone = forgotten[(n - 1) as usize] == Forgotten::Gone;
            assert_ne!(went_on, is_gone, "{n}: what was acknowledged is there, and the rest is gone");
            let wanted = if went_on { 3 } else { 0 };
            assert_eq!(desk.journal.load(&thing(n)).await.expect("loads").head, wanted, "{n}");
            left.extend(went_on.then(|| thing(n)));
        }
        assert_eq!(listed(&desk, false).await, left);
        let list = desk.journal.forgotten(PARTITION, 0, 999).await.expect("reads");
        assert_eq!(list.len() as u64, MANY - left.len() as u64);
        desk = desk.reopen().await;
    }
}

pub(super) async fn the_list_is_kept_until_it_is_settled(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    for n in 1..=5 {
        let mut made = entry(&thing(n), 0, &["a"]);
        made.received = vec![Received { id: message_id(n), outcome: accepted(1, json!(n)) }];
        desk.put(made).await;
        assert_eq!(forget(&desk, &thing(n), 1).await, Forgotten::Gone);
    }
    let desk = desk.reopen().await;
    let (mut found, mut after) = (Vec::new(), 0);
    loop {
        let page = desk.journal.forgotten(PARTITION, after, 2).await.expect("reads");
        let Some((last, _)) = page.last() else { break };
        assert!(*last > after, "cursors rise");
        after = *last;
        found.extend(page);
    }
    let streams: Vec<_> = found.iter().map(|(_, stream)| stream.clone()).collect();
    assert_eq!(streams, (1..=5).map(thing).collect::<Vec<_>>());
    assert!(desk.journal.forgotten(4095, 0, 9).await.expect("reads").is_empty());
    desk.journal.settle_forgotten(desk.fence, found[2].0).await.expect("settles");
    let desk = desk.reopen().await;
    let left = desk.journal.forgotten(PARTITION, 0, 9).await.expect("reads");
    assert_eq!(left.iter().map(|(_, stream)| stream.clone()).collect::<Vec<_>>(), [thing(4), thing(5)]);
    desk.journal.settle_forgotten(desk.fence, left[1].0).await.expect("settles");
    assert!(desk.journal.forgotten(PARTITION, 0, 9).await.expect("reads").is_empty());
    desk.put(entry(&thing(1), 0, &["a"])).await;
    assert_eq!(forget(&desk, &thing(1), 1).await, Forgotten::Gone);
    let again = desk.journal.forgotten(PARTITION, left[1].0, 9).await.expect("reads");
    assert_eq!(again.len(), 1, "cursors are not used twice");
}
