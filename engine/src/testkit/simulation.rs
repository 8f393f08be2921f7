//! The canary simulation: a whole node under simulated time, chance, faults and crashes, all from one seed.
//!
//! Each life of the node runs in its own single-threaded runtime under paused time over the same store in memory.
//! A life ends in a crash (the runtime is dropped where it stands) or in good order; the last one is left alone
//! until it is quiet, and then checked against the invariants. The same seed gives the same history.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::EPOCH;
use crate::clock::Timestamp;
use crate::entity::{Answer, Dedup, Fault};
use crate::id::StreamKey;
use crate::journal::memory::{self, CrashPoint, MemoryStore};
use crate::journal::{Event, Outcome};
use crate::runtime::{Command, Config, Context, Node};

/// The source of chance of a simulation.
pub type Chance = ChaCha8Rng;

/// What is simulated.
pub trait Subject {
    /// Starts a node over the store.
    ///
    /// # Errors
    ///
    /// Why it cannot start.
    fn start(&mut self, store: &MemoryStore, cx: Context) -> impl Future<Output = Result<Node, String>>;

    /// Makes up the next command. Commands under an idempotency key are checked for their answers' constancy.
    fn command(&mut self, chance: &mut Chance, node: &Node) -> Command;

    /// Checks what the subject itself promises, at the end, when the node is quiet.
    ///
    /// # Errors
    ///
    /// What is violated.
    fn check(&mut self, node: &Node, events: &[Event]) -> impl Future<Output = Result<(), String>>;
}

/// What came of a simulation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The seed.
    pub seed: u64,
    /// The events that were written.
    pub events: usize,
    /// The lives of the node.
    pub lives: u32,
    /// The commands that were answered.
    pub answered: usize,
    /// A BLAKE3 digest of every event with its envelope.
    pub digest: String,
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, events, lives, answered, digest } = self;
        write!(
            f,
            "seed {seed}: {events} events, {lives} lives, {answered} commands answered, history {digest}"
        )
    }
}

/// A violated invariant, with the seed that shows it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed}: {what}")]
pub struct Violation {
    /// The seed.
    pub seed: u64,
    /// What is violated.
    pub what: String,
}

/// The limits that suit a simulation: upkeep once a simulated minute.
pub fn config() -> Config {
    Config { upkeep: Duration::from_secs(60), ..Config::default() }
}

/// How long the last life is left alone; less than idempotency keys are kept.
const QUIET: Duration = Duration::from_secs(5 * 24 * 3600);

type Ledger = Arc<Mutex<BTreeMap<[u8; 16], (Command, Result<Outcome, Fault>)>>>;

struct Simulation<'a, S> {
    subject: &'a mut S,
    store: MemoryStore,
    chance: Chance,
    ledger: Ledger,
    now: Timestamp,
    seed: u64,
    lives: u32,
}

/// Runs a simulation of about `steps` steps.
///
/// # Errors
///
/// A [`Violation`].
pub fn simulate<S: Subject>(subject: &mut S, seed: u64, steps: u64) -> Result<History, Violation> {
    let mut simulation = Simulation {
        subject,
        store: MemoryStore::new(seed),
        chance: Chance::seed_from_u64(seed),
        ledger: Ledger::default(),
        now: EPOCH,
        seed,
        lives: 0,
    };
    simulation.run(steps).map_err(|what| Violation { seed, what })
}

impl<S: Subject> Simulation<'_, S> {
    fn run(&mut self, steps: u64) -> Result<History, String> {
        let mut left = steps;
        while left > 0 {
            let life = self.chance.random_range(1..=left.min(60));
            left -= life;
            self.in_a_runtime(async |this, cx| this.live(life, cx).await)?;
        }
        self.in_a_runtime(async |this, cx| this.last_life(cx).await)?;
        let events = self.store.events();
        check_log(events.iter())?;
        let answered = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let answered = answered.values().filter(|(_, answer)| answer.is_ok()).count();
        let digest = digest_of(&events);
        Ok(History { seed: self.seed, events: events.len(), lives: self.lives, answered, digest })
    }

    /// Runs one life in a runtime of its own, which is dropped where the life ends: that is the crash.
    fn in_a_runtime(
        &mut self,
        life: impl AsyncFnOnce(&mut Self, Context) -> Result<(), String>,
    ) -> Result<(), String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.map_err(|e| e.to_string())?;
        self.lives += 1;
        runtime.block_on(async {
            let cx = Context::simulated(self.now, self.seed.wrapping_add(u64::from(self.lives) << 32));
            let ended = life(self, cx.clone()).await;
            self.now = cx.now().plus(Duration::from_secs(1));
            ended
        })
    }

    async fn live(&mut self, steps: u64, cx: Context) -> Result<(), String> {
        let latency = Duration::from_micros(self.chance.random_range(0..3_000));
        self.store.set_latency(latency);
        let node = self.subject.start(&self.store, cx.clone()).await?;
        for _ in 0..steps {
            self.step(&node).await;
        }
        if self.chance.random_ratio(1, 4) {
            node.stop().await;
        }
        self.store.crash();
        Ok(())
    }

    async fn step(&mut self, node: &Node) {
        match self.chance.random_range(0..100) {
            0..60 => {
                let command = self.subject.command(&mut self.chance, node);
                self.send(node, command);
            }
            60..70 => {
                let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
                let nth = self.chance.random_range(0..ledger.len().max(1));
                let again = ledger.values().nth(nth).map(|(command, _)| command.clone());
                drop(ledger);
                if let Some(command) = again {
                    self.send(node, command);
                }
            }
            70..85 => node.cx().sleep(Duration::from_millis(self.chance.random_range(0..500))).await,
            85..90 => node.cx().sleep(Duration::from_secs(self.chance.random_range(0..7_200))).await,
            90..94 => self.store.inject(memory::Fault::Unavailable),
            94..96 => {
                let wait = Duration::from_millis(self.chance.random_range(0..2_000));
                self.store.inject(memory::Fault::LostAnswer(wait));
            }
            96..98 => self.store.inject(memory::Fault::UnknownCommitted),
            _ => {
                let point =
                    if self.chance.random() { CrashPoint::BeforeCommit } else { CrashPoint::AfterCommit };
                self.store.crash_after(self.chance.random_range(0..20), point);
            }
        }
    }

    /// Sends a command and lets its answer come when it comes.
    fn send(&self, node: &Node, command: Command) {
        let (ledger, node, cx) = (self.ledger.clone(), node.clone(), node.cx().clone());
        cx.spawn("simulated caller", async move {
            let answer = node.command(command.clone()).await;
            note(&ledger, command, answer);
        });
    }

    /// No faults any more: everything under way has to come to its end, and every answer to stand.
    async fn last_life(&mut self, cx: Context) -> Result<(), String> {
        self.store.set_latency(Duration::ZERO);
        self.store.forget_faults();
        let node = self.subject.start(&self.store, cx.clone()).await?;
        cx.sleep(QUIET).await;
        let ledger = std::mem::take(&mut *self.ledger.lock().unwrap_or_else(PoisonError::into_inner));
        for (command, answer) in ledger.values() {
            let Ok(outcome) = answer else { continue };
            let again = node.command(command.clone()).await.map_err(|e| e.to_string())?;
            if again.outcome != *outcome {
                let what = format!("`{}` of {} was answered", command.name, command.stream);
                return Err(format!("{what} {outcome:?}, and again {:?}", again.outcome));
            }
        }
        *self.ledger.lock().unwrap_or_else(PoisonError::into_inner) = ledger;
        let events = self.store.events();
        check_states(&node, &events).await?;
        self.subject.check(&node, &events).await?;
        node.stop().await;
        Ok(())
    }
}

fn note(ledger: &Ledger, command: Command, answer: Result<Answer, Fault>) {
    let Dedup::Key { key, .. } = command.dedup else { return };
    let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
    let known = ledger.entry(key).or_insert_with(|| (command, Err(Fault::Unknown)));
    if let (Ok(answer), Err(_)) = (answer, &known.1) {
        known.1 = Ok(answer.outcome);
    }
}

/// In one partition, positions are gap-free, streams are gap-free, and no stream's time runs backwards.
pub(super) fn check_log<'a>(events: impl Iterator<Item = &'a Event>) -> Result<(), String> {
    let mut heads: BTreeMap<&StreamKey, (u64, Timestamp)> = BTreeMap::new();
    for (index, event) in events.enumerate() {
        if event.position != index as u64 + 1 {
            return Err(format!("position {} stands at place {}", event.position, index + 1));
        }
        let (head, last) = heads.entry(&event.stream).or_default();
        *head += 1;
        if event.seq != *head {
            return Err(format!("event {} of {} is its {head}th", event.seq, event.stream));
        }
        if event.at < *last {
            return Err(format!("time ran backwards in {} at position {}", event.stream, event.position));
        }
        *last = event.at;
    }
    Ok(())
}

/// Every live state is the fold of its stream.
async fn check_states(node: &Node, events: &[Event]) -> Result<(), String> {
    let streams: std::collections::BTreeSet<_> = events.iter().map(|e| e.stream.clone()).collect();
    for stream in streams {
        let live = node.read(&stream).await.map_err(|e| format!("{stream} cannot be read: {e}"))?;
        let folded = node.read_at(&stream, Timestamp::from_ms(i64::MAX)).await;
        let folded = folded.map_err(|e| format!("{stream} cannot be folded: {e}"))?;
        let states = (live.map(|v| (v.seq, v.state)), folded.map(|v| (v.seq, v.state)));
        if states.0 != states.1 {
            return Err(format!("{stream} is {:?} alive and {:?} folded", states.0, states.1));
        }
    }
    Ok(())
}

pub(super) fn digest_of(events: &[Event]) -> String {
    let mut hasher = blake3::Hasher::new();
    for event in events {
        let line = format!(
            "{} {} {} {} {} {} {:?} {}\n",
            event.position,
            event.stream,
            event.seq,
            event.at.ms(),
            event.body.name,
            event.body.version,
            event.body.origin,
            event.body.data.text()
        );
        hasher.update(line.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::id::{Prefix, Slot, StreamId, uuid_v7};
    use crate::testkit::{catalog, keyed, node};

    struct Tallies(u64);

    impl Subject for Tallies {
        async fn start(&mut self, store: &MemoryStore, cx: Context) -> Result<Node, String> {
            node(store, catalog(), config(), cx).await.map_err(|e| e.to_string())
        }

        fn command(&mut self, chance: &mut Chance, _: &Node) -> Command {
            self.0 += 1;
            let mut id =
                |n| StreamId::new(Prefix::new("tally"), uuid_v7(1, Slot::new(3), chance.random_range(0..n)));
            let (here, there) = (id(5), id(5));
            let (name, body) = match chance.random_range(0..10) {
                0..6 => ("add", json!({ "amount": chance.random_range(-2..5) })),
                6..8 => ("pass", json!({ "amount": 1, "to": there })),
                8 => ("ring", json!({ "afterMs": chance.random_range(0..100_000) })),
                _ => ("explode", json!({})),
            };
            keyed(here, name, &body, &self.0.to_string())
        }

        async fn check(&mut self, node: &Node, events: &[Event]) -> Result<(), String> {
            let count = |name: &str| events.iter().filter(|e| e.body.name == name).count();
            if count("rang") != 0 && {
                let tree = node.tree();
                tree.services.len() + tree.partitions.iter().map(|p| p.services.len()).sum::<usize>()
            } < 5
            {
                return Err("services are missing".to_owned());
            }
            Ok(())
        }
    }

    #[test]
    fn a_seed_gives_one_history() {
        for seed in 0..10 {
            let run = || simulate(&mut Tallies(0), seed, 200).unwrap();
            assert_eq!(run(), run());
        }
    }
}
