//! A database that went back in time: a fail-over to a replica that lagged, a restore of an older copy.
//!
//! It is noticed where a partition's row is found to be before what this process has seen committed. Then what is in
//! memory may hold what never happened, in every partition: all appends fail until their partitions have been taken
//! over anew, with higher epochs than were ever seen, and a new history begins, so that old consistency tokens do not
//! hold. What was intended before is settled before it is called again, as the ledger may have forgotten calls.

use std::sync::atomic::Ordering;

use rand::Rng;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::PostgresJournal;
use super::desk::{Desk, STANDING, Standing};
use super::row::{get, uint};
use super::session::Param;
use crate::clock::Timestamp;
use crate::journal::{Error, HISTORY, PartitionId};
use crate::telemetry::names;

impl PostgresJournal {
    /// Reads the rows of partitions, in no order.
    pub(super) async fn read_standings(&self, partitions: &[PartitionId]) -> Result<Vec<Standing>, Error> {
        let sql = format!("SELECT {STANDING} FROM promptsales.partition AS p WHERE p.id = ANY ($1)");
        let ids: Vec<i32> = partitions.iter().map(|id| id.cast_signed()).collect();
        let rows = self.writers.query(&sql, &[(&ids, Type::INT4_ARRAY)]).await?;
        rows.iter().map(Standing::read).collect()
    }

    /// Fails where the database went back in time and the partition has not been taken over since.
    pub(super) fn check_time(&self, desk: &Desk) -> Result<(), Error> {
        if desk.is_lost() {
            return Err(Error::Regressed { partition: desk.partition });
        }
        Ok(())
    }

    /// Raises the alarm: the database went back in time, as one partition shows.
    pub(super) async fn regress(
        &self,
        partition: PartitionId,
        known: (u64, u64),
        found: (u64, u64),
    ) -> Error {
        let first = self.desks.values().all(|desk| !desk.is_lost());
        for desk in self.desks.values() {
            desk.has_regressed.store(true, Ordering::Release);
        }
        if first {
            metrics::counter!(names::REGRESSIONS).increment(1);
            tracing::error!(
                partition,
                epoch_known = known.0,
                epoch_found = found.0,
                commits_known = known.1,
                commits_found = found.1,
                "the database went back in time: what it had acknowledged since is lost"
            );
            if let Err(error) = self.begin_history("the database went back in time").await {
                tracing::error!(%error, "a new history could not be begun");
            }
        }
        Error::Regressed { partition }
    }

    /// Begins a new history behind the one that is known, unless another node has done so.
    async fn begin_history(&self, reason: &str) -> Result<(), Error> {
        // A hold that nobody had ended, as far as the database knows, goes on.
        const SQL: &str = "INSERT INTO promptsales.history (no, history, reason, resumed, held)
            SELECT h.no + 1, $1, $2,
                (SELECT greatest(max(last), (extract(epoch FROM clock_timestamp()) * 1000)::int8)
                    FROM promptsales.partition),
                h.held AND h.resumed IS NOT NULL AND NOT EXISTS (SELECT FROM promptsales.stream AS s
                    WHERE s.uuid = h.history AND s.prefix = $4 AND s.birth IS NOT NULL)
            FROM promptsales.history AS h
            WHERE h.history = $3 AND h.no = (SELECT max(no) FROM promptsales.history) ON CONFLICT DO NOTHING";
        let bytes: [u8; 16] = rand::rng().random();
        let (new, old) = (Uuid::from_bytes(bytes), self.infos.last().history);
        let prefix = HISTORY.as_str();
        let params: [Param<'_>; 4] =
            [(&new, Type::UUID), (&reason, Type::TEXT), (&old, Type::UUID), (&prefix, Type::TEXT)];
        self.writers.query(SQL, &params).await?;
        self.follow_history().await
    }

    /// Takes up the history that goes on now, which another node may have begun.
    pub(super) async fn follow_history(&self) -> Result<(), Error> {
        const SQL: &str = "SELECT history, resumed, held FROM promptsales.history ORDER BY no DESC LIMIT 1";
        let rows = self.readers.query(SQL, &[]).await?;
        if let Some(row) = rows.first() {
            let resumed: Option<i64> = get(row, 1)?;
            let starts_held = resumed.is_some() && get(row, 2)?;
            self.infos.follow(get(row, 0)?, resumed.map(Timestamp::from_ms), starts_held);
        }
        Ok(())
    }

    /// Compares every partition with what has been seen of it.
    pub(super) async fn watch_time(&self) -> Result<(), Error> {
        const SQL: &str = "SELECT id, epoch, commits FROM promptsales.partition";
        let seen: Vec<_> = self.desks.values().map(|desk| (desk, desk.seen())).collect();
        let rows = self.readers.query(SQL, &[]).await?;
        let mut found = std::collections::HashMap::new();
        for row in &rows {
            found.insert(get::<i32>(row, 0)?.cast_unsigned(), (uint(row, 1)?, uint(row, 2)?));
        }
        self.compare(&seen, |partition| found.get(&partition).copied()).await
    }

    /// Compares what has been found of partitions with what had been seen of them before it was asked for.
    pub(super) async fn compare(
        &self,
        seen: &[(&Desk, (u64, u64))],
        found: impl Fn(PartitionId) -> Option<(u64, u64)>,
    ) -> Result<(), Error> {
        for (desk, known) in seen {
            let found = found(desk.partition).unwrap_or_default();
            if desk.is_lost() {
                // Another node has taken it over anew: from there on it is followed again.
                if found.0 > known.0 {
                    desk.see_anew(found.0, found.1);
                }
                continue;
            }
            if found < *known {
                return Err(self.regress(desk.partition, *known, found).await);
            }
            desk.see(found.0, found.1);
        }
        Ok(())
    }
}
