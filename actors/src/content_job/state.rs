//! The state of a content job.

use promptsales_engine::clock::Timestamp;
use promptsales_engine::id::StreamId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Id;
use crate::value::{Attributes, Channel, ContentKind, ExternalKey, Locale, Piece, Text, WebUrl};

/// What the piece is to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct JobBrief {
    /// The campaign that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign_id: Option<StreamId>,
    /// For which channel.
    pub channel: Channel,
    /// In which language.
    pub locale: Locale,
    /// Of which kind.
    pub kind: ContentKind,
    /// The campaign's or product's name.
    pub name: Text<120>,
    /// What it says.
    pub message: Text<500>,
    /// To whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<Text<500>>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Text<2000>>,
    /// The page that it leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landing_url: Option<WebUrl>,
    /// Words that must not occur in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forbidden_words: Vec<Text<80>>,
    /// The caller's own key for the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_key: Option<ExternalKey>,
    /// What the caller wants kept beside it.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
}

/// How far a job is, with what it has there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Phase {
    /// It is written down.
    Briefed {},
    /// It waits for its turn.
    Queued {},
    /// The provider has it.
    Submitted {
        /// The provider's id of it.
        provider_job: Text<200>,
    },
    /// The provider works on it.
    Generating {
        /// The provider's id of it.
        provider_job: Text<200>,
    },
    /// The piece is there.
    Generated {
        /// The piece.
        piece: Piece,
    },
    /// A person looks at it.
    InReview {
        /// The piece.
        piece: Piece,
    },
    /// A person wants it otherwise.
    ChangesRequested {
        /// The piece.
        piece: Piece,
        /// Who.
        by: Text<200>,
        /// What is to be changed.
        reason: Text<2000>,
    },
    /// It can be used.
    Approved {
        /// The piece.
        piece: Piece,
        /// By whom.
        by: Text<200>,
    },
    /// It breaks a policy.
    PolicyRejected {
        /// Which.
        code: Text<200>,
        /// How.
        message: Text<2000>,
    },
    /// It could not be made.
    Failed {
        /// The code of the error.
        code: Text<200>,
        /// What happened.
        message: Text<2000>,
    },
    /// Nobody needed it in time.
    Expired {},
    /// Nobody wants it.
    Cancelled {
        /// Why.
        reason: Text<2000>,
    },
    /// Another one takes its place.
    Superseded {
        /// The other one.
        by: Id,
    },
    /// It was put away.
    Archived {
        /// The piece, if there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        piece: Option<Piece>,
        /// Why.
        reason: Text<2000>,
    },
}

/// A content job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContentJob {
    /// What the piece is to be.
    pub brief: JobBrief,
    /// How far it is.
    pub phase: Phase,
    /// When it was written down.
    pub created_at: Timestamp,
    /// When something last happened to it.
    pub updated_at: Timestamp,
}

impl Phase {
    /// The wire name.
    pub const fn status(&self) -> &'static str {
        match self {
            Self::Briefed {} => "briefed",
            Self::Queued {} => "queued",
            Self::Submitted { .. } => "submitted",
            Self::Generating { .. } => "generating",
            Self::Generated { .. } => "generated",
            Self::InReview { .. } => "in_review",
            Self::ChangesRequested { .. } => "changes_requested",
            Self::Approved { .. } => "approved",
            Self::PolicyRejected { .. } => "policy_rejected",
            Self::Failed { .. } => "failed",
            Self::Expired {} => "expired",
            Self::Cancelled { .. } => "cancelled",
            Self::Superseded { .. } => "superseded",
            Self::Archived { .. } => "archived",
        }
    }

    /// The piece, where there is one.
    pub const fn piece(&self) -> Option<&Piece> {
        match self {
            Self::Generated { piece }
            | Self::InReview { piece }
            | Self::ChangesRequested { piece, .. }
            | Self::Approved { piece, .. } => Some(piece),
            Self::Archived { piece, .. } => piece.as_ref(),
            Self::Briefed {}
            | Self::Queued {}
            | Self::Submitted { .. }
            | Self::Generating { .. }
            | Self::PolicyRejected { .. }
            | Self::Failed { .. }
            | Self::Expired {}
            | Self::Cancelled { .. }
            | Self::Superseded { .. } => None,
        }
    }

    /// How far it is on its way; `None` where it has left it. Changes are a way back to the queue.
    pub(super) const fn progress(&self) -> Option<Progress> {
        match self {
            Self::Briefed {} => Some(Progress::Briefed),
            Self::Queued {} | Self::ChangesRequested { .. } => Some(Progress::Queued),
            Self::Submitted { .. } => Some(Progress::Submitted),
            Self::Generating { .. } => Some(Progress::Generating),
            Self::Generated { .. } => Some(Progress::Generated),
            Self::InReview { .. } => Some(Progress::InReview),
            Self::Approved { .. } => Some(Progress::Approved),
            Self::PolicyRejected { .. }
            | Self::Failed { .. }
            | Self::Expired {}
            | Self::Cancelled { .. }
            | Self::Superseded { .. }
            | Self::Archived { .. } => None,
        }
    }
}

/// The way of a job, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Progress {
    Briefed,
    Queued,
    Submitted,
    Generating,
    Generated,
    InReview,
    Approved,
}
