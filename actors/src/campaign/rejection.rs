//! Why a campaign can refuse a command.

use promptsales_engine::entity::Reason;
use promptsales_engine::id::StreamId;
use promptsales_engine::journal::RejectionKind;
use serde_json::{Value, json};

use super::Effective;
use crate::value::{BriefError, Channel, Money, MoneyError};

/// Why a campaign can refuse a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The campaign exists, with another brief.
    #[error("the campaign is drafted already, with another brief: use `revise`")]
    AlreadyDrafted,
    /// The brief contradicts itself.
    #[error(transparent)]
    InvalidBrief(#[from] BriefError),
    /// The campaign was addressed by one key, and its brief holds another.
    #[error("the brief's `externalKey` is not the key that the campaign is addressed by: use one of them")]
    KeyConflict,
    /// The brief was revised since the run read it.
    #[error(
        "the campaign's brief is not the one that the run works with: launch it again with the current one"
    )]
    BriefChanged,
    /// A run is launching it.
    #[error("the campaign is being launched by `{run}`: wait for it, or cancel it")]
    LaunchInProgress {
        /// The run.
        run: StreamId,
    },
    /// No run is launching it.
    #[error("the campaign is not being launched")]
    NotLaunching,
    /// The campaign is in a state in which the command makes no sense.
    #[error("a campaign that is {state} cannot take `{command}`")]
    WrongState {
        /// The command.
        command: &'static str,
        /// What the campaign is.
        state: Effective,
    },
    /// Nobody has approved it.
    #[error("the campaign is not approved")]
    NotApproved,
    /// The plan is not about the brief's budget.
    #[error("the plan adds up to {planned}, the budget is {budget}: divide exactly the budget")]
    PlanDoesNotAddUp {
        /// The sum of the parts.
        planned: Money,
        /// The budget.
        budget: Money,
    },
    /// The plan names a channel twice, or one that the brief does not have.
    #[error("`{channel}` cannot be planned: name each channel of the brief once")]
    PlanChannel {
        /// The channel.
        channel: Channel,
    },
    /// Two currencies in one calculation.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// The brief has no budget.
    #[error("the campaign has no budget: add one to its brief")]
    NoBudget,
    /// More money than the budget.
    #[error("{wanted} cannot be set aside: the budget is {budget}")]
    BudgetExceeded {
        /// What was asked for.
        wanted: Money,
        /// The budget.
        budget: Money,
    },
    /// Another amount is set aside already.
    #[error("{reserved} is set aside already: release it first")]
    AlreadyReserved {
        /// What is set aside.
        reserved: Money,
    },
    /// No money is set aside.
    #[error("no money is set aside for the campaign: reserve the budget first")]
    NotReserved,
    /// The channel has no part of the budget.
    #[error("`{channel}` has no part in the plan")]
    NotPlanned {
        /// The channel.
        channel: Channel,
    },
    /// The channel runs another ad.
    #[error("`{channel}` runs the ad `{external_id}` already")]
    AlreadyActivated {
        /// The channel.
        channel: Channel,
        /// The ad that runs.
        external_id: String,
    },
    /// A planned channel was not switched on.
    #[error("`{channel}` is planned and was not switched on")]
    NotActivated {
        /// The channel.
        channel: Channel,
    },
    /// Its end date has passed.
    #[error("the campaign's end date has passed: revise its brief")]
    Over,
    /// It is not the time for it.
    #[error("`{command}` is not due yet")]
    NotDue {
        /// The command.
        command: &'static str,
    },
}

impl Reason for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Self::AlreadyDrafted => "campaign_already_drafted",
            Self::InvalidBrief(error) => error.code(),
            Self::KeyConflict => "external_key_conflict",
            Self::BriefChanged => "brief_changed",
            Self::LaunchInProgress { .. } => "launch_in_progress",
            Self::NotLaunching => "launch_not_in_progress",
            Self::WrongState { .. } => "campaign_wrong_state",
            Self::NotApproved => "campaign_not_approved",
            Self::PlanDoesNotAddUp { .. } => "plan_does_not_add_up",
            Self::PlanChannel { .. } => "plan_channel_invalid",
            Self::Money(MoneyError::CurrencyMismatch { .. }) => "currency_mismatch",
            Self::Money(_) => "amount_invalid",
            Self::NoBudget => "budget_missing",
            Self::BudgetExceeded { .. } => "budget_exceeded",
            Self::AlreadyReserved { .. } => "budget_already_reserved",
            Self::NotReserved => "budget_not_reserved",
            Self::NotPlanned { .. } => "channel_not_planned",
            Self::AlreadyActivated { .. } => "channel_already_activated",
            Self::NotActivated { .. } => "channel_not_activated",
            Self::Over => "campaign_over",
            Self::NotDue { .. } => "command_not_due",
        }
    }

    fn kind(&self) -> RejectionKind {
        match self {
            Self::InvalidBrief(_)
            | Self::KeyConflict
            | Self::PlanDoesNotAddUp { .. }
            | Self::PlanChannel { .. }
            | Self::Money(_) => RejectionKind::Invalid,
            Self::AlreadyDrafted
            | Self::BriefChanged
            | Self::LaunchInProgress { .. }
            | Self::NotLaunching
            | Self::WrongState { .. }
            | Self::NotApproved
            | Self::NoBudget
            | Self::BudgetExceeded { .. }
            | Self::AlreadyReserved { .. }
            | Self::NotReserved
            | Self::NotPlanned { .. }
            | Self::AlreadyActivated { .. }
            | Self::NotActivated { .. }
            | Self::Over
            | Self::NotDue { .. } => RejectionKind::Conflict,
        }
    }

    fn detail(&self) -> Value {
        match self {
            Self::InvalidBrief(BriefError::Incomplete { missing }) => json!({ "missing": missing }),
            Self::LaunchInProgress { run } => json!({ "runId": run }),
            Self::WrongState { command, state } => json!({ "command": command, "effective": state }),
            Self::PlanDoesNotAddUp { planned, budget } => json!({ "planned": planned, "budget": budget }),
            Self::BudgetExceeded { wanted, budget } => json!({ "wanted": wanted, "budget": budget }),
            Self::AlreadyReserved { reserved } => json!({ "reserved": reserved }),
            Self::PlanChannel { channel }
            | Self::NotPlanned { channel }
            | Self::NotActivated { channel }
            | Self::AlreadyActivated { channel, .. } => json!({ "channel": channel }),
            Self::InvalidBrief(_)
            | Self::Money(_)
            | Self::AlreadyDrafted
            | Self::KeyConflict
            | Self::BriefChanged
            | Self::NotLaunching
            | Self::NotApproved
            | Self::NoBudget
            | Self::NotReserved
            | Self::Over
            | Self::NotDue { .. } => Value::Null,
        }
    }
}
