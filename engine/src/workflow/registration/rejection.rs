//! Why something about a registered workflow is refused.

use serde_json::{Value, json};

use crate::entity::Reason;
use crate::journal::RejectionKind;

/// Why something is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The version is there with another text.
    #[error("version {version} of `{name}` is there with another text; give the definition a new version")]
    VersionTaken {
        /// The workflow.
        name: String,
        /// The version.
        version: String,
    },
    /// The command does not fit itself.
    #[error("the registration is not sound: {reason}")]
    Unsound {
        /// What does not fit.
        reason: &'static str,
    },
    /// There is no such version.
    #[error("`{name}` has no version {version}")]
    UnknownVersion {
        /// The workflow.
        name: String,
        /// The version.
        version: String,
    },
    /// The version is deprecated.
    #[error("version {version} of `{name}` is deprecated; restore it first")]
    Deprecated {
        /// The workflow.
        name: String,
        /// The version.
        version: String,
    },
    /// The version is deleted, or about to be.
    #[error("version {version} of `{name}` is {status}; give the definition a new version")]
    Deleted {
        /// The workflow.
        name: String,
        /// The version.
        version: String,
        /// Which of both.
        status: &'static str,
    },
    /// New runs are of this version.
    #[error("version {version} of `{name}` is the latest; register another one or promote one first")]
    IsLatest {
        /// The workflow.
        name: String,
        /// The version.
        version: String,
    },
    /// Runs of the version are open.
    #[error(
        "open runs of version {version} of `{name}`: {open}; let them end, or have them follow another version"
    )]
    InUse {
        /// The workflow.
        name: String,
        /// The version.
        version: String,
        /// How many were found.
        open: u64,
    },
    /// Somebody did something else to the version meanwhile.
    #[error("version {version} of `{name}` is {status} by now; ask again")]
    Overtaken {
        /// The workflow.
        name: String,
        /// The version.
        version: String,
        /// Its status.
        status: &'static str,
    },
}

impl Reason for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Self::VersionTaken { .. } => "version_taken",
            Self::Unsound { .. } => "invalid_definition",
            Self::UnknownVersion { .. } => "unknown_version",
            Self::Deprecated { .. } => "version_deprecated",
            Self::Deleted { .. } => "version_deleted",
            Self::IsLatest { .. } => "version_is_latest",
            Self::InUse { .. } => "version_in_use",
            Self::Overtaken { .. } => "version_changed",
        }
    }

    fn kind(&self) -> RejectionKind {
        match self {
            Self::Unsound { .. } => RejectionKind::Invalid,
            Self::UnknownVersion { .. } => RejectionKind::NotFound,
            Self::VersionTaken { .. }
            | Self::Deprecated { .. }
            | Self::Deleted { .. }
            | Self::IsLatest { .. }
            | Self::InUse { .. }
            | Self::Overtaken { .. } => RejectionKind::Conflict,
        }
    }

    fn detail(&self) -> Value {
        match self {
            Self::InUse { open, .. } => json!({ "open": open }),
            Self::VersionTaken { .. }
            | Self::Unsound { .. }
            | Self::UnknownVersion { .. }
            | Self::Deprecated { .. }
            | Self::Deleted { .. }
            | Self::IsLatest { .. }
            | Self::Overtaken { .. } => Value::Null,
        }
    }
}
