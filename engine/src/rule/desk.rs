//! The desk of a partition: how far rules have looked at its events, and what became of them.
//!
//! What a rule does is sent in the same commit in which the desk notes how far it is, so that each event is weighed to an
//! end once. A commit that was not heard of is found out by the desk itself: it takes an advance only from where it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::told::{Deed, Outcome, Told};
use crate::clock::Timestamp;
use crate::entity::{DecideCx, Decision, Entity, EventCx, Kind, Reason};
use crate::id::{Prefix, SLOTS, Slot, StreamId, StreamKey, TenantId, digest, uuid_v8};
use crate::journal::{Info, MessageId, Outcome as Answered, PartitionId, Position, RejectionKind};

/// The prefix of desks' ids.
pub const DESK: Prefix = Prefix::new("rdesk");

/// The desk of a partition, in its first slot.
pub fn desk_of(info: &Info, tenant: &TenantId, partition: PartitionId) -> Option<StreamKey> {
    let bits = digest("rule desk", &[tenant.as_str(), &partition.to_string()]);
    let at = |slot| StreamKey::new(tenant.clone(), StreamId::new(DESK, uuid_v8(bits, Some(Slot::new(slot)))));
    (0..SLOTS).map(at).find(|stream| info.partition_of(stream) == partition)
}

/// How often each thing became of events by a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// By the outcomes' names.
    pub outcomes: BTreeMap<String, u64>,
    /// When it last fired, or had its limits decide.
    pub last_at: Option<Timestamp>,
}

/// A desk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Desk {
    at: Position,
    rules: BTreeMap<StreamId, Counts>,
}

/// What a desk can be told to do.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Command {
    /// Begins behind a position.
    Open {
        /// The position.
        at: Position,
    },
    /// Notes how far it is, and does what rules say.
    Advance {
        /// Where it must be.
        from: Position,
        /// Where it is then.
        to: Position,
        /// What became of events.
        #[serde(default)]
        told: Vec<Told>,
        /// What did not become of further events, and is only counted: by rule, by outcome.
        #[serde(default)]
        #[schemars(with = "Value")]
        uncounted: BTreeMap<StreamId, BTreeMap<String, u64>>,
        /// What is done.
        #[serde(default)]
        deeds: Vec<Deed>,
        /// The events that rules emit, in the JSON format.
        #[serde(default)]
        emitted: Vec<Value>,
    },
    /// Notes that something which a rule did was refused.
    NoteRefusal {
        /// The message.
        #[schemars(with = "String")]
        message: MessageId,
        /// The code.
        code: String,
        /// Why.
        reason: String,
    },
}

/// What can have happened to a desk.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Event {
    /// It began.
    Opened {
        /// Behind this position.
        at: Position,
    },
    /// It went on.
    Advanced {
        /// To this position.
        to: Position,
        /// What became of events.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        told: Vec<Told>,
        /// What became of further ones, by rule and outcome.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        #[schemars(with = "Value")]
        uncounted: BTreeMap<StreamId, BTreeMap<String, u64>>,
        /// The events that rules emitted.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        emitted: Vec<Value>,
    },
    /// Something which a rule did was refused.
    Refused {
        /// The message.
        #[schemars(with = "String")]
        message: MessageId,
        /// The code.
        code: String,
        /// Why.
        reason: String,
    },
}

/// Why a desk can refuse a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// It is not where it was thought to be.
    #[error("the desk is at {at}")]
    Elsewhere {
        /// Where it is.
        at: Position,
    },
    /// It does not exist.
    #[error("there is no such desk")]
    Unknown,
}

impl Reason for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Self::Elsewhere { .. } => "desk_elsewhere",
            Self::Unknown => "not_found",
        }
    }

    fn kind(&self) -> RejectionKind {
        match self {
            Self::Elsewhere { .. } => RejectionKind::Conflict,
            Self::Unknown => RejectionKind::NotFound,
        }
    }

    fn detail(&self) -> Value {
        match self {
            Self::Elsewhere { at } => json!({ "at": at }),
            Self::Unknown => Value::Null,
        }
    }
}

impl Entity for Desk {
    const KIND: Kind = Kind { name: "rule-desk", plural: "rule-desks", prefix: DESK };
    const CREATE: &'static str = "open";
    const EVENTS: &'static [(&'static str, u16)] = &[("opened", 1), ("advanced", 1), ("refused", 1)];

    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn creates(command: &Command) -> bool {
        matches!(command, Command::Open { .. })
    }

    fn decide(
        state: Option<&Self>,
        command: Command,
        _: &DecideCx<'_>,
    ) -> Result<Decision<Event>, Rejection> {
        match (command, state) {
            (Command::Open { at }, None) => {
                Ok(Decision::event(Event::Opened { at }).reply(json!({ "at": at })))
            }
            (Command::Open { .. }, Some(desk)) => Ok(Decision::none().reply(json!({ "at": desk.at }))),
            (Command::Advance { from, to, told, uncounted, deeds, emitted }, Some(desk)) => {
                if from != desk.at {
                    return Err(Rejection::Elsewhere { at: desk.at });
                }
                let decision = Decision::event(Event::Advanced { to, told, uncounted, emitted });
                let decision = decision.reply(json!({ "at": to }));
                Ok(deeds.into_iter().fold(decision, |decision, deed| {
                    let Deed { id, to, command, body, origin } = deed;
                    decision.send_as(id, Arc::new(origin), to, command, body)
                }))
            }
            (Command::NoteRefusal { message, code, reason }, Some(_)) => {
                Ok(Decision::event(Event::Refused { message, code, reason }))
            }
            (_, None) => Err(Rejection::Unknown),
        }
    }

    fn begin(event: &Event, _: &EventCx) -> Option<Self> {
        let Event::Opened { at } = event else { return None };
        Some(Self { at: *at, rules: BTreeMap::new() })
    }

    fn apply(&mut self, event: &Event, _: &EventCx) {
        match event {
            Event::Opened { at } => self.at = *at,
            Event::Advanced { to, told, uncounted, .. } => {
                self.at = *to;
                for told in told {
                    let counts = self.rules.entry(told.rule).or_default();
                    *counts.outcomes.entry(told.outcome.name().to_owned()).or_default() += 1;
                    if matches!(told.outcome, Outcome::Fired | Outcome::Limited) {
                        counts.last_at = Some(told.event.at);
                    }
                }
                for (rule, outcomes) in uncounted {
                    let counts = self.rules.entry(*rule).or_default();
                    for (outcome, count) in outcomes {
                        *counts.outcomes.entry(outcome.clone()).or_default() += count;
                    }
                }
            }
            Event::Refused { .. } => {}
        }
    }

    fn on_reply(&self, message: MessageId, outcome: &Answered) -> Option<Command> {
        match outcome {
            Answered::Accepted(_) => None,
            Answered::Rejected(rejected) => {
                let (code, reason) = (rejected.code.to_string(), rejected.message.clone());
                Some(Command::NoteRefusal { message, code, reason })
            }
        }
    }
}

impl Desk {
    /// The position up to which events have been weighed.
    pub fn at(&self) -> Position {
        self.at
    }

    /// How often each thing became of events by each rule.
    pub fn rules(&self) -> &BTreeMap<StreamId, Counts> {
        &self.rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cx() -> DecideCx<'static> {
        let id = StreamId::new(DESK, uuid_v8([7; 16], None));
        DecideCx {
            id,
            now: Timestamp::from_ms(1),
            seq: 0,
            external_key: None,
            principal: "system",
            causation: "req_1",
        }
    }

    #[test]
    fn an_advance_counts_once() {
        let desk = Desk { at: 5, rules: BTreeMap::new() };
        let advance = |from, to| Command::Advance {
            from,
            to,
            told: Vec::new(),
            uncounted: BTreeMap::new(),
            deeds: Vec::new(),
            emitted: Vec::new(),
        };
        let advanced = Desk::decide(Some(&desk), advance(5, 9), &cx()).unwrap();
        assert_eq!((advanced.events.len(), advanced.reply), (1, json!({ "at": 9 })));
        let elsewhere = Desk::decide(Some(&desk), advance(4, 9), &cx()).unwrap_err();
        assert_eq!(elsewhere.detail(), json!({ "at": 5 }));
        let opened = Desk::decide(Some(&desk), Command::Open { at: 9 }, &cx()).unwrap();
        assert_eq!((opened.events.len(), opened.reply), (0, json!({ "at": 5 })));
    }
}
