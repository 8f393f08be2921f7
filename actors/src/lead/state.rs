//! The state of a lead. It is bounded: lists keep the newest, counts and score keep the rest.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use promptsales_engine::clock::Timestamp;
use promptsales_engine::journal::Seq;
use promptsales_engine::personal::Personal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::{Attributes, Channel, Email, ExternalKey, Locale, Phone, Provenance, Text, TimeZone};

/// A word that leads are sorted by.
pub type Tag = Text<64>;

/// The most tags of one lead; further ones are refused.
pub(super) const MAX_TAGS: usize = 64;

/// The activities, touches and changes of stage that are kept whole.
pub(super) const KEPT: usize = 10;

/// The most consents of one lead.
pub(super) const MAX_CONSENTS: usize = 100;

/// The highest and, below zero, the lowest score.
pub(super) const MAX_SCORE: i64 = 1_000_000;

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

/// Whether a person wants to hear from us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum ConsentStatus {
    /// Yes.
    Granted,
    /// No.
    Denied,
}

/// What a person said about hearing from us on a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct Consent {
    /// The channel.
    pub channel: Channel,
    /// The topic; all of them if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<Text<64>>,
    /// Yes or no.
    pub status: ConsentStatus,
    /// Where it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Text<200>>,
}

/// What is known of a person when it is registered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct Details {
    /// The e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Personal<Email>>,
    /// The telephone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Personal<Phone>>,
    /// The caller's own key for the lead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_key: Option<ExternalKey>,
    /// The name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Personal<Text<200>>>,
    /// The language that the person speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<Locale>,
    /// Where the person's clock is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<TimeZone>,
    /// Where the lead came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    /// The words that it is sorted by.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<Tag>,
    /// What the caller wants kept beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Personal<Attributes>>,
    /// What the person said about hearing from us.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consent: Vec<Consent>,
}

/// Something that a lead did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Activity {
    /// What.
    pub activity: Text<200>,
    /// What it added to the score.
    pub score: i32,
    /// When it was recorded.
    pub at: Timestamp,
}

/// A later touch: where the lead came from another time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Touch {
    /// Where it came from.
    pub provenance: Provenance,
    /// When that was recorded.
    pub at: Timestamp,
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
    /// The event.
    pub seq: Seq,
    /// When.
    pub at: Timestamp,
}

/// A lead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lead {
    /// How near it is to being a customer.
    pub stage: Stage,
    /// What its activities add up to, within a million either way.
    pub score: i64,
    /// How many activities were recorded.
    pub activity_count: u64,
    /// The newest activities, the last one last.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub recent_activities: VecDeque<Activity>,
    /// What is known of the person. Its tags and consent are the current ones, its provenance the first.
    pub details: Details,
    /// The newest of the later touches, the last one last.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub touches: VecDeque<Touch>,
    /// The newest changes of stage, the last one last.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub stage_changes: VecDeque<StageChange>,
    /// How often it came to each stage.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stage_counts: BTreeMap<String, u64>,
    /// When it was first heard of.
    pub created_at: Timestamp,
    /// When something last happened to it.
    pub updated_at: Timestamp,
}

/// Adds to a list that keeps the newest only.
pub(super) fn keep<T>(list: &mut VecDeque<T>, item: T) {
    if list.len() >= KEPT {
        list.pop_front();
    }
    list.push_back(item);
}
