//! The life of a version: which take runs, and which one a run is of that names none.
//!
//! `active --deprecate--> deprecated --restore--> active`
//!
//! `active, deprecated --retire--> retiring --delete--> deleted`; a retiring version is as it was before after `keep`,
//! and active after `restore`.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::journal::Seq;
use crate::workflow::versions::by_release;

/// Who did something to a version, when, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Act {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Why, as far as that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Where a version is in its life.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Life {
    /// It takes runs.
    #[default]
    Active,
    /// It takes no new runs. Those that are open go on.
    Deprecated(Act),
    /// It takes no runs at all: it is looked whether any is open, and deleted if none is.
    Retiring {
        /// What began it.
        act: Act,
        /// The number of the event that began it.
        seq: Seq,
        /// How it was deprecated before, if it was.
        deprecated: Option<Act>,
    },
    /// It takes no runs for ever. Its text stays for those that ended.
    Deleted(Act),
}

impl Life {
    /// The wire name of the status.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deprecated(_) => "deprecated",
            Self::Retiring { .. } => "retiring",
            Self::Deleted(_) => "deleted",
        }
    }

    /// What it came by; none where nothing was done to it.
    pub fn act(&self) -> Option<&Act> {
        match self {
            Self::Active => None,
            Self::Deprecated(act) | Self::Retiring { act, .. } | Self::Deleted(act) => Some(act),
        }
    }

    /// True if new runs can be of it.
    pub fn is_active(&self) -> bool {
        *self == Self::Active
    }

    /// True if it is there for nobody but the runs that ended.
    pub fn is_deleted(&self) -> bool {
        matches!(self, Self::Deleted(_))
    }

    /// What it is to become where it is to be deleted.
    pub(super) fn retiring(&self, act: Act, seq: Seq) -> Self {
        let deprecated = match self {
            Self::Deprecated(before) => Some(before.clone()),
            Self::Retiring { deprecated, .. } => deprecated.clone(),
            Self::Active | Self::Deleted(_) => None,
        };
        Self::Retiring { act, seq, deprecated }
    }

    /// What it is where it is not deleted after all.
    pub(super) fn kept(&self) -> Self {
        match self {
            Self::Retiring { deprecated: Some(act), .. } => Self::Deprecated(act.clone()),
            Self::Retiring { deprecated: None, .. } => Self::Active,
            other => other.clone(),
        }
    }
}

/// The version that new runs are of which name none: the one that was promoted, or else the newest that is active.
pub fn latest<'a>(
    versions: impl Iterator<Item = (&'a str, &'a Life)> + Clone,
    promoted: Option<&str>,
) -> Option<&'a str> {
    let active = versions.filter(|(_, life)| life.is_active()).map(|(version, _)| version);
    let promoted = promoted.and_then(|promoted| active.clone().find(|version| *version == promoted));
    promoted.or_else(|| active.max_by(|a, b| by_release(a, b)))
}
