//! Registrations: the durable record of every version of a definition.
//!
//! `absent -> registered(versions) -> registered(versions + 1) ...`; a version never changes.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::action::Actions;
use super::check::check;
use super::versions::Definitions;
use crate::clock::Timestamp;
use crate::entity::Machine;
use crate::entity::{DecideCx, Decision, Entity, EventCx, Kind, Reason, Typed};
use crate::id::{Prefix, StreamId, StreamKey, TenantId, digest, uuid_v8};
use crate::journal::{self, Journal};

/// The prefix of a registration's id.
const PREFIX: Prefix = Prefix::new("wfd");

/// A workflow, with all of its versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registration {
    /// The workflow's name.
    pub name: String,
    /// Its versions, in the order of their registration.
    pub versions: Vec<RegisteredVersion>,
}

/// A version of a workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisteredVersion {
    /// The semantic version.
    pub version: String,
    /// The digest of the source.
    pub digest: String,
    /// The source, YAML or JSON.
    pub source: String,
    /// When it was registered.
    pub at: Timestamp,
}

/// What a registration can be told.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Command {
    /// Adds a version; the same again changes nothing.
    Register {
        /// The workflow's name.
        name: String,
        /// The semantic version.
        version: String,
        /// The digest of the source.
        digest: String,
        /// The source, which has been checked.
        source: String,
    },
}

/// What can have happened to a registration.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Event {
    /// A version was added.
    Registered {
        /// The workflow's name.
        name: String,
        /// The semantic version.
        version: String,
        /// The digest of the source.
        digest: String,
        /// The source.
        source: String,
    },
}

/// Why a version cannot be registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// The version stands already, with another source.
    VersionTaken {
        /// The workflow's name.
        name: String,
        /// The version.
        version: String,
    },
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::VersionTaken { name, version } = self;
        write!(f, "version {version} of `{name}` is registered with another source; raise `document.version`")
    }
}

impl Reason for Rejection {
    fn code(&self) -> &'static str {
        "version_taken"
    }
}

impl Entity for Registration {
    const KIND: Kind = Kind { name: "workflow", plural: "workflows", prefix: PREFIX };
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
        let Command::Register { name, version, digest, source } = command;
        let known = state.and_then(|s| s.versions.iter().find(|v| v.version == version));
        let reply: Value = json!({ "name": name, "version": version });
        match known {
            Some(known) if known.digest == digest => Ok(Decision::none().reply(reply)),
            Some(_) => Err(Rejection::VersionTaken { name, version }),
            None => Ok(Decision::event(Event::Registered { name, version, digest, source }).reply(reply)),
        }
    }

    fn begin(event: &Event, cx: &EventCx) -> Option<Self> {
        let Event::Registered { name, .. } = event;
        let mut registration = Self { name: name.clone(), versions: Vec::new() };
        registration.apply(event, cx);
        Some(registration)
    }

    fn apply(&mut self, event: &Event, cx: &EventCx) {
        let Event::Registered { version, digest, source, .. } = event.clone();
        self.versions.push(RegisteredVersion { version, digest, source, at: cx.at });
    }
}

/// The id of a workflow's registration: a function of tenant and name.
pub fn registration_id(tenant: &TenantId, name: &str) -> StreamId {
    StreamId::new(PREFIX, uuid_v8(digest("workflow", &[tenant.as_str(), name]), None))
}

/// Reads every registered definition of a tenant into the registry; to be done before runs come to life.
///
/// A version that this build cannot compile any more is reported and left out: its runs are quarantined, the rest
/// goes on.
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
        let page = journal.list_streams(tenant, PREFIX, after, false, 100).await?.streams;
        let Some((_, cursor)) = page.last() else { return Ok(()) };
        after = Some(*cursor);
        for (stream, _) in &page {
            load_one(journal, stream, actions, into).await?;
        }
    }
}

async fn load_one(
    journal: &Arc<dyn Journal>,
    stream: &StreamKey,
    actions: &Actions,
    into: &Definitions,
) -> Result<(), journal::Error> {
    let mut machine = Typed::<Registration>::new();
    for event in journal.read_stream(stream, 0, usize::MAX).await? {
        machine.apply(&event).map_err(|e| journal::Error::Corrupt { reason: e.to_string() })?;
    }
    for version in machine.state().map_or(&[][..], |s| &s.versions) {
        match check(&version.source, actions) {
            Ok(checked) => into.insert(&stream.tenant, Arc::new(checked.definition)),
            Err(refused) => {
                tracing::error!(stream = %stream, version = version.version, %refused, "a definition does not compile");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit;

    #[tokio::test(start_paused = true)]
    async fn a_version_never_changes() {
        let store = crate::journal::memory::MemoryStore::new(1);
        let catalog = crate::entity::Catalog::new().add::<Registration>().unwrap();
        let cx = crate::runtime::Context::simulated(testkit::EPOCH, 1);
        let node = testkit::node(&store, catalog, Default::default(), cx).await.unwrap();
        let id = registration_id(&TenantId::default_tenant(), "greet");
        let register = async |digest: &str| {
            let body = json!({ "name": "greet", "version": "1.0.0", "digest": digest, "source": "..." });
            node.command(testkit::command(id, "register", &body)).await.unwrap().outcome
        };
        register("a").await;
        register("a").await;
        let other = register("b").await;
        assert!(matches!(other, crate::journal::Outcome::Rejected(r) if r.code == "version_taken"));
        assert_eq!(store.events().len(), 1);
    }
}
