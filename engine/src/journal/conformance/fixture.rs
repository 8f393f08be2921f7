//! What the cases are made of: streams, entries, and a desk that appends them under a fence.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::Backend;
use crate::clock::Timestamp;
use crate::effect::{Effect, EffectKey, EffectOp, EffectState};
use crate::id::{Prefix, Slot, StreamId, StreamKey, TenantId, uuid_v7};
use crate::journal::{
    Accepted, Appended, Entry, EntryError, Error, Event, Fence, Journal, Json, KeyRecord, Message, MessageId,
    NewEvent, Origin, Outcome, Received, Rejected, RejectionKind, Seq, Snapshot, TimerOp,
};

/// The kind of most streams of the cases.
pub(super) const THING: Prefix = Prefix::new("thing");
/// The one partition that every back end has.
pub(super) const PARTITION: u32 = 0;
/// A moment in 2025, in milliseconds.
pub(super) const START_MS: i64 = 1_763_796_000_000;

/// A journal that has been opened and taken over.
pub(super) struct Desk {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) fence: Fence,
}

impl Desk {
    pub(super) async fn open(backend: Arc<dyn Backend>) -> Self {
        let journal = backend.open().await;
        let lease = journal.take_over(PARTITION, Uuid::from_u128(1)).await.expect("the partition is there");
        Self { backend, journal, fence: lease.fence }
    }

    /// Closes the journal and opens it anew, as a restart does.
    pub(super) async fn reopen(self) -> Self {
        let Self { backend, journal, .. } = self;
        journal.close().await;
        drop(journal);
        Self::open(backend).await
    }

    pub(super) async fn append(&self, batch: &[Entry]) -> Vec<Result<Appended, EntryError>> {
        self.try_append(batch).await.expect("the journal can be used")
    }

    pub(super) async fn try_append(
        &self,
        batch: &[Entry],
    ) -> Result<Vec<Result<Appended, EntryError>>, Error> {
        self.journal.append(self.fence, batch).await
    }

    /// Appends one entry that must be taken.
    pub(super) async fn put(&self, entry: Entry) -> Appended {
        let mut answers = self.append(std::slice::from_ref(&entry)).await;
        assert_eq!(answers.len(), 1);
        answers.remove(0).expect("the entry is in order")
    }

    /// Appends one entry that must not be taken.
    pub(super) async fn refused(&self, entry: Entry) -> EntryError {
        let mut answers = self.append(std::slice::from_ref(&entry)).await;
        assert_eq!(answers.len(), 1);
        answers.remove(0).expect_err("the entry is not in order")
    }

    /// The whole log.
    pub(super) async fn log(&self) -> Vec<Event> {
        self.journal.read_log(PARTITION, 0, usize::MAX).await.expect("the log can be read")
    }
}

pub(super) fn tenant(name: &str) -> TenantId {
    name.parse().expect("a tenant's name")
}

pub(super) fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(START_MS + ms)
}

/// The `n`th stream of the default tenant.
pub(super) fn thing(n: u64) -> StreamKey {
    StreamKey::new(TenantId::default_tenant(), id(THING, n))
}

pub(super) fn id(prefix: Prefix, n: u64) -> StreamId {
    let slot = Slot::new(u16::try_from(n % 4096).expect("below 4,096"));
    StreamId::new(prefix, uuid_v7(START_MS.unsigned_abs(), slot, n))
}

pub(super) fn origin() -> Arc<Origin> {
    Arc::new(Origin::root("req_1", "user:ada"))
}

pub(super) fn event(name: &str, data: Json) -> NewEvent {
    NewEvent { name: Cow::Owned(name.to_owned()), version: 1, data, origin: origin() }
}

/// An entry of some events, each with its name and number in it.
pub(super) fn entry(stream: &StreamKey, expected: Seq, names: &[&str]) -> Entry {
    let mut entry = Entry::new(stream.clone(), at(0));
    entry.expected = Some(expected);
    let data = |n: usize| Json::from(&json!({ "n": n, "of": names.len() }));
    entry.events = names.iter().enumerate().map(|(n, name)| event(name, data(n))).collect();
    entry
}

pub(super) fn message_id(n: u64) -> MessageId {
    MessageId::derive(&["conformance", &n.to_string()])
}

pub(super) fn accepted(seq: Seq, reply: Value) -> Outcome {
    Outcome::Accepted(Accepted { seq, events: vec!["made".into()], reply: Json::from(&reply) })
}

pub(super) fn rejected(code: &'static str) -> Outcome {
    Outcome::Rejected(Rejected {
        kind: RejectionKind::Conflict,
        code: code.into(),
        message: "no".to_owned(),
        detail: Json::from(&json!({ "limit": 3 })),
    })
}

pub(super) fn key_record(n: u8, stream: &StreamKey, outcome: Outcome) -> KeyRecord {
    let range = matches!(outcome, Outcome::Accepted(_)).then_some((1, 1));
    KeyRecord { key: [n; 16], digest: [n ^ 0xff; 16], stream: stream.clone(), range, outcome }
}

/// What an event says, without its envelope's origin.
pub(super) fn told(event: &Event) -> (u64, String, u64, String, String) {
    let data = event.body.data.text().to_owned();
    (event.position, event.stream.to_string(), event.seq, event.body.name.to_string(), data)
}

/// An entry with one of everything that can be committed.
pub(super) fn everything(stream: &StreamKey, expected: u64) -> Entry {
    let mut all = entry(stream, expected, &["made"]);
    all.keys = vec![key_record(9, stream, accepted(1, 1.into()))];
    all.received = vec![Received { id: message_id(2), outcome: accepted(1, 2.into()) }];
    all.timers = vec![TimerOp::Set { name: "due".to_owned(), due: at(10) }];
    all.messages = vec![message(stream, 3)];
    all.effects = vec![EffectOp::Intend(Box::new(effect(stream, "a")))];
    all.snapshot = Some(Snapshot { seq: expected + 1, version: 1, data: Json::null() });
    all
}

/// The same for the `n`th of many entries, with names of its own.
#[cfg(test)]
pub(in crate::journal) fn everything_of(stream: &StreamKey, n: u64, expected: u64) -> Entry {
    let mut all = everything(stream, expected);
    all.at = at(n.cast_signed());
    for record in &mut all.keys {
        record.key = u128::from(n + 1).to_be_bytes();
    }
    all.received = vec![Received { id: message_id(10_000 + n), outcome: rejected("no") }];
    all.timers = vec![TimerOp::Set { name: format!("due {n}"), due: at(10) }];
    all.messages = vec![message(stream, n)];
    all.effects = vec![EffectOp::Intend(Box::new(effect(stream, &format!("effect {n}"))))];
    all
}

pub(super) fn message(from: &StreamKey, n: u64) -> Message {
    Message {
        id: message_id(n),
        from: from.clone(),
        to: id(THING, 1000 + n),
        command: "do-it".into(),
        body: Json::from(&json!({ "n": n })),
        origin: origin(),
    }
}

pub(super) fn effect(stream: &StreamKey, key: &str) -> Effect {
    Effect {
        key: EffectKey::derive(&["conformance", key]),
        stream: stream.clone(),
        connector: "mail".into(),
        operation: "send".into(),
        request: Json::from(&json!({ "to": key })),
        state: EffectState::Intended,
        attempts: 0,
        origin: origin(),
        at: at(0),
    }
}
