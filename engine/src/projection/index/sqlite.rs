//! An index in a file of its own, `search.db`, beside a journal in SQLite. It need not be synced: it can be made anew.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqliteRow, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row, Sqlite, SqliteConnection};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{Bound, Change, Index, Query, Search, Test, changes_text};
use crate::id::{StreamId, StreamKey};
use crate::journal::{Error, Fence, Info, PartitionId, Position};

/// The layout; another one is thrown away and made anew.
const VERSION: i64 = 1;
const SCHEMA: &str = include_str!("sqlite.sql");
/// Writes changes `$1`: a list of tenant, prefix, id and fields.
const WRITE: &str = include_str!("write.sql");

/// An index in a file.
#[derive(Debug)]
pub struct SqliteIndex {
    writer: Mutex<Option<SqliteConnection>>,
    reader: Mutex<Option<SqliteConnection>>,
}

impl SqliteIndex {
    /// Opens the index in a directory; one that cannot be used is made anew.
    ///
    /// # Errors
    ///
    /// When the directory cannot be written.
    pub async fn open(dir: &Path) -> Result<Self, Error> {
        let path = dir.join("search.db");
        let opened = match open_any(&path).await {
            Ok(Some(conn)) => Some(conn),
            Ok(None) => None,
            Err(error) => {
                tracing::warn!(%error, "the search index cannot be opened and is made anew");
                None
            }
        };
        let writer = match opened {
            Some(conn) => conn,
            None => {
                remove(&path)?;
                let opened = open_any(&path).await?;
                opened.ok_or_else(|| unavailable("it has another layout as soon as it is made"))?
            }
        };
        let reader = base(&path).pragma("query_only", "ON").connect().await?;
        Ok(Self { writer: Mutex::new(Some(writer)), reader: Mutex::new(Some(reader)) })
    }
}

fn base(path: &Path) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Normal);
    options.pragma("cache_size", "-8000").pragma("temp_store", "MEMORY").disable_statement_logging()
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

fn closed() -> Error {
    unavailable("it has been closed")
}

impl SqliteIndex {
    async fn write_all(
        conn: &mut SqliteConnection,
        changes: &str,
        mark: Mark<'_>,
    ) -> Result<(), sqlx::Error> {
        let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query(WRITE).bind(changes).execute(&mut *tx).await?;
        if let (info, partition, Some(mark)) = mark {
            sqlx::query("INSERT OR REPLACE INTO mark VALUES (?1, ?2, ?3)")
                .bind(info.history.as_bytes().to_vec())
                .bind(partition)
                .bind(mark.cast_signed())
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await
    }
}

type Mark<'a> = (&'a Info, PartitionId, Option<Position>);

#[async_trait]
impl Index for SqliteIndex {
    async fn mark(&self, info: &Info, partition: PartitionId) -> Result<Option<Position>, Error> {
        let mut conn = self.writer.lock().await;
        let conn = conn.as_mut().ok_or_else(closed)?;
        let query = sqlx::query_scalar("SELECT position FROM mark WHERE history = ?1 AND part = ?2");
        let query = query.bind(info.history.as_bytes().to_vec()).bind(partition);
        let mark: Option<i64> = query.fetch_optional(&mut *conn).await?;
        if mark.is_none() {
            // What is there is of another history, or was broken off.
            let forget = "DELETE FROM field; DELETE FROM entry; DELETE FROM mark";
            sqlx::raw_sql(forget).execute(&mut *conn).await?;
        }
        Ok(mark.map(i64::cast_unsigned))
    }

    async fn write(
        &self,
        info: &Info,
        fence: Fence,
        changes: &[Change],
        mark: Option<Position>,
    ) -> Result<(), Error> {
        let changes = changes_text(changes);
        let mut conn = self.writer.lock().await;
        let conn = conn.as_mut().ok_or_else(closed)?;
        Ok(Self::write_all(conn, &changes, (info, fence.partition, mark)).await?)
    }

    async fn find(
        &self,
        search: &Search,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, StreamKey)>, Error> {
        let mut conn = self.reader.lock().await;
        let conn = conn.as_mut().ok_or_else(closed)?;
        let query = sqlx::query_scalar("SELECT no FROM kind WHERE tenant = ?1 AND prefix = ?2");
        let query = query.bind(search.tenant.as_str()).bind(search.prefix.as_str());
        let Some(kind) = query.fetch_optional(&mut *conn).await? else { return Ok(Vec::new()) };
        let first = rarest(conn, kind, &search.tests).await?;
        let query = Query::find("", kind, search, first, before, limit);
        let rows = bound(query).fetch_all(&mut *conn).await?;
        let key = |row: &SqliteRow| {
            let (no, uuid): (i64, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
            let uuid = Uuid::from_slice(&uuid).map_err(unavailable)?;
            let id = StreamId::new(search.prefix, uuid);
            Ok((no.cast_unsigned(), StreamKey::new(search.tenant.clone(), id)))
        };
        rows.iter().map(key).collect()
    }

    async fn close_index(&self) {
        for conn in [&self.writer, &self.reader] {
            if let Some(conn) = conn.lock().await.take() {
                // There is nothing to lose that cannot be made anew.
                let _ = conn.close().await;
            }
        }
    }
}

/// The test for one value that the fewest entries pass, of those of which that can be told by an index.
async fn rarest(
    conn: &mut SqliteConnection,
    kind: i64,
    tests: &[(String, Test)],
) -> Result<Option<usize>, Error> {
    let mut fewest: Option<(i64, usize)> = None;
    for (index, test) in tests.iter().enumerate() {
        let Some(query) = Query::count("", kind, test) else { continue };
        let count: i64 = bound(query).fetch_one(&mut *conn).await?.try_get(0)?;
        if fewest.is_none_or(|(least, _)| count < least) {
            fewest = Some((count, index));
        }
    }
    Ok(fewest.map(|(_, index)| index))
}

fn bound(query: Query) -> sqlx::query::Query<'static, Sqlite, SqliteArguments> {
    query.bound.into_iter().fold(sqlx::query(AssertSqlSafe(query.sql)), |query, bound| match bound {
        Bound::Text(text) => query.bind(text),
        Bound::Number(number) => query.bind(number),
    })
}
