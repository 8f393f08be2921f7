//! Copies of the journal: made while it is in use, checked, and made into stores of their own.
//!
//! A copy is one file, `journal.db` as of one moment; the index is not in it, as it can be rebuilt. What is restored
//! from it keeps its log and its secret and begins a new history, which starts held.

use std::fs::File;
use std::path::Path;

use rand::Rng;
use sqlx::{ConnectOptions, Connection, Executor, SqliteConnection};
use uuid::Uuid;

use super::error::{corrupt, unavailable};
use super::files::{self, Files};
use super::read::{time, uint};
use crate::journal::{Backup, Error};

impl super::SqliteJournal {
    pub(super) async fn copy_to(&self, to: &Path) -> Result<Backup, Error> {
        self.wait_settled().await?;
        if to.exists() {
            return Err(unavailable(&to.display().to_string(), "it is there already"));
        }
        let path = to.to_str().ok_or_else(|| unavailable("the copy", "its path is not UTF-8"))?;
        // A connection of its own: the copy may take long, and is one read transaction.
        let mut conn = self.files.open_keeper().await?;
        let copied = sqlx::query("VACUUM INTO ?1").bind(path.to_owned()).execute(&mut conn).await;
        // It has only read; that closing it fails tells nothing new.
        let _ = conn.close().await;
        copied?;
        let io = |error: std::io::Error| unavailable(path, error);
        File::open(to).and_then(|file| file.sync_all()).map_err(io)?;
        check(to).await
    }
}

/// Checks a copy: its pages, its positions, and what it says of itself.
///
/// # Errors
///
/// [`Error::Corrupt`] where it is not sound, [`Error::Unavailable`] where it cannot be read.
pub async fn check(copy: &Path) -> Result<Backup, Error> {
    let mut conn = files::base(copy).read_only(true).connect().await?;
    let checked = check_with(&mut conn).await;
    // It has only read; that closing it fails tells nothing new.
    let _ = conn.close().await;
    checked
}

async fn check_with(conn: &mut SqliteConnection) -> Result<Backup, Error> {
    const FACTS: &str =
        "SELECT pos, last, (SELECT count(*) FROM event), (SELECT coalesce(max(pos), 0) FROM event),
        (SELECT count(*) FROM event AS e LEFT JOIN stream AS s ON s.no = e.stream WHERE s.no IS NULL),
        (SELECT coalesce(sum(first - 1), 0) FROM (SELECT min(seq) AS first FROM event
            WHERE stream IN (SELECT stream FROM base) GROUP BY stream))
        FROM partition WHERE id = 0";
    let found: String = sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_one(&mut *conn).await?;
    if found != "ok" {
        return Err(corrupt("the copy", found));
    }
    let info = files::read_info(conn).await?;
    let row = sqlx::query(FACTS).fetch_one(&mut *conn).await?;
    let (position, events, highest, strays) =
        (uint(&row, 0)?, uint(&row, 2)?, uint(&row, 3)?, uint(&row, 4)?);
    let (trimmed, forgotten) = (uint(&row, 5)?, forgotten(conn).await?);
    if highest > position || events + trimmed + forgotten != position || strays > 0 {
        let gone = trimmed + forgotten;
        let found = format!(
            "it has {events} events up to {highest} of {position}, {strays} of no stream, and {gone} are not kept"
        );
        return Err(corrupt("the copy", found));
    }
    Ok(Backup { log: info.log, history: info.history, position, events, last: time(&row, 1)? })
}

/// How many positions streams had that were forgotten; an older layout knows of none.
async fn forgotten(conn: &mut SqliteConnection) -> Result<u64, Error> {
    const KNOWN: &str = "SELECT count(*) FROM sqlite_schema WHERE name = 'forgotten_sum'";
    let known: i64 = sqlx::query_scalar(KNOWN).fetch_one(&mut *conn).await?;
    if known == 0 {
        return Ok(0);
    }
    uint(&sqlx::query("SELECT events FROM forgotten_sum").fetch_one(conn).await?, 0)
}

/// Makes a store of a copy, in a directory that is empty or not there: the same log, under a new history, held.
///
/// Whoever finds the directory with a `journal.db` in it finds a whole one; an attempt that was broken off can be
/// repeated.
///
/// # Errors
///
/// [`Error::Unavailable`] where the directory is in use or not empty, [`Error::Corrupt`] where the copy is not sound.
pub async fn restore(copy: &Path, dir: &Path) -> Result<Backup, Error> {
    let io = |error: std::io::Error| unavailable(&dir.display().to_string(), error);
    check(copy).await?;
    let files = Files::new(dir);
    let lock = files.lock()?;
    let begun = dir.join("journal.db.restoring");
    for entry in std::fs::read_dir(dir).map_err(io)? {
        let entry = entry.map_err(io)?;
        let is_own = entry.file_name() == "lock" || entry.path() == begun;
        if !is_own {
            let name = entry.file_name();
            return Err(unavailable(
                &dir.display().to_string(),
                format!("it is not empty: it has `{}`", name.display()),
            ));
        }
    }
    std::fs::copy(copy, &begun).map_err(io)?;
    let restored = adopt_with(&begun, &files).await?;
    drop(lock);
    Ok(restored)
}

/// Makes a file that nobody uses the store of a directory: under a new history, held.
pub(super) async fn adopt(begun: &Path, dir: &Path) -> Result<Backup, Error> {
    let files = Files::new(dir);
    let lock = files.lock()?;
    let adopted = adopt_with(begun, &files).await?;
    drop(lock);
    Ok(adopted)
}

async fn adopt_with(begun: &Path, files: &Files) -> Result<Backup, Error> {
    let io = |error: std::io::Error| unavailable(&begun.display().to_string(), error);
    if files.journal().exists() {
        return Err(unavailable(&files.journal().display().to_string(), "there is a store already"));
    }
    begin_history(begun).await?;
    let adopted = check(begun).await?;
    File::open(begun).and_then(|file| file.sync_all()).map_err(io)?;
    std::fs::rename(begun, files.journal()).map_err(io)?;
    files.sync_directory()?;
    Ok(adopted)
}

/// Begins a new history behind what a store holds, and fences whoever had it. Whatever opens it next starts held.
async fn begin_history(store: &Path) -> Result<(), Error> {
    const HISTORY: &str = "INSERT INTO history
        SELECT (SELECT max(no) FROM history) + 1, ?1, pos, max(last, unixepoch('subsec') * 1000) FROM partition";
    const FENCE: &str =
        "UPDATE partition SET epoch = epoch + 1, commits = commits + 1, incarnation = zeroblob(16)";
    let history: Uuid = Uuid::from_bytes(rand::rng().random());
    // Without a log of its own: the file is to be whole by itself.
    let mut conn = files::base(store).pragma("journal_mode", "DELETE").connect().await?;
    files::migrate(&mut conn, None).await?;
    conn.execute("BEGIN IMMEDIATE").await?;
    sqlx::query(HISTORY).bind(history.as_bytes().to_vec()).execute(&mut conn).await?;
    sqlx::query(FENCE).execute(&mut conn).await?;
    conn.execute("COMMIT").await?;
    conn.close().await?;
    Ok(())
}
