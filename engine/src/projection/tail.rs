//! The tail of the journal: what was committed behind a cursor, and then what is committed from now on.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::future::select_all;
use tokio::sync::watch;
use uuid::Uuid;

use super::Cursor;
use crate::journal::{self, Event, Journal, PartitionId, Position};
use crate::partition::{Holdings, NotOwner, Owned};

/// Events read at once from a partition.
const PAGE: usize = 256;

/// Where to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// With what is committed from now on.
    Now,
    /// With the first event that is kept.
    Beginning,
    /// Behind a place that was seen before; nothing may be missing from there on.
    After(Cursor),
}

/// Why the journal cannot be followed, or not any further.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TailError {
    /// This node does not own what is to be followed.
    #[error(transparent)]
    NotOwner(#[from] NotOwner),
    /// The cursor is of another history: the store was restored, or is another one.
    #[error("the cursor belongs to another history of the store")]
    OtherHistory,
    /// The cursor does not name every partition that is to be followed.
    #[error("the cursor does not cover partition {partition}")]
    NotCovered {
        /// The partition.
        partition: PartitionId,
    },
    /// The journal ends before the cursor.
    #[error("the journal of partition {partition} ends at {head}, before the cursor")]
    Ahead {
        /// The partition.
        partition: PartitionId,
        /// The last position that there is.
        head: Position,
    },
    /// Events behind the cursor are not kept any more.
    #[error("events of partition {partition} behind position {after} are not kept any more")]
    Trimmed {
        /// The partition.
        partition: PartitionId,
        /// The last position that was seen.
        after: Position,
    },
    /// The journal cannot be read now.
    #[error("the journal cannot be read")]
    Journal(#[from] journal::Error),
}

/// Which events are wanted.
pub type Wanted = Arc<dyn Fn(&Event) -> bool + Send + Sync>;

/// A reader that follows the journal: of each partition in the order of its positions, nothing missed and nothing twice.
///
/// It reads at the pace at which it is asked, holds one page of each partition, and needs no queue.
pub struct Tail {
    journal: Arc<dyn Journal>,
    holdings: Arc<Holdings>,
    history: Uuid,
    wanted: Wanted,
    places: Vec<Place>,
    /// Whose turn it is.
    turn: usize,
    /// True where nothing may be missing.
    strict: bool,
}

/// How far a partition has been followed.
struct Place {
    owned: Arc<Owned>,
    head: watch::Receiver<Position>,
    /// The last position that was given, or not wanted.
    at: Position,
    /// What was read behind it.
    read: VecDeque<Event>,
    /// Up to where that holds all there is.
    read_to: Position,
}

impl Tail {
    pub(crate) fn new(
        journal: Arc<dyn Journal>,
        holdings: Arc<Holdings>,
        start: &Start,
        partitions: &[PartitionId],
        wanted: Wanted,
    ) -> Result<Self, TailError> {
        let history = journal.info().history;
        let mut places = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let owned = holdings.serving(*partition)?;
            let head = owned.feeds().position.subscribe();
            let last = *head.borrow();
            let at = match start {
                Start::Now => last,
                Start::Beginning => 0,
                Start::After(cursor) if cursor.history() != history => return Err(TailError::OtherHistory),
                Start::After(cursor) => {
                    let partition = *partition;
                    let at = cursor.position(partition).ok_or(TailError::NotCovered { partition })?;
                    if at > last {
                        return Err(TailError::Ahead { partition, head: last });
                    }
                    at
                }
            };
            places.push(Place { owned, head, at, read: VecDeque::new(), read_to: at });
        }
        let strict = matches!(start, Start::After(_));
        Ok(Self { journal, holdings, history, wanted, places, turn: 0, strict })
    }

    /// The place behind what was given last: whoever begins there misses nothing, and sees nothing again.
    pub fn cursor(&self) -> Cursor {
        Cursor::new(self.history, self.places.iter().map(|place| (place.owned.partition(), place.at)))
    }

    /// Reads the first events, so that it is known whether what follows the cursor is still kept.
    ///
    /// # Errors
    ///
    /// [`TailError`].
    ///
    /// # Cancel safety
    ///
    /// May be dropped.
    pub async fn prime(&mut self) -> Result<(), TailError> {
        for index in 0..self.places.len() {
            if self.places[index].is_behind() {
                self.read(index).await?;
            }
            if self.strict {
                self.places[index].check()?;
            }
        }
        Ok(())
    }

    /// Waits for the next event that is wanted.
    ///
    /// # Errors
    ///
    /// [`TailError`]; the cursor stands where it stood.
    ///
    /// # Cancel safety
    ///
    /// May be dropped: nothing is lost.
    pub async fn next(&mut self) -> Result<Event, TailError> {
        loop {
            if let Some(event) = self.take()? {
                return Ok(event);
            }
            let count = self.places.len();
            let mut in_turn = (0..count).map(|step| (self.turn + step) % count);
            match in_turn.find(|index| self.places[*index].is_behind()) {
                Some(index) => self.read(index).await?,
                None => self.changed().await?,
            }
        }
    }

    /// The next event that is wanted of those that have been read already.
    ///
    /// # Errors
    ///
    /// [`TailError::Trimmed`].
    pub fn take(&mut self) -> Result<Option<Event>, TailError> {
        let count = self.places.len();
        for step in 0..count {
            let index = (self.turn + step) % count;
            let place = &mut self.places[index];
            loop {
                if self.strict {
                    place.check()?;
                }
                let Some(event) = place.read.pop_front() else {
                    place.at = place.at.max(place.read_to);
                    break;
                };
                place.at = event.position;
                if (self.wanted)(&event) {
                    self.turn = index + 1;
                    return Ok(Some(event));
                }
            }
        }
        Ok(None)
    }

    /// Reads a page of a partition; what has been read of it before has been given.
    async fn read(&mut self, index: usize) -> Result<(), TailError> {
        let place = &mut self.places[index];
        let (partition, head) = (place.owned.partition(), *place.head.borrow_and_update());
        if place.owned.ended() {
            return Err(self.holdings.not_owner(partition).into());
        }
        let mut page = self.journal.read_log(partition, place.read_to, PAGE).await?;
        let is_last = page.len() < PAGE;
        // What is committed and not known to be yet comes with the next look.
        page.retain(|event| event.position <= head);
        place.read_to = match page.last() {
            Some(last) if !is_last => last.position,
            Some(_) | None => place.read_to.max(head),
        };
        place.read.extend(page);
        self.turn = index + 1;
        Ok(())
    }

    /// Waits until something has been committed.
    async fn changed(&mut self) -> Result<(), TailError> {
        let each = self.places.iter_mut().map(|Place { owned, head, .. }| {
            let partition = owned.partition();
            Box::pin(async move { (partition, owned.while_owned(head.changed()).await) })
        });
        let each: Vec<_> = each.collect();
        if each.is_empty() {
            return std::future::pending().await;
        }
        let ((partition, changed), _, _) = select_all(each).await;
        match changed {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => Err(self.holdings.not_owner(partition).into()),
        }
    }
}

impl Place {
    /// True if there is more in the journal than has been read.
    fn is_behind(&self) -> bool {
        self.read_to < *self.head.borrow()
    }

    /// Positions have no gaps but where events were trimmed.
    fn check(&self) -> Result<(), TailError> {
        let next = self.read.front().map_or(self.read_to + 1, |event| event.position);
        if next == self.at + 1 {
            return Ok(());
        }
        Err(TailError::Trimmed { partition: self.owned.partition(), after: self.at })
    }
}
