//! The state of a campaign: what is wanted of it, and what is so.

use std::collections::BTreeMap;
use std::fmt;

use promptsales_engine::clock::Timestamp;
use promptsales_engine::id::{Id, StreamId};
use promptsales_engine::journal::Seq;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::content_job;
use crate::value::{Brief, Channel, ContentKind, Locale, Money, Text, WebUrl};

/// What a person wants of the campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Configured {
    /// Being written, checked or launched.
    Draft,
    /// To run from its start date.
    Scheduled,
    /// To run.
    Active,
    /// To halt for a while.
    Paused,
    /// To run no more.
    Stopped,
    /// Put away.
    Archived,
}

/// What is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Effective {
    /// Nobody has launched it.
    Pending,
    /// A run is preparing it.
    Preparing,
    /// It waits for a person's approval.
    InReview,
    /// It will run from its start date.
    Eligible,
    /// It runs.
    Serving,
    /// It is halted.
    Paused,
    /// It ran, and runs no more.
    Ended,
    /// Its launch failed.
    Misconfigured,
    /// A person refused it.
    NotEligible,
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Preparing => "preparing",
            Self::InReview => "in review",
            Self::Eligible => "eligible",
            Self::Serving => "serving",
            Self::Paused => "paused",
            Self::Ended => "ended",
            Self::Misconfigured => "misconfigured",
            Self::NotEligible => "not eligible",
        })
    }
}

/// How far its launch is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Launch {
    /// Nobody has launched it.
    Idle {},
    /// A run is preparing it.
    Preparing {
        /// The run.
        run_id: StreamId,
    },
    /// It waits for a person's approval.
    InReview {
        /// The run.
        run_id: StreamId,
    },
    /// It is approved, and being activated.
    Approved {
        /// The run.
        run_id: StreamId,
        /// Who approved it, or which rule.
        by: Text<200>,
    },
    /// A person refused it.
    Rejected {
        /// The run.
        run_id: StreamId,
        /// Who refused it.
        by: Text<200>,
    },
    /// The launch ended without success, and left nothing behind.
    Failed {
        /// The run.
        run_id: StreamId,
        /// What that makes of the campaign.
        verdict: Verdict,
    },
    /// It is launched.
    Done {
        /// The run.
        run_id: StreamId,
        /// Who approved it, or which rule.
        by: Text<200>,
    },
}

/// What a launch without success makes of a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Something could not be done: it can be launched again.
    Misconfigured,
    /// A person refused it.
    NotEligible,
}

/// Why a campaign is as it is, for a program and for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// A stable code.
    pub code: String,
    /// A sentence.
    pub message: String,
    /// The event that made it so.
    pub seq: Seq,
    /// When that was.
    pub at: Timestamp,
}

/// A channel's part of the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct Allocation {
    /// The channel.
    pub channel: Channel,
    /// Its part.
    pub amount: Money,
}

/// A piece of content that was made for the campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct ContentRef {
    /// The job that made it.
    pub job_id: Id<content_job::Kind>,
    /// For which channel.
    pub channel: Channel,
    /// In which language.
    pub locale: Locale,
    /// Of which kind.
    pub kind: ContentKind,
}

/// The link that a channel leads people by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct TrackedLink {
    /// The channel.
    pub channel: Channel,
    /// The link, with its parameters.
    pub url: WebUrl,
}

/// An ad that runs on a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Activation {
    /// The platform's id of it.
    pub external_id: Text<200>,
    /// Since when.
    pub since: Timestamp,
}

/// How the campaign's leads are recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tracking {
    /// The form that they fill in.
    pub form_id: Text<200>,
    /// The link of each channel.
    pub links: Vec<TrackedLink>,
}

/// A campaign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Campaign {
    /// What a person wants of it.
    pub configured: Configured,
    /// How far its launch is.
    pub launch: Launch,
    /// Why it is as it is.
    pub reasons: Vec<Cause>,
    /// The brief.
    pub brief: Brief,
    /// The pieces of content that were made for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub content: Vec<ContentRef>,
    /// How the budget is divided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<Allocation>,
    /// The money that is set aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved: Option<Money>,
    /// The ads that run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub activations: BTreeMap<Channel, Activation>,
    /// How its leads are recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking: Option<Tracking>,
    /// When its end date came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// When it was drafted.
    pub created_at: Timestamp,
    /// When something last happened to it.
    pub updated_at: Timestamp,
}

impl Campaign {
    /// What is so.
    pub fn effective(&self) -> Effective {
        if self.ended_at.is_some() {
            return Effective::Ended;
        }
        match self.configured {
            Configured::Draft => match &self.launch {
                Launch::Idle {} => Effective::Pending,
                Launch::Preparing { .. } | Launch::Approved { .. } | Launch::Done { .. } => {
                    Effective::Preparing
                }
                Launch::InReview { .. } => Effective::InReview,
                Launch::Rejected { .. } | Launch::Failed { verdict: Verdict::NotEligible, .. } => {
                    Effective::NotEligible
                }
                Launch::Failed { verdict: Verdict::Misconfigured, .. } => Effective::Misconfigured,
            },
            Configured::Scheduled => Effective::Eligible,
            Configured::Active => Effective::Serving,
            Configured::Paused => Effective::Paused,
            Configured::Stopped | Configured::Archived => Effective::Ended,
        }
    }

    /// The run that is launching it.
    pub fn launching_run(&self) -> Option<StreamId> {
        match &self.launch {
            Launch::Preparing { run_id }
            | Launch::InReview { run_id }
            | Launch::Approved { run_id, .. }
            | Launch::Rejected { run_id, .. } => Some(*run_id),
            Launch::Idle {} | Launch::Failed { .. } | Launch::Done { .. } => None,
        }
    }
}
