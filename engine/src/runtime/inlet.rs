//! The inlet: events from outside, on stable storage before they are answered, and taken once each.
//!
//! The events of a source stand in a stream of their own, in the order in which they came. What an event is recognised
//! by (tenant, source, id) is an idempotency key that is recorded in the same commit, so that one which comes again
//! within [`crate::journal::KEYS_KEPT`] is found; it counts as taken, whatever it holds the second time (CloudEvents
//! 1.0, section 3.1: source and id together are unique to the event).

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use futures_util::future::try_join_all;

use super::Node;
use crate::entity::{Fault, Overload};
use crate::id::{Prefix, StreamId, StreamKey, TenantId};
use crate::journal::{
    Accepted, Entry, EntryError, Json, KeyHash, KeyRecord, Message, MessageId, NewEvent, Origin, Outcome,
    PartitionId, Position,
};
use crate::partition::LaneError;
use crate::telemetry::names;

/// The kind of the streams that hold the events of a source.
pub const INLET: Prefix = Prefix::new("inlet");

/// How often what came at the same time under the same ids is sorted out anew.
const ROUNDS: usize = 8;

/// An event from outside.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Where it comes from.
    pub source: String,
    /// Its id within its source.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// The whole event.
    pub event: Json,
    /// The topics that are to have it, of those who listen for it.
    pub topics: Vec<StreamId>,
}

/// What became of events from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TakenIn {
    /// How many were new, and stand in the journal now.
    pub accepted: usize,
    /// How many had been taken before, or came twice at once.
    pub duplicates: usize,
    /// Where the journal holds the new ones: a position of each partition that took some.
    pub marks: Vec<(PartitionId, Position)>,
}

/// An event on its way, with what it is recognised by.
struct Keyed {
    key: KeyHash,
    kind: String,
    event: Json,
    topics: Vec<StreamId>,
}

impl Node {
    /// Takes events from outside in. Those of one source stand or fail together, and what failed may be sent again:
    /// what stands is recognised.
    ///
    /// # Errors
    ///
    /// [`Fault`]; some of the events may have been taken in.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the events may still be taken in.
    pub async fn take_in(
        &self,
        tenant: &TenantId,
        origin: &Arc<Origin>,
        events: Vec<Incoming>,
    ) -> Result<TakenIn, Fault> {
        if self.is_held() {
            return Err(Fault::Held);
        }
        let count = u32::try_from(events.len()).unwrap_or(u32::MAX);
        let full = |_| self.directory().shared().admission.refuse(Overload::InletFull);
        let _room = self.inlet_room().try_acquire_many(count).map_err(full)?;
        let secret = &self.info().secret;
        let mut sources = BTreeMap::<String, Vec<Keyed>>::new();
        for Incoming { source, id, kind, event, topics } in events {
            let key = secret.digest("event", &[tenant.as_str(), &source, &id]);
            sources.entry(source).or_default().push(Keyed { key, kind, event, topics });
        }
        let each = sources.into_iter().map(|(source, events)| {
            let id = secret.derive(INLET, None, "event source", &[tenant.as_str(), &source]);
            self.take_in_source(StreamKey::new(tenant.clone(), id), origin, events)
        });
        let mut all = TakenIn::default();
        for taken in try_join_all(each).await? {
            all.accepted += taken.accepted;
            all.duplicates += taken.duplicates;
            all.marks.extend(taken.marks);
        }
        metrics::counter!(names::EVENTS_TAKEN_IN).increment(all.accepted as u64);
        Ok(all)
    }

    async fn take_in_source(
        &self,
        stream: StreamKey,
        origin: &Arc<Origin>,
        events: Vec<Keyed>,
    ) -> Result<TakenIn, Fault> {
        let sent = events.len();
        let mut seen = HashSet::with_capacity(sent);
        let mut fresh: Vec<_> = events.into_iter().filter(|event| seen.insert(event.key)).collect();
        for _ in 0..ROUNDS {
            if fresh.is_empty() {
                return Ok(TakenIn { duplicates: sent, ..TakenIn::default() });
            }
            let owned = self.owned(&stream)?;
            let partition = owned.partition();
            let appended = owned.append(entry(&stream, origin, &fresh, self));
            match self.directory().hear(&owned, appended, || Fault::Unknown).await? {
                Ok(appended) => {
                    let marks = vec![(partition, appended.position)];
                    return Ok(TakenIn { accepted: fresh.len(), duplicates: sent - fresh.len(), marks });
                }
                Err(LaneError::Entry(EntryError::KeyTaken { .. })) => {
                    let keys: Vec<_> = fresh.iter().map(|event| event.key).collect();
                    let taken = self.journal().taken_keys(&keys).await.map_err(Fault::from)?;
                    fresh.retain(|event| !taken.contains(&event.key));
                }
                Err(error) => return Err(self.directory().append_failed(&owned, &error)),
            }
        }
        Err(self.directory().shared().admission.refuse(Overload::SameEventsAtOnce))
    }
}

fn entry(stream: &StreamKey, origin: &Arc<Origin>, events: &[Keyed], node: &Node) -> Entry {
    let mut entry = Entry::new(stream.clone(), node.cx().now());
    entry.events.reserve(events.len());
    entry.keys.reserve(events.len());
    for Keyed { key, kind, event, topics } in events {
        entry.messages.extend(topics.iter().map(|topic| offered(stream, origin, key, event, *topic)));
        let (name, data) = (kind.clone().into(), event.clone());
        entry.events.push(NewEvent { name, version: 1, data, origin: origin.clone() });
        let nothing = Accepted { seq: 0, events: Vec::new(), reply: Json::null() };
        let (stream, outcome) = (stream.clone(), Outcome::Accepted(nothing));
        entry.keys.push(KeyRecord { key: *key, digest: [0; 16], stream, range: None, outcome });
    }
    entry
}

/// The message that takes an event to a topic: once, however often the event is sent.
fn offered(
    stream: &StreamKey,
    origin: &Arc<Origin>,
    key: &KeyHash,
    event: &Json,
    topic: StreamId,
) -> Message {
    let event_key = uuid::Uuid::from_bytes(*key).to_string();
    let id = MessageId::derive(&["inlet", &event_key, &topic.to_string()]);
    let body = Json::from_text(format!("{{\"event\":{}}}", event.text())).unwrap_or_else(|_| Json::null());
    let origin = Arc::new(origin.caused(&id.to_string(), &stream.id.to_string()));
    Message { id, from: stream.clone(), to: topic, command: "offer".into(), body, origin }
}
