//! What the journal keeps: events with their full envelope, and what is committed beside them.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::id::{Slot, StreamId, StreamKey};

/// The number of an event in its stream; the first is 1, and 0 means "before the first".
pub type Seq = u64;

/// The place of an event in its partition's log; gap-free and in the order of commit, from 1.
pub type Position = u64;

/// The number of a partition.
pub type PartitionId = u32;

/// JSON text that is carried and not looked into. Cheap to clone.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json(Arc<RawValue>);

impl Json {
    /// Takes JSON text as it stands.
    ///
    /// # Errors
    ///
    /// When the text is not one JSON value.
    pub fn from_text(text: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text).map(|raw| Self(raw.into()))
    }

    /// Writes a value as JSON.
    ///
    /// # Errors
    ///
    /// When the value cannot be JSON: a map with keys that are no strings, or its own `Serialize` fails.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(|raw| Self(raw.into()))
    }

    /// The value `null`.
    pub fn null() -> Self {
        Self(RawValue::NULL.to_owned().into())
    }

    /// The JSON text.
    pub fn text(&self) -> &str {
        self.0.get()
    }

    /// Reads the text into a type.
    ///
    /// # Errors
    ///
    /// When the JSON does not have the type's shape.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.text())
    }

    /// Reads the text into a tree.
    pub fn value(&self) -> serde_json::Value {
        serde_json::from_str(self.text()).unwrap_or(serde_json::Value::Null)
    }
}

impl From<&serde_json::Value> for Json {
    fn from(value: &serde_json::Value) -> Self {
        Self::of(value).expect("a JSON tree can always be written")
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Json {}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Json({} bytes)", self.text().len())
    }
}

impl schemars::JsonSchema for Json {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Json".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        true.into()
    }
}

/// Where an event came from: the part of the envelope that a command brings with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The id of the request, message or timer that directly caused it.
    #[serde(rename = "c")]
    pub causation: Arc<str>,
    /// The id that everything set off by the same first cause shares.
    #[serde(rename = "r")]
    pub correlation: Arc<str>,
    /// The W3C `traceparent` of the request, if it had one.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Arc<str>>,
    /// Who did it: a principal of the edge, or `run:...`, `timer`, `system`.
    #[serde(rename = "p")]
    pub principal: Arc<str>,
    /// How many rules that fired stand between the first cause and this: what goes round in circles is stopped by it.
    #[serde(rename = "h", default, skip_serializing_if = "is_zero")]
    pub hops: u8,
}

/// Whether there are no hops, which is not written.
pub(in crate::journal) fn is_zero(hops: &u8) -> bool {
    *hops == 0
}

impl Origin {
    /// Makes the origin of something that starts with its own id.
    pub fn root(id: &str, principal: &str) -> Self {
        let id: Arc<str> = id.into();
        Self { causation: id.clone(), correlation: id, trace: None, principal: principal.into(), hops: 0 }
    }

    /// Makes the origin of what this one's consequence causes in turn.
    pub fn caused(&self, causation: &str, principal: &str) -> Self {
        Self { causation: causation.into(), principal: principal.into(), ..self.clone() }
    }
}

/// An event to be appended.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewEvent {
    /// The wire name, unique within its kind.
    pub name: Cow<'static, str>,
    /// The version of its shape.
    pub version: u16,
    /// Its fields.
    pub data: Json,
    /// What caused it.
    pub origin: Arc<Origin>,
}

/// An event as it stands in the journal. Log and history id stand once, in [`super::Info`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Event {
    /// Its place in the log.
    pub position: Position,
    /// Whose stream it is in, and which; the slot is the id's.
    pub stream: StreamKey,
    /// Its number in the stream.
    pub seq: Seq,
    /// When it was committed, on the engine's clock.
    pub at: Timestamp,
    /// Name, version, data and origin.
    pub body: NewEvent,
}

impl Event {
    /// The slot of the event's stream.
    pub fn slot(&self) -> Slot {
        self.stream.slot()
    }
}

/// The id of a message between streams, made of what caused it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(Uuid);

impl MessageId {
    /// Derives the id of parts: sender, task and iteration, attempt, step.
    pub fn derive(parts: &[&str]) -> Self {
        Self(crate::id::uuid_v8(crate::id::digest("message", parts), None))
    }

    /// Takes a stored UUID.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The UUID, to be stored.
    pub const fn uuid(&self) -> Uuid {
        self.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "msg_{}", self.0.simple())
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A command sent from one stream to another, kept until its answer has been taken in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Message {
    /// What it is recognised by when it comes twice.
    pub id: MessageId,
    /// The stream that sent it and takes the answer.
    pub from: StreamKey,
    /// The stream that it is for.
    pub to: StreamId,
    /// The command's name.
    pub command: Cow<'static, str>,
    /// The command's fields.
    pub body: Json,
    /// What caused it.
    pub origin: Arc<Origin>,
}

/// The answer to a command, as it is given, recorded and given again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The command was carried out.
    Accepted(Accepted),
    /// The command was refused for a reason of the business.
    Rejected(Rejected),
}

/// What a command did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The number of the last event of the stream afterwards.
    pub seq: Seq,
    /// The names of the events that it made.
    pub events: Vec<Cow<'static, str>>,
    /// What the command answers; `null` if it answers nothing.
    pub reply: Json,
}

/// Why a command was refused: a business "no", which changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// The class that decides the HTTP status.
    pub kind: RejectionKind,
    /// The stable code.
    pub code: Cow<'static, str>,
    /// A sentence for a person.
    pub message: String,
    /// Facts for a program, `null` if there are none.
    #[serde(default = "Json::null")]
    pub detail: Json,
}

/// The class of a rejection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectionKind {
    /// What the command is for does not exist.
    NotFound,
    /// The state does not allow it.
    Conflict,
    /// The command itself cannot be understood or is out of its bounds.
    Invalid,
    /// The command brought the entity down repeatedly, and was set aside as a dead letter.
    DeadLettered,
}

/// 128 bits that stand for `(tenant, principal, method, path, Idempotency-Key)`.
pub type KeyHash = [u8; 16];

/// The record of a command that came with an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyRecord {
    /// What the key is found by.
    #[serde(with = "super::transfer::hex")]
    pub key: KeyHash,
    /// The digest of the request's payload; another payload under the same key is refused.
    #[serde(with = "super::transfer::hex")]
    pub digest: [u8; 16],
    /// The stream that answered.
    pub stream: StreamKey,
    /// The events it made: first and last number, or none.
    pub range: Option<(Seq, Seq)>,
    /// The recorded answer.
    pub outcome: Outcome,
}

/// The record of a message that was taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Received {
    /// The message.
    pub id: MessageId,
    /// The recorded answer.
    pub outcome: Outcome,
}

/// A change to a stream's timers; a timer is known by its name within the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimerOp {
    /// Sets a timer, or sets it anew.
    Set {
        /// Its name within the stream.
        name: String,
        /// When it is due.
        due: Timestamp,
    },
    /// Removes a timer that is not wanted any more.
    Clear {
        /// Its name within the stream.
        name: String,
    },
    /// Removes a timer that has fired, unless it has been set anew for another moment.
    Fired {
        /// Its name within the stream.
        name: String,
        /// When it was due.
        due: Timestamp,
    },
}

impl TimerOp {
    /// The timer's name within the stream.
    pub fn name(&self) -> &str {
        match self {
            Self::Set { name, .. } | Self::Clear { name } | Self::Fired { name, .. } => name,
        }
    }
}

/// A timer that has been set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Timer {
    /// When it is due.
    pub due: Timestamp,
    /// The stream that set it.
    pub stream: StreamKey,
    /// Its name within the stream.
    pub name: String,
}

/// A state kept so that a stream need not be read from its beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Snapshot {
    /// The last event that it holds.
    pub seq: Seq,
    /// The version of its shape; another version is ignored and rebuilt.
    pub version: u16,
    /// The state.
    pub data: Json,
}
