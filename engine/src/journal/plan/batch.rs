//! The plan of a batch, entry by entry.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::effects::Effects;
use super::rows::{EventRow, KeyRow, MessageRow, ReceivedRow, Rows, StreamRow};
use super::timers::Timers;
use crate::clock::Timestamp;
use crate::effect::EffectKey;
use crate::hashing::{FastMap, FastSet};
use crate::id::StreamKey;
use crate::journal::check::{check_entry, check_snapshot, refused};
use crate::journal::{Appended, Entry, EntryError, KeyHash, MessageId, Position, Seq, Snapshot};

/// How much of a log something has seen: the last numbers of what only grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::journal) struct Mark {
    /// The last position.
    pub(in crate::journal) pos: Position,
    /// The last stream's number.
    pub(in crate::journal) stream: u64,
    /// The last idempotency row's number.
    pub(in crate::journal) key: u64,
}

/// A stream's number in the store and its last event's number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::journal) struct Head {
    /// The stream's number, 0 if it has none.
    pub(in crate::journal) no: u64,
    /// The last event's number, 0 if there is none.
    pub(in crate::journal) seq: Seq,
}

/// What the store holds that decides about a batch.
#[derive(Debug, Clone, Default)]
pub(in crate::journal) struct Known {
    /// Where each stream of the batch stands.
    pub(in crate::journal) heads: FastMap<StreamKey, Head>,
    /// Which of its keys are taken.
    pub(in crate::journal) taken: FastSet<KeyHash>,
    /// Which of its messages have been taken in, by the number of the stream.
    pub(in crate::journal) received: HashSet<(u64, MessageId)>,
    /// Which of its messages wait in the outbox, with the number of their sender.
    pub(in crate::journal) waiting: HashMap<MessageId, u64>,
    /// Which of its effects stand in the ledger: the number of their stream, and their phase.
    pub(in crate::journal) effects: HashMap<EffectKey, (u64, u8)>,
    /// True if all of it has been looked up, so that what is not here is free.
    pub(in crate::journal) is_complete: bool,
    /// The last number given to what is read by cursor: messages, effects.
    pub(in crate::journal) number: u64,
}

/// A plan in the making.
#[derive(Debug)]
pub(in crate::journal) struct Plan<'a> {
    mark: Mark,
    known: Known,
    rows: Rows<'a>,
    latest: Option<Timestamp>,
    /// The messages of the plan, with gaps where one has been withdrawn, and where each stands.
    messages: Vec<Option<MessageRow<'a>>>,
    sent: HashMap<MessageId, usize>,
    timers: Timers<'a>,
    effects: Effects,
    snapshots: BTreeMap<u64, &'a Snapshot>,
}

/// A plan to be carried out.
#[derive(Debug, Default)]
pub(in crate::journal) struct Planned<'a> {
    pub(in crate::journal) rows: Rows<'a>,
    /// How far the log will be.
    pub(in crate::journal) mark: Mark,
    /// What will be known.
    pub(in crate::journal) known: Known,
    /// The latest time of what is written; `None` if nothing is.
    pub(in crate::journal) latest: Option<Timestamp>,
}

impl<'a> Plan<'a> {
    /// Begins a plan on what is known, behind a mark.
    pub(in crate::journal) fn new(mark: Mark, known: Known) -> Self {
        Self {
            mark,
            known,
            rows: Rows::default(),
            latest: None,
            messages: Vec::new(),
            sent: HashMap::new(),
            timers: Timers::default(),
            effects: Effects::default(),
            snapshots: BTreeMap::new(),
        }
    }

    /// Takes an entry into the plan, or says why not; then the plan is as it was.
    pub(in crate::journal) fn add(&mut self, entry: &'a Entry) -> Result<Appended, EntryError> {
        let head = self.known.heads.get(&entry.stream).copied().unwrap_or_default();
        self.check(entry, head)?;
        if entry.is_empty() {
            return Ok(Appended { position: self.mark.pos, seq: head.seq });
        }
        self.latest = self.latest.max(Some(entry.at));
        let no = self.number(entry, head);
        let seq = self.add_events(entry, Head { no, seq: head.seq });
        self.known.heads.insert(entry.stream.clone(), Head { no, seq });
        self.add_answers(entry, no);
        self.add_messages(entry, no);
        for op in &entry.timers {
            self.timers.add(entry, no, op);
        }
        for op in &entry.effects {
            self.effects.add(&mut self.known, entry.at, no, op);
        }
        if let Some(snapshot) = &entry.snapshot {
            self.snapshots.insert(no, snapshot);
        }
        Ok(Appended { position: self.mark.pos, seq })
    }

    /// Ends the plan.
    pub(in crate::journal) fn finish(self) -> Planned<'a> {
        let Self { mark, known, mut rows, latest, messages, timers, effects, snapshots, .. } = self;
        rows.messages = messages.into_iter().flatten().collect();
        timers.write(&mut rows);
        effects.write(&mut rows);
        rows.snapshots = snapshots.into_iter().collect();
        Planned { rows, mark, known, latest }
    }

    fn check(&self, entry: &Entry, head: Head) -> Result<(), EntryError> {
        check_entry(entry)?;
        if let Some(expected) = entry.expected.filter(|expected| *expected != head.seq) {
            return Err(EntryError::Conflict { stream: entry.stream.clone(), expected, actual: head.seq });
        }
        if !all_fresh(&entry.keys, |record| record.key, |key| self.known.taken.contains(key)) {
            return Err(EntryError::KeyTaken { stream: entry.stream.clone() });
        }
        check_snapshot(entry, head.seq + entry.events.len() as u64)?;
        let is_taken_in = |id: &MessageId| self.known.received.contains(&(head.no, *id));
        if !all_fresh(&entry.received, |received| received.id, is_taken_in) {
            return Err(refused(entry, "a message has been taken in already".to_owned()));
        }
        if !all_fresh(&entry.messages, |message| message.id, |id| self.waits(entry, head.no, id)) {
            return Err(refused(entry, "a message of this id waits in the outbox already".to_owned()));
        }
        self.effects.check(&self.known, entry, head.no)
    }

    /// True if a message is known to be in the outbox still once the entry has acknowledged what it acknowledges.
    fn waits(&self, entry: &Entry, no: u64, id: &MessageId) -> bool {
        let place = self.sent.get(id).and_then(|place| self.messages.get(*place)?.as_ref());
        let sender = place.map(|row| row.no).or_else(|| self.known.waiting.get(id).copied());
        sender.is_some_and(|sender| sender != no || !entry.acknowledged.contains(id))
    }

    /// The number of the entry's stream; a new one if it has none yet.
    fn number(&mut self, entry: &'a Entry, head: Head) -> u64 {
        let begins = head.seq == 0 && !entry.events.is_empty();
        let birth = begins.then_some(self.rows.births);
        self.rows.births += u64::from(begins);
        if head.no == 0 {
            self.mark.stream += 1;
            let no = self.mark.stream;
            self.rows.streams.push(StreamRow { no, key: &entry.stream, at: entry.at, birth });
            return no;
        }
        if let Some(rank) = birth {
            match self.rows.streams.binary_search_by_key(&head.no, |row| row.no) {
                Ok(place) => self.rows.streams[place].birth = Some(rank),
                Err(_) => self.rows.born.push((head.no, rank)),
            }
        }
        head.no
    }

    fn add_events(&mut self, entry: &'a Entry, head: Head) -> Seq {
        let mut seq = head.seq;
        for event in &entry.events {
            seq += 1;
            self.mark.pos += 1;
            let (pos, no, stream) = (self.mark.pos, head.no, &entry.stream);
            self.rows.events.push(EventRow { pos, no, seq, at: entry.at, stream, event });
        }
        seq
    }

    fn add_answers(&mut self, entry: &'a Entry, no: u64) {
        for record in &entry.keys {
            self.mark.key += 1;
            self.rows.keys.push(KeyRow { id: self.mark.key, at: entry.at, no, record });
            self.known.taken.insert(record.key);
        }
        for received in &entry.received {
            self.known.number += 1;
            self.rows.received.push(ReceivedRow { number: self.known.number, at: entry.at, no, received });
            self.known.received.insert((no, received.id));
        }
    }

    fn add_messages(&mut self, entry: &'a Entry, no: u64) {
        for id in &entry.acknowledged {
            self.acknowledge(*id, no);
            if self.known.waiting.get(id) == Some(&no) {
                self.known.waiting.remove(id);
            }
        }
        for message in &entry.messages {
            self.known.number += 1;
            self.sent.insert(message.id, self.messages.len());
            self.messages.push(Some(MessageRow { number: self.known.number, no, message }));
        }
    }
}

impl Plan<'_> {
    /// Takes a message off the outbox. One that the plan itself sends is withdrawn; but only where it is known that
    /// no other of its id waits may it be left out, as otherwise nobody would find that out.
    fn acknowledge(&mut self, id: MessageId, no: u64) {
        let place = self.sent.get(&id).and_then(|place| self.messages.get_mut(*place));
        match place {
            Some(row) if row.as_ref().is_some_and(|row| row.no == no) => {
                if self.known.is_complete {
                    *row = None;
                } else {
                    self.rows.withdrawn.push((id, no));
                }
                self.sent.remove(&id);
            }
            Some(_) | None => self.rows.acknowledged.push((id, no)),
        }
    }
}

/// True if no key of the items is taken, and none comes twice among them.
fn all_fresh<T, K: Eq + std::hash::Hash>(
    items: &[T],
    key: impl Fn(&T) -> K,
    is_taken: impl Fn(&K) -> bool,
) -> bool {
    if let [one] = items {
        return !is_taken(&key(one));
    }
    let mut own = FastSet::default();
    items.iter().map(key).all(|key| !is_taken(&key) && own.insert(key))
}
