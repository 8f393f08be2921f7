//! How near a lead is to being a customer, and what each change of that rests on.

use promptsales_engine::clock::Timestamp;
use promptsales_engine::journal::Seq;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::Text;

/// How near a lead is to being a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Stage {
    /// Nobody has spoken to it.
    New,
    /// Somebody has spoken to it.
    Contacted,
    /// It answers.
    Engaged,
    /// It fits, and is interested.
    Qualified,
    /// An offer is being talked about.
    Opportunity,
    /// It bought.
    Customer,
    /// It does not fit.
    Unqualified,
    /// It is to be tried again later.
    Recycled,
    /// It decided otherwise.
    Lost,
}

impl Stage {
    /// Its place on the way, `None` for the exits.
    pub const fn rank(self) -> Option<u8> {
        match self {
            Self::New => Some(0),
            Self::Contacted => Some(1),
            Self::Engaged => Some(2),
            Self::Qualified => Some(3),
            Self::Opportunity => Some(4),
            Self::Customer => Some(5),
            Self::Unqualified | Self::Recycled | Self::Lost => None,
        }
    }

    /// The wire name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Contacted => "contacted",
            Self::Engaged => "engaged",
            Self::Qualified => "qualified",
            Self::Opportunity => "opportunity",
            Self::Customer => "customer",
            Self::Unqualified => "unqualified",
            Self::Recycled => "recycled",
            Self::Lost => "lost",
        }
    }
}

/// What a piece of evidence is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum EvidenceKind {
    /// Something that the lead did.
    Activity,
    /// An event of this product or from outside.
    Event,
    /// A workflow run.
    Run,
    /// An automation rule, or one evaluation of it.
    Rule,
    /// A message of the person or to it.
    Message,
    /// A document: an offer, an order, a contract.
    Document,
}

/// What a change of stage rests on, by reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct Evidence {
    /// What it is.
    pub kind: EvidenceKind,
    /// Its id, where it is kept.
    pub id: Text<200>,
}

/// A change of stage, with its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StageChange {
    /// The stage before it.
    pub from: Stage,
    /// The stage after it.
    pub to: Stage,
    /// Who moved it: a person, a rule, a run.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text<500>>,
    /// The id of the request, message or timer that brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation: Option<String>,
    /// What shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// The event, which has the whole envelope.
    pub seq: Seq,
    /// When.
    pub at: Timestamp,
}
