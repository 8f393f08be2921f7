//! What tests of the engine and of products on it share: a small kind, a recording connector, a node in memory.

mod outside;
pub mod simulation;
mod tally;

use std::sync::Arc;

pub use outside::{Outside, OutsideCall};
pub use tally::{Tally, TallyCommand, TallyEvent, TallyRejection};

use crate::clock::Timestamp;
use crate::effect::Connectors;
use crate::entity::{Catalog, Dedup};
use crate::id::{StreamId, StreamKey, TenantId, digest};
use crate::journal::memory::{MemoryJournal, MemoryStore};
use crate::journal::{Journal, Json, Origin};
use crate::runtime::{Command, Config, Context, Node, NodeSeed, StartError};
use crate::supervise::DeadLetter;

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
    Node::start(NodeSeed { journal, leasing, prepare, catalog, connectors, config, cx }).await
}

/// A catalog with [`Tally`] and dead letters.
pub fn catalog() -> Catalog {
    let catalog = Catalog::new().add::<Tally>().and_then(Catalog::add::<DeadLetter>);
    catalog.expect("two different kinds can be registered")
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
