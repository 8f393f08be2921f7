//! An owner and a stand-by over one store, under faults, from one seed.
//!
//! Each process runs in its own single-threaded runtime under paused time, so that one can be crashed, paused past its
//! lease and resumed, or cut off from the store, while the other goes on. A client sends commands and reads to either;
//! at the end everything is healed and checked. The same seed gives the same history.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::{Rng, SeedableRng};
use serde_json::json;
use tokio::runtime::Runtime;

use super::simulation::{Chance, Violation, check_log, config, digest_of};
use super::{EPOCH, key, keyed, member};
use crate::id::{Prefix, Slot, StreamId, StreamKey, uuid_v7};
use crate::journal::memory::{self, Link, MemoryJournal, MemoryStore};
use crate::journal::{Outcome, PartitionId, Seq};
use crate::runtime::{Command, Config, Context, Node};

/// What came of a simulation of two processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairHistory {
    /// The seed.
    pub seed: u64,
    /// The events that were written.
    pub events: usize,
    /// The commands that were sent.
    pub commands: usize,
    /// The reads that were answered with a state.
    pub reads: usize,
    /// Take-overs, by the epochs that the partitions came to.
    pub take_overs: u64,
    /// A BLAKE3 digest of every event with its envelope.
    pub digest: String,
}

impl fmt::Display for PairHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, events, commands, reads, take_overs, digest } = self;
        write!(f, "seed {seed}: {events} events of {commands} commands, {reads} reads, ")?;
        write!(f, "{take_overs} take-overs, history {digest}")
    }
}

/// The partitions of the store.
const PARTITIONS: u32 = 4;
/// How long each process runs on before the other does.
const TICK: Duration = Duration::from_millis(10);
/// How long everything is left alone at the end.
const QUIET: Duration = Duration::from_secs(60);

/// What the client knows.
#[derive(Default)]
struct Client {
    /// Each command with its answer, once it has a definite one.
    commands: BTreeMap<u64, (Command, Option<Outcome>)>,
    /// The last event of each stream that somebody has been told of.
    told: BTreeMap<StreamKey, Seq>,
    reads: usize,
    wrong: Vec<String>,
}

/// A process that lives.
struct Process {
    runtime: Runtime,
    node: Node,
    journal: Arc<MemoryJournal>,
    /// How far its clock is behind, while it is paused.
    paused: Option<Duration>,
    stopped: Arc<AtomicBool>,
}

struct Pair {
    store: MemoryStore,
    processes: [Option<Process>; 2],
    client: Arc<Mutex<Client>>,
    chance: Chance,
    seed: u64,
    starts: u64,
    now: Duration,
    epochs: BTreeMap<PartitionId, u64>,
}

/// Runs a simulation of about `steps` steps of an owner and a stand-by.
///
/// # Errors
///
/// A [`Violation`].
pub fn simulate_pair(seed: u64, steps: u64) -> Result<PairHistory, Violation> {
    let mut pair = Pair {
        store: MemoryStore::with_partitions(seed, PARTITIONS),
        processes: [None, None],
        client: Arc::default(),
        chance: Chance::seed_from_u64(seed),
        seed,
        starts: 0,
        now: Duration::from_secs(1),
        epochs: BTreeMap::new(),
    };
    pair.run(steps).map_err(|what| Violation { seed, what })
}

impl Pair {
    fn run(&mut self, steps: u64) -> Result<PairHistory, String> {
        for which in 0..2 {
            self.start(which)?;
            self.pass(Duration::from_millis(500))?;
        }
        for _ in 0..steps {
            self.step()?;
            let pause = Duration::from_millis(self.chance.random_range(0..200));
            self.pass(pause)?;
        }
        self.heal()?;
        self.settle()?;
        let events = self.store.events();
        let store = &self.store;
        for partition in 0..PARTITIONS {
            check_log(events.iter().filter(|event| store.partition_of(&event.stream) == partition))?;
        }
        self.check_counts()?;
        let client = self.client();
        let (commands, reads) = (client.commands.len(), client.reads);
        let (take_overs, digest) = (self.epochs.values().sum(), digest_of(&events));
        Ok(PairHistory { seed: self.seed, events: events.len(), commands, reads, take_overs, digest })
    }

    fn step(&mut self) -> Result<(), String> {
        let which = self.chance.random_range(0..2);
        match self.chance.random_range(0..100) {
            0..40 => {
                let command = self.make_up();
                self.send(command);
            }
            40..70 => (0..4).for_each(|_| self.read()),
            70..80 => {
                let back = self.chance.random_range(1..9);
                let again = (self.client().commands.len() as u64).checked_sub(back);
                again.into_iter().for_each(|number| self.send(number));
            }
            80..84 => {
                let latency = self.chance.random_range(0..60);
                self.store.set_latency(Duration::from_millis(latency));
            }
            84..88 => self.inject(),
            // Mostly one thing at a time, so that there is somebody to take over.
            _ if self.is_well(1 - which) || self.chance.random_ratio(1, 5) => self.harm(which),
            _ => {}
        }
        (0..2).try_for_each(|which| if self.chance.random_ratio(1, 25) { self.mend(which) } else { Ok(()) })
    }

    fn harm(&mut self, which: usize) {
        match self.chance.random_range(0..8) {
            0..2 => self.crash(which),
            2 => self.stop(which),
            3..5 => self.change_link(which),
            _ => self.pause(which),
        }
    }

    fn mend(&mut self, which: usize) -> Result<(), String> {
        self.start(which)?;
        self.resume(which);
        if let Some(process) = &self.processes[which] {
            process.journal.set_link(Link::Up);
        }
        Ok(())
    }

    fn is_well(&self, which: usize) -> bool {
        let process = self.processes[which].as_ref();
        process.is_some_and(|process| process.paused.is_none() && process.journal.link() == Link::Up)
    }

    /// Starts a process unless it lives.
    fn start(&mut self, which: usize) -> Result<(), String> {
        if self.processes[which].is_some() {
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.map_err(|e| e.to_string())?;
        self.starts += 1;
        let journal = MemoryJournal::open(&self.store);
        let config = Config { lanes: 2, ..config() };
        let (now, chance) = (EPOCH.plus(self.now), self.seed.wrapping_add(self.starts << 32));
        let started = runtime.block_on(async {
            member(&journal, which as u64, config, Context::simulated(now, chance)).await
        });
        let node = started.map_err(|e| e.to_string())?;
        let (paused, stopped) = (None, Arc::default());
        self.processes[which] = Some(Process { runtime, node, journal, paused, stopped });
        Ok(())
    }

    fn crash(&mut self, which: usize) {
        if let Some(process) = self.processes[which].take() {
            process.journal.kill();
        }
    }

    fn pause(&mut self, which: usize) {
        if let Some(process) = &mut self.processes[which] {
            process.paused.get_or_insert(Duration::ZERO);
        }
    }

    /// Lets a paused process go on: its clock jumps over what it has missed.
    fn resume(&mut self, which: usize) {
        if let Some(process) = &mut self.processes[which]
            && let Some(behind) = process.paused.take()
        {
            process.runtime.block_on(tokio::time::advance(behind));
        }
    }

    fn change_link(&mut self, which: usize) {
        let after = Duration::from_millis(self.chance.random_range(1..3_000));
        let link = if self.chance.random() { Link::Cut(after) } else { Link::Deaf(after) };
        if let Some(process) = &self.processes[which] {
            process.journal.set_link(link);
        }
    }

    /// Lets a process end in good order; it is gone once it has.
    fn stop(&mut self, which: usize) {
        let Some(process) = &self.processes[which] else { return };
        let (node, stopped) = (process.node.clone(), process.stopped.clone());
        let stop = async move {
            node.stop().await;
            stopped.store(true, Ordering::Relaxed);
        };
        drop(process.runtime.spawn(stop));
    }

    fn inject(&mut self) {
        self.store.inject(match self.chance.random_range(0..5) {
            0 => memory::Fault::Unavailable,
            1 => memory::Fault::LostAnswer(Duration::from_millis(self.chance.random_range(0..3_000))),
            2 => memory::Fault::UnknownCommitted,
            3 => memory::Fault::UnknownLost,
            _ => memory::Fault::Regressed,
        });
    }

    /// Lets time pass for whoever is not paused.
    fn pass(&mut self, duration: Duration) -> Result<(), String> {
        let until = self.now + duration;
        while self.now < until {
            self.store.set_clock(self.now);
            for process in &mut self.processes {
                if process.as_ref().is_some_and(|process| process.stopped.load(Ordering::Relaxed)) {
                    *process = None;
                }
                match process {
                    Some(Process { paused: Some(behind), .. }) => *behind += TICK,
                    Some(process) => process.runtime.block_on(process.node.cx().sleep(TICK)),
                    None => {}
                }
            }
            self.now += TICK;
            self.check_epochs()?;
            if let Some(wrong) = self.client().wrong.pop() {
                return Err(wrong);
            }
        }
        Ok(())
    }

    fn check_epochs(&mut self) -> Result<(), String> {
        for (partition, epoch) in self.store.epochs() {
            let known = self.epochs.entry(partition).or_default();
            if epoch < *known {
                return Err(format!("the epoch of partition {partition} fell from {known} to {epoch}"));
            }
            *known = epoch;
        }
        Ok(())
    }

    fn client(&self) -> MutexGuard<'_, Client> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tally(&mut self) -> StreamId {
        let slot = Slot::new(self.chance.random_range(0..4) * 1_024);
        StreamId::new(Prefix::new("tally"), uuid_v7(1, slot, 1))
    }

    fn make_up(&mut self) -> u64 {
        let (here, there) = (self.tally(), self.tally());
        let (name, body) = match self.chance.random_range(0..4) {
            0 => ("pass", json!({ "amount": 1, "to": there })),
            1 => ("add", json!({ "amount": -1_000_000 })),
            _ => ("add", json!({ "amount": self.chance.random_range(0..9) })),
        };
        let mut client = self.client();
        let number = client.commands.len() as u64;
        client.commands.insert(number, (keyed(here, name, &body, &number.to_string()), None));
        number
    }

    /// Sends a command to whoever lives, also to who is paused, and lets its answer come when it comes.
    fn send(&self, number: u64) {
        let Some((command, _)) = self.client().commands.get(&number).cloned() else { return };
        for process in self.processes.iter().flatten() {
            let (client, node, command) = (self.client.clone(), process.node.clone(), command.clone());
            let asked = async move {
                let Ok(answer) = node.command(command.clone()).await else { return };
                let mut client = client.lock().unwrap_or_else(PoisonError::into_inner);
                client.note(number, &command, answer.outcome);
            };
            let _inside = process.runtime.enter();
            process.node.cx().spawn("simulated caller", asked);
        }
    }

    /// Reads from whoever lives, and checks that no answer is older than what somebody had been told of before.
    fn read(&mut self) {
        let stream = key(self.tally());
        let told = self.client().told.get(&stream).copied().unwrap_or(0);
        for process in self.processes.iter().flatten() {
            let (client, node, stream) = (self.client.clone(), process.node.clone(), stream.clone());
            let asked = async move {
                let Ok(view) = node.read(&stream).await else { return };
                let seen = view.map_or(0, |view| view.seq);
                let mut client = client.lock().unwrap_or_else(PoisonError::into_inner);
                client.reads += 1;
                if seen < told {
                    client
                        .wrong
                        .push(format!("{stream} was read at {seen} after somebody was told of {told}"));
                }
            };
            let _inside = process.runtime.enter();
            process.node.cx().spawn("simulated reader", asked);
        }
    }

    /// Brings both processes back, with everything in order.
    fn heal(&mut self) -> Result<(), String> {
        self.store.set_latency(Duration::ZERO);
        self.store.forget_faults();
        (0..2).try_for_each(|which| self.mend(which))?;
        self.pass(QUIET)?;
        (0..2).try_for_each(|which| self.start(which))?;
        self.pass(QUIET)
    }

    /// Sends every command again, to whoever owns: what was answered is answered the same.
    fn settle(&mut self) -> Result<(), String> {
        let numbers: Vec<_> = self.client().commands.keys().copied().collect();
        for number in numbers {
            self.send(number);
            self.pass(TICK)?;
            if self.client().commands[&number].1.is_none() {
                return Err(format!("command {number} is never answered"));
            }
        }
        self.pass(QUIET)
    }

    /// Each accepted command stands in the journal, and once.
    fn check_counts(&self) -> Result<(), String> {
        let client = self.client();
        let accepted = client.commands.values().filter(|(_, o)| matches!(o, Some(Outcome::Accepted(_))));
        let expected: usize = accepted.map(|(command, _)| if command.name == "pass" { 2 } else { 1 }).sum();
        let events = self.store.events().len();
        if events != expected {
            return Err(format!("there are {events} events, and {expected} were accepted"));
        }
        Ok(())
    }
}

impl Client {
    fn note(&mut self, number: u64, command: &Command, outcome: Outcome) {
        if let Outcome::Accepted(accepted) = &outcome {
            let told = self.told.entry(command.stream.clone()).or_default();
            *told = accepted.seq.max(*told);
        }
        let Some((_, known)) = self.commands.get_mut(&number) else { return };
        match known {
            None => *known = Some(outcome),
            Some(before) if *before == outcome => {}
            Some(before) => {
                let what = format!("command {number} was answered {before:?}, and again {outcome:?}");
                self.wrong.push(what);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_fault_of_owner_or_standby_loses_repeats_or_ages_anything() {
        for seed in 0..30 {
            let history = simulate_pair(seed, 300).unwrap_or_else(|violation| panic!("{violation}"));
            println!("{history}");
        }
    }

    #[test]
    fn a_seed_gives_one_history() {
        for seed in 0..3 {
            assert_eq!(simulate_pair(seed, 100), simulate_pair(seed, 100));
        }
    }
}
