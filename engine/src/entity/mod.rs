//! Entities: long-lived, event-sourced state machines, each hosted by one supervised actor.
//!
//! An [`Entity`] is pure and synchronous: it decides what a command leads to and folds events into its state. A
//! [`Machine`] is the same behind one face for entities of every kind and for workflow runs; the host, the
//! journal and supervision know machines only.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::clock::Timestamp;
use crate::effect::{EffectKey, EffectOutcome};
use crate::id::{Prefix, StreamId, StreamKey};
use crate::journal::{
    Event, Json, Message, MessageId, NewEvent, Origin, Outcome, Rejected, RejectionKind, Seq, Snapshot,
    TimerOp,
};

mod catalog;
mod typed;

pub use catalog::{Catalog, CatalogError, CommandInfo, KindInfo, MachineFactory};
pub use typed::Typed;
pub(crate) use typed::{commands, schema};

/// What a kind of stream is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// The singular, kebab-case: `content-job`.
    pub name: &'static str,
    /// The plural in paths, kebab-case: `content-jobs`.
    pub plural: &'static str,
    /// The prefix of its ids.
    pub prefix: Prefix,
}

/// What `decide` may know beside the state and the command.
#[derive(Debug, Clone, Copy)]
pub struct DecideCx<'a> {
    /// The entity's id.
    pub id: StreamId,
    /// The engine's time.
    pub now: Timestamp,
    /// The number of the stream's last event.
    pub seq: Seq,
    /// The caller's own key, where the entity was addressed as `~KEY`.
    pub external_key: Option<&'a str>,
    /// Who sends the command.
    pub principal: &'a str,
}

/// What is known of an event beside its fields while it is folded.
#[derive(Debug, Clone, Copy)]
pub struct EventCx {
    /// The entity's id.
    pub id: StreamId,
    /// When the event was committed.
    pub at: Timestamp,
    /// The event's number.
    pub seq: Seq,
}

/// What a command leads to.
#[derive(Debug, Clone)]
pub struct Decision<E> {
    /// What happens.
    pub events: Vec<E>,
    /// What the command answers.
    pub reply: Value,
    /// Timers set and cleared.
    pub timers: Vec<TimerOp>,
    /// Commands for other streams.
    pub messages: Vec<Outgoing>,
}

impl<E> Decision<E> {
    /// Nothing happens, and nothing is answered: the command asks for what is so already.
    pub fn none() -> Self {
        Self { events: Vec::new(), reply: Value::Null, timers: Vec::new(), messages: Vec::new() }
    }

    /// One event.
    pub fn event(event: E) -> Self {
        Self::none().and(event)
    }

    /// One more event.
    #[must_use]
    pub fn and(mut self, event: E) -> Self {
        self.events.push(event);
        self
    }

    /// With an answer.
    #[must_use]
    pub fn reply(mut self, reply: Value) -> Self {
        self.reply = reply;
        self
    }

    /// With a timer, which comes back as the command that [`Entity::on_timer`] makes of it.
    #[must_use]
    pub fn timer(mut self, name: &str, due: Timestamp) -> Self {
        self.timers.push(TimerOp::Set { name: name.to_owned(), due });
        self
    }

    /// With a command for another stream.
    #[must_use]
    pub fn send(mut self, to: StreamId, command: &'static str, body: Value) -> Self {
        self.messages.push(Outgoing { to, command, body });
        self
    }
}

/// A command that an entity sends to another stream.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The stream that it is for.
    pub to: StreamId,
    /// The command's name.
    pub command: &'static str,
    /// Its fields.
    pub body: Value,
}

/// A business "no": travels in the reply, changes nothing, stops nobody.
pub trait Reason: fmt::Display + fmt::Debug + Send {
    /// The stable code, snake_case: `budget_exceeded`.
    fn code(&self) -> &'static str;

    /// The class that decides the HTTP status.
    fn kind(&self) -> RejectionKind {
        RejectionKind::Conflict
    }

    /// Facts for a program.
    fn detail(&self) -> Value {
        Value::Null
    }
}

/// A kind of long-lived thing, as a pure, synchronous state machine. `Self` is its state.
///
/// `Command` and `Event` are enums of struct variants with `#[serde(rename_all = "kebab-case")]` (commands also
/// `deny_unknown_fields`): the variant's wire name is the command's or event's name, its fields the body.
pub trait Entity: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What the kind is called.
    const KIND: Kind;
    /// The command behind `POST /api/v1/{plural}`.
    const CREATE: &'static str;
    /// Every event's wire name with the current version of its shape.
    const EVENTS: &'static [(&'static str, u16)];
    /// The version of the state's own shape; raise it when the state changes, and snapshots are rebuilt.
    const STATE_VERSION: u16 = 1;

    /// What it can be told to do.
    type Command: DeserializeOwned + JsonSchema;
    /// What can have happened to it.
    type Event: Serialize + DeserializeOwned + JsonSchema;
    /// Why it can refuse.
    type Rejection: Reason;

    /// True if the command makes the entity where there is none.
    fn creates(command: &Self::Command) -> bool;

    /// Decides what a command leads to. `state` is `None` only for commands that create.
    ///
    /// # Errors
    ///
    /// A rejection; nothing is changed.
    fn decide(
        state: Option<&Self>,
        command: Self::Command,
        cx: &DecideCx<'_>,
    ) -> Result<Decision<Self::Event>, Self::Rejection>;

    /// Makes the state of the first event; `None` if an entity cannot begin with this event.
    fn begin(event: &Self::Event, cx: &EventCx) -> Option<Self>;

    /// Folds one more event into the state.
    fn apply(&mut self, event: &Self::Event, cx: &EventCx);

    /// The command that a timer of this entity stands for.
    fn on_timer(&self, name: &str) -> Option<Self::Command> {
        let _ = name;
        None
    }

    /// Brings an event of an older version to the current shape.
    ///
    /// # Errors
    ///
    /// A sentence that says what the version lacks.
    fn upcast(name: &str, version: u16, data: Value) -> Result<Value, String> {
        let _ = data;
        Err(format!("no upcaster for `{name}` version {version}"))
    }

    /// What `GET /api/v1/{plural}/{id}` shows of the state: an object.
    fn view(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }
}

/// What comes to a machine.
#[derive(Debug, Clone)]
pub enum Input {
    /// A command of a caller or of another stream.
    Command {
        /// Its name.
        name: Cow<'static, str>,
        /// Its fields.
        body: Json,
        /// The caller's own key, where the stream was addressed as `~KEY`.
        external_key: Option<String>,
    },
    /// A timer of this stream is due.
    Timer {
        /// Its name.
        name: String,
        /// When it was due.
        due: Timestamp,
    },
    /// The answer to a message that this stream sent.
    Reply {
        /// The message.
        id: MessageId,
        /// The answer.
        outcome: Outcome,
    },
    /// The end of an effect that this stream intended.
    Effect {
        /// The effect.
        key: EffectKey,
        /// How it ended.
        outcome: EffectOutcome,
    },
}

/// What a machine may know beside its state and the input.
#[derive(Debug, Clone, Copy)]
pub struct StepCx<'a> {
    /// The stream.
    pub stream: &'a StreamKey,
    /// The engine's time.
    pub now: Timestamp,
    /// The number of the stream's last event.
    pub seq: Seq,
    /// What caused the input.
    pub origin: &'a std::sync::Arc<Origin>,
}

/// What an input led to, already folded into the machine's state.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// What happened.
    pub events: Vec<NewEvent>,
    /// What is answered.
    pub reply: Option<Json>,
    /// Timers set and cleared.
    pub timers: Vec<TimerOp>,
    /// Messages sent.
    pub messages: Vec<Message>,
    /// Effects intended.
    pub effects: Vec<crate::effect::Effect>,
}

/// What is stored cannot be folded: the stream goes to quarantine.
#[derive(Debug, Clone, thiserror::Error)]
#[error("event {seq} of the stream cannot be folded: {reason}")]
pub struct Corruption {
    /// The number of the event; 0 where it is the snapshot.
    pub seq: Seq,
    /// What is wrong with it.
    pub reason: String,
}

/// A state machine behind one face: an entity of any kind, or a workflow run.
pub trait Machine: Send {
    /// Takes an input in: decides, and folds what it decided into the state.
    ///
    /// Deterministic: the same state, input and context give the same step. After an `Err` the state is as before.
    ///
    /// # Errors
    ///
    /// A rejection; nothing happened.
    fn step(&mut self, input: &Input, cx: &StepCx<'_>) -> Result<Step, Rejected>;

    /// Folds a stored event into the state.
    ///
    /// # Errors
    ///
    /// When the event cannot follow.
    fn apply(&mut self, event: &Event) -> Result<(), Corruption>;

    /// The state as a person may see it; `None` if the stream has no events.
    fn view(&self) -> Option<Value>;

    /// The state as it can be kept, with the version of its shape; `None` if there is nothing to keep.
    fn snapshot(&self) -> Option<(u16, Json)>;

    /// Takes a kept state in. `false` if it has another version, and the stream is to be read from its beginning.
    ///
    /// # Errors
    ///
    /// When the version is right and the data is not.
    fn restore(&mut self, snapshot: &Snapshot) -> Result<bool, Corruption>;
}

/// Makes the rejection of an input that the machine does not understand.
pub fn invalid(code: &'static str, message: String) -> Rejected {
    Rejected { kind: RejectionKind::Invalid, code: code.into(), message, detail: Json::null() }
}

/// Makes the rejection of a command for what does not exist.
pub fn not_found(id: StreamId) -> Rejected {
    let message = format!("there is no `{id}`");
    Rejected { kind: RejectionKind::NotFound, code: "not_found".into(), message, detail: Json::null() }
}
