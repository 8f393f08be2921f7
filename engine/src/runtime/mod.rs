//! What a node runs in and how it is put together.

mod config;
mod context;
mod node;
mod panics;

pub use config::Config;
pub use context::{Context, Exit, Panicked};
pub use node::{Command, Node, NodeSeed, StartError, Tree};
pub(crate) use panics::{Caught, guard};

#[cfg(test)]
mod tests;
