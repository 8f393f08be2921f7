//! Why a client can refuse a command.

use promptsales_engine::entity::Reason;
use promptsales_engine::journal::RejectionKind;

use super::Status;
use super::decide::MAX_SUBSCRIPTIONS;

/// Why a client can refuse a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The client was addressed by one key, and the body holds another.
    #[error("`externalKey` is not the key that the client is addressed by: use one of them")]
    KeyConflict,
    /// It is registered, with other details.
    #[error("the client is registered already, with other details: use `update`")]
    AlreadyRegistered,
    /// The telephone number cannot be.
    #[error("the telephone number in `phone` does not exist in its country's numbering plan: correct it")]
    InvalidPhone,
    /// The attributes would be more than are kept.
    #[error("`attributes`: {reason}")]
    Attributes {
        /// Why not.
        reason: String,
    },
    /// There is no room for another subscription.
    #[error("the client has {MAX_SUBSCRIPTIONS} subscriptions already: remove one first")]
    TooManySubscriptions,
    /// It is not in a state for that.
    #[error("the client is {}: `{command}` is not possible", .status.as_str())]
    WrongState {
        /// The command.
        command: &'static str,
        /// Where it stands.
        status: Status,
    },
}

impl Reason for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Self::KeyConflict => "external_key_conflict",
            Self::AlreadyRegistered => "client_already_registered",
            Self::InvalidPhone => "phone_invalid",
            Self::Attributes { .. } => "attributes_too_large",
            Self::TooManySubscriptions => "too_many_subscriptions",
            Self::WrongState { .. } => "client_wrong_state",
        }
    }

    fn kind(&self) -> RejectionKind {
        match self {
            Self::KeyConflict | Self::InvalidPhone | Self::Attributes { .. } => RejectionKind::Invalid,
            Self::AlreadyRegistered | Self::TooManySubscriptions | Self::WrongState { .. } => {
                RejectionKind::Conflict
            }
        }
    }
}
