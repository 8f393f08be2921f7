//! The second structures in `index.db`: opening, merging, and throwing away what does not fit the journal.

use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Connection, Executor, Row, SqliteConnection};

use super::SqliteJournal;
use super::error::{is_nothing_to_roll_back, unavailable};
use super::files::Files;
use super::read::{int, stream_key, uint};
use super::tail::Additions;
use crate::journal::plan::Mark;
use crate::journal::{Error, Info};

/// The layout of `index.db`; another one is thrown away and rebuilt.
const VERSION: i64 = 1;
const SCHEMA: &str = include_str!("sql/index.sql");
/// Rows of a table that one transaction copies at most while a rebuilt index follows the journal.
const RUN: u64 = 500_000;
/// Rows of a sorted run that one transaction takes into the index.
const SLICED: u64 = 2_048;
/// How long a merge rests behind each slice, which takes about as long: so that it has half a core and not a whole one.
const REST: Duration = Duration::from_millis(10);
/// Rows that are read at once while memory follows the file.
const CHUNK: i64 = 10_000;

/// How far the journal's own tables are.
pub(super) async fn journal_mark(conn: &mut SqliteConnection) -> Result<Mark, Error> {
    const SQL: &str =
        "SELECT pos, max(coalesce((SELECT max(no) FROM stream), 0), (SELECT stream FROM forgotten_sum)),
            (SELECT coalesce(max(id), 0) FROM idem)
        FROM partition WHERE id = 0";
    let row = sqlx::query(SQL).fetch_one(conn).await?;
    Ok(Mark { pos: uint(&row, 0)?, stream: uint(&row, 1)?, key: uint(&row, 2)? })
}

/// Opens the index; one that is missing, broken, of another journal or ahead of it is made anew. Where it is far
/// behind the journal it is brought close, so that little needs to be held in memory.
pub(super) async fn open(
    files: &Files,
    info: &Info,
    limit: Mark,
    merge_at: usize,
) -> Result<(SqliteConnection, Mark), Error> {
    if let Some(opened) = open_any(files, info, limit, merge_at).await {
        return Ok(opened);
    }
    files.remove_index()?;
    let opened = open_any(files, info, limit, merge_at).await;
    opened.ok_or_else(|| unavailable("index.db", "it cannot be made; the log says why"))
}

/// Opens the index as it is, if it is of use. Otherwise it is closed before this returns, as it will be removed.
async fn open_any(
    files: &Files,
    info: &Info,
    limit: Mark,
    merge_at: usize,
) -> Option<(SqliteConnection, Mark)> {
    let mut conn = match files.open_index().await {
        Ok(conn) => conn,
        Err(error) => {
            tracing::warn!(%error, "the index cannot be opened and is rebuilt");
            return None;
        }
    };
    match follow(files, &mut conn, info, limit, merge_at).await {
        Ok(Some(mark)) => return Some((conn, mark)),
        Ok(None) => tracing::warn!("the index does not belong to the journal as it is and is rebuilt"),
        Err(error) => tracing::warn!(%error, "the index cannot be read and is rebuilt"),
    }
    // It is thrown away; that closing it fails too tells nothing new.
    let _ = conn.close().await;
    None
}

/// Checks that the index belongs to the journal, and brings it close to it.
async fn follow(
    files: &Files,
    conn: &mut SqliteConnection,
    info: &Info,
    limit: Mark,
    merge_at: usize,
) -> Result<Option<Mark>, Error> {
    files.attach_journal(conn).await?;
    let version: i64 = sqlx::query_scalar("PRAGMA main.user_version").fetch_one(&mut *conn).await?;
    if version == 0 {
        create(conn, info).await?;
    }
    let row =
        sqlx::query("SELECT log, history, pos, stream, key FROM main.mark").fetch_one(&mut *conn).await?;
    let (log, history): (Vec<u8>, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
    let mut mark = Mark { pos: uint(&row, 2)?, stream: uint(&row, 3)?, key: uint(&row, 4)? };
    let is_own = log == info.log.as_bytes() && history == info.history.as_bytes();
    let is_ahead = mark.pos > limit.pos || mark.stream > limit.stream || mark.key > limit.key;
    if !is_own || is_ahead || (version != VERSION && version != 0) {
        return Ok(None);
    }
    while mark.behind(limit) > merge_at as u64 {
        let next = mark.toward(limit, RUN);
        fill(conn, mark, next, Duration::ZERO).await?;
        mark = next;
    }
    Ok(Some(mark))
}

async fn create(conn: &mut SqliteConnection, info: &Info) -> Result<(), Error> {
    let mut tx = conn.begin().await?;
    sqlx::raw_sql(SCHEMA).execute(&mut *tx).await?;
    sqlx::query("INSERT INTO mark VALUES (1, ?1, ?2, 0, 0, 0)")
        .bind(info.log.as_bytes().to_vec())
        .bind(info.history.as_bytes().to_vec())
        .execute(&mut *tx)
        .await?;
    let stamp = format!("PRAGMA main.user_version = {VERSION}");
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
        self.merge_at_pace(Duration::ZERO).await
    }

    /// Merges as [`merge`](Self::merge) does, without haste as long as there is not too much to be merged.
    pub(super) async fn merge_calmly(&self) -> Result<(), Error> {
        let is_much = self.tail.len() >= self.options.merge_at.saturating_mul(8);
        self.merge_at_pace(if is_much { Duration::ZERO } else { REST }).await
    }

    async fn merge_at_pace(&self, rest: Duration) -> Result<(), Error> {
        let mut index = self.index.lock().await;
        let Some(conn) = index.as_mut() else {
            return Err(unavailable("the journal", "it has been closed"));
        };
        let (from, to) = self.tail.freeze();
        if let Err(error) = fill(conn, from, to, rest).await {
            self.reopen(conn).await;
            return Err(error);
        }
        let _no_view = self.views.write().await;
        self.tail.forget_frozen();
        Ok(())
    }

    /// Opens the index anew after a failure; where that fails too, the next merge begins with what there is.
    pub(super) async fn reopen(&self, conn: &mut SqliteConnection) {
        let opened = async {
            let mut new = self.files.open_index().await?;
            self.files.attach_journal(&mut new).await?;
            Ok::<_, Error>(new)
        };
        if let Ok(new) = opened.await {
            // It is given up because it failed; that closing it fails too tells nothing new.
            let _ = std::mem::replace(conn, new).close().await;
        }
    }

    /// Lets memory follow the file. The caller holds the writer, so that the file stands still.
    pub(super) async fn catch_up(&self, conn: &mut SqliteConnection) -> Result<(), Error> {
        let limit = journal_mark(conn).await?;
        loop {
            let before = self.tail.mark();
            let (new, mark) = read_additions(conn, before, limit).await?;
            self.tail.publish(new, mark);
            if mark == before {
                return Ok(());
            }
        }
    }
}

/// Reads what has been committed behind a mark and up to another, a chunk of it.
async fn read_additions(
    conn: &mut SqliteConnection,
    from: Mark,
    limit: Mark,
) -> Result<(Additions, Mark), Error> {
    const STREAMS: &str = "SELECT no, tenant, prefix, uuid FROM stream WHERE no > ?1 ORDER BY no LIMIT ?2";
    const EVENTS: &str = "SELECT e.pos, e.stream, e.seq, s.tenant, s.prefix, s.uuid
        FROM event AS e LEFT JOIN stream AS s ON e.seq = 1 AND s.no = e.stream
        WHERE e.pos > ?1 ORDER BY e.pos LIMIT ?2";
    // Streams whose first events are not kept any more.
    const BEGUN: &str = "SELECT b.first_pos, s.tenant, s.prefix, s.uuid
        FROM base AS b CROSS JOIN stream AS s ON s.no = b.stream WHERE b.first_pos > ?1 AND b.first_pos <= ?2";
    const KEYS: &str = "SELECT id, key FROM idem WHERE id > ?1 ORDER BY id LIMIT ?2";
    // What comes last may have been forgotten: where there is no more, all up to the limit is known.
    let is_last = |rows: &[SqliteRow]| (rows.len() as i64) < CHUNK;
    let (mut new, mut mark) = (Additions::default(), from);
    let rows = sqlx::query(STREAMS).bind(int(from.stream)).bind(CHUNK).fetch_all(&mut *conn).await?;
    for row in &rows {
        mark.stream = uint(row, 0)?;
        new.streams.push((stream_key(row, 1)?, mark.stream));
    }
    if is_last(&rows) {
        mark.stream = limit.stream;
    }
    let rows = sqlx::query(EVENTS).bind(int(from.pos)).bind(CHUNK).fetch_all(&mut *conn).await?;
    for row in &rows {
        mark.pos = uint(row, 0)?;
        let (no, seq) = (uint(row, 1)?, uint(row, 2)?);
        new.events.push((no, seq, mark.pos));
        if seq == 1 {
            new.firsts.push((stream_key(row, 3)?, mark.pos));
        }
    }
    if is_last(&rows) {
        mark.pos = limit.pos;
    }
    if mark.pos > from.pos {
        let query = sqlx::query(BEGUN).bind(int(from.pos)).bind(int(mark.pos));
        for row in query.fetch_all(&mut *conn).await? {
            new.firsts.push((stream_key(&row, 1)?, uint(&row, 0)?));
        }
    }
    for row in sqlx::query(KEYS).bind(int(from.key)).bind(CHUNK).fetch_all(&mut *conn).await? {
        mark.key = uint(&row, 0)?;
        let key: Vec<u8> = row.try_get(1)?;
        new.keys.extend(key.try_into().ok().map(|key| (key, mark.key)));
    }
    Ok((new, mark))
}

/// Copies what the journal has between two marks in sorted runs, and then moves the mark. All of it goes on in SQLite, so
/// that no row passes through here.
///
/// Events and keys go in slices, each a transaction: what a slice has changed is soon written and synced, so that no
/// commit of the journal waits long for the disk, or for a core. What is broken off in between is copied again.
async fn fill(conn: &mut SqliteConnection, from: Mark, to: Mark, rest: Duration) -> Result<(), Error> {
    const SORT: &str = include_str!("sql/sort.sql");
    const SLICE: &str = include_str!("sql/slice.sql");
    const MERGE: &str = include_str!("sql/merge.sql");
    let marks = [from.stream, to.stream, from.pos, to.pos, from.key, to.key];
    run(conn, SORT, &marks).await?;
    let count = (to.pos - from.pos).max(to.key - from.key);
    for slice in 0..count.div_ceil(SLICED) {
        if slice > 0 && !rest.is_zero() {
            tokio::time::sleep(rest).await;
        }
        run(conn, SLICE, &[slice * SLICED, (slice + 1) * SLICED]).await?;
    }
    run(conn, MERGE, &marks).await
}

/// Runs some statements in one transaction.
///
/// SQLite ends a transaction by itself when the disk is full, and sqlx's own transactions do not notice: they go on to
/// count it, take the next one for a savepoint within it, and leave that open for ever, so that nothing is committed
/// any more. Hence the statements are sent as they are.
async fn run(conn: &mut SqliteConnection, sql: &'static str, numbers: &[u64]) -> Result<(), Error> {
    roll_back(conn).await?;
    conn.execute("BEGIN").await?;
    let query = numbers.iter().fold(sqlx::query(sql), |query, number| query.bind(int(*number)));
    conn.fetch_many(query).try_collect::<Vec<_>>().await?;
    conn.execute("COMMIT").await?;
    Ok(())
}

/// Makes an end of what a run that failed or was dropped has left open.
pub(super) async fn roll_back(conn: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    match conn.execute("ROLLBACK").await {
        Err(error) if !is_nothing_to_roll_back(&error) => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}
