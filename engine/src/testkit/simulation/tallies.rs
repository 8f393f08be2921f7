//! Tallies as a part of a simulation: sums, messages between them, timers, and commands that bring them down.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng;
use serde_json::{Value, json};

use super::{Broken, Chance, invariant};
use crate::clock::Timestamp;
use crate::entity::Entity as _;
use crate::id::{Prefix, Slot, StreamId, StreamKey, uuid_v7};
use crate::journal::{Event, Outcome};
use crate::runtime::{Command, Node};
use crate::supervise::DeadLetter;
use crate::testkit::{command, key};

/// The tallies that clients alone write to.
const REGISTERS: u64 = 4;
/// The other ones.
const OTHERS: u64 = 5;
/// How often one simulation brings a tally down: each time costs it a while.
const EXPLOSIONS: u32 = 6;

/// What is known of the tallies of a simulation.
#[derive(Debug, Default)]
pub struct Tallies {
    /// What each of them must add up to.
    totals: BTreeMap<StreamId, i64>,
    /// Which rings were asked for: the stream, the event, and after how long.
    rings: BTreeMap<(StreamId, u64), Duration>,
    letters: Vec<StreamId>,
    explosions: u32,
}

fn tally(number: u64) -> StreamId {
    let slot = Slot::new(((number * 1_024 + 77) % 4_096) as u16);
    StreamId::new(Prefix::new("tally"), uuid_v7(1, slot, number))
}

fn number_of(id: StreamId) -> Option<u64> {
    (0..REGISTERS + OTHERS).find(|number| tally(*number) == id)
}

fn is_register(id: StreamId) -> bool {
    number_of(id).is_some_and(|number| number < REGISTERS)
}

impl Tallies {
    /// Makes a command up.
    pub fn command(&mut self, chance: &mut Chance) -> Command {
        let register = tally(chance.random_range(0..REGISTERS));
        let other = |chance: &mut Chance| tally(REGISTERS + chance.random_range(0..OTHERS));
        let (here, there) = (other(chance), other(chance));
        match chance.random_range(0..100) {
            0..45 => command(register, "add", &json!({ "amount": chance.random_range(-2..9) })),
            45..55 => command(here, "add", &json!({ "amount": chance.random_range(0..9) })),
            55..80 => command(here, "pass", &json!({ "amount": 1, "to": there })),
            80..92 => command(here, "ring", &json!({ "afterMs": chance.random_range(0..20_000) })),
            92..95 if self.explosions < EXPLOSIONS => {
                self.explosions += 1;
                command(here, "explode", &json!({}))
            }
            95..98 if !self.letters.is_empty() => {
                let letter = self.letters[chance.random_range(0..self.letters.len())];
                let act = if chance.random_ratio(1, 3) { "retry" } else { "discard" };
                command(letter, act, &json!({ "why": "simulated" }))
            }
            98 => command(here, "no-such-command", &json!({})),
            _ => command(register, "add", &json!({ "amount": "much" })),
        }
    }

    /// Chooses a stream to be read.
    pub fn read(&self, chance: &mut Chance) -> StreamKey {
        key(tally(chance.random_range(0..REGISTERS + OTHERS)))
    }

    /// Takes in the answer to a command.
    pub fn heard(&mut self, command: &Command, outcome: &Outcome) {
        let stream = command.stream.id;
        let body = command.body.value();
        let accepted = match outcome {
            Outcome::Accepted(accepted) => accepted,
            Outcome::Rejected(rejected) => {
                let letter: Option<StreamId> =
                    rejected.detail.value()["deadLetter"].as_str().and_then(|id| id.parse().ok());
                self.letters.extend(letter);
                return;
            }
        };
        if number_of(stream).is_none() {
            return;
        }
        let amount = body["amount"].as_i64().unwrap_or_default();
        match command.name.as_ref() {
            "add" => *self.totals.entry(stream).or_default() += amount,
            "pass" => {
                *self.totals.entry(stream).or_default() += amount;
                let to: Option<StreamId> = body["to"].as_str().and_then(|to| to.parse().ok());
                to.into_iter().for_each(|to| *self.totals.entry(to).or_default() += amount);
            }
            "ring" => {
                let after = Duration::from_millis(body["afterMs"].as_u64().unwrap_or_default());
                self.rings.insert((stream, accepted.seq), after);
            }
            _ => {}
        }
    }

    /// What a command adds to the sum of a tally that clients alone write to.
    pub fn adds(&self, command: &Command) -> Option<i64> {
        let body = || command.body.value()["amount"].as_i64().unwrap_or_default();
        is_register(command.stream.id).then(body)
    }

    /// The sum that such a tally shows.
    pub fn shows(&self, stream: &StreamKey, state: &Value) -> Option<i64> {
        is_register(stream.id).then(|| state["total"].as_i64().unwrap_or_default())
    }

    /// Checks that every tally adds up to what was accepted, and that each ring came and none too early.
    ///
    /// # Errors
    ///
    /// What is violated.
    pub async fn check(&self, node: &Node, events: &[Event]) -> Result<(), Broken> {
        for (stream, expected) in &self.totals {
            let view = node.read(&key(*stream)).await;
            let view =
                view.map_err(|e| Broken::new(invariant::PROGRESS, format!("{stream} cannot be read: {e}")))?;
            let state = view.map_or(Value::Null, |view| view.state.value());
            let total = state["total"].as_i64().unwrap_or_default();
            if total != *expected {
                let what = format!("{stream} has come to {total}; what was accepted comes to {expected}");
                return Err(Broken::new(invariant::MODEL, what));
            }
        }
        self.check_rings(events)
    }

    fn check_rings(&self, events: &[Event]) -> Result<(), Broken> {
        let broken = |what: String| Err(Broken::new(invariant::TIMER, what));
        let mut set: BTreeMap<StreamId, Timestamp> = BTreeMap::new();
        for event in events {
            match event.body.name.as_ref() {
                "ring-set" => {
                    let after = self.rings.get(&(event.stream.id, event.seq)).copied().unwrap_or_default();
                    set.insert(event.stream.id, event.at.plus(after));
                }
                "rang" => {
                    let due = set.remove(&event.stream.id);
                    if due.is_none_or(|due| event.at < due) {
                        let due = due.map_or_else(|| "no time".to_owned(), |due| due.to_string());
                        return broken(format!("{} rang at {}, and was to at {due}", event.stream, event.at));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The prefix of dead letters, for whoever hosts tallies.
    pub fn letters() -> Prefix {
        DeadLetter::KIND.prefix
    }
}
