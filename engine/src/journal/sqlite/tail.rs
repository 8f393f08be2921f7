//! What has been committed and not yet merged into the index: the same structures in memory.
//!
//! There are two generations. The active one takes what is committed; a merge freezes it and starts a new one, so
//! that it never holds an append up. What is read is first looked for here and then in the index, in this order,
//! as things move from here to there.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::newest::{Firsts, Newest};
use crate::hashing::FastMap;
use crate::id::{Prefix, StreamId, StreamKey, TenantId};
use crate::journal::plan::{EventRow, Head, Mark, Rows};
use crate::journal::{KeyHash, Position, Seq};

impl Mark {
    /// How many rows lie between this mark and a later one.
    pub(super) fn behind(self, later: Self) -> u64 {
        let (pos, stream) = (later.pos.saturating_sub(self.pos), later.stream.saturating_sub(self.stream));
        pos + stream + later.key.saturating_sub(self.key)
    }

    /// The mark that lies at most `rows` of each table further, on the way to a later one.
    pub(super) fn toward(self, later: Self, rows: u64) -> Self {
        let step = |from: u64, to: u64| from.saturating_add(rows).min(to);
        Self {
            pos: step(self.pos, later.pos),
            stream: step(self.stream, later.stream),
            key: step(self.key, later.key),
        }
    }
}

/// What a commit adds to the second structures.
#[derive(Debug, Default)]
pub(super) struct Additions {
    /// New streams with their numbers.
    pub(super) streams: Vec<(StreamKey, u64)>,
    /// New events: stream number, sequence number, position.
    pub(super) events: Vec<(u64, Seq, Position)>,
    /// Streams that got their first event, and where.
    pub(super) firsts: Vec<(StreamKey, Position)>,
    /// New idempotency rows.
    pub(super) keys: Vec<(KeyHash, u64)>,
}

impl Additions {
    /// What the rows of a plan add.
    pub(super) fn of(rows: &Rows<'_>) -> Self {
        let first = |row: &EventRow<'_>| (row.seq == 1).then(|| (row.stream.clone(), row.pos));
        Self {
            streams: rows.streams.iter().map(|row| (row.key.clone(), row.no)).collect(),
            events: rows.events.iter().map(|row| (row.no, row.seq, row.pos)).collect(),
            firsts: rows.events.iter().filter_map(first).collect(),
            keys: rows.keys.iter().map(|row| (row.record.key, row.id)).collect(),
        }
    }

    /// Adds what came behind it.
    pub(super) fn extend(&mut self, next: Self) {
        self.streams.extend(next.streams);
        self.events.extend(next.events);
        self.firsts.extend(next.firsts);
        self.keys.extend(next.keys);
    }
}

/// One generation.
#[derive(Debug, Default)]
struct Generation {
    streams: FastMap<StreamKey, u64>,
    events: BTreeMap<(u64, Seq), Position>,
    firsts: Firsts,
    keys: FastMap<KeyHash, u64>,
}

/// A generation on its way into the index, with the mark that it reaches up to.
#[derive(Debug)]
struct Frozen {
    generation: Generation,
    mark: Mark,
}

/// A kind of a tenant.
pub(super) type Kind<'a> = (&'a TenantId, Prefix);

/// The newest streams of a kind, as far as they are in memory.
#[derive(Debug)]
pub(super) struct Found {
    /// Positions of the first events, and the streams, newest first.
    pub(super) streams: Vec<(Position, StreamId)>,
    /// True if the index has nothing to add.
    pub(super) is_whole: bool,
    /// What the index held.
    pub(super) held: Held,
}

/// What the index holds: up to where it has been filled, and how much has been forgotten of it since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    merged: Mark,
    forgotten: u64,
}

/// The tail. Its lock is held for moments only.
#[derive(Debug)]
pub(super) struct Tail(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    mark: Mark,
    merged: Mark,
    active: Generation,
    frozen: Option<Frozen>,
    newest: Newest,
    /// How many streams have been forgotten since the start.
    forgotten: u64,
}

impl Generation {
    fn len(&self) -> usize {
        self.streams.len() + self.events.len() + self.firsts.len() + self.keys.len()
    }

    fn last(&self, no: u64) -> Option<Seq> {
        self.events.range((no, 0)..=(no, Seq::MAX)).next_back().map(|((_, seq), _)| *seq)
    }

    /// The streams of a kind whose first events lie strictly between two positions, oldest first.
    fn kind(
        &self,
        (tenant, prefix): Kind<'_>,
        (above, below): (Position, Position),
    ) -> impl DoubleEndedIterator<Item = (Position, StreamId)> {
        let bound = |pos: Position| (tenant.clone(), prefix, pos);
        let from = above.saturating_add(1);
        self.firsts.range(bound(from)..bound(below.max(from))).map(|((.., pos), id)| (*pos, *id))
    }

    fn add(&mut self, new: Additions) {
        self.streams.extend(new.streams);
        self.events.extend(new.events.into_iter().map(|(no, seq, pos)| ((no, seq), pos)));
        let first = |(key, pos): (StreamKey, _)| ((key.tenant, key.id.prefix(), pos), key.id);
        self.firsts.extend(new.firsts.into_iter().map(first));
        self.keys.extend(new.keys);
    }
}

impl Tail {
    /// A tail behind what the index holds.
    pub(super) fn new(merged: Mark) -> Self {
        let (active, newest) = (Generation::default(), Newest::default());
        Self(Mutex::new(Inner { mark: merged, merged, active, frozen: None, newest, forgotten: 0 }))
    }

    /// How much of the journal is known.
    pub(super) fn mark(&self) -> Mark {
        self.lock().mark
    }

    /// True if the index holds nothing, so that it need not be asked.
    pub(super) fn is_all(&self) -> bool {
        self.lock().merged == Mark::default()
    }

    /// How many things wait to be merged.
    pub(super) fn len(&self) -> usize {
        let inner = self.lock();
        inner.active.len() + inner.frozen.as_ref().map_or(0, |frozen| frozen.generation.len())
    }

    /// Takes in what has been committed, up to a mark.
    pub(super) fn publish(&self, new: Additions, mark: Mark) {
        let mut inner = self.lock();
        inner.active.add(new);
        inner.mark = mark;
    }

    /// Freezes the active generation; the frozen one comes first if its merge did not succeed. Returns from where to
    /// where the index is to be filled.
    pub(super) fn freeze(&self) -> (Mark, Mark) {
        let mut inner = self.lock();
        let mark = match &inner.frozen {
            Some(frozen) => frozen.mark,
            None => {
                let (generation, mark) = (std::mem::take(&mut inner.active), inner.mark);
                inner.frozen = Some(Frozen { generation, mark });
                mark
            }
        };
        (inner.merged, mark)
    }

    /// Forgets the frozen generation: it is in the index now.
    pub(super) fn forget_frozen(&self) {
        let mut inner = self.lock();
        let frozen = inner.frozen.take();
        if let Some(frozen) = &frozen {
            inner.merged = frozen.mark;
            inner.newest.merged(&frozen.generation.firsts);
        }
        // What is large is given back without the lock.
        drop(inner);
    }

    /// The heads of streams that began in the tail, in their order.
    pub(super) fn heads(&self, keys: &[StreamKey]) -> Vec<Option<Head>> {
        let inner = self.lock();
        let head = |key| inner.number(key).map(|no| Head { no, seq: inner.last(no).unwrap_or(0) });
        keys.iter().map(head).collect()
    }

    /// The last event of a stream in the tail, by the stream's number.
    pub(super) fn last(&self, no: u64) -> Option<Seq> {
        self.lock().last(no)
    }

    /// The number of a stream that began in the tail.
    pub(super) fn number(&self, key: &StreamKey) -> Option<u64> {
        self.lock().number(key)
    }

    /// The positions of a stream's events above `after` and up to a position, at most `limit`, oldest first.
    pub(super) fn positions(&self, no: u64, after: Seq, upto: Position, limit: usize) -> Vec<Position> {
        let inner = self.lock();
        let range = (no, after.saturating_add(1))..=(no, Seq::MAX);
        let of = |generation: &Generation| {
            let found = generation.events.range(range.clone()).map(|(_, pos)| *pos);
            found.take_while(|pos| *pos <= upto).take(limit).collect::<Vec<_>>()
        };
        let mut found = inner.frozen.as_ref().map_or_else(Vec::new, |frozen| of(&frozen.generation));
        found.extend(of(&inner.active));
        found.truncate(limit);
        found
    }

    /// The number of an idempotency row in the tail.
    pub(super) fn key(&self, key: &KeyHash) -> Option<u64> {
        let inner = self.lock();
        let frozen = || inner.frozen.as_ref().and_then(|frozen| frozen.generation.keys.get(key));
        inner.active.keys.get(key).or_else(frozen).copied()
    }

    /// The streams of a kind in the tail whose first events lie strictly between two positions, at most `limit`,
    /// oldest first.
    pub(super) fn oldest(
        &self,
        kind: Kind<'_>,
        between: (Position, Position),
        limit: usize,
    ) -> Vec<(Position, StreamId)> {
        let inner = self.lock();
        let older = inner.frozen.iter().flat_map(|frozen| frozen.generation.kind(kind, between));
        older.chain(inner.active.kind(kind, between)).take(limit).collect()
    }

    /// The streams of a kind in memory whose first events lie strictly between two positions, at most `limit`,
    /// newest first.
    pub(super) fn newest(&self, kind: Kind<'_>, between: (Position, Position), limit: usize) -> Found {
        let inner = self.lock();
        let older = inner.frozen.iter().flat_map(|frozen| frozen.generation.kind(kind, between).rev());
        let mut streams: Vec<_> = inner.active.kind(kind, between).rev().chain(older).take(limit).collect();
        let (kept, is_all) = inner.newest.of(kind, between, limit - streams.len());
        streams.extend(kept);
        let is_whole = streams.len() == limit || is_all || inner.merged == Mark::default();
        Found { streams, is_whole, held: inner.held() }
    }

    /// Keeps the newest streams of a kind that the index holds, unless it has come to hold more since.
    pub(super) fn learn(&self, kind: Kind<'_>, newest: &[(Position, StreamId)], is_all: bool, held: Held) {
        let mut inner = self.lock();
        if inner.held() == held {
            // A merge that is not over yet may have brought more into the index: that is the tail's until then.
            let merged = newest.iter().copied().filter(|(pos, _)| *pos <= held.merged.pos);
            inner.newest.learn(kind, merged, is_all);
        }
    }

    /// Forgets a stream of which nothing is in the tail any more, and which began at a position.
    pub(super) fn forget(&self, stream: &StreamKey, first: Position) {
        let mut inner = self.lock();
        inner.forgotten += 1;
        inner.newest.forget((&stream.tenant, stream.id.prefix()), first);
    }

    /// Forgets which streams of the index are the newest: some may not be there any more.
    pub(super) fn forget_newest(&self) {
        let mut inner = self.lock();
        inner.forgotten += 1;
        inner.newest = Newest::default();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn held(&self) -> Held {
        Held { merged: self.merged, forgotten: self.forgotten }
    }

    fn number(&self, key: &StreamKey) -> Option<u64> {
        let frozen = || self.frozen.as_ref().and_then(|frozen| frozen.generation.streams.get(key));
        self.active.streams.get(key).or_else(frozen).copied()
    }

    fn last(&self, no: u64) -> Option<Seq> {
        let frozen = || self.frozen.as_ref().and_then(|frozen| frozen.generation.last(no));
        self.active.last(no).or_else(frozen)
    }
}
