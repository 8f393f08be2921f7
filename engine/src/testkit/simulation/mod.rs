//! Simulation: whole nodes under simulated time, chance, faults and crashes, all from one seed.
//!
//! One node alone, or an owner and a stand-by under leases, run over one store in memory. Each life of a process has
//! a single-threaded runtime of its own under paused time, which the driver steps; a crash drops the runtime where
//! it stands. Clients send commands and reads to whoever lives. In the end everything is healed, every command has
//! to have its answer, a last life of one node is left alone until it is quiet, and then all is checked: what the
//! store saw as it was written, what each client was told, and what the subject knows it must come to.
//!
//! The same seed gives the same history. One that fails can be made smaller with [`shrink`].

mod check;
mod client;
mod drive;
mod plan;
mod process;
mod shrink;
mod tallies;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use serde_json::Value;

pub use drive::run;
pub use plan::{Plan, Step, What};
pub use shrink::shrink;
pub use tallies::Tallies;

use crate::id::StreamKey;
use crate::journal::memory::MemoryJournal;
use crate::journal::{Event, Info, Outcome};
use crate::runtime::{Command, Config, Context, Leasing, Node};

/// The source of chance of a simulation.
pub type Chance = ChaCha8Rng;

/// What a life of a process is started with.
pub struct Seat {
    /// Its view of the store.
    pub journal: Arc<MemoryJournal>,
    /// Its part in the leases, where two processes share the store.
    pub leasing: Option<Leasing>,
    /// Its limits.
    pub config: Config,
    /// Its surroundings.
    pub cx: Context,
}

/// What is simulated.
pub trait Subject {
    /// Starts a node.
    ///
    /// # Errors
    ///
    /// Why it cannot start.
    fn start(&mut self, seat: Seat) -> impl Future<Output = Result<Node, String>>;

    /// The commands that are sent before anything goes wrong; each is to be accepted.
    fn prologue(&mut self, _: &Info) -> Vec<Command> {
        Vec::new()
    }

    /// Makes up the command of a step, without an idempotency key: it is given one, and its origin, by the number.
    fn command(&mut self, chance: &mut Chance, info: &Info) -> Option<Command>;

    /// The stream that is read in a step.
    fn read(&mut self, chance: &mut Chance, info: &Info) -> Option<StreamKey>;

    /// Takes in the first definite answer to a command.
    fn heard(&mut self, command: &Command, outcome: &Outcome);

    /// Makes up the commands that bring what was held back to its end, once everything is healed.
    fn epilogue(&mut self, _: &Info) -> Vec<Command> {
        Vec::new()
    }

    /// What a command adds to the sum of a stream that is written to by clients alone; `None` for every other stream.
    fn adds(&self, command: &Command) -> Option<i64>;

    /// The sum that such a stream shows; `None` for every other stream.
    fn shows(&self, stream: &StreamKey, state: &Value) -> Option<i64>;

    /// Checks what the subject itself promises, at the end, when the node is quiet.
    ///
    /// # Errors
    ///
    /// What is violated.
    fn check(&mut self, node: &Node, events: &[Event]) -> impl Future<Output = Result<(), Broken>>;
}

/// An invariant, by its number in the architecture and in words.
pub mod invariant {
    /// A reply only after the commit.
    pub const REPLIED: &str = "1: what was acknowledged is in the journal, once";
    /// State is a fold.
    pub const FOLD: &str = "2: state is a fold of the journal";
    /// One sequence, one writer.
    pub const SEQUENCE: &str =
        "3: committed events are one gap-free sequence, written by one epoch at a time";
    /// One answer.
    pub const ANSWER: &str = "4: the same idempotency key gives the same answer, once";
    /// Effects by key.
    pub const EFFECT: &str = "5: an effect is carried out once under its key";
    /// Timers in time.
    pub const TIMER: &str = "6: a timer never fires early, and its lateness is bounded";
    /// Runs end.
    pub const RUN: &str = "7: a run ends, or says what it waits for";
    /// Reads and writes in one order.
    pub const ORDER: &str =
        "linearizability: one order of a key's reads and writes explains what everybody was told";
    /// Everything goes on.
    pub const PROGRESS: &str = "progress: once healed, everything is answered and nothing is left over";
    /// The subject's model.
    pub const MODEL: &str = "model: what was accepted adds up";
}

/// A violated invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which, of [`invariant`].
    pub invariant: &'static str,
    /// How.
    pub what: String,
}

impl Broken {
    /// Says how an invariant is violated.
    pub fn new(invariant: &'static str, what: impl Into<String>) -> Self {
        Self { invariant, what: what.into() }
    }
}

/// A violated invariant, with the seed that shows it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed} violates an invariant\n  {}\n  {}", broken.invariant, broken.what)]
pub struct Violation {
    /// The seed.
    pub seed: u64,
    /// What is violated.
    pub broken: Broken,
    /// The numbers of the steps that were taken.
    pub steps: Vec<u64>,
    /// What happened, a line each, where the plan was traced.
    pub trace: Vec<String>,
}

/// What came of a simulation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The seed.
    pub seed: u64,
    /// The processes at the same time.
    pub seats: usize,
    /// How often everything happened, by kind.
    pub counts: Counts,
    /// A BLAKE3 digest of every event with its envelope, and of every answer.
    pub digest: String,
    /// What happened, a line each, where the plan was traced.
    pub trace: Vec<String>,
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, seats, counts, digest, trace: _ } = self;
        let form = if *seats == 1 { "one node" } else { "owner and stand-by" };
        let (events, lives) = (counts.of("events"), counts.of("lives"));
        let (answered, reads) = (counts.of("commands answered"), counts.of("reads answered"));
        write!(
            f,
            "seed {seed}: {form}, {events} events, {lives} lives, {answered} commands and {reads} reads "
        )?;
        write!(f, "answered, history {digest}")
    }
}

/// How often things happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    /// Counts one more, or several.
    pub fn add(&mut self, kind: &'static str, times: u64) {
        *self.0.entry(kind).or_default() += times;
    }

    /// How often something happened.
    pub fn of(&self, kind: &str) -> u64 {
        self.0.get(kind).copied().unwrap_or_default()
    }

    /// Adds other counts to these.
    pub fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|(kind, times)| self.add(kind, *times));
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(kind, times)| (*kind, *times))
    }
}

/// The limits that suit a simulation: upkeep once a simulated minute.
pub fn config() -> Config {
    Config { upkeep: Duration::from_secs(60), ..Config::default() }
}
