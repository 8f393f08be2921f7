//! Dead letters: commands set aside because they bring their entity down, kept with cause and backtrace.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::entity::{DecideCx, Decision, Entity, EventCx, Kind, Reason};
use crate::id::{Prefix, StreamId};
use crate::journal::Json;

/// A command that was set aside.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// The stream that the command was for.
    pub target: StreamId,
    /// What came: a command's name, `timer`, `reply` or `effect`.
    pub input: String,
    /// Its body.
    pub body: Json,
    /// What happened when it was tried the last time.
    pub cause: String,
    /// Where it happened, as far as known.
    pub backtrace: String,
    /// How often it was tried.
    pub strikes: u8,
    /// When it was set aside.
    pub at: Timestamp,
    /// True once a person has decided to let it go.
    pub discarded: bool,
}

/// What can be done about a dead letter.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum DeadLetterCommand {
    /// Lets it go.
    Discard {},
}

/// What can have happened to a dead letter.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum DeadLetterEvent {
    /// It was set aside.
    Recorded {
        /// The stream that the command was for.
        target: StreamId,
        /// What came.
        input: String,
        /// Its body.
        body: Json,
        /// What happened.
        cause: String,
        /// Where it happened.
        backtrace: String,
        /// How often it was tried.
        strikes: u8,
    },
    /// It was let go.
    Discarded {},
}

/// Why nothing can be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadLetterRejection;

impl fmt::Display for DeadLetterRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the dead letter has been discarded already")
    }
}

impl Reason for DeadLetterRejection {
    fn code(&self) -> &'static str {
        "already_discarded"
    }
}

impl Entity for DeadLetter {
    const KIND: Kind = Kind { name: "dead-letter", plural: "dead-letters", prefix: Prefix::new("dead") };
    const CREATE: &'static str = "record";
    const EVENTS: &'static [(&'static str, u16)] = &[("recorded", 1), ("discarded", 1)];

    type Command = DeadLetterCommand;
    type Event = DeadLetterEvent;
    type Rejection = DeadLetterRejection;

    fn creates(_: &DeadLetterCommand) -> bool {
        false
    }

    fn decide(
        state: Option<&Self>,
        command: DeadLetterCommand,
        _: &DecideCx<'_>,
    ) -> Result<Decision<DeadLetterEvent>, DeadLetterRejection> {
        match (state, command) {
            (Some(letter), DeadLetterCommand::Discard {}) if !letter.discarded => {
                Ok(Decision::event(DeadLetterEvent::Discarded {}))
            }
            _ => Err(DeadLetterRejection),
        }
    }

    fn begin(event: &DeadLetterEvent, cx: &EventCx) -> Option<Self> {
        let DeadLetterEvent::Recorded { target, input, body, cause, backtrace, strikes } = event.clone()
        else {
            return None;
        };
        Some(Self { target, input, body, cause, backtrace, strikes, at: cx.at, discarded: false })
    }

    fn apply(&mut self, event: &DeadLetterEvent, _: &EventCx) {
        match event {
            DeadLetterEvent::Recorded { .. } => {}
            DeadLetterEvent::Discarded {} => self.discarded = true,
        }
    }
}
