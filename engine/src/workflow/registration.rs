//! Registered workflow definitions, as entities: what is registered is in the journal, and stays.
//!
//! `(nothing) --register--> registered --register--> registered`
//!
//! A version keeps its text for ever; another text needs another version.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::action::Actions;
use super::definition::{MAX_SOURCE_BYTES, digest, is_semver};
use super::schedule::Plan;
use super::versions::{Definitions, by_release};
use crate::clock::Timestamp;
use crate::entity::Machine;
use crate::entity::{DecideCx, Decision, Entity, EventCx, Kind, KindInfo, Reason, Typed};
use crate::id::{Id, IdKind, IdSecret, Prefix, StreamId, StreamKey, TenantId};
use crate::journal::{self, Journal, RejectionKind};

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
}

/// Why a registration is refused.
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
}

impl Reason for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Self::VersionTaken { .. } => "version_taken",
            Self::Unsound { .. } => "invalid_definition",
        }
    }

    fn kind(&self) -> RejectionKind {
        match self {
            Self::VersionTaken { .. } => RejectionKind::Conflict,
            Self::Unsound { .. } => RejectionKind::Invalid,
        }
    }
}

impl Entity for WorkflowDefinition {
    const KIND: Kind = Kind { name: "definition", plural: "workflows", prefix: Registered::PREFIX };
    const CREATE: &'static str = "register";
    const EVENTS: &'static [(&'static str, u16)] = &[("registered", 1)];

    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn creates(_: &Command) -> bool {
        true
    }

    fn decide(
        state: Option<&Self>,
        command: Command,
        _: &DecideCx<'_>,
    ) -> Result<Decision<Event>, Rejection> {
        let Command::Register { name, version, source, digest: claimed, scheduling } = command;
        let unsound = |reason| Err(Rejection::Unsound { reason });
        if source.len() > MAX_SOURCE_BYTES {
            return unsound("the text is too long");
        }
        if claimed != digest(&source) {
            return unsound("the digest is not that of the text");
        }
        if !is_semver(&version) {
            return unsound("the version is no semantic version");
        }
        if state.is_some_and(|state| state.name != name) {
            return unsound("the name is not that of this workflow");
        }
        let reply = json!({ "name": name, "version": version });
        match state.and_then(|state| state.version(&version)) {
            Some(known) if known.digest == claimed => Ok(Decision::none().reply(reply)),
            Some(_) => Err(Rejection::VersionTaken { name, version }),
            None => {
                let latest = state.is_none_or(|state| state.is_latest(&version));
                let was = state.is_some_and(|state| state.scheduled);
                let scheduling = scheduling.filter(|_| latest);
                let scheduled = scheduling.as_ref().map(|scheduling| scheduling.plan.is_some());
                let event =
                    Event::Registered { name: name.clone(), version, source, digest: claimed, scheduled };
                let decision = Decision::event(event).reply(reply);
                Ok(match scheduling {
                    Some(Scheduling { schedule, plan: Some(plan) }) => {
                        decision.send(schedule, "set", json!({ "workflow": name, "plan": plan }))
                    }
                    Some(Scheduling { schedule, plan: None }) if was => {
                        decision.send(schedule, "clear", json!({}))
                    }
                    Some(_) | None => decision,
                })
            }
        }
    }

    fn begin(event: &Event, cx: &EventCx) -> Option<Self> {
        let Event::Registered { name, .. } = event;
        let mut state = Self { name: name.clone(), versions: Vec::new(), scheduled: false };
        state.apply(event, cx);
        Some(state)
    }

    fn apply(&mut self, event: &Event, cx: &EventCx) {
        let Event::Registered { version, source, digest, scheduled, .. } = event;
        self.scheduled = scheduled.unwrap_or(self.scheduled);
        self.versions.push(RegisteredVersion {
            version: version.clone(),
            source: source.clone(),
            digest: digest.clone(),
            at: cx.at,
        });
    }

    fn view(&self) -> Value {
        let version =
            |v: &RegisteredVersion| json!({ "version": v.version, "digest": v.digest, "registeredAt": v.at });
        json!({ "name": self.name, "versions": self.versions.iter().map(version).collect::<Vec<_>>() })
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

    /// True if a version that is not there yet would be the latest.
    fn is_latest(&self, version: &str) -> bool {
        self.versions.iter().all(|known| by_release(&known.version, version).is_lt())
    }

    /// A version.
    pub fn version(&self, version: &str) -> Option<&RegisteredVersion> {
        self.versions.iter().find(|known| known.version == version)
    }

    /// The catalog's entry of this entity; its routes are written by hand.
    pub fn info() -> KindInfo {
        KindInfo { public: false, ..Typed::<Self>::info() }
    }
}

/// Reads every registered definition of a tenant into the registry; to be done before runs come to life, which is
/// whenever partitions have been taken over: others may have registered definitions since.
///
/// A version that this build cannot compile any more, or that cannot be read, is reported and left out: its runs are
/// quarantined, the rest goes on.
///
/// # Errors
///
/// When the journal cannot be read.
pub async fn load_definitions(
    journal: &Arc<dyn Journal>,
    tenant: &TenantId,
    actions: &Actions,
    into: &Definitions,
) -> Result<(), journal::Error> {
    let mut after = None;
    loop {
        let page = journal.list_streams(tenant, Registered::PREFIX, after, false, 100).await?.streams;
        let Some((_, cursor)) = page.last() else { return Ok(()) };
        after = Some(*cursor);
        for (stream, _) in &page {
            let machine = folded(journal, stream).await?;
            let Some(registered) = machine.state() else { continue };
            for (version, problems) in into.load(tenant, registered, actions).err().unwrap_or_default() {
                tracing::error!(
                    name = registered.name(),
                    version,
                    ?problems,
                    "a definition does not compile any more"
                );
            }
        }
    }
}

/// Folds the registrations of a definition, as far as that goes.
async fn folded(
    journal: &Arc<dyn Journal>,
    stream: &StreamKey,
) -> Result<Typed<WorkflowDefinition>, journal::Error> {
    let mut machine = Typed::new();
    let events = match journal.read_stream(stream, 0, usize::MAX).await {
        Err(journal::Error::Corrupt { reason }) => {
            tracing::error!(%stream, reason, "a definition cannot be read");
            return Ok(machine);
        }
        events => events?,
    };
    for event in &events {
        if let Err(error) = machine.apply(event) {
            tracing::error!(%stream, %error, "a definition cannot be read to its end");
            break;
        }
    }
    Ok(machine)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(
        state: Option<&WorkflowDefinition>,
        version: &str,
        source: &str,
    ) -> Result<Decision<Event>, Rejection> {
        let id: StreamId = StreamId::new(Registered::PREFIX, uuid::Uuid::nil());
        let cx = DecideCx { id, now: Timestamp::from_ms(1), seq: 0, external_key: None, principal: "test" };
        let (name, version) = ("one".to_owned(), version.to_owned());
        let command = Command::Register {
            name,
            version,
            source: source.to_owned(),
            digest: digest(source),
            scheduling: None,
        };
        WorkflowDefinition::decide(state, command, &cx)
    }

    #[test]
    fn a_version_is_registered_once() {
        let cx = EventCx {
            id: StreamId::new(Registered::PREFIX, uuid::Uuid::nil()),
            at: Timestamp::from_ms(1),
            seq: 1,
        };
        let first = decide(None, "1.0.0", "a").unwrap();
        let state = WorkflowDefinition::begin(&first.events[0], &cx).unwrap();
        assert!(decide(Some(&state), "1.0.0", "a").unwrap().events.is_empty());
        assert_eq!(decide(Some(&state), "1.0.0", "b").unwrap_err().code(), "version_taken");
        assert_eq!(decide(Some(&state), "1.1.0", "b").unwrap().events.len(), 1);
        assert_eq!(decide(Some(&state), "1", "b").unwrap_err().code(), "invalid_definition");
        assert_eq!(state.version("1.0.0").map(|v| v.source.as_str()), Some("a"));
        assert!(!WorkflowDefinition::info().public);
    }
}
