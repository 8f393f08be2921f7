//! The places of events that are not kept any more: which stream each is taken to have been of.
//!
//! What is left over when all streams have theirs was of streams that have been forgotten.
//!
//! Of a trimmed stream it is known where it began, how many events are gone, and before which position they all stood.
//! Any share-out of the gaps that keeps to this makes the same store once it is trimmed again. The stream whose gaps
//! have to be filled soonest comes first, which finds a share-out wherever there is one (earliest deadline first;
//! Horn, "Some simple scheduling algorithms", 1974), and there is the one that happened.

use std::collections::{BTreeSet, HashMap};

use super::{Beside, Cursor, Error, Gone, PAGE, Part};
use crate::clock::Timestamp;
use crate::id::StreamKey;
use crate::journal::{Error as JournalError, Journal, Position, Seq};

/// The streams that begin at a base.
#[derive(Default)]
pub(super) struct Gaps {
    streams: Vec<Trimmed>,
    by_first: HashMap<Position, usize>,
    /// The streams that have begun and have more gaps to fill, by the position before which that must be.
    begun: BTreeSet<(Position, usize)>,
}

struct Trimmed {
    stream: StreamKey,
    created_at: Timestamp,
    next: Seq,
    /// The number of the first event that is kept, and its position.
    kept: (Seq, Position),
    /// Where it begins in the file; 0 until it does.
    first: Position,
}

impl Gaps {
    /// Reads the bases of a store that stands still, and ends trims that were left half-way.
    pub(super) async fn of(journal: &dyn Journal) -> Result<Self, Error> {
        let (mut gaps, mut after) = (Self::default(), Cursor::default());
        loop {
            let page = journal.beside(Part::Bases, after, PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(gaps) };
            after = *last;
            for (_, beside) in page {
                let Beside::Base { stream, snapshot, created_at, first } = beside else { continue };
                while journal.trim(&stream, PAGE).await? == PAGE {}
                let base = journal.base(&stream).await?.map_or(snapshot.seq, |base| base.snapshot.seq);
                let kept = journal.read_stream(&stream, base - 1, 1).await?;
                let kept = kept.first().ok_or_else(|| missing(&stream))?.position;
                gaps.by_first.insert(first, gaps.streams.len());
                gaps.streams.push(Trimmed { stream, created_at, next: 1, kept: (base, kept), first: 0 });
            }
        }
    }

    /// Says what stood at a position where nothing is kept, and stands at `position` in the file; nothing where that
    /// has been forgotten.
    pub(super) fn fill(&mut self, stood: Position, position: Position) -> Option<Gone> {
        let place = match self.by_first.get(&stood) {
            Some(place) => *place,
            None => self.begun.pop_first().map(|(_, place)| place)?,
        };
        let trimmed = &mut self.streams[place];
        if trimmed.first == 0 {
            trimmed.first = position;
        }
        let seq = trimmed.next;
        trimmed.next += 1;
        if trimmed.next < trimmed.kept.0 {
            self.begun.insert((trimmed.kept.1, place));
        }
        Some(Gone { position, stream: trimmed.stream.clone(), seq, at: trimmed.created_at })
    }

    /// Fails where an event has no place.
    pub(super) fn check(&self) -> Result<(), Error> {
        match self.streams.iter().find(|trimmed| trimmed.next < trimmed.kept.0) {
            Some(trimmed) => Err(missing(&trimmed.stream)),
            None => Ok(()),
        }
    }

    /// Says of a base where its stream begins in the file.
    pub(super) fn placed(&self, mut beside: Beside) -> Beside {
        if let Beside::Base { first, .. } = &mut beside
            && let Some(place) = self.by_first.get(first)
        {
            *first = self.streams[*place].first;
        }
        beside
    }
}

pub(super) fn missing(what: &impl std::fmt::Display) -> Error {
    JournalError::Corrupt { reason: format!("the log misses events at {what}") }.into()
}
