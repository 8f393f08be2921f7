//! A database that PostgreSQL's own tools restored: how it is told that it is a copy.
//!
//! Such a copy does not know that it is one. Marked, it goes on under a new history, which starts held.

use rand::Rng;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::error::{corrupt, unavailable};
use super::row::{get, time, uint};
use super::session::{Param, Session};
use super::target::Target;
use super::{PostgresOptions, import, schema, tls};
use crate::clock::Timestamp;
use crate::journal::Error;

/// Begins a transaction: waits out heartbeats that are under way, and lets none in before the end.
pub(super) const SHUT: &str = "BEGIN; LOCK TABLE promptsales.node, promptsales.partition IN EXCLUSIVE MODE";

/// The node whose lease holds longest, and for how many milliseconds more.
pub(super) const LIVE: &str = "SELECT address, (extract(epoch FROM expires - clock_timestamp()) * 1000)::int8
    FROM promptsales.node WHERE expires > clock_timestamp() ORDER BY expires DESC LIMIT 1";

/// Begins the history that goes on, not before anything that was committed.
pub(super) const BEGIN: &str = "INSERT INTO promptsales.history (no, history, reason, resumed)
    SELECT (SELECT max(no) + 1 FROM promptsales.history), $1, $2,
        greatest(max(last), (extract(epoch FROM clock_timestamp()) * 1000)::int8) FROM promptsales.partition
    RETURNING resumed, (SELECT history FROM promptsales.history ORDER BY no DESC LIMIT 1)";

/// Takes every partition from whoever had it.
pub(super) const FENCE: &str = "WITH fenced AS (
        UPDATE promptsales.partition SET epoch = epoch + 1, commits = commits + 2, owner = NULL,
            incarnation = '00000000-0000-0000-0000-000000000000' RETURNING pos)
    SELECT count(*), coalesce(sum(pos), 0)::int8 FROM fenced";

/// What a mark came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Marked {
    /// The id of the log.
    pub log: Uuid,
    /// The history that the copy was made of.
    pub from: Uuid,
    /// The history that goes on, held.
    pub history: Uuid,
    /// When it went on.
    pub resumed_at: Timestamp,
    /// How many partitions there are.
    pub partitions: u64,
    /// How many events have been committed in them.
    pub events: u64,
}

/// Marks a database as restored: a new history begins, which starts held, and no partition has an owner any more.
///
/// # Errors
///
/// [`Error::InUse`] while a node's lease holds by the database's clock; [`Error::Unavailable`] where there is no store, or
/// it cannot be used. Nothing has been changed then.
pub async fn mark_restored(target: &Target, options: &PostgresOptions) -> Result<Marked, Error> {
    let mut session = Session::connect(target, tls::connector(target)?, options.connect).await?;
    if !schema::has_store(&mut session).await? {
        return Err(unavailable(&target.to_string(), "there is no store to be marked"));
    }
    schema::migrate(target, options).await?;
    let marked = timeout(options.migration, mark(&mut session)).await;
    marked.map_err(|_| unavailable("the mark", format!("not done within {:?}", options.migration)))?
}

/// Does it in one transaction; a connection that is dropped on the way takes it back.
async fn mark(session: &mut Session) -> Result<Marked, Error> {
    schema::check_settings(session).await?;
    session.batch(SHUT).await?;
    refuse_served(session).await?;
    import::refuse_unfinished(session).await?;
    let marked = begin_held(session, "restored").await?;
    session.batch("COMMIT").await?;
    Ok(marked)
}

/// Fails while a node's lease holds by the database's clock.
pub(super) async fn refuse_served(session: &mut Session) -> Result<(), Error> {
    let rows = session.query(LIVE, &[]).await?;
    let Some(row) = rows.first() else { return Ok(()) };
    let (address, left_ms): (String, i64) = (get(row, 0)?, get(row, 1)?);
    let reason =
        format!("the lease of the node at {address} holds for {left_ms} ms more: stop every server first");
    Err(Error::InUse { reason })
}

/// Begins a new history, which starts held, and takes every partition from whoever had it: within a transaction.
pub(super) async fn begin_held(session: &mut Session, reason: &str) -> Result<Marked, Error> {
    let log = schema::read_info(session).await?.log;
    let history = Uuid::from_bytes(rand::rng().random());
    let params: [Param<'_>; 2] = [(&history, Type::UUID), (&reason, Type::TEXT)];
    let begun = session.query(BEGIN, &params).await?;
    let begun = begun.first().ok_or_else(|| corrupt("promptsales.partition", "it is empty"))?;
    let (resumed_at, from) = (time(begun, 0)?, get(begun, 1)?);
    let fenced = session.query(FENCE, &[]).await?;
    let fenced = fenced.first().ok_or_else(|| corrupt("promptsales.partition", "it is empty"))?;
    let (partitions, events) = (uint(fenced, 0)?, uint(fenced, 1)?);
    Ok(Marked { log, from, history, resumed_at, partitions, events })
}
