//! An index in a file of its own, `search.db`, beside a journal in SQLite. It need not be synced: it can be made anew.
//!
//! A connection on which something failed is closed, and the next use opens another: SQLite ends a transaction by itself
//! when the disk is full, which sqlx does not notice. A file that is found damaged is removed.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqliteRow, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row, Sqlite, SqliteConnection};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::query::{Bound, Query, Tables, find_in};
use super::{Change, Index, Search, changes_text};
use crate::id::StreamKey;
use crate::journal::{Error, Fence, PartitionId, Position};

/// The layout; another one is thrown away and made anew.
const VERSION: i64 = 1;
const SCHEMA: &str = include_str!("sqlite.sql");
/// Writes changes `$1`: a list of tenant, prefix, id and fields.
const WRITE: &str = include_str!("write.sql");

/// An index in a file.
#[derive(Debug)]
pub struct SqliteIndex {
    path: PathBuf,
    writer: Mutex<Place>,
    reader: Mutex<Place>,
}

/// Where a connection is kept.
#[derive(Debug)]
enum Place {
    Open(SqliteConnection),
    /// It failed, and is opened anew; the file is to be removed first if it is damaged.
    Failed {
        is_damaged: bool,
    },
    Closed,
}

impl SqliteIndex {
    /// Opens the index in a directory; one that cannot be used is made anew.
    ///
    /// # Errors
    ///
    /// When the directory cannot be written.
    pub async fn open(dir: &Path) -> Result<Self, Error> {
        let path = dir.join("search.db");
        let writer = open_writer(&path).await?;
        let reader = open_reader(&path).await?;
        Ok(Self { path, writer: Mutex::new(Place::Open(writer)), reader: Mutex::new(Place::Open(reader)) })
    }

    /// Does something with the connection that writes.
    async fn writing<T>(
        &self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, Error> {
        let mut place = self.writer.lock().await;
        if let Place::Failed { is_damaged } = *place {
            if is_damaged {
                remove(&self.path)?;
                // It still reads what was removed.
                self.reader.lock().await.fail(false).await;
            }
            *place = Place::Open(open_writer(&self.path).await?);
        }
        place.work(work).await
    }

    /// Does something with the connection that reads.
    async fn reading<T, E: Into<Error>>(
        &self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, E>,
    ) -> Result<T, Error> {
        let mut place = self.reader.lock().await;
        if let Place::Failed { .. } = *place {
            *place = Place::Open(open_reader(&self.path).await?);
        }
        place.work(work).await
    }
}

#[cfg(test)]
impl SqliteIndex {
    /// Leaves no room for anything, to the connection that there is.
    pub(super) async fn fill_up(&self) {
        let work = async |conn: &mut SqliteConnection| {
            let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut *conn).await?;
            let full = AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
            sqlx::query(full).fetch_all(&mut *conn).await.map(drop)
        };
        self.writing(work).await.unwrap();
    }

    /// Damages the file.
    pub(super) async fn damage(&self) {
        let mut conn = base(&self.path).connect().await.unwrap();
        let sql =
            "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 99999 WHERE name = 'field';
            PRAGMA schema_version = 77";
        sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
    }
}

impl Place {
    async fn work<T, E: Into<Error>>(
        &mut self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, E>,
    ) -> Result<T, Error> {
        let Self::Open(conn) = self else { return Err(unavailable("it has been closed")) };
        match work(conn).await {
            Ok(done) => Ok(done),
            Err(error) => {
                let error = error.into();
                self.fail(matches!(error, Error::Corrupt { .. })).await;
                Err(error)
            }
        }
    }

    /// Closes the connection, so that the next use opens another.
    async fn fail(&mut self, is_damaged: bool) {
        if let Self::Open(conn) = std::mem::replace(self, Self::Failed { is_damaged }) {
            // It is given up because it failed; that closing it fails too tells nothing new.
            let _ = conn.close().await;
        }
    }

    async fn close(&mut self) {
        self.fail(false).await;
        *self = Self::Closed;
    }
}

fn base(path: &Path) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Normal);
    options.pragma("cache_size", "-8000").pragma("temp_store", "MEMORY").disable_statement_logging()
}

async fn open_reader(path: &Path) -> Result<SqliteConnection, Error> {
    Ok(base(path).pragma("query_only", "ON").connect().await?)
}

/// Opens the file to write; one that cannot be used is made anew.
async fn open_writer(path: &Path) -> Result<SqliteConnection, Error> {
    match open_any(path).await {
        Ok(Some(conn)) => return Ok(conn),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "the search index cannot be opened and is made anew"),
    }
    remove(path)?;
    let opened = open_any(path).await?;
    opened.ok_or_else(|| unavailable("it has another layout as soon as it is made"))
}

async fn open_any(path: &Path) -> Result<Option<SqliteConnection>, sqlx::Error> {
    let mut conn = base(path).connect().await?;
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut conn).await?;
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut conn).await?;
    if version == VERSION {
        return Ok(Some(conn));
    }
    if version != 0 || tables != 0 {
        conn.close().await?;
        return Ok(None);
    }
    sqlx::raw_sql(SCHEMA).execute(&mut conn).await?;
    conn.execute(AssertSqlSafe(format!("PRAGMA user_version = {VERSION}"))).await?;
    Ok(Some(conn))
}

fn remove(path: &Path) -> Result<(), Error> {
    for end in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        match std::fs::remove_file(PathBuf::from(name)) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(unavailable(error)),
        }
    }
    Ok(())
}

fn unavailable(why: impl std::fmt::Display) -> Error {
    Error::Unavailable { reason: format!("search.db: {why}") }
}

#[async_trait]
impl Index for SqliteIndex {
    async fn mark(&self, of: Uuid, partition: PartitionId) -> Result<Option<Position>, Error> {
        self.writing(async |conn| {
            let query = sqlx::query_scalar("SELECT position FROM mark WHERE made_of = ?1 AND part = ?2");
            let query = query.bind(of.as_bytes().to_vec()).bind(partition);
            let mark: Option<i64> = query.fetch_optional(&mut *conn).await?;
            if mark.is_none() {
                // What is there is of something else, or was broken off.
                let forget = "DELETE FROM field; DELETE FROM entry; DELETE FROM mark";
                sqlx::raw_sql(forget).execute(&mut *conn).await?;
            }
            Ok(mark.map(i64::cast_unsigned))
        })
        .await
    }

    async fn write(
        &self,
        of: Uuid,
        fence: Fence,
        changes: &[Change],
        mark: Option<Position>,
    ) -> Result<(), Error> {
        let changes = changes_text(changes);
        self.writing(async |conn| {
            let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
            sqlx::query(WRITE).bind(changes).execute(&mut *tx).await?;
            if let Some(mark) = mark {
                sqlx::query("INSERT OR REPLACE INTO mark VALUES (?1, ?2, ?3)")
                    .bind(of.as_bytes().to_vec())
                    .bind(fence.partition)
                    .bind(mark.cast_signed())
                    .execute(&mut *tx)
                    .await?;
            }
            tx.commit().await
        })
        .await
    }

    async fn find(
        &self,
        search: &Search,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, StreamKey)>, Error> {
        self.reading(async |conn| find_in(&mut Reading(conn), search, before, limit).await).await
    }

    async fn number(&self, stream: &StreamKey) -> Result<Option<u64>, Error> {
        self.reading(async |conn| {
            let query = sqlx::query_scalar(
                "SELECT e.no FROM entry AS e JOIN kind AS k ON k.no = e.kind
                WHERE e.uuid = ?1 AND k.tenant = ?2 AND k.prefix = ?3",
            );
            let query = query.bind(stream.id.uuid().as_bytes().to_vec()).bind(stream.tenant.as_str());
            let number: Option<i64> =
                query.bind(stream.id.prefix().as_str()).fetch_optional(&mut *conn).await?;
            Ok::<_, sqlx::Error>(number.map(i64::cast_unsigned))
        })
        .await
    }

    async fn sync(&self) -> Result<(), Error> {
        // A checkpoint syncs the write-ahead log first.
        self.writing(async |conn| {
            sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_all(&mut *conn).await.map(drop)
        })
        .await
    }

    async fn close_index(&self) {
        self.writer.lock().await.close().await;
        self.reader.lock().await.close().await;
    }
}

/// The connection that a search reads by.
struct Reading<'a>(&'a mut SqliteConnection);

#[async_trait]
impl Tables for Reading<'_> {
    const NAMES: &'static str = "";

    async fn numbers(&mut self, query: Query) -> Result<Option<(i64, i64)>, Error> {
        let row = bound(query).fetch_optional(&mut *self.0).await?;
        row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
    }

    async fn entries(&mut self, query: Query) -> Result<Vec<(u64, Uuid)>, Error> {
        let rows = bound(query).fetch_all(&mut *self.0).await?;
        let entry = |row: &SqliteRow| {
            let (no, uuid): (i64, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
            Ok((no.cast_unsigned(), Uuid::from_slice(&uuid).map_err(unavailable)?))
        };
        rows.iter().map(entry).collect()
    }
}

fn bound(query: Query) -> sqlx::query::Query<'static, Sqlite, SqliteArguments> {
    query.bound.into_iter().fold(sqlx::query(AssertSqlSafe(query.sql)), |query, bound| match bound {
        Bound::Text(text) => query.bind(text),
        Bound::Number(number) => query.bind(number),
    })
}
