//! What a content job can be told to do.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Id, JobBrief};
use crate::value::{Piece, Text};

/// What a content job can be told to do. What is so already is accepted, and nothing happens.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Command {
    /// Writes a new job down.
    Brief(Box<JobBrief>),
    /// Puts it into the queue.
    Queue {},
    /// Notes that the provider has it.
    Submit {
        /// The provider's id of it.
        provider_job: Text<200>,
    },
    /// Notes that the provider works on it.
    StartGenerating {
        /// The provider's id of it.
        provider_job: Text<200>,
    },
    /// Notes the piece that the provider made.
    RecordGenerated {
        /// The piece.
        piece: Box<Piece>,
    },
    /// Puts the piece before a person.
    SubmitForReview {},
    /// Asks for another version of the piece.
    RequestChanges {
        /// Who.
        by: Text<200>,
        /// What is to be changed.
        reason: Text<2000>,
    },
    /// Approves the piece.
    Approve {
        /// Who, or which rule.
        by: Text<200>,
    },
    /// Takes an approval back.
    WithdrawApproval {},
    /// Notes that it breaks a policy.
    RejectByPolicy {
        /// Which.
        code: Text<200>,
        /// How.
        message: Text<2000>,
    },
    /// Notes that it could not be made.
    Fail {
        /// The code of the error.
        code: Text<200>,
        /// What happened.
        message: Text<2000>,
    },
    /// Gives it up, since nobody needed it in time.
    Expire {},
    /// Gives it up.
    Cancel {
        /// Why.
        reason: Text<2000>,
    },
    /// Puts another one in its place.
    Supersede {
        /// The other one.
        by: Id,
    },
    /// Puts it away, whatever its state.
    Archive {
        /// Why.
        reason: Text<2000>,
    },
}
