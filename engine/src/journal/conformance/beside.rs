//! What is committed beside the events: timers, messages, effects.

use std::sync::Arc;

use serde_json::json;

use super::Backend;
use super::fixture::{Desk, PARTITION, THING, at, effect, entry, id, message, message_id, tenant, thing};
use crate::clock::Timestamp;
use crate::effect::{EffectFailure, EffectKey, EffectOp, EffectOutcome, EffectState};
use crate::id::{StreamKey, TenantId};
use crate::journal::{EFFECTS_KEPT, Entry, EntryError, Json, TimerOp};

fn set(name: &str, due: i64) -> TimerOp {
    TimerOp::Set { name: name.to_owned(), due: at(due) }
}

fn clear(name: &str) -> TimerOp {
    TimerOp::Clear { name: name.to_owned() }
}

fn fired(name: &str, due: i64) -> TimerOp {
    TimerOp::Fired { name: name.to_owned(), due: at(due) }
}

fn timers(n: u64, timers: &[TimerOp]) -> Entry {
    let mut entry = Entry::new(thing(n), at(0));
    entry.timers = timers.to_vec();
    entry
}

/// The due timers, as stream's number, name and due time.
async fn due(desk: &Desk, until: i64) -> Vec<(StreamKey, String, Timestamp)> {
    let due = desk.journal.due_timers(PARTITION, at(until), 99).await.expect("reads");
    due.into_iter().map(|timer| (timer.stream, timer.name, timer.due)).collect()
}

pub(super) async fn timers_are_set_reset_and_cleared(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    let timer = |n: u64, name: &str, due: i64| (thing(n), name.to_owned(), at(due));
    desk.put(timers(1, &[set("b", 20), set("a", 10), set("c", -5)])).await;
    desk.put(timers(2, &[set("a", 15)])).await;
    assert_eq!(due(&desk, 9).await, [timer(1, "c", -5)]);
    assert_eq!(due(&desk, 10).await, [timer(1, "c", -5), timer(1, "a", 10)], "due at that very moment");
    desk.put(timers(1, &[set("a", 30), clear("c"), clear("unknown")])).await;
    assert_eq!(due(&desk, 99).await, [timer(2, "a", 15), timer(1, "b", 20), timer(1, "a", 30)]);
    desk.put(timers(1, &[fired("b", 19), fired("a", 30)])).await;
    assert_eq!(due(&desk, 99).await, [timer(2, "a", 15), timer(1, "b", 20)], "b has been set anew");
    desk.put(timers(2, &[clear("a"), set("a", 1), clear("a"), set("z\u{1f980}'", 2), set("z\u{1f980}'", 3)]))
        .await;
    assert_eq!(due(&desk, 99).await, [timer(2, "z\u{1f980}'", 3), timer(1, "b", 20)]);
    let first = desk.journal.due_timers(PARTITION, at(99), 1).await.expect("reads");
    assert_eq!(first.len(), 1);
    assert!(desk.journal.due_timers(4095, at(99), 9).await.expect("reads").is_empty());
}

pub(super) async fn timer_changes_of_one_batch_come_in_order(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    let timer = |n: u64, name: &str, due: i64| (thing(n), name.to_owned(), at(due));
    desk.put(timers(1, &[set("kept", 5), set("fired", 6), set("again", 7), set("gone", 8)])).await;
    let answers = desk
        .append(&[
            timers(1, &[fired("kept", 4), fired("fired", 6), fired("again", 7)]),
            timers(1, &[set("again", 9), fired("gone", 1)]),
            timers(1, &[fired("again", 7), fired("gone", 8)]),
            timers(2, &[set("new", 3)]),
            timers(2, &[fired("new", 3)]),
            timers(3, &[set("same", 2)]),
            timers(4, &[set("same", 2)]),
        ])
        .await;
    assert!(answers.iter().all(Result::is_ok));
    let wanted = [timer(3, "same", 2), timer(4, "same", 2), timer(1, "kept", 5), timer(1, "again", 9)];
    assert_eq!(due(&desk, 99).await, wanted);
}

pub(super) async fn messages_wait_until_their_sender_acknowledges(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    let rival = StreamKey::new(tenant("rival"), id(THING, 1));
    let mut sends = entry(&thing(1), 0, &["sent"]);
    sends.messages = vec![message(&thing(1), 2), message(&thing(1), 1), message(&thing(1), 3)];
    desk.put(sends).await;
    let mut theirs = entry(&rival, 0, &["sent"]);
    theirs.messages = vec![message(&rival, 4)];
    desk.put(theirs).await;

    let waiting = desk.journal.outbox(PARTITION, 0, 9).await.expect("reads");
    let ids: Vec<_> = waiting.iter().map(|(_, message)| message.id).collect();
    assert_eq!(ids, [2, 1, 3, 4].map(message_id), "oldest first");
    assert_eq!((&waiting[0].1.from, &waiting[3].1.from), (&thing(1), &rival));
    assert_eq!((waiting[0].1.to, waiting[0].1.command.as_ref()), (id(THING, 1002), "do-it"));
    let coming = async |tenant: &TenantId, n| {
        let to = StreamKey::new(tenant.clone(), id(THING, n));
        desk.journal.message_to(&to).await.expect("reads").map(|message| message.id)
    };
    assert_eq!(coming(&thing(1).tenant, 1002).await, Some(message_id(2)));
    assert_eq!(coming(&rival.tenant, 1004).await, Some(message_id(4)));
    assert_eq!(coming(&rival.tenant, 1002).await, None, "each tenant's own");
    assert_eq!(coming(&thing(1).tenant, 1).await, None);
    let cursor = waiting[1].0;
    let behind = desk.journal.outbox(PARTITION, cursor, 1).await.expect("reads");
    assert_eq!(behind.iter().map(|(_, message)| message.id).collect::<Vec<_>>(), [message_id(3)]);

    let acknowledges = |stream: &StreamKey, seq: u64, ids: &[u64]| {
        let mut acknowledges = entry(stream, seq, &["done"]);
        acknowledges.acknowledged = ids.iter().copied().map(message_id).collect();
        acknowledges
    };
    desk.put(acknowledges(&rival, 1, &[1, 2])).await;
    assert_eq!(desk.journal.outbox(PARTITION, 0, 9).await.expect("reads").len(), 4, "not the rival's to end");
    desk.put(acknowledges(&thing(1), 1, &[1, 3, 77])).await;
    let waiting = desk.journal.outbox(PARTITION, 0, 9).await.expect("reads");
    let ids: Vec<_> = waiting.iter().map(|(_, message)| message.id).collect();
    assert_eq!(ids, [2, 4].map(message_id));
    assert_eq!(coming(&thing(1).tenant, 1003).await, None, "it has come");

    let mut again = acknowledges(&thing(1), 2, &[2]);
    again.messages = vec![message(&thing(1), 2)];
    desk.put(again).await;
    let last = desk.journal.outbox(PARTITION, 0, 9).await.expect("reads").pop().expect("it waits");
    assert_eq!(last.1.id, message_id(2), "acknowledged first, then sent anew");
    assert!(last.0 > waiting[1].0, "a cursor is never used twice");
    let mut twice = entry(&thing(1), 3, &["sent"]);
    twice.messages = vec![message(&thing(1), 2)];
    assert!(matches!(desk.refused(twice).await, EntryError::Refused { .. }));
}

pub(super) async fn messages_sent_and_acknowledged_in_one_batch_are_gone(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    let mut sends = entry(&thing(1), 0, &["sent"]);
    sends.messages = vec![message(&thing(1), 1), message(&thing(1), 2)];
    let mut ends = entry(&thing(1), 1, &["done"]);
    ends.acknowledged = vec![message_id(1)];
    let mut anew = entry(&thing(1), 2, &["sent"]);
    anew.messages = vec![message(&thing(1), 1)];
    let answers = desk.append(&[sends, ends, anew]).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let waiting = desk.journal.outbox(PARTITION, 0, 9).await.expect("reads");
    let ids: Vec<_> = waiting.iter().map(|(_, message)| message.id).collect();
    assert_eq!(ids, [2, 1].map(message_id));
}

fn steps(stream: &StreamKey, effects: Vec<EffectOp>) -> Entry {
    let mut entry = Entry::new(stream.clone(), at(7));
    entry.effects = effects;
    entry
}

fn intend(stream: &StreamKey, key: &str) -> EffectOp {
    EffectOp::Intend(Box::new(effect(stream, key)))
}

fn key(name: &str) -> EffectKey {
    effect(&thing(1), name).key
}

fn dispatch(name: &str, attempt: u32) -> EffectOp {
    EffectOp::Dispatch { key: key(name), epoch: 4, attempt }
}

fn confirm(name: &str) -> EffectOp {
    EffectOp::End { key: key(name), outcome: EffectOutcome::Confirmed(Json::from(&json!({ "id": 1 }))) }
}

fn unknown(name: &str) -> EffectOp {
    let failure = EffectFailure { code: "deadline".into(), message: "no answer".to_owned() };
    EffectOp::End { key: key(name), outcome: EffectOutcome::Unknown(failure) }
}

async fn state(desk: &Desk, name: &str) -> (EffectState, u32) {
    let found = desk.journal.find_effect(&key(name)).await.expect("reads").expect("it is there");
    (found.state, found.attempts)
}

fn confirmed() -> EffectState {
    EffectState::Ended(EffectOutcome::Confirmed(Json::from(&json!({ "id": 1 }))))
}

pub(super) async fn effects_live_from_intention_to_their_end(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    let own = &thing(1);
    desk.put(steps(own, vec![intend(own, "a"), intend(own, "b")])).await;
    let open = desk.journal.open_effects(PARTITION, 0, 9).await.expect("reads");
    let keys: Vec<_> = open.iter().map(|(_, effect)| effect.key).collect();
    assert_eq!(keys, [key("a"), key("b")]);
    let (first, wanted) = (&open[0].1, effect(own, "a"));
    assert_eq!(
        (&first.stream, &first.connector, &first.operation),
        (own, &wanted.connector, &wanted.operation)
    );
    assert_eq!((&first.request, first.at, &first.origin), (&wanted.request, wanted.at, &wanted.origin));
    assert_eq!(state(&desk, "a").await, (EffectState::Intended, 0));
    let behind = desk.journal.open_effects(PARTITION, open[0].0, 9).await.expect("reads");
    assert_eq!(behind.len(), 1);

    desk.put(steps(own, vec![dispatch("a", 1)])).await;
    assert_eq!(state(&desk, "a").await, (EffectState::Dispatched { epoch: 4 }, 1));
    desk.put(steps(&thing(2), vec![confirm("a"), dispatch("b", 9)])).await;
    assert_eq!(
        state(&desk, "a").await,
        (EffectState::Dispatched { epoch: 4 }, 1),
        "not another stream's to end"
    );
    desk.put(steps(own, vec![confirm("a"), dispatch("nobody's", 1)])).await;
    assert_eq!(state(&desk, "a").await, (confirmed(), 1));
    let open = desk.journal.open_effects(PARTITION, 0, 9).await.expect("reads");
    assert_eq!(open.iter().map(|(_, effect)| effect.key).collect::<Vec<_>>(), [key("b")]);

    desk.put(steps(own, vec![dispatch("a", 2), unknown("a")])).await;
    assert_eq!(state(&desk, "a").await, (confirmed(), 1), "an end is final");
    desk.put(steps(own, vec![unknown("b"), dispatch("b", 5)])).await;
    assert!(matches!(state(&desk, "b").await, (EffectState::Ended(EffectOutcome::Unknown(_)), 0)));
    desk.put(steps(own, vec![dispatch("b", 6), confirm("b"), unknown("b")])).await;
    assert_eq!(state(&desk, "b").await, (confirmed(), 0), "but an unknown one may be resolved");
    assert!(desk.journal.find_effect(&key("c")).await.expect("reads").is_none());
}

pub(super) async fn effect_steps_of_one_batch_come_in_order(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    let own = &thing(1);
    desk.put(steps(own, vec![intend(own, "old")])).await;
    let answers = desk
        .append(&[
            steps(own, vec![intend(own, "new"), dispatch("new", 1)]),
            steps(own, vec![dispatch("old", 1), dispatch("old", 2)]),
            steps(own, vec![dispatch("new", 2), unknown("new"), dispatch("new", 3)]),
            steps(own, vec![unknown("old")]),
            steps(own, vec![confirm("new"), confirm("old"), dispatch("old", 9)]),
            steps(own, vec![intend(own, "old")]),
            steps(own, vec![intend(own, "last"), intend(own, "last")]),
        ])
        .await;
    assert_eq!(
        answers.iter().map(Result::is_ok).collect::<Vec<_>>(),
        [true, true, true, true, true, false, false]
    );
    assert_eq!(state(&desk, "new").await, (confirmed(), 2));
    assert_eq!(state(&desk, "old").await, (confirmed(), 2));
    assert!(desk.journal.find_effect(&key("last")).await.expect("reads").is_none());
    assert!(desk.journal.open_effects(PARTITION, 0, 9).await.expect("reads").is_empty());
}

pub(super) async fn an_effect_of_unknown_end_may_be_intended_again(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    let own = &thing(1);
    let open = async || desk.journal.open_effects(PARTITION, 0, 9).await.expect("reads").len();
    desk.put(steps(own, vec![intend(own, "a")])).await;
    desk.put(steps(own, vec![unknown("a")])).await;
    assert_eq!(open().await, 0);
    desk.put(steps(own, vec![intend(own, "a")])).await;
    assert_eq!(open().await, 1, "it is open again");
    desk.put(steps(own, vec![unknown("a"), intend(own, "a")])).await;
    assert_eq!(open().await, 1, "in one commit, too");
    desk.refused(steps(own, vec![intend(own, "a")])).await;
    desk.put(steps(own, vec![confirm("a")])).await;
    desk.refused(steps(own, vec![intend(own, "a")])).await;
    assert_eq!(open().await, 0);
}

pub(super) async fn ended_effects_are_forgotten_in_time(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    let own = &thing(1);
    desk.put(steps(own, vec![intend(own, "a"), intend(own, "b"), confirm("a")])).await;
    for (now, is_there) in [(at(7).plus(EFFECTS_KEPT), true), (at(8).plus(EFFECTS_KEPT), false)] {
        desk.journal.maintain(now).await.expect("upkeep is possible");
        assert_eq!(desk.journal.find_effect(&key("a")).await.expect("reads").is_some(), is_there);
    }
    assert!(desk.journal.find_effect(&key("b")).await.expect("reads").is_some(), "an open one stays");
    desk.put(steps(own, vec![intend(own, "a")])).await;
}
