//! Writing a store of several logs as lines: merged by time, and numbered anew.
//!
//! Each partition's order is kept. Events that are not kept any more had their places when their stream began, as far
//! as that is known: so lists, which go by the age of streams, are the same in the store that is made of the file.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::io::Write;

use super::gaps::missing;
use super::writer::Writer;
use super::{Beside, Cursor, Error, Gone, PAGE, Part, Trailer};
use crate::clock::Timestamp;
use crate::id::StreamKey;
use crate::journal::{Error as JournalError, Event, Journal, PartitionId, Position, Seq};

/// The events that are held at once of all partitions together, as far as each has a page of [`LEAST`].
const HELD: usize = 32 * PAGE;
/// The least page of a partition.
const LEAST: usize = 50;

/// Writes a whole store of several partitions that stands still as lines. `progress` hears the position that has been
/// written; `unmoved` is waited for before the last line, and fails where the store did not stand still.
///
/// # Errors
///
/// [`Error`]; what has been written then has no last line, and will be refused.
pub async fn export_merged(
    journal: &dyn Journal,
    out: &mut (impl Write + Send),
    unmoved: impl Future<Output = Result<(), JournalError>> + Send,
    mut progress: impl FnMut(Position) + Send,
) -> Result<Trailer, Error> {
    let mut to = Writer::begin(out, journal.info(), 0)?;
    let mut begun = Begun::of(journal).await?;
    let mut logs = Logs::of(journal).await?;
    while let Some(mut event) = logs.next().await? {
        begun.up_to(event.at, &mut to)?;
        if begun.is_kept(&event, &mut to)? {
            event.position = to.position() + 1;
            to.event(event)?;
        }
        if to.position().is_multiple_of(PAGE as u64) {
            progress(to.position());
        }
    }
    begun.check()?;
    to.beside(journal, |beside| begun.placed(beside)).await?;
    unmoved.await?;
    to.end()
}

/// The logs of all partitions as one.
struct Logs<'a> {
    journal: &'a dyn Journal,
    page: usize,
    logs: Vec<Log>,
    /// The time of each log's next event, and the log's place.
    next: BinaryHeap<Reverse<(Timestamp, usize)>>,
}

struct Log {
    partition: PartitionId,
    position: Position,
    events: VecDeque<Event>,
}

impl<'a> Logs<'a> {
    async fn of(journal: &'a dyn Journal) -> Result<Self, Error> {
        let mut partitions = journal.info().partitions.clone();
        partitions.sort_unstable();
        let page = (HELD / partitions.len().max(1)).clamp(LEAST, PAGE);
        let logs = partitions
            .into_iter()
            .map(|partition| Log { partition, position: 0, events: VecDeque::new() })
            .collect::<Vec<_>>();
        let count = logs.len();
        let mut logs = Self { journal, page, logs, next: BinaryHeap::new() };
        for place in 0..count {
            logs.note_next(place).await?;
        }
        Ok(logs)
    }

    async fn next(&mut self) -> Result<Option<Event>, Error> {
        let Some(Reverse((_, place))) = self.next.pop() else { return Ok(None) };
        let event = self.logs[place].events.pop_front();
        self.note_next(place).await?;
        Ok(event)
    }

    /// Notes when the next event of a log was, and reads a page of it first where none is left.
    async fn note_next(&mut self, place: usize) -> Result<(), Error> {
        let log = &mut self.logs[place];
        if log.events.is_empty() {
            log.events = self.journal.read_log(log.partition, log.position, self.page).await?.into();
            log.position = log.events.back().map_or(log.position, |event| event.position);
        }
        if let Some(event) = log.events.front() {
            self.next.push(Reverse((event.at, place)));
        }
        Ok(())
    }
}

/// The streams that begin at a base, in the order of their beginnings.
#[derive(Default)]
struct Begun {
    streams: Vec<Trimmed>,
    places: HashMap<StreamKey, usize>,
    /// Those before this one have been written.
    next: usize,
}

struct Trimmed {
    stream: StreamKey,
    created_at: Timestamp,
    /// The number of the first event that is kept.
    kept: Seq,
    /// Where the stream begins in the file; 0 until it does.
    first: Position,
    /// True once its first event that is kept has come.
    is_whole: bool,
}

impl Begun {
    async fn of(journal: &dyn Journal) -> Result<Self, Error> {
        let (mut begun, mut after) = (Self::default(), Cursor::default());
        loop {
            let page = journal.beside(Part::Bases, after, PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            for (_, beside) in page {
                let Beside::Base { stream, snapshot, created_at, .. } = beside else { continue };
                let (kept, first) = (snapshot.seq, 0);
                begun.streams.push(Trimmed { stream, created_at, kept, first, is_whole: false });
            }
        }
        begun.streams.sort_by_key(|trimmed| trimmed.created_at);
        let streams = begun.streams.iter().enumerate();
        begun.places = streams.map(|(place, trimmed)| (trimmed.stream.clone(), place)).collect();
        Ok(begun)
    }

    /// Writes the places of the streams that began up to a moment.
    fn up_to(&mut self, at: Timestamp, to: &mut Writer<'_, impl Write>) -> Result<(), Error> {
        while self.streams.get(self.next).is_some_and(|trimmed| trimmed.created_at <= at) {
            self.streams[self.next].write(to)?;
            self.next += 1;
        }
        Ok(())
    }

    /// False for an event that a trim left half-way was about to delete. Before the first one of a stream that is
    /// kept, the places of those before it are written, if they are not yet.
    fn is_kept(&mut self, event: &Event, to: &mut Writer<'_, impl Write>) -> Result<bool, Error> {
        let Some(place) = self.places.get(&event.stream) else { return Ok(true) };
        let trimmed = &mut self.streams[*place];
        trimmed.write(to)?;
        trimmed.is_whole |= event.seq == trimmed.kept;
        Ok(event.seq >= trimmed.kept)
    }

    fn check(&self) -> Result<(), Error> {
        match self.streams.iter().find(|trimmed| !trimmed.is_whole) {
            Some(trimmed) => Err(missing(&trimmed.stream)),
            None => Ok(()),
        }
    }

    /// Says of a base where its stream begins in the file.
    fn placed(&self, mut beside: Beside) -> Beside {
        if let Beside::Base { stream, first, .. } = &mut beside {
            *first = self.places.get(stream).map_or(0, |place| self.streams[*place].first);
        }
        beside
    }
}

impl Trimmed {
    /// Writes the places of the events that are not kept, once.
    fn write(&mut self, to: &mut Writer<'_, impl Write>) -> Result<(), Error> {
        if self.first > 0 {
            return Ok(());
        }
        self.first = to.position() + 1;
        for seq in 1..self.kept {
            let (position, stream) = (to.position() + 1, self.stream.clone());
            to.gone(Gone { position, stream, seq, at: self.created_at })?;
        }
        Ok(())
    }
}
