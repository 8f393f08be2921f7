//! Dead letters: commands set aside because they bring their entity down, kept with cause and backtrace.
//!
//! `open --retry--> retrying --answer--> retried`, or `open --discard--> discarded`
//!
//! A retry goes through the outbox: the message is committed with the operator's act, is delivered once whatever
//! crashes, and its answer comes back to the letter. A command that is still poison becomes another letter.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::quarantine::{is_reason, no_reason};
use super::redelivery::{self, What};
use crate::clock::Timestamp;
use crate::entity::{DecideCx, Decision, Entity, EventCx, Kind, Reason};
use crate::id::{Prefix, StreamId};
use crate::journal::{Json, MessageId, Outcome, RejectionKind};

/// A command that was set aside.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// The stream that the command was for.
    pub target: StreamId,
    /// What came: a command's name, `timer ...`, `reply ...` or `effect ...`.
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
    /// What is needed to send it again; `None` in a letter of before that was kept.
    pub sender: Option<Sender>,
    /// What became of it.
    pub status: LetterStatus,
    /// Who decided on it, and why.
    pub act: Option<LetterAct>,
    /// What the retry was answered.
    pub answer: Option<RetryAnswer>,
}

/// Where a dead letter is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LetterStatus {
    /// Nobody has decided on it.
    Open,
    /// It has been sent again, and not been answered yet.
    Retrying,
    /// It was sent again and answered.
    Retried,
    /// It was let go.
    Discarded,
}

/// Who decided on a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LetterAct {
    /// The principal.
    pub by: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

/// What a command that was sent again was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetryAnswer {
    /// The code of its rejection; `None` where it was accepted.
    pub rejected: Option<String>,
    /// The rejection's sentence.
    pub message: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// What a command brought with it beside its name and body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sender {
    /// What came.
    pub what: What,
    /// The caller's own key, where the stream was addressed as `~KEY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_key: Option<String>,
    /// Who sent it.
    pub principal: String,
    /// What it was part of.
    pub correlation: String,
}

/// What can be done about a dead letter.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum DeadLetterCommand {
    /// Sends it again.
    Retry {
        /// Why that is right.
        why: String,
    },
    /// Lets it go.
    Discard {
        /// Why that is right.
        why: String,
    },
    /// Notes what it was answered.
    Settle {
        /// The code of its rejection.
        rejected: Option<String>,
        /// The rejection's sentence.
        message: Option<String>,
    },
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
        /// What is needed to send it again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sender: Option<Sender>,
    },
    /// Somebody had it sent again.
    RetryAsked {
        /// Who.
        by: String,
        /// Why.
        why: String,
    },
    /// It was answered.
    Retried {
        /// The code of its rejection; `None` where it was accepted.
        rejected: Option<String>,
        /// The rejection's sentence.
        message: Option<String>,
    },
    /// It was let go.
    Discarded {
        /// Who decided that.
        #[serde(default)]
        by: String,
        /// Why.
        #[serde(default)]
        why: String,
    },
}

/// Why nothing can be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeadLetterRejection {
    /// It is not said why.
    NoReason,
    /// Somebody has decided on it.
    Closed {
        /// What became of it.
        status: LetterStatus,
        /// Who, and why.
        act: Option<LetterAct>,
    },
    /// What came was not kept whole.
    NothingToRetry,
}

impl fmt::Display for DeadLetterRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoReason => no_reason(f),
            Self::Closed { status, act } => {
                f.write_str(match status {
                    LetterStatus::Open => "the dead letter is open",
                    LetterStatus::Retrying => "the dead letter is being retried",
                    LetterStatus::Retried => "the dead letter was retried",
                    LetterStatus::Discarded => "the dead letter was discarded",
                })?;
                act.as_ref().map_or(Ok(()), |act| write!(f, ", by {} at {}", act.by, act.at))
            }
            Self::NothingToRetry => f.write_str("what came was not kept whole; it can only be discarded"),
        }
    }
}

impl Reason for DeadLetterRejection {
    fn code(&self) -> &'static str {
        match self {
            Self::NoReason => "no_reason",
            Self::Closed { .. } => "dead_letter_closed",
            Self::NothingToRetry => "nothing_to_retry",
        }
    }

    fn kind(&self) -> RejectionKind {
        match self {
            Self::NoReason => RejectionKind::Invalid,
            Self::Closed { .. } | Self::NothingToRetry => RejectionKind::Conflict,
        }
    }

    fn detail(&self) -> Value {
        match self {
            Self::Closed { status, act } => json!({ "status": status, "act": act }),
            Self::NoReason | Self::NothingToRetry => Value::Null,
        }
    }
}

impl Entity for DeadLetter {
    const KIND: Kind = Kind { name: "dead-letter", plural: "dead-letters", prefix: Prefix::new("dead") };
    const CREATE: &'static str = "record";
    const EVENTS: &'static [(&'static str, u16)] =
        &[("recorded", 1), ("retry-asked", 1), ("retried", 1), ("discarded", 1)];
    const STATE_VERSION: u16 = 2;

    type Command = DeadLetterCommand;
    type Event = DeadLetterEvent;
    type Rejection = DeadLetterRejection;

    fn creates(_: &DeadLetterCommand) -> bool {
        false
    }

    fn decide(
        state: Option<&Self>,
        command: DeadLetterCommand,
        cx: &DecideCx<'_>,
    ) -> Result<Decision<DeadLetterEvent>, DeadLetterRejection> {
        let letter = state.ok_or(DeadLetterRejection::NothingToRetry)?;
        let by = cx.principal.to_owned();
        let open = |why: &str| match letter.status {
            _ if !is_reason(why) => Err(DeadLetterRejection::NoReason),
            LetterStatus::Open => Ok(()),
            status => Err(DeadLetterRejection::Closed { status, act: letter.act.clone() }),
        };
        match command {
            DeadLetterCommand::Retry { why } => {
                open(&why)?;
                let again = redelivery::of(letter).ok_or(DeadLetterRejection::NothingToRetry)?;
                let asked = Decision::event(DeadLetterEvent::RetryAsked { by, why });
                Ok(asked.send(letter.target, redelivery::COMMAND, again))
            }
            DeadLetterCommand::Discard { why } => {
                open(&why)?;
                Ok(Decision::event(DeadLetterEvent::Discarded { by, why }))
            }
            DeadLetterCommand::Settle { rejected, message } => match letter.status {
                LetterStatus::Retrying => Ok(Decision::event(DeadLetterEvent::Retried { rejected, message })),
                LetterStatus::Open | LetterStatus::Retried | LetterStatus::Discarded => Ok(Decision::none()),
            },
        }
    }

    fn begin(event: &DeadLetterEvent, cx: &EventCx) -> Option<Self> {
        let DeadLetterEvent::Recorded { target, input, body, cause, backtrace, strikes, sender } =
            event.clone()
        else {
            return None;
        };
        let (at, status) = (cx.at, LetterStatus::Open);
        let letter = Self {
            target,
            input,
            body,
            cause,
            backtrace,
            strikes,
            at,
            sender,
            status,
            act: None,
            answer: None,
        };
        Some(letter)
    }

    fn apply(&mut self, event: &DeadLetterEvent, cx: &EventCx) {
        let at = cx.at;
        let act = |by: &String, why: &String| Some(LetterAct { by: by.clone(), why: why.clone(), at });
        match event {
            DeadLetterEvent::Recorded { .. } => {}
            DeadLetterEvent::RetryAsked { by, why } => {
                (self.status, self.act) = (LetterStatus::Retrying, act(by, why));
            }
            DeadLetterEvent::Retried { rejected, message } => {
                self.status = LetterStatus::Retried;
                self.answer = Some(RetryAnswer { rejected: rejected.clone(), message: message.clone(), at });
            }
            DeadLetterEvent::Discarded { by, why } => {
                (self.status, self.act) = (LetterStatus::Discarded, act(by, why));
            }
        }
    }

    fn on_reply(&self, _: MessageId, outcome: &Outcome) -> Option<DeadLetterCommand> {
        let (rejected, message) = match outcome {
            Outcome::Accepted(_) => (None, None),
            Outcome::Rejected(no) => (Some(no.code.to_string()), Some(no.message.clone())),
        };
        Some(DeadLetterCommand::Settle { rejected, message })
    }
}

#[cfg(test)]
#[path = "dead_letter_tests.rs"]
mod tests;
