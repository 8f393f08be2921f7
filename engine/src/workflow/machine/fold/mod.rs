//! Folds events into the state. The only place where a run's state changes; it needs no definition.

mod acts;
mod calls;
mod frames;
mod run;
mod tasks;

/// Why an event cannot follow.
pub(in crate::workflow) type Misfit = String;
