//! Taking the lines of an export into a store.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::Arc;

use super::lines::Lines;
use super::{Beside, Error, Gone, Line};
use crate::clock::Timestamp;
use crate::effect::EffectOp;
use crate::id::StreamKey;
use crate::journal::{
    Entry, EntryError, Error as JournalError, Event, Fence, Journal, Json, NewEvent, Origin, PartitionId,
    TimerOp,
};

/// Lines that one commit takes.
const BATCH: usize = 500;

/// A checked, whole export on its way into a store, a commit at a time. What was committed stands when it is dropped.
pub struct Import<'a, R> {
    journal: &'a dyn Journal,
    fences: BTreeMap<PartitionId, Fence>,
    lines: Lines<R>,
    /// The lines that need not come again, where an earlier import was broken off.
    done: Option<u64>,
    latest: Timestamp,
    is_over: bool,
}

/// Some lines, each with its number.
#[derive(Default)]
struct Batch {
    entries: Vec<(u64, Entry)>,
    /// Streams that begin at a base, which is in the entries.
    trimmed: Vec<StreamKey>,
    /// The kept states. They may be older than a base, which is made of the newest one: so they come behind it.
    kept: Vec<(u64, Entry)>,
}

impl<'a, R: BufRead> Import<'a, R> {
    /// Begins to take a file into a store whose partitions are all held by `fences`. To go on with an import that was
    /// broken off, give as `done` what [`Import::next`] told last, or 0: what is in the store already may then come
    /// again.
    pub fn new(journal: &'a dyn Journal, fences: &[Fence], from: R, done: Option<u64>) -> Self {
        let fences = fences.iter().map(|fence| (fence.partition, *fence)).collect();
        let (lines, latest) = (Lines::new(from), Timestamp::default());
        Self { journal, fences, lines, done, latest, is_over: false }
    }

    /// Takes some more lines in, and tells how many are in the store; `None` when all are.
    ///
    /// # Errors
    ///
    /// [`Error`]; then the import is to be begun again.
    pub async fn next(&mut self) -> Result<Option<u64>, Error> {
        if self.is_over {
            return Ok(None);
        }
        let batch = self.gather()?;
        self.commit(batch.entries).await?;
        // The state that the store has now stands for the events whose places it held.
        for stream in batch.trimmed {
            while self.journal.trim(&stream, BATCH).await? == BATCH {}
        }
        self.commit(batch.kept).await?;
        Ok(Some(self.lines.number))
    }

    fn gather(&mut self) -> Result<Batch, Error> {
        let mut batch = Batch::default();
        while batch.entries.len() + batch.kept.len() < BATCH {
            let (line, _) = self.lines.next()?;
            let is_done = self.done.is_some_and(|done| self.lines.number <= done);
            let is_kept = matches!(line, Line::Beside(Beside::Snapshot { .. }));
            let entry = match line {
                Line::Event(event) => {
                    self.latest = self.latest.max(event.at);
                    of_event(event)
                }
                Line::Gone(gone) => of_gone(gone),
                Line::Beside(beside) => {
                    if let (Beside::Base { stream, .. }, false) = (&beside, is_done) {
                        batch.trimmed.push(stream.clone());
                    }
                    of_beside(beside, self.latest)
                }
                Line::Header(_) => continue,
                Line::Trailer(_) => {
                    self.is_over = true;
                    break;
                }
            };
            let entries = if is_kept { &mut batch.kept } else { &mut batch.entries };
            if !is_done {
                entries.push((self.lines.number, entry));
            }
        }
        Ok(batch)
    }

    /// Appends some lines in one commit.
    async fn commit(&self, entries: Vec<(u64, Entry)>) -> Result<(), Error> {
        if entries.is_empty() {
            return Ok(());
        }
        let (mut numbers, mut batches): (BTreeMap<_, Vec<_>>, BTreeMap<_, Vec<_>>) = Default::default();
        for (number, entry) in entries {
            let partition = self.journal.info().partition_of(&entry.stream);
            numbers.entry(partition).or_default().push(number);
            batches.entry(partition).or_default().push(entry);
        }
        let fence = |partition| {
            let fence = self.fences.get(&partition).copied();
            fence.ok_or(JournalError::Fenced { partition })
        };
        let batches: Result<Vec<_>, JournalError> =
            batches.into_iter().map(|(partition, batch)| Ok((fence(partition)?, batch))).collect();
        let answers = self.journal.append_all(&batches?).await;
        for (numbers, answers) in numbers.into_values().zip(answers) {
            for (number, answer) in numbers.into_iter().zip(answers?) {
                self.look_at(number, answer.err())?;
            }
        }
        Ok(())
    }

    /// Fails where a line was refused, unless it can have come before.
    fn look_at(&self, line: u64, refusal: Option<EntryError>) -> Result<(), Error> {
        let may_repeat = self.done.is_some();
        match refusal {
            None => Ok(()),
            Some(EntryError::Conflict { expected, actual, .. }) if may_repeat && actual > expected => Ok(()),
            Some(EntryError::KeyTaken { .. } | EntryError::Refused { .. }) if may_repeat => Ok(()),
            Some(error) => Err(Error::Refused { line, reason: error.to_string() }),
        }
    }
}

/// An event that holds a place until the stream is trimmed.
fn of_gone(gone: Gone) -> Entry {
    let origin = Arc::new(Origin::root("import", "system"));
    let body = NewEvent { name: "gone".into(), version: 1, data: Json::null(), origin };
    of_event(Event { position: gone.position, stream: gone.stream, seq: gone.seq, at: gone.at, body })
}

fn of_event(event: Event) -> Entry {
    let mut entry = Entry::new(event.stream, event.at);
    entry.expected = Some(event.seq.saturating_sub(1));
    entry.events.push(event.body);
    entry
}

fn of_beside(beside: Beside, latest: Timestamp) -> Entry {
    match beside {
        Beside::Key { at, record } => {
            let mut entry = Entry::new(record.stream.clone(), at);
            entry.keys.push(record);
            entry
        }
        Beside::Received { at, stream, received } => {
            let mut entry = Entry::new(stream, at);
            entry.received.push(received);
            entry
        }
        Beside::Timer(timer) => {
            let mut entry = Entry::new(timer.stream, latest);
            entry.timers.push(TimerOp::Set { name: timer.name, due: timer.due });
            entry
        }
        Beside::Message(message) => {
            let mut entry = Entry::new(message.from.clone(), latest);
            entry.messages.push(message);
            entry
        }
        Beside::Effect { effect, ended } => {
            let mut entry = Entry::new(effect.stream.clone(), ended.unwrap_or(effect.at));
            entry.effects.push(EffectOp::Intend(Box::new(effect)));
            entry
        }
        Beside::Base { stream, snapshot, .. } | Beside::Snapshot { stream, snapshot } => {
            let mut entry = Entry::new(stream, latest);
            entry.snapshot = Some(snapshot);
            entry
        }
    }
}
