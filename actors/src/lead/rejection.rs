//! Why a lead can refuse a command.

use promptsales_engine::entity::Reason;
use promptsales_engine::journal::RejectionKind;
use serde_json::{Value, json};

use super::Stage;
use super::state::{MAX_CONSENTS, MAX_SCORE, MAX_TAGS};

/// Why a lead can refuse a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Nothing tells who the person is.
    #[error("a lead needs at least one of `email`, `phone` and `externalKey`")]
    NoIdentity,
    /// The lead was addressed by one key, and the body holds another.
    #[error("`externalKey` is not the key that the lead is addressed by: use one of them")]
    KeyConflict,
    /// The person is registered, with other details.
    #[error("the lead is registered already, with other details")]
    AlreadyRegistered,
    /// The telephone number cannot be.
    #[error("the telephone number in `phone` does not exist in its country's numbering plan: correct it")]
    InvalidPhone,
    /// The score is out of its bounds.
    #[error("`score` {score} is out of bounds: use -{MAX_SCORE} to {MAX_SCORE}")]
    ScoreOutOfBounds {
        /// What was given.
        score: i32,
    },
    /// There is no room for another tag.
    #[error("the lead has {MAX_TAGS} tags already: remove one first")]
    TooManyTags,
    /// There is no room for another consent.
    #[error("the lead has {MAX_CONSENTS} consents by channel and topic already")]
    TooManyConsents,
    /// Only a person may move a lead back.
    #[error("only a person can move a lead from {} back to {}", .from.as_str(), .to.as_str())]
    OnlyByPerson {
        /// The stage that it is at.
        from: Stage,
        /// The stage that was asked for.
        to: Stage,
    },
    /// A reason is missing.
    #[error("a reason is needed to move a lead from {} to {}: add `reason`", .from.as_str(), .to.as_str())]
    ReasonNeeded {
        /// The stage that it is at.
        from: Stage,
        /// The stage that was asked for.
        to: Stage,
    },
}

impl Reason for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Self::NoIdentity => "lead_without_identity",
            Self::KeyConflict => "external_key_conflict",
            Self::AlreadyRegistered => "lead_already_registered",
            Self::InvalidPhone => "phone_invalid",
            Self::ScoreOutOfBounds { .. } => "score_out_of_bounds",
            Self::TooManyTags => "too_many_tags",
            Self::TooManyConsents => "too_many_consents",
            Self::OnlyByPerson { .. } => "stage_back_only_by_person",
            Self::ReasonNeeded { .. } => "stage_reason_needed",
        }
    }

    fn kind(&self) -> RejectionKind {
        match self {
            Self::NoIdentity | Self::KeyConflict | Self::InvalidPhone | Self::ScoreOutOfBounds { .. } => {
                RejectionKind::Invalid
            }
            Self::AlreadyRegistered
            | Self::TooManyTags
            | Self::TooManyConsents
            | Self::OnlyByPerson { .. }
            | Self::ReasonNeeded { .. } => RejectionKind::Conflict,
        }
    }

    fn detail(&self) -> Value {
        match self {
            Self::OnlyByPerson { from, to } | Self::ReasonNeeded { from, to } => {
                json!({ "from": from, "to": to })
            }
            Self::NoIdentity
            | Self::KeyConflict
            | Self::AlreadyRegistered
            | Self::InvalidPhone
            | Self::ScoreOutOfBounds { .. }
            | Self::TooManyTags
            | Self::TooManyConsents => Value::Null,
        }
    }
}
