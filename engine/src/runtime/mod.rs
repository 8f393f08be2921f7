//! What a node runs in and how it is put together.

mod config;
mod context;
mod find;
mod hold;
mod inlet;
mod keeper;
mod keepers;
mod memory;
mod node;
mod operate;
mod owning;
mod panics;
mod partitions;
mod past;
mod receipt;
mod retention;
mod seed;
mod tail;
mod tree;
mod upkeep;
mod watchdog;

pub use config::Config;
pub use context::{Context, Exit, Panicked};
pub use find::Found;
pub use hold::{History, HistoryCommand, HistoryEvent, HistoryRejection};
pub use inlet::{INLET, Incoming, TakenIn};
pub use node::{Command, Node, WeakNode};
pub use operate::Act;
pub(crate) use panics::{Caught, guard};
pub use seed::{Leasing, NodeSeed, Prepare, StartError};
pub use tree::{NodeStatus, Tree};
pub use watchdog::{Overdue, OverdueKind};

#[cfg(test)]
mod tests;
