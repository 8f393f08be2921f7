//! The plan of a simulation: its steps, each a function of the seed and the step's number alone.
//!
//! So a plan with some of its steps left out does the same in those that are left, and can be made smaller.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use rand::{Rng, SeedableRng};

use super::Chance;
use crate::journal::memory::{CrashPoint, Fault, Link};

/// What is simulated, step by step.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// The processes: one, or an owner and a stand-by.
    pub seats: usize,
    /// The steps.
    pub steps: Vec<Step>,
    /// True if it is to be written down what happens.
    pub traced: bool,
}

/// One step.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its number.
    pub number: u64,
    /// What is done.
    pub what: What,
    /// How long it is left alone afterwards.
    pub then: Duration,
}

/// What is done in a step. The numbers of processes are 0 and 1.
#[derive(Debug, Clone)]
pub enum What {
    /// A new command is sent.
    Command,
    /// An earlier command is sent again: the so-many-last one.
    Again(usize),
    /// States are read.
    Read,
    /// Time passes.
    Pass(Duration),
    /// The store becomes slower or faster.
    Latency(Duration),
    /// The next append meets this.
    Fault(Fault),
    /// A process dies in a call of the journal, the so-many-next one.
    CrashIn(usize, u64, CrashPoint),
    /// A process dies now.
    Crash(usize),
    /// A process ends in good order.
    Stop(usize),
    /// A process stands still.
    Pause(usize),
    /// A process reaches the store badly.
    Cut(usize, Link),
    /// A process is started, goes on and reaches the store again.
    Mend(usize),
    /// The clock of the machines jumps by so many milliseconds.
    Jump(i64),
    /// A message is delivered once more, late: one of the last ones.
    Redeliver(usize),
}

impl What {
    /// The name of its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Again(_) => "command sent again",
            Self::Read => "read",
            Self::Pass(_) => "time passed",
            Self::Latency(_) => "latency of the store",
            Self::Fault(Fault::Unavailable) => "append unavailable",
            Self::Fault(Fault::LostAnswer(_)) => "answer of an append lost",
            Self::Fault(Fault::UnknownCommitted) => "append unknown, committed",
            Self::Fault(Fault::UnknownLost) => "append unknown, lost",
            Self::Fault(Fault::Regressed) => "store found to have gone back",
            Self::Fault(Fault::Refuse(_)) => "entry refused",
            Self::CrashIn(_, _, CrashPoint::BeforeCommit) => "crash before a call of the journal",
            Self::CrashIn(_, _, CrashPoint::AfterCommit) => "crash after a call of the journal",
            Self::CrashIn(_, _, CrashPoint::Torn(_)) => "crash with a torn write",
            Self::Crash(_) => "crash",
            Self::Stop(_) => "end in good order",
            Self::Pause(_) => "pause",
            Self::Cut(_, Link::Deaf(_)) => "answers of the store cut off",
            Self::Cut(..) => "cut from the store",
            Self::Mend(_) => "mended",
            Self::Jump(_) => "clock jump",
            Self::Redeliver(_) => "message duplicated",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {}: {}", self.number, self.what.kind())?;
        match &self.what {
            What::Command | What::Read | What::Fault(_) => {}
            What::Again(back) => write!(f, ", {back} back")?,
            What::Pass(time) | What::Latency(time) => write!(f, ", {time:?}")?,
            What::CrashIn(which, calls, point) => {
                write!(f, " of process {which}, after {calls} more, {point:?}")?
            }
            What::Crash(which) | What::Stop(which) | What::Pause(which) | What::Mend(which) => {
                write!(f, " of process {which}")?;
            }
            What::Cut(which, link) => write!(f, " of process {which}: {link:?}")?,
            What::Jump(ms) => write!(f, " by {ms} ms")?,
            What::Redeliver(which) => write!(f, ", number {which} of the last")?,
        }
        write!(f, "; then {:?}", self.then)
    }
}

impl Plan {
    /// The plan of a seed: every third one has a stand-by.
    pub fn new(seed: u64, steps: u64) -> Self {
        Self::with_seats(seed, steps, if seed.is_multiple_of(3) { 2 } else { 1 })
    }

    /// The plan of a seed for one process or two.
    pub fn with_seats(seed: u64, steps: u64, seats: usize) -> Self {
        let steps = (0..steps).map(|number| step(seed, number, seats)).collect();
        Self { seed, seats, steps, traced: false }
    }

    /// The plan with these steps alone.
    #[must_use]
    pub fn only(&self, numbers: &BTreeSet<u64>) -> Self {
        let steps = self.steps.iter().filter(|step| numbers.contains(&step.number)).cloned().collect();
        Self { steps, ..*self }
    }

    /// The numbers of its steps.
    pub fn numbers(&self) -> BTreeSet<u64> {
        self.steps.iter().map(|step| step.number).collect()
    }
}

/// The chance of a step, for one purpose.
pub(super) fn chance(seed: u64, number: u64, purpose: u64) -> Chance {
    let mut bytes = [0; 32];
    for (at, part) in [seed, number, purpose].into_iter().enumerate() {
        bytes[at * 8..at * 8 + 8].copy_from_slice(&part.to_le_bytes());
    }
    Chance::from_seed(bytes)
}

fn step(seed: u64, number: u64, seats: usize) -> Step {
    let mut chance = chance(seed, number, 0);
    let alone = seats == 1;
    let which = chance.random_range(0..seats);
    let ms = |chance: &mut Chance, most: u64| Duration::from_millis(chance.random_range(0..=most));
    let what = match chance.random_range(0..1_000) {
        0..440 => What::Command,
        440..690 => What::Read,
        690..750 => What::Again(chance.random_range(1..40)),
        750..820 => What::Pass(ms(&mut chance, if alone { 300 } else { 700 })),
        820..826 if alone => What::Pass(Duration::from_secs(chance.random_range(0..3_600))),
        820..826 => What::Pass(ms(&mut chance, 4_000)),
        826..842 => What::Latency(ms(&mut chance, if alone { 3 } else { 60 })),
        842..872 => What::Fault(fault(&mut chance)),
        872..890 => What::CrashIn(which, chance.random_range(0..30), point(&mut chance)),
        890..895 => What::Crash(which),
        895..899 => What::Stop(which),
        899..905 => What::Pause(which),
        905..913 => What::Cut(which, link(&mut chance)),
        913..940 => What::Mend(which),
        940..944 => What::Jump(chance.random_range(-1_500_000..1_500_000)),
        944..980 => What::Redeliver(chance.random_range(0..1_000)),
        _ => What::Pass(Duration::ZERO),
    };
    let then = match chance.random_range(0..10) {
        0..5 => Duration::ZERO,
        5..9 => ms(&mut chance, 20),
        _ => ms(&mut chance, 150),
    };
    Step { number, what, then }
}

fn fault(chance: &mut Chance) -> Fault {
    match chance.random_range(0..21) {
        0..5 => Fault::Unavailable,
        5..10 => Fault::LostAnswer(Duration::from_millis(chance.random_range(0..2_500))),
        10..15 => Fault::UnknownCommitted,
        15..20 => Fault::UnknownLost,
        _ => Fault::Regressed,
    }
}

fn point(chance: &mut Chance) -> CrashPoint {
    match chance.random_range(0..3) {
        0 => CrashPoint::BeforeCommit,
        1 => CrashPoint::AfterCommit,
        _ => CrashPoint::Torn(chance.random_range(1..4)),
    }
}

fn link(chance: &mut Chance) -> Link {
    let after = Duration::from_millis(chance.random_range(1..3_000));
    if chance.random() { Link::Cut(after) } else { Link::Deaf(after) }
}
