//! Why a content job can refuse a command.

use promptsales_engine::entity::Reason;
use promptsales_engine::journal::RejectionKind;

/// Why a content job can refuse a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The job exists, with another brief.
    #[error("the content job exists already, with another brief: use another id")]
    AlreadyBriefed,
    /// The job was addressed by one key, and its brief holds another.
    #[error("the brief's `externalKey` is not the key that the job is addressed by: use one of them")]
    KeyConflict,
    /// The piece is not the one that was asked for.
    #[error("the piece is {got}, and {wanted} was asked for")]
    WrongPiece {
        /// Channel, language and kind of the piece.
        got: String,
        /// Those of the brief.
        wanted: String,
    },
    /// The job is in a state in which the command makes no sense.
    #[error("a content job that is {status} cannot take `{command}`")]
    WrongState {
        /// The command.
        command: &'static str,
        /// How far the job is.
        status: &'static str,
    },
}

impl Reason for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Self::AlreadyBriefed => "content_job_already_briefed",
            Self::KeyConflict => "external_key_conflict",
            Self::WrongPiece { .. } => "content_job_wrong_piece",
            Self::WrongState { .. } => "content_job_wrong_state",
        }
    }

    fn kind(&self) -> RejectionKind {
        match self {
            Self::KeyConflict | Self::WrongPiece { .. } => RejectionKind::Invalid,
            Self::AlreadyBriefed | Self::WrongState { .. } => RejectionKind::Conflict,
        }
    }
}
