//! What is checked: while it is written, and at the end.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rand::Rng;

use super::client::Known;
use super::drive::Driver;
use super::{Broken, Subject, invariant, plan};
use crate::clock::Timestamp;
use crate::id::StreamKey;
use crate::journal::memory::{MemoryStore, Wrong};
use crate::journal::{Event, Outcome};
use crate::runtime::Node;
use crate::testkit::linearizability::{self, Asked, Operation, Register, Told, Verdict};

/// The events that are folded again at the end: of so many streams at least as have that many.
const FOLDED: usize = 1_500;
/// The configurations beyond which a history is not looked at further.
const CONFIGURATIONS: usize = 20_000;

/// What the store saw as it was written to.
pub(super) fn audited(store: &MemoryStore) -> Result<(), Broken> {
    let first = store.first_wrong();
    first.map_or(Ok(()), |wrong| {
        Err(match wrong {
            Wrong::Epoch(what) => Broken::new(invariant::SEQUENCE, what),
            Wrong::Early(what) | Wrong::Late(what) => Broken::new(invariant::TIMER, what),
        })
    })
}

/// Everything that must hold at the end.
pub(super) async fn everything<S: Subject>(driver: &mut Driver<'_, S>, node: &Node) -> Result<(), Broken> {
    let events = driver.store.events();
    let now = node.cx().now();
    audited(&driver.store)?;
    logs(&driver.store, &events)?;
    let late = Timestamp::from_ms(now.ms() - 120_000);
    if let Some(first) = driver.store.left_over(late).first() {
        return Err(Broken::new(invariant::PROGRESS, format!("left over: {first}")));
    }
    {
        let mut client = driver.client.lock();
        acknowledged(&client, &events)?;
        let (histories, undecided, operations) = ordered(&driver.subject, &client)?;
        client.counts.add("histories of a key checked for linearizability", histories);
        client.counts.add("histories of a key left undecided", undecided);
        client.counts.add("operations checked for linearizability", operations);
    }
    let folded = folds(node, &events, driver.seed()).await?;
    driver.client.lock().counts.add("states compared with their fold", folded);
    driver.subject.check(node, &events).await
}

/// In each partition positions are gap-free, streams are gap-free, and no stream's time runs backwards.
fn logs(store: &MemoryStore, events: &[Event]) -> Result<(), Broken> {
    let mut logs: BTreeMap<u32, u64> = BTreeMap::new();
    let mut heads: BTreeMap<&StreamKey, (u64, Timestamp)> = BTreeMap::new();
    let broken = |what: String| Err(Broken::new(invariant::SEQUENCE, what));
    for event in events {
        let position = logs.entry(store.partition_of(&event.stream)).or_default();
        *position += 1;
        if event.position != *position {
            return broken(format!("position {} stands at place {position}", event.position));
        }
        let (head, last) = heads.entry(&event.stream).or_default();
        *head += 1;
        if event.seq != *head {
            return broken(format!("event {} of {} is its {head}th", event.seq, event.stream));
        }
        if event.at < *last {
            return broken(format!("time ran backwards in {} at position {}", event.stream, event.position));
        }
        *last = event.at;
    }
    Ok(())
}

/// What each command was answered is what the journal holds of it: its events, once, where it said.
fn acknowledged(client: &Known, events: &[Event]) -> Result<(), Broken> {
    let mut of_command: BTreeMap<(&str, &StreamKey), Vec<&Event>> = BTreeMap::new();
    for event in events.iter().filter(|event| event.body.origin.causation.starts_with("sim_")) {
        let key = (&*event.body.origin.causation, &event.stream);
        of_command.entry(key).or_default().push(event);
    }
    for (number, sent) in &client.sent {
        let Some((_, outcome)) = &sent.answer else { continue };
        let key = (&*sent.command.origin.causation, &sent.command.stream);
        let there = of_command.get(&key).map_or(&[][..], Vec::as_slice);
        let fits = match outcome {
            Outcome::Rejected(_) => there.is_empty(),
            Outcome::Accepted(accepted) => {
                let names = there.iter().map(|event| &event.body.name).eq(accepted.events.iter());
                names && there.last().is_none_or(|last| last.seq == accepted.seq)
            }
        };
        if !fits {
            let there: Vec<_> = there.iter().map(|event| (event.seq, &event.body.name)).collect();
            let (name, stream) = (&sent.command.name, &sent.command.stream);
            let what = format!(
                "command {number}, `{name}` of {stream}, was answered {outcome:?}; in the journal: {there:?}"
            );
            return Err(Broken::new(invariant::REPLIED, what));
        }
    }
    Ok(())
}

/// Each key's reads and writes have one order that explains them. Says how many histories there were, how many of
/// them were too much to look at, and how many operations they held.
fn ordered<S: Subject>(subject: &S, client: &Known) -> Result<(u64, u64, u64), Broken> {
    let mut histories: BTreeMap<&StreamKey, Vec<Operation<Asked, Told>>> = BTreeMap::new();
    for sent in client.sent.values() {
        let Some(amount) = subject.adds(&sent.command) else { continue };
        // What is refused changes nothing and tells nothing of the state.
        let Some((answered, Outcome::Accepted(accepted))) = &sent.answer else { continue };
        // One that wrote nothing changes nothing; left open until the end, it could stand anywhere.
        if accepted.events.is_empty() {
            continue;
        }
        let told = Told::Written { events: accepted.events.len() as u64, seq: accepted.seq };
        histories.entry(&sent.command.stream).or_default().push(Operation {
            called: sent.called,
            answered: Some(*answered),
            input: Asked::Add(amount),
            output: Some(told),
        });
    }
    for read in &client.reads {
        let Some(sum) = subject.shows(&read.stream, &read.state) else { continue };
        histories.entry(&read.stream).or_default().push(Operation {
            called: read.called,
            answered: Some(read.answered),
            input: Asked::Read,
            output: Some(Told::Shown { seq: read.seq, sum }),
        });
    }
    let (mut undecided, mut operations) = (0, 0);
    for (stream, history) in &histories {
        operations += history.len() as u64;
        match linearizability::check(&Register, history, CONFIGURATIONS) {
            Verdict::Explained => {}
            Verdict::Undecided => undecided += 1,
            Verdict::Unexplained(index) => {
                let what = format!("{stream}: nothing explains {:?}", history[index]);
                return Err(Broken::new(invariant::ORDER, what));
            }
        }
    }
    Ok((histories.len() as u64, undecided, operations))
}

/// Live states are the folds of their streams: as many of them as there is time for.
async fn folds(node: &Node, events: &[Event], seed: u64) -> Result<u64, Broken> {
    let mut lengths: BTreeMap<&StreamKey, usize> = BTreeMap::new();
    events.iter().for_each(|event| *lengths.entry(&event.stream).or_default() += 1);
    let (mut chance, mut compared, mut budget) = (plan::chance(seed, 0, 3), 0, FOLDED);
    let share = (lengths.len() / 40).max(1);
    for (stream, length) in lengths {
        if chance.random_range(0..share) != 0 || length > budget {
            continue;
        }
        budget -= length;
        compared += 1;
        let failed = |e| Broken::new(invariant::FOLD, format!("{stream} cannot be read: {e}"));
        let live = node.read(stream).await.map_err(failed)?;
        let folded = node.read_at(stream, Timestamp::from_ms(i64::MAX)).await.map_err(failed)?;
        let states = (live.map(|v| (v.seq, v.state)), folded.map(|v| (v.seq, v.state)));
        if states.0 != states.1 {
            let what = format!("{stream} is {:?} alive and {:?} folded", states.0, states.1);
            return Err(Broken::new(invariant::FOLD, what));
        }
    }
    Ok(compared)
}

/// Takes every event with its envelope into a history.
pub(super) fn digest_of(events: &[Event], hasher: &mut blake3::Hasher) -> String {
    let mut line = String::new();
    for event in events {
        line.clear();
        let Event { position, stream, seq, at, body } = event;
        // Writing to a text cannot fail.
        let _ = write!(line, "{position} {stream} {seq} {} {} {}", at.ms(), body.name, body.version);
        let _ = writeln!(
            line,
            " {} {} {}",
            body.origin.causation, body.origin.correlation, body.origin.principal
        );
        hasher.update(line.as_bytes());
        hasher.update(body.data.text().as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}
