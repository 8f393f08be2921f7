//! Registered workflow definitions, as entities: what is registered is in the journal, and stays.
//!
//! `(nothing) --register--> registered --register, promote--> registered`, and of each version
//! `active --deprecate--> deprecated --restore--> active --retire--> retiring --delete--> deleted` ([`life`]).
//!
//! A version keeps its text for ever; another text needs another version. New runs are of the latest version: the
//! newest that is active, or the one that was promoted, until a newer one is registered or it is active no more.
//!
//! # A deletion and a start that race
//!
//! A version is deleted in two commits. From the first on it is *retiring*: the registry refuses new runs of it, and
//! those that want to go on in it. A run decides by the registry of the node that owns it, and the registry knows of
//! a commit before its caller does. So whoever retires a version waits for what runs had decided before
//! ([`Node::settled`](crate::runtime::Node::settled)), looks at the runs then, and deletes it only if none is open.
//! Where a run of another owner came in between all the same, it goes on: it is pinned to the text, which is kept.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::schedule::Plan;
use crate::clock::Timestamp;
use crate::entity::{DecideCx, Decision, Entity, EventCx, Kind};
use crate::id::{Id, IdKind, IdSecret, Prefix, StreamId, TenantId};
use crate::journal::Seq;

mod deciding;
pub mod life;
mod rejection;
mod shelf;
#[cfg(test)]
mod tests;

pub use life::{Act, Life};
pub use rejection::Rejection;
pub use shelf::{info, load_definitions};

use deciding::Text;

/// The id kind of registered definitions.
#[derive(Debug, Clone, Copy)]
pub struct Registered;

impl IdKind for Registered {
    const PREFIX: Prefix = Prefix::new("wfd");
}

/// The id of a registered definition.
pub type DefinitionId = Id<Registered>;

/// The id that a workflow of a tenant always has.
pub fn definition_id(secret: &IdSecret, tenant: &TenantId, name: &str) -> DefinitionId {
    let id = secret.derive(Registered::PREFIX, None, "definition", &[tenant.as_str(), name]);
    Id::from_uuid(id.uuid())
}

/// A registered workflow with all its versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowDefinition {
    name: String,
    versions: Vec<RegisteredVersion>,
    /// True if runs of the latest version begin by themselves.
    #[serde(default)]
    scheduled: bool,
    /// The version that was made the latest, where that is not the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    promoted: Option<Promoted>,
}

/// A registered version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisteredVersion {
    /// The semantic version.
    pub version: String,
    /// The definition's text.
    pub source: String,
    /// The text's digest.
    pub digest: String,
    /// When it was registered.
    pub at: Timestamp,
    /// Where it is in its life.
    #[serde(default)]
    pub life: Life,
}

/// A version that was made the latest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Promoted {
    /// The version.
    pub version: String,
    /// By whom, when, and why.
    pub act: Act,
}

/// What a registered workflow can be told to do.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Command {
    /// Registers a version; its text has been checked.
    Register {
        /// The workflow's name.
        name: String,
        /// The semantic version.
        version: String,
        /// The definition's text.
        source: String,
        /// The text's digest.
        digest: String,
        /// How runs of it begin by themselves.
        #[serde(default)]
        scheduling: Option<Scheduling>,
    },
    /// Has a version take no new runs.
    Deprecate(Change),
    /// Has a version take runs again.
    Restore(Change),
    /// Makes a version the latest.
    Promote(Change),
    /// Has a version take no runs at all, since it is to be deleted.
    Retire(Change),
    /// Has a version that is not deleted after all be as it was before.
    Keep(Change),
    /// Deletes a version that was retired and is found to have no open runs.
    Delete {
        /// The version.
        version: String,
        /// Why.
        #[serde(default)]
        reason: Option<String>,
        /// How many open runs of it were found; it is deleted if that is none.
        open: u64,
        /// The number of the event since which it takes no runs, which was before the runs were looked at.
        retired: Seq,
    },
}

/// Something that is done to a version.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Change {
    /// The version.
    pub version: String,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// The schedule of the workflow.
    #[schemars(with = "String")]
    pub schedule: StreamId,
    /// What runs of each version begin by; none for those whose runs do not begin by themselves.
    pub plans: BTreeMap<String, Option<Plan>>,
}

/// How runs of a version begin by themselves, and the schedule that sees to it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scheduling {
    /// The schedule of the workflow.
    #[schemars(with = "String")]
    pub schedule: StreamId,
    /// What runs begin by; none if they do not.
    pub plan: Option<Plan>,
}

/// What can have happened to a registered workflow.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Event {
    /// A version was registered.
    Registered {
        /// The workflow's name.
        name: String,
        /// The semantic version.
        version: String,
        /// The definition's text.
        source: String,
        /// The text's digest.
        digest: String,
        /// True if runs of it begin by themselves, and it is the latest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scheduled: Option<bool>,
    },
    /// A version takes no new runs from now on.
    Deprecated(Acted),
    /// A version takes runs again.
    Restored(Acted),
    /// A version was made the latest.
    Promoted(Acted),
    /// A version takes no runs at all: it is to be deleted.
    Retired(Acted),
    /// A version was not deleted, and is as it was before.
    Kept(Acted),
    /// A version was deleted.
    Deleted(Acted),
}

/// What was done to a version.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Acted {
    /// The version.
    pub version: String,
    /// Who did it.
    pub by: String,
    /// Why, as far as that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether runs begin by themselves now; only where the latest version is another one than before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled: Option<bool>,
}

impl Entity for WorkflowDefinition {
    const KIND: Kind = Kind { name: "definition", plural: "workflows", prefix: Registered::PREFIX };
    const CREATE: &'static str = "register";
    const EVENTS: &'static [(&'static str, u16)] = &[
        ("registered", 1),
        ("deprecated", 1),
        ("restored", 1),
        ("promoted", 1),
        ("retired", 1),
        ("kept", 1),
        ("deleted", 1),
    ];

    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn creates(command: &Command) -> bool {
        matches!(command, Command::Register { .. })
    }

    fn decide(
        state: Option<&Self>,
        command: Command,
        cx: &DecideCx<'_>,
    ) -> Result<Decision<Event>, Rejection> {
        match (command, state) {
            (Command::Register { name, version, source, digest, scheduling }, state) => {
                let text = Text { name, version, source, digest };
                deciding::register(state, text, scheduling)
            }
            (_, None) => Err(Rejection::Unsound { reason: "there is no such workflow" }),
            (Command::Deprecate(change), Some(state)) => state.deprecate(change, cx),
            (Command::Restore(change), Some(state)) => state.restore(change, cx),
            (Command::Promote(change), Some(state)) => state.promote(change, cx),
            (Command::Retire(change), Some(state)) => state.retire(change, cx),
            (Command::Keep(change), Some(state)) => state.keep(change, cx),
            (Command::Delete { version, reason, open, retired }, Some(state)) => {
                state.delete(version, reason, (open, retired), cx)
            }
        }
    }

    fn begin(event: &Event, cx: &EventCx) -> Option<Self> {
        let Event::Registered { name, .. } = event else { return None };
        let mut state = Self { name: name.clone(), versions: Vec::new(), scheduled: false, promoted: None };
        state.apply(event, cx);
        Some(state)
    }

    fn apply(&mut self, event: &Event, cx: &EventCx) {
        match event {
            Event::Registered { version, source, digest, scheduled, .. } => {
                self.scheduled = scheduled.unwrap_or(self.scheduled);
                self.add(RegisteredVersion {
                    version: version.clone(),
                    source: source.clone(),
                    digest: digest.clone(),
                    at: cx.at,
                    life: Life::Active,
                });
            }
            Event::Deprecated(acted) => self.enter(acted, cx, |_, act| Life::Deprecated(act)),
            Event::Restored(acted) => self.enter(acted, cx, |_, _| Life::Active),
            Event::Promoted(acted) => {
                let (version, act) = (acted.version.clone(), acted.act(cx));
                self.scheduled = acted.scheduled.unwrap_or(self.scheduled);
                self.promoted = Some(Promoted { version, act });
            }
            Event::Retired(acted) => self.enter(acted, cx, |life, act| life.retiring(act, cx.seq)),
            Event::Kept(acted) => self.enter(acted, cx, |life, _| life.kept()),
            Event::Deleted(acted) => self.enter(acted, cx, |_, act| Life::Deleted(act)),
        }
    }

    fn view(&self) -> Value {
        let latest = self.latest();
        let version = |v: &RegisteredVersion| {
            json!({
                "version": v.version, "digest": v.digest, "registeredAt": v.at, "status": v.life.name(),
                "latest": latest == Some(v.version.as_str()), "change": v.life.act(),
            })
        };
        let versions: Vec<_> = self.versions.iter().map(version).collect();
        json!({ "name": self.name, "versions": versions, "latest": latest, "promoted": self.promoted })
    }
}

impl WorkflowDefinition {
    /// The workflow's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The versions in the order of their registration.
    pub fn versions(&self) -> &[RegisteredVersion] {
        &self.versions
    }

    /// A version.
    pub fn version(&self, version: &str) -> Option<&RegisteredVersion> {
        self.versions.iter().find(|known| known.version == version)
    }

    /// The version that was made the latest, where that counts.
    pub fn promoted(&self) -> Option<&str> {
        self.promoted.as_ref().map(|promoted| promoted.version.as_str())
    }

    /// The version that new runs are of; none if no version takes any.
    pub fn latest(&self) -> Option<&str> {
        let versions = self.versions.iter().map(|known| (known.version.as_str(), &known.life));
        life::latest(versions, self.promoted())
    }
}
