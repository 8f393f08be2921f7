//! Upkeep: merging, forgetting what need not be kept any more, and checkpoints, all off the commit path.

use std::sync::{Mutex, PoisonError};

use sqlx::{Executor, Row, SqliteConnection};

use super::SqliteJournal;
use super::error::unavailable;
use super::read::{int, rows_text, size, uint};
use super::writer::Unsettled;
use crate::clock::Timestamp;
use crate::journal::{EFFECTS_KEPT, Error, INBOX_KEPT, KEYS_KEPT};

/// How many rows of a table one round looks at.
const SWEEP: usize = 1_000;
/// How many rounds one upkeep makes at most.
const ROUNDS: usize = 16;
/// Frames of the write-ahead log (4 KiB each) from which a checkpoint is worth its sync.
const CHECKPOINT_FRAMES: i64 = 1_000;
/// Frames from which the writer is held up for a moment, so that the log can begin anew.
const RESTART_FRAMES: i64 = 16_384;

/// Where the sweeps over tables go on; each begins anew behind its end.
#[derive(Debug, Default)]
pub(super) struct Sweeps(Mutex<Cursors>);

#[derive(Debug, Default, Clone, Copy)]
struct Cursors {
    inbox: u64,
    effect: u64,
}

/// Rows of one table that have passed their time, and where the sweep goes on.
struct Swept {
    ids: Vec<u64>,
    next: u64,
}

impl SqliteJournal {
    pub(super) async fn upkeep(&self, now: Timestamp) -> Result<(), Error> {
        if self.tail.len() >= self.options.merge_at {
            self.merge_calmly().await?;
        }
        self.forget(now).await?;
        self.checkpoint().await
    }

    /// Forgets what has passed its time: a few rounds, as long as there is much of it.
    async fn forget(&self, now: Timestamp) -> Result<(), Error> {
        for _ in 0..ROUNDS {
            if self.forget_some(now).await? < SWEEP {
                break;
            }
        }
        Ok(())
    }

    /// Looks at some rows of each table and forgets those that have passed their time; returns how many.
    async fn forget_some(&self, now: Timestamp) -> Result<usize, Error> {
        const INBOX: &str = "SELECT id, at < ?3 AND NOT EXISTS
                (SELECT 1 FROM main.outbox AS o WHERE o.message = inbox.message)
            FROM main.inbox WHERE id > ?1 ORDER BY id LIMIT ?2";
        const EFFECTS: &str = "SELECT id, coalesce(ended < ?3, false) FROM main.effect
            WHERE id > ?1 ORDER BY id LIMIT ?2";
        // The newest row stays, so that no number is used twice.
        const KEYS: &str = "SELECT id, at < ?3 AND id < (SELECT max(id) FROM main.idem) FROM main.idem
            WHERE id > ?1 ORDER BY id LIMIT ?2";
        let cursors = *self.sweeps.lock();
        let before = |kept| now.ms().saturating_sub(Timestamp::default().plus(kept).ms());
        let inbox = self.sweep(INBOX, cursors.inbox, before(INBOX_KEPT)).await?;
        let effects = self.sweep(EFFECTS, cursors.effect, before(EFFECTS_KEPT)).await?;
        let keys = self.sweep(KEYS, 0, before(KEYS_KEPT)).await?;
        self.delete(&inbox.ids, &effects.ids, &keys.ids).await?;
        *self.sweeps.lock() = Cursors { inbox: inbox.next, effect: effects.next };
        Ok(inbox.ids.len().max(effects.ids.len()).max(keys.ids.len()))
    }

    /// Looks at some rows behind a cursor for those that have passed their time.
    async fn sweep(&self, sql: &'static str, after: u64, before_ms: i64) -> Result<Swept, Error> {
        let rows = self.fetch(sqlx::query(sql).bind(int(after)).bind(size(SWEEP)).bind(before_ms)).await?;
        let mut swept = Swept { ids: Vec::new(), next: 0 };
        for row in &rows {
            let id = uint(row, 0)?;
            if row.try_get(1)? {
                swept.ids.push(id);
            }
            swept.next = id;
        }
        if rows.len() < SWEEP {
            swept.next = 0;
        }
        Ok(swept)
    }

    async fn delete(&self, inbox: &[u64], effects: &[u64], keys: &[u64]) -> Result<(), Error> {
        const INBOX: &str = "DELETE FROM inbox WHERE id IN (SELECT value FROM jsonb_each(?1))";
        const EFFECTS: &str = "DELETE FROM effect WHERE id IN (SELECT value FROM jsonb_each(?1))";
        const KEYS: &str =
            "DELETE FROM idem WHERE id IN (SELECT value FROM jsonb_each(?1)) RETURNING hex(key), id";
        if inbox.is_empty() && effects.is_empty() && keys.is_empty() {
            return Ok(());
        }
        let mut writer = self.writer.lock().await;
        self.settle(&mut writer).await?;
        let guard = Unsettled::unless_disarmed(&self.unsettled);
        let conn = writer.conn().await?;
        conn.execute("BEGIN IMMEDIATE").await?;
        sqlx::query(INBOX).bind(rows_text(inbox)).execute(&mut *conn).await?;
        sqlx::query(EFFECTS).bind(rows_text(effects)).execute(&mut *conn).await?;
        let gone: Vec<(String, i64)> =
            sqlx::query_as(KEYS).bind(rows_text(keys)).fetch_all(&mut *conn).await?;
        conn.execute("COMMIT").await?;
        guard.disarm();
        drop(writer);
        self.delete_from_index(&gone).await
    }

    /// Takes keys out of the index whose rows are gone. What is missed here does no harm: it leads to no row.
    async fn delete_from_index(&self, keys: &[(String, i64)]) -> Result<(), Error> {
        // A key that was free since its stream was forgotten may be another row's by now.
        const SQL: &str = "DELETE FROM key
            WHERE (key, id) IN (SELECT unhex(value->>0), value->>1 FROM jsonb_each(?1))";
        if keys.is_empty() {
            return Ok(());
        }
        let mut index = self.index.lock().await;
        let Some(conn) = index.as_mut() else { return Ok(()) };
        sqlx::query(SQL).bind(rows_text(keys)).execute(conn).await?;
        Ok(())
    }

    /// Moves pages from the write-ahead log into the file, when there are enough of them.
    async fn checkpoint(&self) -> Result<(), Error> {
        let mut keeper = self.keeper.lock().await;
        let conn = match &mut *keeper {
            Some(conn) => conn,
            none => none.insert(self.files.open_keeper().await?),
        };
        let done = self.checkpoint_with(conn).await;
        if done.is_err() {
            *keeper = None;
        }
        done
    }

    async fn checkpoint_with(&self, conn: &mut SqliteConnection) -> Result<(), Error> {
        let (frames, moved) = pragma(conn, "PRAGMA wal_checkpoint(NOOP)").await?;
        if frames - moved < CHECKPOINT_FRAMES && frames < RESTART_FRAMES {
            return Ok(());
        }
        let (frames, _) = pragma(conn, "PRAGMA wal_checkpoint(PASSIVE)").await?;
        if frames < RESTART_FRAMES {
            return Ok(());
        }
        // Under a steady load more has come meanwhile, and the log would never begin anew by itself; the little that
        // is left is moved while the writer waits.
        let writer = self.writer.lock().await;
        if writer.is_closed {
            return Err(unavailable("the journal", "it has been closed"));
        }
        // Not TRUNCATE: writing a log anew over its old blocks syncs several times faster than making it longer.
        pragma(conn, "PRAGMA wal_checkpoint(RESTART)").await?;
        drop(writer);
        Ok(())
    }
}

impl Sweeps {
    fn lock(&self) -> std::sync::MutexGuard<'_, Cursors> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a checkpoint; returns the frames in the log and those that have been moved.
async fn pragma(conn: &mut SqliteConnection, sql: &'static str) -> Result<(i64, i64), Error> {
    let row = sqlx::query(sql).fetch_one(conn).await?;
    Ok((row.try_get(1)?, row.try_get(2)?))
}
