//! What can have happened to a campaign.

use promptsales_engine::id::StreamId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Allocation, Configured, ContentRef, TrackedLink};
use crate::value::{Brief, Channel, Money, Text};

/// What can have happened to a campaign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Event {
    /// It was written down.
    Drafted(Box<Brief>),
    /// Its brief was replaced.
    Revised(Box<Brief>),
    /// A run began to launch it.
    LaunchBegun {
        /// The run.
        run_id: StreamId,
    },
    /// Content was made for it.
    ContentRecorded {
        /// The pieces.
        content: Vec<ContentRef>,
    },
    /// Its content was archived.
    ContentDiscarded {},
    /// It waits for a person's approval.
    SubmittedForReview {},
    /// It was approved.
    Approved {
        /// By whom, or by which rule.
        by: Text<200>,
    },
    /// It was refused.
    Rejected {
        /// By whom.
        by: Text<200>,
        /// Why.
        reason: Text<2000>,
    },
    /// The approval, or the question for it, was taken back.
    ApprovalWithdrawn {},
    /// The budget was divided.
    Planned {
        /// The parts.
        allocations: Vec<Allocation>,
    },
    /// The division was dropped.
    PlanDiscarded {},
    /// Money was set aside.
    BudgetReserved {
        /// How much.
        amount: Money,
    },
    /// The money was given back.
    BudgetReleased {
        /// How much.
        amount: Money,
        /// Why.
        reason: Text<2000>,
    },
    /// It was switched on on a channel.
    ChannelActivated {
        /// The channel.
        channel: Channel,
        /// The platform's id of the ad.
        external_id: Text<200>,
    },
    /// It was switched off on a channel.
    ChannelDeactivated {
        /// The channel.
        channel: Channel,
    },
    /// Its leads can be recognised.
    TrackingSet {
        /// The form that they fill in.
        form_id: Text<200>,
        /// The link of each channel.
        links: Vec<TrackedLink>,
    },
    /// Its leads can no longer be recognised.
    TrackingRemoved {},
    /// It will run from its start date.
    Scheduled {},
    /// It runs.
    Activated {},
    /// The end of the launch was taken back.
    Withdrawn {
        /// Why.
        reason: Text<2000>,
    },
    /// The launch ended without success.
    LaunchFailed {
        /// The run that gave up.
        run_id: StreamId,
        /// The code of the error.
        code: Text<200>,
        /// What happened.
        message: Text<2000>,
    },
    /// Its start date came.
    Started {},
    /// Its end date came.
    Ended {},
    /// It was halted.
    Paused {
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Text<2000>>,
    },
    /// It goes on.
    Resumed {
        /// What it is now: active, or scheduled where its start date has not come.
        configured: Configured,
    },
    /// It was ended for good.
    Stopped {
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Text<2000>>,
    },
    /// It was put away.
    Archived {},
}

/// Every event's wire name with the current version of its shape.
pub(super) const EVENTS: &[(&str, u16)] = &[
    ("drafted", 1),
    ("revised", 1),
    ("launch-begun", 1),
    ("content-recorded", 1),
    ("content-discarded", 1),
    ("submitted-for-review", 1),
    ("approved", 1),
    ("rejected", 1),
    ("approval-withdrawn", 1),
    ("planned", 1),
    ("plan-discarded", 1),
    ("budget-reserved", 1),
    ("budget-released", 1),
    ("channel-activated", 1),
    ("channel-deactivated", 1),
    ("tracking-set", 1),
    ("tracking-removed", 1),
    ("scheduled", 1),
    ("activated", 1),
    ("withdrawn", 1),
    ("launch-failed", 1),
    ("started", 1),
    ("ended", 1),
    ("paused", 1),
    ("resumed", 1),
    ("stopped", 1),
    ("archived", 1),
];
