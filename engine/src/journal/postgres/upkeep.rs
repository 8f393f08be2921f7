//! Upkeep: forgetting what need not be kept any more, and watching whether the database went back in time.
//!
//! What goes is found by its time, oldest first, a bounded piece at a time; so whole pages of the tables and of their
//! indexes become free together, and are used again. Several nodes may do it at the same time: each takes rows that no
//! other has locked.

use std::sync::{Mutex, PoisonError};

use tokio_postgres::types::Type;

use super::PostgresJournal;
use super::row::{get, size, uint};
use super::session::Param;
use crate::clock::Timestamp;
use crate::journal::{EFFECTS_KEPT, Error, INBOX_KEPT, KEYS_KEPT};

/// How many rows of a table one round takes.
const SWEEP: usize = 1_000;
/// How many rounds one upkeep makes at most.
const ROUNDS: usize = 16;

pub(super) const KEYS: &str = "DELETE FROM promptsales.idem WHERE key IN (
    SELECT key FROM promptsales.idem WHERE at < $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED)";

pub(super) const EFFECTS: &str = "DELETE FROM promptsales.effect WHERE key IN (
    SELECT key FROM promptsales.effect WHERE ended < $1 ORDER BY ended LIMIT $2 FOR UPDATE SKIP LOCKED)";

/// Looks at some messages taken in behind a cursor, and forgets those that do not wait in an outbox.
pub(super) const INBOX: &str = "WITH page AS MATERIALIZED (
        SELECT at, no, stream, message FROM promptsales.inbox
        WHERE at < $1 AND (at, no) > ($3, $4) ORDER BY at, no LIMIT $2),
    gone AS (DELETE FROM promptsales.inbox AS i USING page WHERE i.stream = page.stream AND i.message = page.message
        AND NOT EXISTS (SELECT FROM promptsales.outbox AS o WHERE o.message = i.message))
    SELECT at, no, count(*) OVER () FROM page ORDER BY at DESC, no DESC LIMIT 1";

/// Forgets starts of nodes long ago, but for the last of each.
pub(super) const STARTS: &str = "DELETE FROM promptsales.start AS s
    WHERE s.at < clock_timestamp() - interval '30 days' AND (SELECT count(*) FROM promptsales.start AS o
        WHERE o.node = s.node AND o.at > s.at) >= 100";

/// Where the sweep over the inbox goes on; it begins anew behind its end.
#[derive(Debug, Default)]
pub(super) struct Sweeps(Mutex<Option<(i64, i64)>>);

impl PostgresJournal {
    pub(super) async fn upkeep(&self, now: Timestamp) -> Result<(), Error> {
        self.check_open()?;
        self.watch_time().await?;
        self.follow_history().await?;
        let before = |kept| now.ms().saturating_sub(Timestamp::default().plus(kept).ms());
        for sql in [(KEYS, before(KEYS_KEPT)), (EFFECTS, before(EFFECTS_KEPT))] {
            self.sweep(sql.0, sql.1).await?;
        }
        self.readers.execute(STARTS, &[]).await?;
        for _ in 0..ROUNDS {
            if !self.sweep_inbox(before(INBOX_KEPT)).await? {
                break;
            }
        }
        Ok(())
    }

    async fn sweep(&self, sql: &str, before_ms: i64) -> Result<(), Error> {
        let params: [Param<'_>; 2] = [(&before_ms, Type::INT8), (&size(SWEEP), Type::INT8)];
        for _ in 0..ROUNDS {
            if self.readers.execute(sql, &params).await? < SWEEP as u64 {
                break;
            }
        }
        Ok(())
    }

    /// Looks at a page of the inbox; true if there is more behind it.
    async fn sweep_inbox(&self, before_ms: i64) -> Result<bool, Error> {
        let (at, no) = self.sweeps.get().unwrap_or((i64::MIN, 0));
        let params: [Param<'_>; 4] =
            [(&before_ms, Type::INT8), (&size(SWEEP), Type::INT8), (&at, Type::INT8), (&no, Type::INT8)];
        let rows = self.readers.query(INBOX, &params).await?;
        let Some(row) = rows.first() else {
            self.sweeps.set(None);
            return Ok(false);
        };
        let is_full = uint(row, 2)? >= SWEEP as u64;
        self.sweeps.set(if is_full { Some((get(row, 0)?, get(row, 1)?)) } else { None });
        Ok(is_full)
    }
}

impl Sweeps {
    fn get(&self) -> Option<(i64, i64)> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, cursor: Option<(i64, i64)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = cursor;
    }
}
