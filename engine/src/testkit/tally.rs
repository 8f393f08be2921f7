//! A small kind for tests: it counts, and can be made to misbehave.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::entity::{DecideCx, Decision, Entity, EventCx, Kind, Reason};
use crate::id::{Prefix, StreamId};

/// A sum, and what came of the tallies that it wrote to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// The sum.
    pub total: i64,
    /// How often its timer has fired.
    pub rings: u32,
}

/// What it can be told.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum TallyCommand {
    /// Adds a number; makes the tally if it is new.
    Add {
        /// The number.
        amount: i64,
    },
    /// Adds a number here, and sends it on to another tally.
    Pass {
        /// The number.
        amount: i64,
        /// The other tally.
        to: StreamId,
    },
    /// Rings after a while.
    Ring {
        /// The while, in milliseconds.
        after_ms: u64,
    },
    /// Notes that the time has come.
    Rung {},
    /// Brings the tally down.
    Explode {},
}

/// What can have happened to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum TallyEvent {
    /// A number was added.
    Added {
        /// The number.
        amount: i64,
    },
    /// A ring was asked for.
    RingSet {},
    /// It rang.
    Rang {},
}

/// Why it can refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TallyRejection;

impl fmt::Display for TallyRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tally never falls below zero")
    }
}

impl Reason for TallyRejection {
    fn code(&self) -> &'static str {
        "below_zero"
    }
}

impl Entity for Tally {
    const KIND: Kind = Kind { name: "tally", plural: "tallies", prefix: Prefix::new("tally") };
    const CREATE: &'static str = "add";
    const EVENTS: &'static [(&'static str, u16)] = &[("added", 1), ("ring-set", 1), ("rang", 1)];

    type Command = TallyCommand;
    type Event = TallyEvent;
    type Rejection = TallyRejection;

    fn creates(command: &TallyCommand) -> bool {
        matches!(command, TallyCommand::Add { .. } | TallyCommand::Pass { .. } | TallyCommand::Explode {})
    }

    fn decide(
        state: Option<&Self>,
        command: TallyCommand,
        cx: &DecideCx<'_>,
    ) -> Result<Decision<TallyEvent>, TallyRejection> {
        let total = state.map_or(0, |s| s.total);
        let add = |amount: i64| {
            if total + amount < 0 {
                return Err(TallyRejection);
            }
            let decision = Decision::event(TallyEvent::Added { amount });
            Ok(decision.reply(json!({ "total": total + amount })))
        };
        match command {
            TallyCommand::Add { amount } => add(amount),
            TallyCommand::Pass { amount, to } => {
                Ok(add(amount)?.send(to, "add", json!({ "amount": amount })))
            }
            TallyCommand::Ring { after_ms } => {
                let due = cx.now.plus(Duration::from_millis(after_ms));
                Ok(Decision::event(TallyEvent::RingSet {}).timer("ring", due))
            }
            TallyCommand::Rung {} => Ok(Decision::event(TallyEvent::Rang {})),
            TallyCommand::Explode {} => panic!("told to explode"),
        }
    }

    fn begin(event: &TallyEvent, cx: &EventCx) -> Option<Self> {
        let mut tally = Self { total: 0, rings: 0 };
        tally.apply(event, cx);
        Some(tally)
    }

    fn apply(&mut self, event: &TallyEvent, _: &EventCx) {
        match event {
            TallyEvent::Added { amount } => self.total += amount,
            TallyEvent::RingSet {} => {}
            TallyEvent::Rang {} => self.rings += 1,
        }
    }

    fn on_timer(&self, name: &str) -> Option<TallyCommand> {
        (name == "ring").then_some(TallyCommand::Rung {})
    }
}
