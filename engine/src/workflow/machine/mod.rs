//! The machine that runs workflows: a pure function from a run's state and an input to events and requests.
//!
//! A run is not replayed code. Its state says which tasks are active, what data they have, what they wait for and
//! what there is to undo; it is a fold of the run's events, and [`RunState::apply`] is the only way in which it
//! changes. A transition decides something, emits an event, folds it at once, and goes on from the new state, so
//! that the live state and a fold of the journal cannot differ.
//!
//! * Active tasks are *frames* under their instance path (`path.rs`); tasks that ended leave the state.
//! * The *agenda* lists what the engine itself has to do next. One *tick* takes its first item one step further;
//!   between ticks the state is complete, so that a transition may stop there and go on later.
//! * What a run waits for are timers, signals, and answers to the steps of its calls.
//! * Calls stand in a log as long as a saga may have to undo them, or a `try` may resume them (`unwind.rs`).

use std::time::Duration;

use super::expression;

mod acts;
mod attributes;
mod call;
mod command;
mod emit;
mod event;
mod fault;
mod flow;
mod fold;
mod for_each;
mod fork;
mod history;
mod input;
mod lifecycle;
mod listen;
mod log;
mod migrate;
mod path;
mod raise;
mod run;
mod scene;
mod set;
mod state;
mod switch;
mod task;
mod tasks;
mod terms;
mod try_catch;
mod turn;
mod unwind;
mod view;
mod wait;

#[cfg(test)]
mod tests;

pub(in crate::workflow) use command::From;
pub use command::{PausedTimers, RunCommand};
pub use event::{EVENTS, RunEvent};
pub use history::TaskHistory;
pub use lifecycle::{Lifecycle, LifecycleEvent};
pub use path::reference;
pub use state::{End, RunState};
pub use task::{Payload, TaskItem, TaskStatus};
pub use tasks::TaskList;
pub use terms::{After, CallEnd, Data, Go, Part, TaskType};
pub use view::{Status, WaitKind, WaitingFor};

pub(in crate::workflow) use command::start;
pub(in crate::workflow) use path::name as task_name;
pub(in crate::workflow) use run::{RUN, orphan};
pub(in crate::workflow) use turn::{Bench, Turn, written};

/// The bounds of runs.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The most ticks of one transition; the run goes on in another.
    pub ticks: u32,
    /// The most bytes that one transition journals before it goes on in another.
    pub bytes: usize,
    /// The operations of expressions after which a transition ends, and the run goes on in another; one tick may take four
    /// times as many in all.
    pub fuel: u64,
    /// The most tasks that a run may begin in its life.
    pub tasks: u64,
    /// The most bytes of a run's state: it ends in an error before it is too big to be loaded.
    pub data: usize,
    /// The most signals that are kept for listeners to come.
    pub signals: usize,
    /// The most iterations of a parallel loop that are under way at once.
    pub parallel: u32,
    /// The most items of a loop.
    pub items: usize,
    /// The most steps of one call.
    pub steps: usize,
    /// The most attempts to undo a call before a person must see to it.
    pub undo_attempts: u32,
    /// The wait after the first failed attempt to undo a call; doubles with each.
    pub undo_backoff: Duration,
    /// The bounds of one expression.
    pub expression: expression::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ticks: 10_000,
            bytes: 4 * 1024 * 1024,
            fuel: 1_000_000,
            tasks: 1_000_000,
            data: 24 * 1024 * 1024,
            signals: 100,
            parallel: 64,
            items: 10_000,
            steps: 100,
            undo_attempts: 5,
            undo_backoff: Duration::from_secs(1),
            expression: expression::Limits::default(),
        }
    }
}
