//! Explanations: what became of an event by a rule that wants events of its type.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Miss;
use crate::clock::Timestamp;
use crate::id::StreamId;
use crate::journal::{MessageId, Origin, Position};

/// What became of an event by a rule: a closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// What it says is done.
    Fired,
    /// Its limits decide: who keeps to them for the key was asked.
    Limited,
    /// Its condition does not hold.
    ConditionNotMet,
    /// It could not be evaluated: an expression failed, or what it made cannot be sent.
    Broken,
    /// It fired too often in a row of what was set off by its own doing.
    Loop,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Fired, Self::Limited, Self::ConditionNotMet, Self::Broken, Self::Loop];

    /// The wire name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fired => "fired",
            Self::Limited => "limited",
            Self::ConditionNotMet => "condition-not-met",
            Self::Broken => "broken",
            Self::Loop => "loop",
        }
    }
}

/// The event that a rule looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// Its position in the partition's log.
    pub position: Position,
    /// Its place among those that stand at that position.
    #[serde(default, skip_serializing_if = "is_first")]
    pub part: u32,
    /// Its id.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When it was committed.
    pub at: Timestamp,
}

fn is_first(part: &u32) -> bool {
    *part == 0
}

/// What became of an event by a rule, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// The rule.
    #[schemars(with = "String")]
    pub rule: StreamId,
    /// Its version.
    pub version: u32,
    /// The event.
    pub event: Seen,
    /// What became of it.
    pub outcome: Outcome,
    /// The clause that did not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub miss: Option<Miss>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The key that its limits count by, and who keeps to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Who keeps to its limits for the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub gate: Option<StreamId>,
    /// The messages by which it is done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub messages: Vec<MessageId>,
}

/// Something that a rule has done: a command for a stream.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deed {
    /// The message's id, made of the rule, the event and the deed's place: it counts once.
    #[schemars(with = "String")]
    pub id: MessageId,
    /// The stream.
    #[schemars(with = "String")]
    pub to: StreamId,
    /// The command's name.
    pub command: String,
    /// Its fields.
    pub body: Value,
    /// What it comes from.
    #[schemars(with = "Value")]
    pub origin: Origin,
}
