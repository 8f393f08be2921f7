//! Machines: entities of every kind and workflow runs behind one face.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::Value;

use crate::clock::Timestamp;
use crate::effect::{EffectKey, EffectOutcome};
use crate::id::{StreamId, StreamKey};
use crate::journal::{
    Event, Json, Message, MessageId, NewEvent, Origin, Outcome, Rejected, RejectionKind, Seq, Snapshot,
    TimerOp,
};

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

    /// Told that all that it folded is in the journal, and the number of the last event: once loaded, and after each
    /// append, before anybody has the answers.
    fn committed(&mut self, seq: Seq) {
        let _ = seq;
    }

    /// Says whether the machine, as loaded, can take inputs in.
    ///
    /// # Errors
    ///
    /// What it lacks.
    fn ready(&self) -> Result<(), Corruption> {
        Ok(())
    }

    /// The state as a person may see it; `None` if the stream has no events.
    fn view(&self) -> Option<Value>;

    /// True while the view follows from the state alone, so that it can be shown until the state changes.
    fn view_lasts(&self) -> bool {
        true
    }

    /// True if nobody asks any more how it came to be as it is, once its last event is as old as its events are kept.
    fn may_forget(&self) -> bool {
        true
    }

    /// True if the stream may be deleted whole, once its last event is old enough. What does not say so stays for ever.
    fn may_delete(&self) -> bool {
        false
    }

    /// After what time from its last event this stream is deleted whole; `None` for what the node says of its kind.
    fn deletion(&self) -> Option<Duration> {
        None
    }

    /// How long this stream's events are kept, from its last one; `None` for as long as the node keeps those of its kind.
    fn retention(&self) -> Option<Duration> {
        None
    }

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
