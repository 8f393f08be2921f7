//! Finding out what became of an append whose answer was lost.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_postgres::types::Type;

use super::PostgresJournal;
use super::desk::{Book, Desk, STANDING, Standing};
use super::row::int;
use super::session::Param;
use crate::journal::{Error, PartitionId};

/// What became of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was committed.
    Committed,
    /// It was not, and never will be.
    Vanished,
}

/// The first wait between two tries; doubles with each.
const WAIT: Duration = Duration::from_millis(20);
/// The longest wait between two tries.
const WAIT_LIMIT: Duration = Duration::from_secs(1);

impl PostgresJournal {
    /// Finds out what became of a partition's last append, and takes up the row as it stands. Tries again until the
    /// patience for it has run out; then the partition stays in doubt.
    ///
    /// # Errors
    ///
    /// [`Error::Fenced`] where the partition has been taken over, so that it cannot be told any more;
    /// [`Error::Regressed`]; [`Error::Unknown`].
    pub(super) async fn settle(&self, desk: &Desk, book: &mut Book) -> Result<Fate, Error> {
        desk.in_doubt.store(true, Ordering::Release);
        let Some(known) = book.standing else {
            desk.in_doubt.store(false, Ordering::Release);
            return Ok(Fate::Vanished);
        };
        let mut last = None;
        let tries = async {
            let mut wait = WAIT;
            loop {
                match self.try_settle(desk, &known).await {
                    Err(error @ Error::Unavailable { .. }) if !self.is_closed() => last = Some(error),
                    other => return other,
                }
                sleep(wait).await;
                wait = (wait * 2).min(WAIT_LIMIT);
            }
        };
        let settled = timeout(self.options.patience, tries).await;
        let why = || last.map_or_else(|| "no answer".to_owned(), |error| error.to_string());
        let settled = settled.unwrap_or_else(|_| Err(Error::Unknown { reason: why() }));
        match settled {
            Ok((fate, standing)) => {
                book.adopt(desk, standing);
                desk.in_doubt.store(false, Ordering::Release);
                Ok(fate)
            }
            Err(error) => {
                if matches!(error, Error::Fenced { .. } | Error::Regressed { .. }) {
                    book.standing = None;
                    book.heads.clear();
                    desk.in_doubt.store(false, Ordering::Release);
                }
                Err(error)
            }
        }
    }

    /// Adds two to the commits: waits for the append if it is under way, and fences it if it comes later.
    async fn try_settle(&self, desk: &Desk, known: &Standing) -> Result<(Fate, Standing), Error> {
        let sql = format!(
            "UPDATE promptsales.partition AS p SET commits = p.commits + 2
            WHERE p.id = $1 AND p.epoch = $2 AND p.incarnation = $3 RETURNING {STANDING}"
        );
        let (id, epoch) = (desk.partition.cast_signed(), int(known.epoch));
        let params: [Param<'_>; 3] =
            [(&id, Type::INT4), (&epoch, Type::INT8), (&known.incarnation, Type::UUID)];
        let rows = self.writers.query(&sql, &params).await?;
        let Some(row) = rows.first() else { return Err(self.lost_fence(desk, known).await?) };
        let found = Standing::read(row)?;
        if found.commits < known.commits + 2 || found.pos < known.pos {
            let seen = (known.epoch, known.commits);
            return Err(self.regress(desk.partition, seen, (found.epoch, found.commits)).await);
        }
        let is_odd = (found.commits - known.commits) % 2 == 1;
        Ok((if is_odd { Fate::Committed } else { Fate::Vanished }, found))
    }

    /// What it means that a fence that held does not hold any more.
    pub(super) async fn lost_fence(&self, desk: &Desk, known: &Standing) -> Result<Error, Error> {
        let found = self.read_standings(&[desk.partition]).await?;
        let (epoch, commits) = found.first().map_or((0, 0), |found| (found.epoch, found.commits));
        if found.first().is_none_or(|found| found.is_before(known)) {
            return Ok(self.regress(desk.partition, (known.epoch, known.commits), (epoch, commits)).await);
        }
        Ok(Error::Fenced { partition: desk.partition })
    }

    /// Waits until it is known what became of an append that was left half-way, in one partition or any.
    pub(super) async fn wait_settled(&self, partition: Option<PartitionId>) -> Result<(), Error> {
        let is_meant = |desk: &&Desk| partition.is_none_or(|id| id == desk.partition);
        for desk in self.desks.values().filter(is_meant) {
            if !desk.in_doubt.load(Ordering::Acquire) {
                continue;
            }
            let mut book = desk.book.lock().await;
            if !desk.in_doubt.load(Ordering::Acquire) {
                continue;
            }
            match self.settle(desk, &mut book).await {
                Ok(_) | Err(Error::Fenced { .. } | Error::Regressed { .. }) => {}
                Err(error) => return Err(Error::Unavailable { reason: error.to_string() }),
            }
        }
        Ok(())
    }
}
