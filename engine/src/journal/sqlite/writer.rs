//! The one connection that writes the journal, and what is known of the file beside it.
//!
//! Whatever fails or is dropped half-way leaves the writer *unsettled*: the next use first rolls back what is open,
//! reopens the file where that fails, and reads from it how far it is. Memory never runs ahead of the file.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::TryStreamExt;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Connection, Either, Executor, Row, Sqlite, SqliteConnection, query::Query};
use uuid::Uuid;

use super::error::{Blame, blame, corrupt, is_nothing_to_roll_back, unavailable};
use super::files::Files;
use super::read::{int, uint};
use super::statements::{FENCE_STATEMENT, FenceArguments, Statements};
use crate::clock::Timestamp;
use crate::journal::plan::{Heads, Planned, Rows};
use crate::journal::{Error, Fence, Lease, Position};

/// The partition there is.
pub(super) const PARTITION: u32 = 0;

/// The partition's row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) epoch: u64,
    pub(super) incarnation: Uuid,
    pub(super) pos: Position,
    pub(super) commits: u64,
    pub(super) last: i64,
}

/// The writer, behind a lock: whoever holds it appends.
#[derive(Debug)]
pub(super) struct Writer {
    files: Files,
    conn: Option<SqliteConnection>,
    /// For asking the index while appending; it has nothing to do with the readers that others use.
    lookup: Option<SqliteConnection>,
    pub(super) standing: Standing,
    pub(super) heads: Heads,
    statements: Statements,
    pub(super) is_closed: bool,
}

/// Why a batch could not be written. Nothing of it is committed, and the transaction may still be open.
#[derive(Debug)]
pub(super) enum WriteError {
    /// No row was hit: taken over, or memory and file have come apart.
    Fence,
    /// A row was refused for itself.
    Row(String),
    /// The store failed.
    Store(sqlx::Error),
}

/// Raises the flag that the writer is unsettled when it is dropped, unless all went well.
pub(super) struct Unsettled<'a>(Option<&'a AtomicBool>);

impl<'a> Unsettled<'a> {
    pub(super) fn unless_disarmed(flag: &'a AtomicBool) -> Self {
        Self(Some(flag))
    }

    pub(super) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for Unsettled<'_> {
    fn drop(&mut self) {
        if let Some(flag) = self.0 {
            flag.store(true, Ordering::Release);
        }
    }
}

impl From<sqlx::Error> for WriteError {
    fn from(error: sqlx::Error) -> Self {
        match blame(&error) {
            Blame::Row => Self::Row(error.to_string()),
            Blame::Store => Self::Store(error),
        }
    }
}

impl Writer {
    pub(super) async fn new(files: Files, mut conn: SqliteConnection) -> Result<Self, Error> {
        let standing = read_standing(&mut conn).await?;
        let heads = Heads::default();
        let statements = Statements::default();
        Ok(Self { files, conn: Some(conn), lookup: None, standing, heads, statements, is_closed: false })
    }

    /// The connection, opened anew where it was given up.
    pub(super) async fn conn(&mut self) -> Result<&mut SqliteConnection, Error> {
        if self.is_closed {
            return Err(unavailable("the journal", "it has been closed"));
        }
        if self.conn.is_none() {
            self.conn = Some(self.files.open_writer().await?);
        }
        self.conn.as_mut().ok_or_else(|| unavailable("the journal", "it cannot be opened"))
    }

    /// Gives the connection up; the next use opens the file anew. Waits until nothing more can come from it.
    pub(super) async fn give_up(&mut self) {
        if let Some(conn) = self.conn.take() {
            // It is given up because it fails; that closing it fails too tells nothing new.
            let _ = conn.close().await;
        }
    }

    /// Makes an end of whatever is open, so that what is read next is what stands.
    pub(super) async fn roll_back(&mut self) -> Result<(), Error> {
        let rolled_back = self.conn().await?.execute("ROLLBACK").await;
        match rolled_back {
            Ok(_) => return Ok(()),
            Err(error) if is_nothing_to_roll_back(&error) => return Ok(()),
            Err(error) => tracing::warn!(%error, "the journal is opened anew, as its connection failed"),
        }
        self.give_up().await;
        // Getting the write lock shows that no transaction of the old connection is left.
        let conn = self.conn().await?;
        conn.execute("BEGIN IMMEDIATE").await?;
        conn.execute("ROLLBACK").await?;
        Ok(())
    }

    /// Reads the partition's row.
    pub(super) async fn read_standing(&mut self) -> Result<Standing, Error> {
        read_standing(self.conn().await?).await
    }

    /// Begins a commit and writes a plan's rows.
    pub(super) async fn write(&mut self, fence: Fence, planned: &Planned<'_>) -> Result<(), WriteError> {
        let commits = self.standing.commits;
        let events = planned.mark.pos - self.standing.pos;
        let latest = planned.latest.map_or(i64::MIN, Timestamp::ms);
        let fence = FenceArguments { fence, commits, events, latest };
        let queries = self.statements.queries(Some(fence), &planned.rows);
        run_all(self.open_conn()?, queries, true).await
    }

    /// Begins a commit whose rows are written one entry at a time.
    pub(super) async fn begin(&mut self, fence: Fence) -> Result<(), WriteError> {
        let fence = FenceArguments { fence, commits: self.standing.commits, events: 0, latest: i64::MIN };
        let queries = self.statements.queries(Some(fence), &Rows::default());
        run_all(self.open_conn()?, queries, true).await
    }

    /// Writes one entry's rows within a commit that has begun; if that fails, nothing of them stays.
    pub(super) async fn write_one(&mut self, planned: &Planned<'_>) -> Result<(), WriteError> {
        let queries = self.statements.queries(None, &planned.rows);
        let conn = self.open_conn()?;
        conn.execute("SAVEPOINT entry").await?;
        let written = run_all(conn, queries, false).await;
        if let Err(WriteError::Row(_)) = written {
            conn.execute("ROLLBACK TO entry").await?;
        }
        conn.execute("RELEASE entry").await?;
        written
    }

    /// Moves the position on within a commit that was written one entry at a time.
    pub(super) async fn advance(
        &mut self,
        pos: Position,
        latest: Option<Timestamp>,
    ) -> Result<(), WriteError> {
        let latest = latest.map_or(i64::MIN, Timestamp::ms);
        let query = sqlx::query("UPDATE partition SET pos = ?1, last = max(last, ?2) WHERE id = 0");
        query.bind(int(pos)).bind(latest).execute(self.open_conn()?).await?;
        Ok(())
    }

    /// Makes what has been written stand.
    pub(super) async fn commit(&mut self) -> Result<(), sqlx::Error> {
        let conn = self.conn.as_mut().ok_or(sqlx::Error::WorkerCrashed)?;
        conn.execute("COMMIT").await.map(|_| ())
    }

    /// Overwrites what a commit that failed may have left in the write-ahead log, lest a restart bring it back.
    pub(super) async fn heal(&mut self) -> Result<(), Error> {
        let conn = self.conn().await?;
        conn.execute("UPDATE partition SET commits = commits + 1").await?;
        self.standing.commits += 1;
        Ok(())
    }

    /// Takes the partition over.
    pub(super) async fn take_over(&mut self, incarnation: Uuid) -> Result<Lease, Error> {
        const SQL: &str =
            "UPDATE partition SET epoch = epoch + 1, incarnation = ?1, commits = commits + 1 WHERE id = 0";
        let query = sqlx::query(SQL).bind(incarnation.as_bytes().to_vec());
        query.execute(self.conn().await?).await?;
        self.standing = self.read_standing().await?;
        let fence = Fence { partition: PARTITION, epoch: self.standing.epoch, incarnation };
        let last = Timestamp::from_ms(self.standing.last);
        Ok(Lease { fence, position: self.standing.pos, last })
    }

    /// Asks the journal and its index for what decides about a batch.
    pub(super) async fn look_up(&mut self, query: BoundQuery) -> Result<Vec<SqliteRow>, Error> {
        let mut conn = match self.lookup.take() {
            Some(conn) => conn,
            None => self.files.open_reader().await?,
        };
        let rows = query.fetch_all(&mut conn).await?;
        // Only a connection that has just worked is used again.
        self.lookup = Some(conn);
        Ok(rows)
    }

    /// Closes both connections.
    pub(super) async fn close(&mut self) {
        self.is_closed = true;
        if let Some(conn) = self.lookup.take() {
            // It only reads; there is nothing to lose.
            let _ = conn.close().await;
        }
        self.give_up().await;
    }

    fn open_conn(&mut self) -> Result<&mut SqliteConnection, WriteError> {
        self.conn.as_mut().ok_or(WriteError::Store(sqlx::Error::WorkerCrashed))
    }
}

async fn read_standing(conn: &mut SqliteConnection) -> Result<Standing, Error> {
    const SQL: &str = "SELECT epoch, incarnation, pos, commits, last FROM partition WHERE id = 0";
    let row = sqlx::query(SQL).fetch_one(conn).await?;
    let incarnation: Vec<u8> = row.try_get(1)?;
    Ok(Standing {
        epoch: uint(&row, 0)?,
        incarnation: Uuid::from_slice(&incarnation).map_err(|error| corrupt("partition", error))?,
        pos: uint(&row, 2)?,
        commits: uint(&row, 3)?,
        last: row.try_get(4)?,
    })
}

pub(super) type BoundQuery = Query<'static, Sqlite, SqliteArguments>;

/// Runs queries one after the other; the first of them may begin with the fence.
async fn run_all(
    conn: &mut SqliteConnection,
    queries: Vec<BoundQuery>,
    is_fenced: bool,
) -> Result<(), WriteError> {
    for (place, query) in queries.into_iter().enumerate() {
        run(conn, query, is_fenced && place == 0).await?;
    }
    Ok(())
}

/// Runs several statements in one message to the connection's thread, and says which way they failed.
async fn run(conn: &mut SqliteConnection, query: BoundQuery, is_fenced: bool) -> Result<(), WriteError> {
    let mut results = conn.fetch_many(query);
    let mut statement = 0;
    while let Some(result) = results.try_next().await? {
        if let Either::Left(done) = result {
            if is_fenced && statement == FENCE_STATEMENT && done.rows_affected() == 0 {
                return Err(WriteError::Fence);
            }
            statement += 1;
        }
    }
    Ok(())
}
