//! What can have happened to a content job.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Id, JobBrief};
use crate::value::{Piece, Text};

/// What can have happened to a content job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Event {
    /// It was written down.
    Briefed(Box<JobBrief>),
    /// It was put into the queue.
    Queued {},
    /// The provider took it.
    Submitted {
        /// The provider's id of it.
        provider_job: Text<200>,
    },
    /// The provider began to work on it.
    GenerationStarted {
        /// The provider's id of it.
        provider_job: Text<200>,
    },
    /// The piece was made.
    Generated {
        /// The piece.
        piece: Box<Piece>,
    },
    /// The piece was put before a person.
    SubmittedForReview {},
    /// A person wants it otherwise.
    ChangesRequested {
        /// Who.
        by: Text<200>,
        /// What is to be changed.
        reason: Text<2000>,
    },
    /// The piece can be used.
    Approved {
        /// By whom, or by which rule.
        by: Text<200>,
    },
    /// The approval was taken back.
    ApprovalWithdrawn {},
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
    /// It was given up.
    Cancelled {
        /// Why.
        reason: Text<2000>,
    },
    /// Another one took its place.
    Superseded {
        /// The other one.
        by: Id,
    },
    /// It was put away.
    Archived {
        /// Why.
        reason: Text<2000>,
    },
}

/// Every event's wire name with the current version of its shape.
pub(super) const EVENTS: &[(&str, u16)] = &[
    ("briefed", 1),
    ("queued", 1),
    ("submitted", 1),
    ("generation-started", 1),
    ("generated", 1),
    ("submitted-for-review", 1),
    ("changes-requested", 1),
    ("approved", 1),
    ("approval-withdrawn", 1),
    ("policy-rejected", 1),
    ("failed", 1),
    ("expired", 1),
    ("cancelled", 1),
    ("superseded", 1),
    ("archived", 1),
];
