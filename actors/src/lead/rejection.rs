//! Why a lead can refuse a command.

use promptsales_engine::entity::Reason;
use promptsales_engine::journal::RejectionKind;
use serde_json::{Value, json};

use super::merge::MAX_ABSORBED;
use super::score::MAX_FIT;
use super::state::{MAX_CONSENTS, MAX_POINTS, MAX_TAGS};
use super::{Id, Stage};

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
    #[error("`score` {score} is out of bounds: use -{MAX_POINTS} to {MAX_POINTS}")]
    ScoreOutOfBounds {
        /// What was given.
        score: i32,
    },
    /// The points are out of their bounds.
    #[error("`points` {points} are out of bounds: a fit is from 0 to {MAX_FIT}")]
    FitOutOfBounds {
        /// What was given.
        points: i32,
    },
    /// A fit without reasons, or with too many.
    #[error("`reasons` holds {count}: give 1 to 10")]
    FitReasons {
        /// How many were given.
        count: usize,
    },
    /// The attributes would be more than are kept.
    #[error("`attributes`: {reason}")]
    Attributes {
        /// Why not.
        reason: String,
    },
    /// There is no room for another tag.
    #[error("the lead has {MAX_TAGS} tags already: remove one first")]
    TooManyTags,
    /// There is no room for another consent.
    #[error("the lead has {MAX_CONSENTS} consents by channel and topic already")]
    TooManyConsents,
    /// A consent of a time to come.
    #[error("`consent.at` is in the future: give the time at which it was said")]
    ConsentAhead,
    /// A newer word is known.
    #[error(
        "a newer word of the person on this channel and topic is known: nothing is changed by an older one"
    )]
    ConsentOutdated,
    /// Another lead stands in its place.
    #[error("the lead was merged into `{survivor}`: send the command to that one")]
    Merged {
        /// The lead that stands in its place.
        survivor: Id,
    },
    /// The survivor has not answered yet.
    #[error("the merge into `{survivor}` is under way: undo it a moment later")]
    MergeUnderWay {
        /// The lead that is to stand in its place.
        survivor: Id,
    },
    /// A lead cannot stand in its own place.
    #[error("a lead cannot be merged into itself: name another lead as `survivor`")]
    MergeIntoItself,
    /// It stands in the place of others.
    #[error(
        "other leads were merged into this one: merge it the other way round, or undo those merges first"
    )]
    SurvivorOfOthers,
    /// There is no room for another share.
    #[error("the lead stands in the place of {MAX_ABSORBED} others already")]
    TooManyAbsorbed,
    /// The command is of another lead.
    #[error("only a lead that is being merged sends this: use `merge-into` or `undo-merge` of that lead")]
    OnlyByMergedLead,
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
            Self::FitOutOfBounds { .. } => "fit_out_of_bounds",
            Self::FitReasons { .. } => "fit_reasons_needed",
            Self::Attributes { .. } => "attributes_too_large",
            Self::ConsentAhead => "consent_in_future",
            Self::ConsentOutdated => "consent_outdated",
            Self::Merged { .. } => "lead_merged",
            Self::MergeUnderWay { .. } => "merge_under_way",
            Self::MergeIntoItself => "merge_into_itself",
            Self::SurvivorOfOthers => "lead_survivor_of_others",
            Self::TooManyAbsorbed => "too_many_absorbed",
            Self::OnlyByMergedLead => "only_by_merged_lead",
            Self::TooManyTags => "too_many_tags",
            Self::TooManyConsents => "too_many_consents",
            Self::OnlyByPerson { .. } => "stage_back_only_by_person",
            Self::ReasonNeeded { .. } => "stage_reason_needed",
        }
    }

    fn kind(&self) -> RejectionKind {
        match self {
            Self::NoIdentity
            | Self::KeyConflict
            | Self::InvalidPhone
            | Self::ScoreOutOfBounds { .. }
            | Self::FitOutOfBounds { .. }
            | Self::FitReasons { .. }
            | Self::Attributes { .. }
            | Self::ConsentAhead
            | Self::MergeIntoItself => RejectionKind::Invalid,
            Self::AlreadyRegistered
            | Self::TooManyTags
            | Self::TooManyConsents
            | Self::ConsentOutdated
            | Self::Merged { .. }
            | Self::MergeUnderWay { .. }
            | Self::SurvivorOfOthers
            | Self::TooManyAbsorbed
            | Self::OnlyByMergedLead
            | Self::OnlyByPerson { .. }
            | Self::ReasonNeeded { .. } => RejectionKind::Conflict,
        }
    }

    fn detail(&self) -> Value {
        match self {
            Self::OnlyByPerson { from, to } | Self::ReasonNeeded { from, to } => {
                json!({ "from": from, "to": to })
            }
            Self::Merged { survivor } | Self::MergeUnderWay { survivor } => json!({ "survivor": survivor }),
            Self::NoIdentity
            | Self::KeyConflict
            | Self::AlreadyRegistered
            | Self::InvalidPhone
            | Self::ScoreOutOfBounds { .. }
            | Self::FitOutOfBounds { .. }
            | Self::FitReasons { .. }
            | Self::Attributes { .. }
            | Self::TooManyTags
            | Self::TooManyConsents
            | Self::ConsentAhead
            | Self::ConsentOutdated
            | Self::MergeIntoItself
            | Self::SurvivorOfOthers
            | Self::TooManyAbsorbed
            | Self::OnlyByMergedLead => Value::Null,
        }
    }
}
