//! What a node is made of.

use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use super::{Config, Context};
use crate::effect::Connectors;
use crate::entity::Catalog;
use crate::id::Prefix;
use crate::journal::{self, Journal};
use crate::partition::Ownership;
use crate::projection::index::Index;
use crate::rule::Rules;
use crate::supervise::ServiceFault;

/// What a node is made of.
pub struct NodeSeed {
    /// The store.
    pub journal: Arc<dyn Journal>,
    /// The leases, where several nodes share the store. Without, the node takes every partition over at its start,
    /// and holds them for life.
    pub leasing: Option<Leasing>,
    /// What is to be done whenever partitions have been taken over, before they are served.
    pub prepare: Option<Arc<dyn Prepare>>,
    /// Where it is kept what entities are found by; in memory where none is given.
    pub index: Option<Arc<dyn Index>>,
    /// The rules that look at what is committed; none where no kind of rules is hosted.
    pub rules: Option<Arc<Rules>>,
    /// The kinds that it hosts.
    pub catalog: Catalog,
    /// The ways to the outside.
    pub connectors: Connectors,
    /// The limits.
    pub config: Config,
    /// Time, chance, tasks and exit.
    pub cx: Context,
}

/// How a node takes part where several share a store.
#[derive(Clone)]
pub struct Leasing {
    /// The leases.
    pub ownership: Arc<dyn Ownership>,
    /// The node's own id, which stays over restarts.
    pub node: Uuid,
    /// Where it can be reached: `http://host:port`.
    pub address: String,
}

/// What is to be done whenever partitions have been taken over, before they are served.
#[async_trait]
pub trait Prepare: Send + Sync + 'static {
    /// Reads what the kinds need beside their own streams. May be repeated.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read; the partitions are then not served, and taken over again.
    async fn prepare(&self, journal: &Arc<dyn Journal>) -> Result<(), journal::Error>;
}

/// Why a node cannot start.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StartError {
    /// The journal cannot be taken over.
    #[error("the journal cannot be taken over")]
    Journal(#[from] journal::Error),
    /// A state that stands in the place of events cannot be read.
    #[error(
        "this release cannot read the kept states of `{prefix}` with version {version}, whose events are not kept \
         any more: start one that has the upcaster"
    )]
    Bases {
        /// The kind.
        prefix: Prefix,
        /// The version of its state.
        version: u16,
    },
    /// An actor cannot be started.
    #[error("the supervisors cannot be started")]
    Supervision(#[from] ServiceFault),
}
