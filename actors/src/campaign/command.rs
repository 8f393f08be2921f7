//! What a campaign can be told to do.

use promptsales_engine::id::StreamId;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Allocation, ContentRef, TrackedLink};
use crate::value::{Brief, Channel, Money, Text};

/// What a campaign can be told to do. Those that the steps of a launch use may come twice: what is so already is
/// accepted, and nothing happens.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Command {
    /// Writes a new campaign down as a draft.
    Draft(Box<Brief>),
    /// Writes a new campaign down and starts the workflow that launches it, in one commit. A draft that is there
    /// already is launched, and one whose launch failed is launched again, with another brief if that is wanted.
    Launch(Box<Brief>),
    /// Replaces the brief of a draft that is not being launched.
    Revise(Box<Brief>),
    /// Begins the launch by a run; with a brief it drafts the campaign first if there is none.
    BeginLaunch {
        /// The run that launches it.
        run_id: StreamId,
        /// The brief that the run works with.
        #[serde(default)]
        brief: Option<Box<Brief>>,
    },
    /// Notes the pieces of content that were made for it.
    RecordContent {
        /// The pieces.
        content: Vec<ContentRef>,
    },
    /// Forgets the pieces of content: they were archived.
    DiscardContent {},
    /// Puts it before a person for approval.
    SubmitForReview {},
    /// Approves it.
    Approve {
        /// Who, or which rule.
        by: Text<200>,
    },
    /// Refuses it.
    Reject {
        /// Who.
        by: Text<200>,
        /// Why.
        reason: Text<2000>,
    },
    /// Takes the approval back, or the question for it.
    WithdrawApproval {},
    /// Divides the budget between channels; the parts add up to it exactly.
    Plan {
        /// The parts.
        allocations: Vec<Allocation>,
    },
    /// Drops the division of the budget.
    DiscardPlan {},
    /// Sets money aside, at most the budget.
    ReserveBudget {
        /// How much.
        amount: Money,
    },
    /// Gives the money that was set aside back.
    ReleaseBudget {
        /// Why.
        reason: Text<2000>,
    },
    /// Notes that it was switched on on a channel.
    RecordActivation {
        /// The channel.
        channel: Channel,
        /// The platform's id of the ad.
        external_id: Text<200>,
    },
    /// Notes that it was switched off on a channel.
    RecordDeactivation {
        /// The channel.
        channel: Channel,
    },
    /// Notes how its leads are recognised.
    SetTracking {
        /// The form that they fill in.
        form_id: Text<200>,
        /// The link of each channel.
        links: Vec<TrackedLink>,
    },
    /// Forgets how its leads are recognised: the form was removed.
    RemoveTracking {},
    /// Ends the launch: it runs from now, or from its start date.
    Activate {},
    /// Takes the end of the launch back.
    Withdraw {
        /// Why.
        reason: Text<2000>,
    },
    /// Ends the launch without success; the campaign stays a draft that says why.
    FailLaunch {
        /// The run that gave up.
        run_id: StreamId,
        /// The code of the error.
        code: Text<200>,
        /// What happened.
        message: Text<2000>,
    },
    /// Starts what was scheduled, when its start date has come.
    Start {},
    /// Ends what ran, when its end date has come.
    End {},
    /// Halts it; nobody inside is lost.
    Pause {
        /// Why.
        #[serde(default)]
        reason: Option<Text<2000>>,
    },
    /// Lets it go on.
    Resume {},
    /// Ends it for good.
    Stop {
        /// Why.
        #[serde(default)]
        reason: Option<Text<2000>>,
    },
    /// Puts it away.
    Archive {},
}

impl Command {
    /// The wire name.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Draft(_) => "draft",
            Self::Launch(_) => "launch",
            Self::Revise(_) => "revise",
            Self::BeginLaunch { .. } => "begin-launch",
            Self::RecordContent { .. } => "record-content",
            Self::DiscardContent {} => "discard-content",
            Self::SubmitForReview {} => "submit-for-review",
            Self::Approve { .. } => "approve",
            Self::Reject { .. } => "reject",
            Self::WithdrawApproval {} => "withdraw-approval",
            Self::Plan { .. } => "plan",
            Self::DiscardPlan {} => "discard-plan",
            Self::ReserveBudget { .. } => "reserve-budget",
            Self::ReleaseBudget { .. } => "release-budget",
            Self::RecordActivation { .. } => "record-activation",
            Self::RecordDeactivation { .. } => "record-deactivation",
            Self::SetTracking { .. } => "set-tracking",
            Self::RemoveTracking {} => "remove-tracking",
            Self::Activate {} => "activate",
            Self::Withdraw { .. } => "withdraw",
            Self::FailLaunch { .. } => "fail-launch",
            Self::Start {} => "start",
            Self::End {} => "end",
            Self::Pause { .. } => "pause",
            Self::Resume {} => "resume",
            Self::Stop { .. } => "stop",
            Self::Archive {} => "archive",
        }
    }
}
