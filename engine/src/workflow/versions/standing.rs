//! How the versions of a workflow stand on a node: which takes a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::by_release;
use crate::journal::{Json, Rejected, RejectionKind, Seq};
use crate::workflow::definition::Definition;
use crate::workflow::registration::Life;
use crate::workflow::registration::life::latest;

/// The versions of one workflow, and how they stand.
#[derive(Debug, Clone, Default)]
pub(super) struct Workflow {
    pub(super) versions: Vec<Arc<Definition>>,
    pub(super) standing: Standing,
}

/// How the versions of a workflow stand, as far as the journal says it: those of which it says nothing are active.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    /// The number of the event up to which it is known.
    pub(super) seq: Seq,
    pub(super) promoted: Option<String>,
    pub(super) lives: BTreeMap<String, Life>,
}

/// Who named the version that a run is to be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedBy {
    /// Whoever starts it.
    Caller,
    /// The definition of a run that starts it.
    Definition,
}

/// Why no run can be of a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRuns {
    /// It is not there.
    #[error("there is no workflow `{name}`{}", version.as_ref().map_or_else(String::new, |v| format!(" with version {v}")))]
    Unknown {
        /// The workflow.
        name: String,
        /// The version, if one was named.
        version: Option<String>,
    },
    /// It takes no new runs, or none at all.
    #[error("version {version} of `{name}` is {}{}{}", life.name(), why(life), instead(latest.as_ref()))]
    Closed {
        /// The workflow.
        name: String,
        /// The version.
        version: String,
        /// Where it is in its life.
        life: Box<Life>,
        /// The version that takes runs, if there is one.
        latest: Option<String>,
    },
}

fn why(life: &Life) -> String {
    let reason = life.act().and_then(|act| act.reason.as_ref());
    reason.map_or_else(String::new, |reason| format!(" ({reason})"))
}

fn instead(latest: Option<&String>) -> String {
    match latest {
        Some(latest) => format!(" and takes no runs; the latest version is {latest}"),
        None => " and takes no runs, and neither does another version".to_owned(),
    }
}

impl From<NoRuns> for Rejected {
    fn from(no_runs: NoRuns) -> Self {
        let message = no_runs.to_string();
        let (kind, code, detail) = match no_runs {
            NoRuns::Unknown { .. } => (RejectionKind::NotFound, "unknown_workflow", Json::null()),
            NoRuns::Closed { version, life, latest, .. } => {
                let code = match *life {
                    Life::Active | Life::Deprecated(_) => "version_deprecated",
                    Life::Retiring { .. } | Life::Deleted(_) => "version_deleted",
                };
                let detail = json!({
                    "version": version, "status": life.name(), "change": life.act(), "latest": latest,
                });
                (RejectionKind::Conflict, code, Json::from(&detail))
            }
        };
        Self { kind, code: code.into(), message, detail }
    }
}

impl Workflow {
    pub(super) fn version(&self, version: &str) -> Option<Arc<Definition>> {
        self.versions.iter().find(|definition| definition.version == version).cloned()
    }

    /// Where a version is in its life.
    pub(super) fn life(&self, version: &str) -> &Life {
        self.standing.lives.get(version).unwrap_or(&Life::Active)
    }

    /// The versions that are not deleted.
    pub(super) fn kept(&self) -> impl Iterator<Item = &Arc<Definition>> {
        self.versions.iter().filter(|definition| !self.life(&definition.version).is_deleted())
    }

    /// The version that new runs are of which name none.
    pub(super) fn latest(&self) -> Option<Arc<Definition>> {
        let versions = self.versions.iter().map(|d| (d.version.as_str(), self.life(&d.version)));
        self.version(latest(versions, self.standing.promoted.as_deref())?)
    }

    /// The newest version that is not deleted.
    pub(super) fn newest(&self) -> Option<Arc<Definition>> {
        self.kept().max_by(|a, b| by_release(&a.version, &b.version)).cloned()
    }

    /// The definition for a run of a version, or of the latest; none if it is not here.
    pub(super) fn for_run(
        &self,
        name: &str,
        version: Option<&str>,
        named_by: NamedBy,
    ) -> Option<Result<Arc<Definition>, NoRuns>> {
        let found = match version {
            Some(version) => self.version(version)?,
            None => match self.latest() {
                Some(latest) => return Some(Ok(latest)),
                None => self.newest()?,
            },
        };
        let life = self.life(&found.version).clone();
        let takes_it = match (&life, named_by) {
            (Life::Active, _) => true,
            (Life::Deprecated(_), NamedBy::Definition) => version.is_some(),
            (Life::Deprecated(_), NamedBy::Caller) | (Life::Retiring { .. } | Life::Deleted(_), _) => false,
        };
        if takes_it {
            return Some(Ok(found));
        }
        let (name, version) = (name.to_owned(), found.version.clone());
        let latest = self.latest().map(|latest| latest.version.clone());
        Some(Err(NoRuns::Closed { name, version, life: Box::new(life), latest }))
    }
}
