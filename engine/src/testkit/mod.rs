//! What tests of the engine and of products on it share: a small kind, a recording connector, a node in memory.

mod gauge;
pub mod linearizability;
mod outside;
pub(crate) mod sabotage;
pub mod simulation;
mod tally;

use std::sync::Arc;

pub use gauge::{Gauge, GaugeCommand, GaugeEvent, GaugeRejection};
pub use outside::{Outside, OutsideCall};
pub use tally::{Tally, TallyCommand, TallyEvent, TallyRejection};

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::effect::Connectors;
use crate::entity::{Catalog, Dedup};
use crate::id::{StreamId, StreamKey, TenantId, digest, uuid_v8};
use crate::journal::memory::{MemoryJournal, MemoryStore};
use crate::journal::{Journal, Json, Origin};
use crate::runtime::{Command, Config, Context, Leasing, Node, NodeSeed, StartError};
use crate::supervise::{DeadLetter, Quarantine};

/// The moment at which simulated time begins: 2026-01-01T00:00:00Z.
pub const EPOCH: Timestamp = Timestamp::from_ms(1_767_225_600_000);

/// Starts a node over a store in memory, under simulated time.
///
/// # Errors
///
/// When the node cannot start.
pub async fn node(
    store: &MemoryStore,
    catalog: Catalog,
    config: Config,
    cx: Context,
) -> Result<Node, StartError> {
    let journal: Arc<dyn Journal> = MemoryJournal::open(store);
    let connectors = Connectors::default();
    let (leasing, prepare) = (None, None);
    Node::start(NodeSeed {
        journal,
        leasing,
        prepare,
        index: None,
        rules: None,
        catalog,
        connectors,
        config,
        cx,
    })
    .await
}

/// Starts a node that shares a store in memory with others under leases; its number decides its id and its address.
///
/// # Errors
///
/// When the node cannot start.
pub async fn member(
    journal: &Arc<MemoryJournal>,
    number: u64,
    config: Config,
    cx: Context,
) -> Result<Node, StartError> {
    member_with(journal, number, catalog(), config, cx).await
}

/// The same with other kinds.
///
/// # Errors
///
/// When the node cannot start.
pub async fn member_with(
    journal: &Arc<MemoryJournal>,
    number: u64,
    catalog: Catalog,
    config: Config,
    cx: Context,
) -> Result<Node, StartError> {
    let (connectors, prepare) = (Connectors::default(), None);
    let leasing =
        Leasing { ownership: journal.clone(), node: node_id(number), address: node_address(number) };
    let (journal, leasing): (Arc<dyn Journal>, _) = (journal.clone(), Some(leasing));
    Node::start(NodeSeed {
        journal,
        leasing,
        prepare,
        index: None,
        rules: None,
        catalog,
        connectors,
        config,
        cx,
    })
    .await
}

/// The id of the node of a number.
pub fn node_id(number: u64) -> Uuid {
    uuid_v8(digest("node", &[&number.to_string()]), None)
}

/// The address of the node of a number.
pub fn node_address(number: u64) -> String {
    format!("http://node-{number}")
}

/// A catalog with [`Tally`], dead letters and the quarantine.
pub fn catalog() -> Catalog {
    let catalog = Catalog::new().add::<Tally>().and_then(Catalog::add::<DeadLetter>);
    let catalog = catalog.and_then(Catalog::add::<Quarantine>);
    catalog.expect("different kinds can be registered")
}

/// The key of a stream of the default tenant.
pub fn key(id: StreamId) -> StreamKey {
    StreamKey::new(TenantId::default_tenant(), id)
}

/// A command of the default tenant.
pub fn command(id: StreamId, name: &'static str, body: &serde_json::Value) -> Command {
    Command {
        stream: key(id),
        name: name.into(),
        body: Json::from(body),
        external_key: None,
        origin: Arc::new(Origin::root("test", "tester")),
        dedup: Dedup::None,
    }
}

/// The same under an idempotency key.
pub fn keyed(id: StreamId, name: &'static str, body: &serde_json::Value, idempotency: &str) -> Command {
    let command = command(id, name, body);
    let dedup = Dedup::Key {
        key: digest("key", &[&id.to_string(), idempotency]),
        digest: digest("payload", &[command.body.text()]),
    };
    Command { dedup, ..command }
}
