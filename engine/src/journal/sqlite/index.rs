//! The second structures in `index.db`: opening, merging, and throwing away what does not fit the journal.

use sqlx::{AssertSqlSafe, Connection, Executor, Row, SqliteConnection};

use super::SqliteJournal;
use super::error::unavailable;
use super::files::Files;
use super::read::{int, rows_text, stream_key, uint};
use super::tail::{Additions, Frozen, Generation, Mark};
use crate::journal::{Error, Info};

/// The layout of `index.db`; another one is thrown away and rebuilt.
const VERSION: i64 = 1;
const SCHEMA: &str = include_str!("sql/index.sql");
/// Rows that one statement inserts while merging.
const RUN: usize = 8_192;
/// Rows that are read at once while memory follows the file.
const CHUNK: i64 = 50_000;

/// How far the journal's own tables are.
pub(super) async fn journal_mark(conn: &mut SqliteConnection) -> Result<Mark, Error> {
    const SQL: &str =
        "SELECT pos, (SELECT coalesce(max(no), 0) FROM stream), (SELECT coalesce(max(id), 0) FROM idem)
        FROM partition WHERE id = 0";
    let row = sqlx::query(SQL).fetch_one(conn).await?;
    Ok(Mark { pos: uint(&row, 0)?, stream: uint(&row, 1)?, key: uint(&row, 2)? })
}

/// Opens the index; one that is missing, broken, of another journal or ahead of it is made anew, empty.
pub(super) async fn open(files: &Files, info: &Info, limit: Mark) -> Result<(SqliteConnection, Mark), Error> {
    match reopen(files, info, limit).await {
        Ok(Some(opened)) => return Ok(opened),
        Ok(None) => {}
        Err(error) => tracing::warn!(error = %error, "the index cannot be used and is rebuilt"),
    }
    files.remove_index()?;
    match reopen(files, info, limit).await? {
        Some(opened) => Ok(opened),
        None => Err(unavailable("index.db", "it cannot be made")),
    }
}

async fn reopen(files: &Files, info: &Info, limit: Mark) -> Result<Option<(SqliteConnection, Mark)>, Error> {
    let mut conn = files.open_index().await?;
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut conn).await?;
    if version == 0 {
        create(&mut conn, info).await?;
    }
    let row = sqlx::query("SELECT log, history, pos, stream, key FROM mark").fetch_one(&mut conn).await?;
    let (log, history): (Vec<u8>, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
    let mark = Mark { pos: uint(&row, 2)?, stream: uint(&row, 3)?, key: uint(&row, 4)? };
    let is_own = log == info.log.as_bytes() && history == info.history.as_bytes();
    let is_ahead = mark.pos > limit.pos || mark.stream > limit.stream || mark.key > limit.key;
    if is_own && !is_ahead && (version == VERSION || version == 0) {
        return Ok(Some((conn, mark)));
    }
    conn.close().await?;
    Ok(None)
}

async fn create(conn: &mut SqliteConnection, info: &Info) -> Result<(), Error> {
    let mut tx = conn.begin().await?;
    sqlx::raw_sql(SCHEMA).execute(&mut *tx).await?;
    sqlx::query("INSERT INTO mark VALUES (1, ?1, ?2, 0, 0, 0)")
        .bind(info.log.as_bytes().to_vec())
        .bind(info.history.as_bytes().to_vec())
        .execute(&mut *tx)
        .await?;
    let stamp = format!("PRAGMA user_version = {VERSION}");
    tx.execute(AssertSqlSafe(stamp)).await?;
    tx.commit().await?;
    Ok(())
}

impl SqliteJournal {
    /// Merges what is in the tail into the index. Appends go on meanwhile.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the frozen generation stays and is merged again; merging twice changes nothing.
    pub(super) async fn merge(&self) -> Result<(), Error> {
        let mut index = self.index.lock().await;
        let Some(conn) = index.as_mut() else {
            return Err(unavailable("the journal", "it has been closed"));
        };
        let frozen = self.tail.freeze();
        merge_frozen(conn, &frozen).await?;
        self.tail.forget_frozen();
        Ok(())
    }

    /// Lets memory follow the file. The caller holds the writer, so that the file stands still.
    pub(super) async fn catch_up(&self, conn: &mut SqliteConnection) -> Result<(), Error> {
        loop {
            let before = self.tail.mark();
            let (new, mark) = read_additions(conn, before).await?;
            self.tail.publish(new, mark);
            if mark == before {
                return Ok(());
            }
            if self.tail.len() > self.options.merge_cap {
                self.merge().await?;
            }
        }
    }
}

/// Reads what has been committed behind a mark, a chunk of it.
async fn read_additions(conn: &mut SqliteConnection, from: Mark) -> Result<(Additions, Mark), Error> {
    const STREAMS: &str = "SELECT no, tenant, prefix, uuid FROM stream WHERE no > ?1 ORDER BY no LIMIT ?2";
    const EVENTS: &str = "SELECT e.pos, e.stream, e.seq, s.tenant, s.prefix, s.uuid
        FROM event AS e LEFT JOIN stream AS s ON e.seq = 1 AND s.no = e.stream
        WHERE e.pos > ?1 ORDER BY e.pos LIMIT ?2";
    const KEYS: &str = "SELECT id, key FROM idem WHERE id > ?1 ORDER BY id LIMIT ?2";
    let (mut new, mut mark) = (Additions::default(), from);
    for row in sqlx::query(STREAMS).bind(int(from.stream)).bind(CHUNK).fetch_all(&mut *conn).await? {
        mark.stream = uint(&row, 0)?;
        new.streams.push((stream_key(&row, 1)?, mark.stream));
    }
    for row in sqlx::query(EVENTS).bind(int(from.pos)).bind(CHUNK).fetch_all(&mut *conn).await? {
        mark.pos = uint(&row, 0)?;
        let (no, seq) = (uint(&row, 1)?, uint(&row, 2)?);
        new.events.push((no, seq, mark.pos));
        if seq == 1 {
            new.firsts.push((stream_key(&row, 3)?, mark.pos, no));
        }
    }
    for row in sqlx::query(KEYS).bind(int(from.key)).bind(CHUNK).fetch_all(&mut *conn).await? {
        mark.key = uint(&row, 0)?;
        let key: Vec<u8> = row.try_get(1)?;
        new.keys.extend(key.try_into().ok().map(|key| (key, mark.key)));
    }
    Ok((new, mark))
}

/// Inserts a generation in sorted runs and moves the mark, in one transaction.
async fn merge_frozen(conn: &mut SqliteConnection, frozen: &Frozen) -> Result<(), Error> {
    const STREAMS: &str = "INSERT OR REPLACE INTO stream (uuid, prefix, tenant, no)
        SELECT unhex(value->>0), value->>1, value->>2, value->>3 FROM jsonb_each(?1)";
    const EVENTS: &str = "INSERT OR REPLACE INTO event (stream, seq, pos)
        SELECT value->>0, value->>1, value->>2 FROM jsonb_each(?1)";
    const KEYS: &str = "INSERT OR REPLACE INTO key (key, id)
        SELECT unhex(value->>0), value->>1 FROM jsonb_each(?1)";
    const KINDS: &str = "INSERT OR REPLACE INTO kind (tenant, prefix, first_pos, stream)
        SELECT value->>0, value->>1, value->>2, value->>3 FROM jsonb_each(?1)";
    let Frozen { generation, mark } = frozen;
    let mut tx = conn.begin().await?;
    insert(&mut tx, STREAMS, sorted_streams(generation)).await?;
    let events = generation.events.iter().map(|((no, seq), pos)| (*no, *seq, *pos)).collect();
    insert(&mut tx, EVENTS, events).await?;
    insert(&mut tx, KEYS, sorted_keys(generation)).await?;
    let kinds = generation.firsts.iter().map(|((tenant, prefix, pos), (_, no))| {
        (tenant.as_str().to_owned(), prefix.as_str().to_owned(), *pos, *no)
    });
    insert(&mut tx, KINDS, kinds.collect()).await?;
    sqlx::query("UPDATE mark SET pos = ?1, stream = ?2, key = ?3")
        .bind(int(mark.pos))
        .bind(int(mark.stream))
        .bind(int(mark.key))
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(())
}

async fn insert<T: serde::Serialize>(
    conn: &mut SqliteConnection,
    sql: &'static str,
    rows: Vec<T>,
) -> Result<(), Error> {
    for run in rows.chunks(RUN) {
        sqlx::query(sql).bind(rows_text(run)).execute(&mut *conn).await?;
    }
    Ok(())
}

fn sorted_streams(generation: &Generation) -> Vec<(String, String, String, u64)> {
    let row = |(key, no): (&crate::id::StreamKey, &u64)| {
        let uuid = key.id.uuid().simple().to_string();
        (uuid, key.id.prefix().as_str().to_owned(), key.tenant.as_str().to_owned(), *no)
    };
    let mut rows: Vec<_> = generation.streams.iter().map(row).collect();
    rows.sort_unstable();
    rows
}

fn sorted_keys(generation: &Generation) -> Vec<(String, u64)> {
    let row = |(key, id): (&[u8; 16], &u64)| (uuid::Uuid::from_bytes(*key).simple().to_string(), *id);
    let mut rows: Vec<_> = generation.keys.iter().map(row).collect();
    rows.sort_unstable();
    rows
}
