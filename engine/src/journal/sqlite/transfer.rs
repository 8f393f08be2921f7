//! What an export needs of the file, and the store that an import fills.

use std::path::{Path, PathBuf};

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::backup::{adopt, check};
use super::beside::{effect, message};
use super::error::{corrupt, unavailable};
use super::files::Identity;
use super::keys::key_record;
use super::read::{int, received, size, snapshot, stream_key, time, uint};
use super::{SqliteJournal, SqliteOptions};
use crate::clock::Timestamp;
use crate::journal::transfer::{Beside, Cursor, Header, Part, Trailer};
use crate::journal::{Backup, Error, Journal as _, Timer};

/// Rows that are counted at once.
const PAGE: usize = 1_000;

const KEYS: &str = "SELECT i.key, i.digest, i.first_seq, i.last_seq, i.outcome, s.tenant, s.prefix, s.uuid, i.id, i.at
    FROM main.idem AS i CROSS JOIN main.stream AS s ON s.no = i.stream WHERE i.id > ?1 ORDER BY i.id LIMIT ?2";
const RECEIVED: &str = "SELECT i.message, i.outcome, s.tenant, s.prefix, s.uuid, i.id, i.at
    FROM main.inbox AS i CROSS JOIN main.stream AS s ON s.no = i.stream WHERE i.id > ?1 ORDER BY i.id LIMIT ?2";
// Whole streams, since a timer has no number of its own.
const TIMERS: &str = "SELECT t.due, t.name, s.tenant, s.prefix, s.uuid, t.stream
    FROM main.timer AS t CROSS JOIN main.stream AS s ON s.no = t.stream
    WHERE t.stream IN (SELECT DISTINCT stream FROM main.timer WHERE stream > ?1 ORDER BY stream LIMIT ?2)
    ORDER BY t.stream, t.name";
const MESSAGES: &str = "SELECT o.id, o.message, o.prefix, o.uuid, o.command, o.origin, o.body,
        s.tenant, s.prefix, s.uuid
    FROM main.outbox AS o CROSS JOIN main.stream AS s ON s.no = o.stream WHERE o.id > ?1 ORDER BY o.id LIMIT ?2";
const OPEN_EFFECTS: &str =
    "SELECT e.id, e.key, e.attempts, e.at, e.connector, e.operation, e.state, e.origin, e.request,
        s.tenant, s.prefix, s.uuid, e.ended
    FROM main.effect AS e INDEXED BY effect_open CROSS JOIN main.stream AS s ON s.no = e.stream
    WHERE e.phase = 0 AND e.id > ?1 ORDER BY e.id LIMIT ?2";
const ENDED_EFFECTS: &str =
    "SELECT e.id, e.key, e.attempts, e.at, e.connector, e.operation, e.state, e.origin, e.request,
        s.tenant, s.prefix, s.uuid, e.ended
    FROM main.effect AS e CROSS JOIN main.stream AS s ON s.no = e.stream
    WHERE e.phase <> 0 AND e.id > ?1 ORDER BY e.id LIMIT ?2";
const BASES: &str =
    "SELECT b.seq, b.version, b.data, s.tenant, s.prefix, s.uuid, b.stream, b.created, b.first_pos
    FROM main.base AS b CROSS JOIN main.stream AS s ON s.no = b.stream
    WHERE b.stream > ?1 ORDER BY b.stream LIMIT ?2";
const SNAPSHOTS: &str = "SELECT n.seq, n.version, n.data, s.tenant, s.prefix, s.uuid, n.stream
    FROM main.snapshot AS n CROSS JOIN main.stream AS s ON s.no = n.stream
    WHERE n.stream > ?1 ORDER BY n.stream LIMIT ?2";

impl SqliteJournal {
    pub(super) async fn part(
        &self,
        part: Part,
        after: Cursor,
        limit: usize,
    ) -> Result<Vec<(Cursor, Beside)>, Error> {
        let sql = match part {
            Part::Keys => KEYS,
            Part::Received => RECEIVED,
            Part::Timers => TIMERS,
            Part::Messages => MESSAGES,
            Part::OpenEffects => OPEN_EFFECTS,
            Part::EndedEffects => ENDED_EFFECTS,
            Part::Bases => BASES,
            Part::Snapshots => SNAPSHOTS,
        };
        let rows = self.fetch(sqlx::query(sql).bind(after.0.max(0)).bind(size(limit))).await?;
        let with_cursor = |row| thing(part, row).map(|(id, beside)| (Cursor(int(id), 0), beside));
        rows.iter().map(with_cursor).collect()
    }
}

fn thing(part: Part, row: &SqliteRow) -> Result<(u64, Beside), Error> {
    Ok(match part {
        Part::Keys => (uint(row, 8)?, Beside::Key { at: time(row, 9)?, record: key_record(row)? }),
        Part::Received => {
            let (at, stream) = (time(row, 6)?, stream_key(row, 2)?);
            (uint(row, 5)?, Beside::Received { at, stream, received: received(row)? })
        }
        Part::Timers => {
            let timer = Timer { due: time(row, 0)?, name: row.try_get(1)?, stream: stream_key(row, 2)? };
            (uint(row, 5)?, Beside::Timer(timer))
        }
        Part::Messages => (uint(row, 0)?, Beside::Message(message(row)?)),
        Part::OpenEffects | Part::EndedEffects => {
            let ended: Option<i64> = row.try_get(12)?;
            (uint(row, 0)?, Beside::Effect { effect: effect(row)?, ended: ended.map(Timestamp::from_ms) })
        }
        Part::Bases => {
            let (stream, created_at, first) = (stream_key(row, 3)?, time(row, 7)?, uint(row, 8)?);
            (uint(row, 6)?, Beside::Base { stream, snapshot: snapshot(row)?, created_at, first })
        }
        Part::Snapshots => {
            (uint(row, 6)?, Beside::Snapshot { stream: stream_key(row, 3)?, snapshot: snapshot(row)? })
        }
    })
}

/// A store that is being filled by an import. It becomes one that can be served when it is [finished](Self::finish).
#[derive(Debug)]
pub struct ImportStore {
    journal: SqliteJournal,
    dir: PathBuf,
    within: PathBuf,
}

impl ImportStore {
    /// Opens the store of an import in a directory that holds nothing else, with the identity of what is imported.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] where the directory holds something else, or the export is not whole.
    pub async fn open(dir: &Path, header: &Header) -> Result<Self, Error> {
        let within = dir.join("importing");
        let io = |error: std::io::Error| unavailable(&dir.display().to_string(), error);
        std::fs::create_dir_all(&within).map_err(io)?;
        for entry in std::fs::read_dir(dir).map_err(io)? {
            let entry = entry.map_err(io)?;
            if entry.path() != within && entry.file_name() != "lock" {
                let found = format!("it is not empty: it has `{}`", entry.file_name().display());
                return Err(unavailable(&dir.display().to_string(), found));
            }
        }
        let whole = || corrupt("the export", "it has no secret, and is not whole");
        let secret = header.id_secret().ok_or_else(whole)?;
        let (log, history) = (header.log, header.history);
        let identity = Identity { log, history, secret };
        let options = SqliteOptions::default();
        let journal = SqliteJournal::open_as(&within, options, Some(&identity)).await?;
        if (journal.info().log, journal.info().history) != (log, history) {
            journal.close().await;
            return Err(unavailable("the import", "another one was begun in this directory"));
        }
        Ok(Self { journal, dir: dir.to_owned(), within })
    }

    /// The store to be filled.
    pub fn journal(&self) -> &SqliteJournal {
        &self.journal
    }

    /// A file beside the store that lasts as long as the import, for how far it is.
    pub fn progress_file(&self) -> PathBuf {
        self.within.join("progress.json")
    }

    /// Makes the store one that can be served: under a new history, held.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] where it is not sound, or does not hold what the export holds.
    pub async fn finish(self, wanted: &Trailer) -> Result<Backup, Error> {
        let beside = self.count_beside().await?;
        self.journal.close().await;
        let store = self.within.join("journal.db");
        let made = check(&store).await?;
        if (made.position, made.events, beside) != (wanted.position, wanted.events, wanted.beside) {
            let (position, events) = (made.position, made.events);
            let found = format!("it has {events} events up to {position} and {beside} things beside them");
            return Err(corrupt("the import", format!("{found}, and not what the export has")));
        }
        let finished = adopt(&store, &self.dir).await?;
        // The store stands; what is left of the import is of no more use.
        let _ = std::fs::remove_dir_all(&self.within);
        Ok(finished)
    }

    async fn count_beside(&self) -> Result<u64, Error> {
        let mut count = 0;
        for part in Part::ALL {
            let mut after = Cursor::default();
            loop {
                let page = self.journal.part(part, after, PAGE).await?;
                let Some((last, _)) = page.last() else { break };
                after = *last;
                count += page.len() as u64;
            }
        }
        Ok(count)
    }
}
