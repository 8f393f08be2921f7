//! Properties enumerated over what is registered: every action, entity and step, every append and every failure.

mod actions;
mod automation;
pub(crate) mod crash;
mod entities;
mod launch;
mod random;
pub(crate) mod scripts;
pub(crate) mod stage;
mod twice;
