//! The gate of a rule for one key: keeps to the rule's limits, whichever partition the events come from.
//!
//! ```text
//!   trigger, no delay:     fires, unless it has fired (once) or is cooling down
//!   trigger, with a delay: waits until the key has been quiet for so long; the last trigger counts, and then as above
//! ```

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::told::{Deed, Seen};
use crate::clock::Timestamp;
use crate::entity::{DecideCx, Decision, Entity, EventCx, Kind, Reason};
use crate::id::{Prefix, StreamId, TenantId, digest, uuid_v8};
use crate::journal::{MessageId, Outcome as Answered, RejectionKind};

/// The prefix of gates' ids.
pub const GATE: Prefix = Prefix::new("rgate");

/// The timer at whose end a delayed trigger counts.
const QUIET: &str = "quiet";

/// The gate of a rule for a key.
pub fn gate_id(tenant: &TenantId, rule: StreamId, key: &str) -> StreamId {
    let bits = digest("rule gate", &[tenant.as_str(), &rule.to_string(), key]);
    StreamId::new(GATE, uuid_v8(bits, None))
}

/// The limits that a gate keeps to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Kept {
    /// It fires once for ever.
    pub once: bool,
    /// It fires again after so long at the soonest, in milliseconds.
    pub cooldown_ms: Option<u64>,
    /// It fires once the key has been quiet for so long, in milliseconds.
    pub debounce_ms: Option<u64>,
}

/// A trigger.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Trigger {
    /// The event.
    pub event: Seen,
    /// The version of the rule.
    pub version: u32,
    /// The limits.
    pub limits: Kept,
    /// What is to be done.
    pub deeds: Vec<Deed>,
    /// The events that are emitted, in the JSON format.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub emitted: Vec<Value>,
}

/// A gate.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gate {
    rule: StreamId,
    key: String,
    fired: u64,
    last_at: Option<Timestamp>,
    pending: Option<Trigger>,
}

/// Why a trigger was held back: a closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HeldBack {
    /// It has fired for the key.
    AlreadyFired,
    /// It fired for the key not long enough ago.
    CoolingDown,
    /// A later trigger took its place before the key was quiet.
    Debounced,
}

/// What a gate can be told to do.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Command {
    /// The rule wants to fire for the key.
    Trigger {
        /// The rule.
        #[schemars(with = "String")]
        rule: StreamId,
        /// The key.
        key: String,
        /// For what, and what it would do.
        trigger: Box<Trigger>,
    },
    /// The key has been quiet for long enough.
    Settle {},
    /// Notes that something which the rule did was refused.
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

/// What can have happened at a gate.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Event {
    /// It was made.
    Opened {
        /// The rule.
        #[schemars(with = "String")]
        rule: StreamId,
        /// The key.
        key: String,
    },
    /// It fired.
    Fired {
        /// For this event.
        event: Seen,
        /// By these messages.
        #[schemars(with = "Vec<String>")]
        messages: Vec<MessageId>,
        /// The events that it emitted.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        emitted: Vec<Value>,
    },
    /// A trigger was held back for good.
    HeldBack {
        /// The event.
        event: Seen,
        /// Why.
        reason: HeldBack,
        /// Until when it cools down.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// A trigger waits until the key has been quiet for so long.
    Delayed {
        /// It.
        trigger: Box<Trigger>,
        /// Until when, at the soonest.
        until: Timestamp,
    },
    /// Something which the rule did was refused.
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

/// Why a gate can refuse a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// It does not exist.
    #[error("there is no such gate")]
    Unknown,
}

impl Reason for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Self::Unknown => "not_found",
        }
    }

    fn kind(&self) -> RejectionKind {
        match self {
            Self::Unknown => RejectionKind::NotFound,
        }
    }
}

impl Entity for Gate {
    const KIND: Kind = Kind { name: "rule-gate", plural: "rule-gates", prefix: GATE };
    const CREATE: &'static str = "trigger";
    const EVENTS: &'static [(&'static str, u16)] =
        &[("opened", 1), ("fired", 1), ("held-back", 1), ("delayed", 1), ("refused", 1)];

    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn creates(command: &Command) -> bool {
        matches!(command, Command::Trigger { .. })
    }

    fn decide(
        state: Option<&Self>,
        command: Command,
        cx: &DecideCx<'_>,
    ) -> Result<Decision<Event>, Rejection> {
        match (command, state) {
            (Command::Trigger { rule, key, trigger }, state) => {
                let (fired, pending) =
                    (state.map(|gate| (gate.fired, gate.last_at)), state.and_then(|g| g.pending.as_ref()));
                let mut decision = Decision::none();
                if state.is_none() {
                    decision = decision.and(Event::Opened { rule, key });
                }
                if let Some(waiting) = pending {
                    // Triggers may come in another order than their events.
                    let order = |seen: &Seen| (seen.at, seen.position, seen.part);
                    if order(&trigger.event) < order(&waiting.event) {
                        let (event, reason) = (trigger.event, HeldBack::Debounced);
                        return Ok(decision.and(Event::HeldBack { event, reason, until: None }));
                    }
                    let (event, reason) = (waiting.event.clone(), HeldBack::Debounced);
                    decision = decision.and(Event::HeldBack { event, reason, until: None });
                }
                Ok(match trigger.limits.debounce_ms {
                    None => fire(decision, fired.unwrap_or_default(), *trigger, cx),
                    Some(quiet) => {
                        let until = cx.now.plus(std::time::Duration::from_millis(quiet));
                        decision.timer(QUIET, until).and(Event::Delayed { trigger, until })
                    }
                })
            }
            (Command::Settle {}, Some(gate)) => Ok(match gate.pending.clone() {
                Some(trigger) => fire(Decision::none(), (gate.fired, gate.last_at), trigger, cx),
                None => Decision::none(),
            }),
            (Command::NoteRefusal { message, code, reason }, Some(_)) => {
                Ok(Decision::event(Event::Refused { message, code, reason }))
            }
            (Command::Settle {} | Command::NoteRefusal { .. }, None) => Err(Rejection::Unknown),
        }
    }

    fn begin(event: &Event, _: &EventCx) -> Option<Self> {
        let Event::Opened { rule, key } = event else { return None };
        Some(Self { rule: *rule, key: key.clone(), fired: 0, last_at: None, pending: None })
    }

    fn apply(&mut self, event: &Event, cx: &EventCx) {
        match event {
            Event::Fired { .. } => {
                self.fired += 1;
                (self.last_at, self.pending) = (Some(cx.at), None);
            }
            Event::HeldBack { event, .. } => {
                if self.pending.as_ref().is_some_and(|pending| pending.event == *event) {
                    self.pending = None;
                }
            }
            Event::Delayed { trigger, .. } => self.pending = Some((**trigger).clone()),
            Event::Opened { .. } | Event::Refused { .. } => {}
        }
    }

    fn on_timer(&self, name: &str) -> Option<Command> {
        (name == QUIET).then_some(Command::Settle {})
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

    fn view(&self) -> Value {
        json!({
            "rule": self.rule, "key": self.key, "fired": self.fired, "lastAt": self.last_at,
            "pending": self.pending.as_ref().map(|pending| &pending.event),
        })
    }
}

/// Fires, unless the limits say no.
fn fire(
    decision: Decision<Event>,
    (fired, last_at): (u64, Option<Timestamp>),
    trigger: Trigger,
    cx: &DecideCx<'_>,
) -> Decision<Event> {
    let Trigger { event, limits, deeds, emitted, .. } = trigger;
    let cooldown = limits.cooldown_ms.map(std::time::Duration::from_millis);
    let until = last_at.zip(cooldown).map(|(last, cooldown)| last.plus(cooldown));
    let held_back = match until {
        _ if limits.once && fired > 0 => Some((HeldBack::AlreadyFired, None)),
        Some(until) if cx.now < until => Some((HeldBack::CoolingDown, Some(until))),
        _ => None,
    };
    if let Some((reason, until)) = held_back {
        return decision.and(Event::HeldBack { event, reason, until });
    }
    let messages = deeds.iter().map(|deed| deed.id).collect();
    let decision = decision.and(Event::Fired { event, messages, emitted });
    deeds.into_iter().fold(decision, |decision, Deed { id, to, command, body, origin }| {
        decision.send_as(id, Arc::new(origin), to, command, body)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Origin;

    /// A gate, its time, and what it sent.
    struct Bed {
        gate: Option<Gate>,
        now: Timestamp,
        due: Option<Timestamp>,
        sent: Vec<MessageId>,
    }

    fn seen(number: u64) -> Seen {
        let at = Timestamp::from_ms(number as i64);
        Seen { position: number, part: 0, id: number.to_string(), kind: "x".to_owned(), subject: None, at }
    }

    fn deed(number: u64) -> MessageId {
        MessageId::derive(&["deed", &number.to_string()])
    }

    impl Bed {
        fn new() -> Self {
            Self { gate: None, now: Timestamp::from_ms(1_000_000), due: None, sent: Vec::new() }
        }

        fn tell(&mut self, command: Command) -> Vec<Event> {
            let id = gate_id(&TenantId::default_tenant(), StreamId::new(GATE, uuid_v8([7; 16], None)), "k");
            let cx = DecideCx {
                id,
                now: self.now,
                seq: 0,
                external_key: None,
                principal: "rule:x",
                causation: "req_1",
            };
            let decision = Gate::decide(self.gate.as_ref(), command, &cx).unwrap();
            for event in &decision.events {
                let cx = EventCx { id, at: self.now, seq: 1 };
                match &mut self.gate {
                    Some(gate) => gate.apply(event, &cx),
                    None => self.gate = Gate::begin(event, &cx),
                }
            }
            for timer in decision.timers {
                let crate::journal::TimerOp::Set { due, .. } = timer else { continue };
                self.due = Some(due);
            }
            self.sent
                .extend(decision.messages.iter().filter_map(|out| out.given.as_ref().map(|(id, _)| *id)));
            decision.events
        }

        fn trigger(&mut self, number: u64, limits: &Kept) -> Vec<Event> {
            let to = StreamId::new(Prefix::new("thing"), uuid_v8([9; 16], None));
            let origin = Origin::root("x", "rule:x");
            let deed = Deed { id: deed(number), to, command: "do".to_owned(), body: Value::Null, origin };
            let (deeds, limits) = (vec![deed], limits.clone());
            let trigger = Trigger { event: seen(number), version: 1, limits, deeds, emitted: Vec::new() };
            let rule = StreamId::new(Prefix::new("rule"), uuid_v8([8; 16], None));
            self.tell(Command::Trigger { rule, key: "k".to_owned(), trigger: Box::new(trigger) })
        }

        fn quiet(&mut self) {
            self.now = self.due.take().expect("a timer is set");
            let command = self.gate.as_ref().unwrap().on_timer(QUIET).unwrap();
            self.tell(command);
        }
    }

    fn kept(once: bool, cooldown_ms: Option<u64>, debounce_ms: Option<u64>) -> Kept {
        Kept { once, cooldown_ms, debounce_ms }
    }

    fn reasons(events: &[Event]) -> Vec<HeldBack> {
        let reason = |event: &Event| match event {
            Event::HeldBack { reason, .. } => Some(*reason),
            _ => None,
        };
        events.iter().filter_map(reason).collect()
    }

    #[test]
    fn once_is_once() {
        let (mut bed, once) = (Bed::new(), kept(true, None, None));
        bed.trigger(1, &once);
        assert_eq!(reasons(&bed.trigger(2, &once)), [HeldBack::AlreadyFired]);
        assert_eq!(bed.sent, [deed(1)]);
    }

    #[test]
    fn it_fires_again_when_it_has_cooled_down() {
        let (mut bed, cool) = (Bed::new(), kept(false, Some(1_000), None));
        bed.trigger(1, &cool);
        bed.now = bed.now.plus(std::time::Duration::from_millis(999));
        assert_eq!(reasons(&bed.trigger(2, &cool)), [HeldBack::CoolingDown]);
        bed.now = bed.now.plus(std::time::Duration::from_millis(1));
        bed.trigger(3, &cool);
        assert_eq!(bed.sent, [deed(1), deed(3)]);
    }

    #[test]
    fn the_last_event_before_it_is_quiet_counts_whatever_the_order_of_triggers() {
        let (mut bed, quiet) = (Bed::new(), kept(false, None, Some(1_000)));
        bed.trigger(1, &quiet);
        bed.trigger(3, &quiet);
        assert_eq!(reasons(&bed.trigger(2, &quiet)), [HeldBack::Debounced]);
        assert!(bed.sent.is_empty());
        bed.quiet();
        assert_eq!(bed.sent, [deed(3)]);
        bed.trigger(4, &quiet);
        bed.quiet();
        assert_eq!(bed.sent, [deed(3), deed(4)]);
    }

    #[test]
    fn once_and_quiet_are_kept_together() {
        let (mut bed, both) = (Bed::new(), kept(true, None, Some(1_000)));
        bed.trigger(1, &both);
        bed.quiet();
        bed.trigger(2, &both);
        bed.quiet();
        assert_eq!(bed.sent, [deed(1)]);
    }
}
