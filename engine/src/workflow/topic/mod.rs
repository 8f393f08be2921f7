//! Topics: where events and those who listen for them meet.
//!
//! `(nothing) --offer, subscribe--> kept`
//!
//! A topic has the events of one type (or all, under `*`) that have one value of each correlation; its id is made of
//! just that, so that an event and the listener that wants it come to the same stream whichever is first. Events are
//! numbered and kept for a while (bounded by number, bytes and age). A listener has a cursor: it gets each event once,
//! those that came before it listened too, as far back as its run began. What a run hears beyond that is the
//! run's own matter: expressions over an event are evaluated there.
//!
//! Events come by the outbox of who sends them ([`Interests`] says to which topics), and go to the runs by the topic's.

use serde_json::Value;

use crate::id::{Prefix, StreamId, TenantId};

mod entity;
mod interests;
mod kept;
#[cfg(test)]
mod tests;

pub use entity::{Command, Event, Rejection, Topic};
pub use interests::Interests;
pub(in crate::workflow) use interests::{constant, shape_of, topics_of};

/// The prefix of topics' ids.
pub const TOPIC: Prefix = Prefix::new("topic");

/// The type under which topics have the events of all types.
pub(in crate::workflow) const EVERY_TYPE: &str = "*";

/// The id of the topic of a type, with the values of its correlations by the source of their expressions.
pub(in crate::workflow) fn topic_id(tenant: &TenantId, kind: &str, keys: &[(&str, &Value)]) -> StreamId {
    let mut parts = vec![tenant.as_str().to_owned(), kind.to_owned()];
    for (source, value) in keys {
        parts.push((*source).to_owned());
        parts.push(value.to_string());
    }
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    StreamId::new(TOPIC, crate::id::uuid_v8(crate::id::digest("topic", &parts), None))
}
