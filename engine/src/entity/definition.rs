//! What an entity is: its trait, and what goes in and out of it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::clock::Timestamp;
use crate::codec::{StateUpcaster, Upcaster};
use crate::id::{Prefix, StreamId};
use crate::journal::{MessageId, Origin, Outcome, RejectionKind, Seq, TimerOp};

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
    /// The id of the request, message or timer that brings it.
    pub causation: &'a str,
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
    pub fn send(mut self, to: StreamId, command: impl Into<Cow<'static, str>>, body: Value) -> Self {
        self.messages.push(Outgoing { to, command: command.into(), body, given: None });
        self
    }

    /// With a command for another stream under an id of its own, by which it counts once, and with its own origin.
    #[must_use]
    pub fn send_as(
        mut self,
        id: MessageId,
        origin: Arc<Origin>,
        to: StreamId,
        command: impl Into<Cow<'static, str>>,
        body: Value,
    ) -> Self {
        self.messages.push(Outgoing { to, command: command.into(), body, given: Some((id, origin)) });
        self
    }
}

/// A command that an entity sends to another stream.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The stream that it is for.
    pub to: StreamId,
    /// The command's name.
    pub command: Cow<'static, str>,
    /// Its fields.
    pub body: Value,
    /// Its id and what it comes from, where these do not follow from what the sender decides on.
    pub given: Option<(MessageId, Arc<Origin>)>,
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
    /// A step from every earlier version of every event to the next; checked when the kind is registered.
    const UPCASTERS: &'static [Upcaster] = &[];
    /// The version of the state's own shape; raise it when the state changes. A kept state of an older version is
    /// brought up by [`Entity::STATE_UPCASTERS`], or rebuilt from the events where no step leads on from it.
    const STATE_VERSION: u16 = 1;
    /// Steps from earlier versions of the state to the next.
    const STATE_UPCASTERS: &'static [StateUpcaster] = &[];

    /// How long the events of an entity are kept, from its last one; `None` for ever. Afterwards its state stands in
    /// their place, so that the state must hold all that is asked for, and [`Entity::STATE_UPCASTERS`] must lead on
    /// from every version that was kept.
    const RETENTION: Option<Duration> = None;

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

    /// The command that the answer to a message of this entity stands for.
    fn on_reply(&self, message: MessageId, outcome: &Outcome) -> Option<Self::Command> {
        let _ = (message, outcome);
        None
    }

    /// What `GET /api/v1/{plural}/{id}` shows of the state: an object.
    fn view(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }
}
