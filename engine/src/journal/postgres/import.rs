//! A store that is being filled by an import: claimed by one import at a time, and served by nobody.

use std::time::Duration;

use rand::Rng;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::desk::Standing;
use super::error::{corrupt, unavailable};
use super::restore::{SHUT, begin_held, refuse_served};
use super::row::{get, int, uint};
use super::session::{Param, Session};
use super::target::Target;
use super::{PostgresJournal, PostgresOptions, schema, tls};
use crate::clock::Timestamp;
use crate::journal::transfer::{Header, Trailer};
use crate::journal::{Error, Fence, Journal as _};

/// How long another import waits for one that is not heard of any more.
const LEASE: Duration = Duration::from_secs(15);

pub(super) const FOUND: &str = "SELECT file, lines,
        (extract(epoch FROM expires - clock_timestamp()) * 1000)::int8 FROM promptsales.import";

/// Whether anything has ever been committed.
pub(super) const IS_USED: &str = "SELECT EXISTS (SELECT FROM promptsales.stream) OR EXISTS (SELECT FROM promptsales.partition WHERE pos > 0)";

pub(super) const IDENTIFY: &str = "UPDATE promptsales.meta SET log = $1, secret = $2";

/// The history that was exported takes the place of the one that the empty store was made with.
pub(super) const BEGIN_LOG: &str =
    "UPDATE promptsales.history SET history = $1, reason = 'exported', resumed = NULL
    WHERE no = (SELECT max(no) FROM promptsales.history)";

/// Begins the import of a file, or takes it over from one that was broken off.
pub(super) const CLAIM: &str = "INSERT INTO promptsales.import (id, file, lines, claim, expires)
    VALUES (1, $1, 0, $2, clock_timestamp() + $3::int8 * interval '1 millisecond')
    ON CONFLICT (id) DO UPDATE SET claim = excluded.claim, expires = excluded.expires";

/// Takes every partition over; behind it the columns that are asked for.
pub(super) const OWN: &str = "UPDATE promptsales.partition AS p
    SET epoch = p.epoch + 1, commits = p.commits + 2, incarnation = $1, owner = NULL
    RETURNING p.id, p.epoch, p.incarnation, p.pos, p.commits, p.streams, p.numbers, p.last";

pub(super) const NOTE: &str = "UPDATE promptsales.import
    SET lines = greatest(lines, $1), expires = clock_timestamp() + $3::int8 * interval '1 millisecond' WHERE claim = $2";

/// Positions, events, and what stands beside them.
pub(super) const COUNT: &str = "SELECT (SELECT coalesce(sum(pos), 0)::int8 FROM promptsales.partition),
    (SELECT count(*) FROM promptsales.event),
    (SELECT count(*) FROM promptsales.idem) + (SELECT count(*) FROM promptsales.inbox)
        + (SELECT count(*) FROM promptsales.timer) + (SELECT count(*) FROM promptsales.outbox)
        + (SELECT count(*) FROM promptsales.effect) + (SELECT count(*) FROM promptsales.base)
        + (SELECT count(*) FROM promptsales.snapshot)";

pub(super) const END: &str = "DELETE FROM promptsales.import WHERE claim = $1 RETURNING id";

/// A store that is being filled by an import. It becomes one that can be served when it is [finished](Self::finish).
#[derive(Debug)]
pub struct ImportStore {
    target: Target,
    options: PostgresOptions,
    journal: PostgresJournal,
    fences: Vec<Fence>,
    claim: Uuid,
    done: Option<u64>,
}

/// What an import came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Imported {
    /// The id of the log.
    pub log: Uuid,
    /// The history that goes on, held.
    pub history: Uuid,
    /// When it went on.
    pub resumed_at: Timestamp,
    /// How many partitions there are.
    pub partitions: u64,
    /// The last position of the file.
    pub position: u64,
    /// How many events there are.
    pub events: u64,
}

impl ImportStore {
    /// Claims a database that holds no store yet, an empty one, or a part of the same import, and gives it the identity
    /// of what is imported. Every earlier import is fenced.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`] while a node's lease holds, or another import is under way; [`Error::Unavailable`] where the
    /// database holds something else, or the export is not whole.
    pub async fn open(
        target: &Target,
        options: PostgresOptions,
        header: &Header,
        trailer: &Trailer,
    ) -> Result<Self, Error> {
        schema::migrate(target, &options).await?;
        let mut session = Session::connect(target, tls::connector(target)?, options.connect).await?;
        let claim = Uuid::from_bytes(rand::rng().random());
        let claimed = timeout(options.migration, claimed(&mut session, claim, header, &trailer.blake3)).await;
        let late = |_| unavailable("the import", format!("not begun within {:?}", options.migration));
        let (done, standings) = claimed.map_err(late)??;
        let journal = PostgresJournal::open_made(target, options).await?;
        let fences = standings.iter().map(Standing::fence).collect();
        for standing in standings {
            if let Some(desk) = journal.desks.get(&standing.partition) {
                journal.own(desk, standing).await;
            }
        }
        Ok(Self { target: target.clone(), options, journal, fences, claim, done })
    }

    /// The store to be filled.
    pub fn journal(&self) -> &PostgresJournal {
        &self.journal
    }

    /// The right to fill it, partition by partition.
    pub fn fences(&self) -> &[Fence] {
        &self.fences
    }

    /// How many lines were noted by an import that was broken off; `None` where none was begun.
    pub fn done(&self) -> Option<u64> {
        self.done
    }

    /// Notes how many lines are in the store, and that the import is under way still.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`] where another import has taken it over.
    pub async fn note(&self, lines: u64) -> Result<(), Error> {
        match self.renew(lines, LEASE).await? {
            0 => Err(taken_over()),
            _ => Ok(()),
        }
    }

    /// Says that the import is broken off, so that another one need not wait for it.
    pub async fn break_off(self) {
        // Where this cannot be said, the other one waits.
        let _ = self.renew(0, Duration::ZERO).await;
        self.journal.close().await;
    }

    /// Makes the store one that can be served: under a new history, held.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] where it does not hold what the export holds; [`Error::InUse`] where another import has taken
    /// it over.
    pub async fn finish(self, wanted: &Trailer) -> Result<Imported, Error> {
        let tls = tls::connector(&self.target)?;
        let mut session = Session::connect(&self.target, tls, self.options.connect).await?;
        let finished = timeout(self.options.migration, finished(&mut session, self.claim, wanted)).await;
        self.journal.close().await;
        finished.map_err(|_| unavailable("the end", format!("not within {:?}", self.options.migration)))?
    }

    async fn renew(&self, lines: u64, lease: Duration) -> Result<u64, Error> {
        let (lines, lease_ms) = (int(lines), i64::try_from(lease.as_millis()).unwrap_or(i64::MAX));
        let params: [Param<'_>; 3] =
            [(&lines, Type::INT8), (&self.claim, Type::UUID), (&lease_ms, Type::INT8)];
        Ok(self.journal.nodes.execute(NOTE, &params).await?)
    }
}

/// Fails where the database holds a part of an import, which is no store.
pub(super) async fn refuse_unfinished(session: &mut Session) -> Result<(), Error> {
    let rows = session.query(FOUND, &[]).await?;
    let Some(row) = rows.first() else { return Ok(()) };
    let why = format!(
        "it holds a part of an import that is not done ({} lines): give the same `promptsales import` again, or use \
         an empty database",
        uint(row, 1)?
    );
    Err(unavailable("the database", why))
}

/// Claims the store in one transaction: how much was noted before, and the partitions, all taken over.
async fn claimed(
    session: &mut Session,
    claim: Uuid,
    header: &Header,
    file: &str,
) -> Result<(Option<u64>, Vec<Standing>), Error> {
    schema::check_settings(session).await?;
    session.batch(SHUT).await?;
    refuse_served(session).await?;
    let found = session.query(FOUND, &[]).await?;
    let done = match found.first() {
        Some(row) if get::<&str>(row, 0)? != file => {
            return Err(unavailable("the database", "the import of another file was begun in it"));
        }
        Some(row) if get::<i64>(row, 2)? > 0 => {
            let left_ms: i64 = get(row, 2)?;
            let reason = format!("another import is under way; if it is gone, try again in {left_ms} ms");
            return Err(Error::InUse { reason });
        }
        Some(row) => Some(uint(row, 1)?),
        None => {
            identify(session, header).await?;
            None
        }
    };
    let lease_ms = i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX);
    let params: [Param<'_>; 3] = [(&file, Type::TEXT), (&claim, Type::UUID), (&lease_ms, Type::INT8)];
    session.query(CLAIM, &params).await?;
    let rows = session.query(OWN, &[(&claim, Type::UUID)]).await?;
    let standings = rows.iter().map(Standing::read).collect::<Result<_, _>>()?;
    session.batch("COMMIT").await?;
    Ok((done, standings))
}

/// Gives a store that is empty the identity of what is imported.
async fn identify(session: &mut Session, header: &Header) -> Result<(), Error> {
    let used = session.query(IS_USED, &[]).await?;
    if used.first().map_or(Ok(true), |row| get(row, 0))? {
        return Err(unavailable("the database", "it holds a store that is not empty; nothing was changed"));
    }
    let whole = || corrupt("the export", "it has no secret, and is not whole");
    let secret = header.id_secret().ok_or_else(whole)?.bytes().to_vec();
    session.query(IDENTIFY, &[(&header.log, Type::UUID), (&secret, Type::BYTEA)]).await?;
    session.query(BEGIN_LOG, &[(&header.history, Type::UUID)]).await?;
    Ok(())
}

/// Compares the store with the export, and begins its new history. While the claim holds nobody else writes to it.
async fn finished(session: &mut Session, claim: Uuid, wanted: &Trailer) -> Result<Imported, Error> {
    schema::check_settings(session).await?;
    let counted = session.query(COUNT, &[]).await?;
    let counted = counted.first().ok_or_else(|| corrupt("the import", "it cannot be counted"))?;
    let (position, events, beside) = (uint(counted, 0)?, uint(counted, 1)?, uint(counted, 2)?);
    session.batch(SHUT).await?;
    if session.query(END, &[(&claim, Type::UUID)]).await?.is_empty() {
        return Err(taken_over());
    }
    if (position, events, beside) != (wanted.position, wanted.events, wanted.beside) {
        let found = format!("it has {events} events of {position} and {beside} things beside them");
        let Trailer { position, events, beside, .. } = wanted;
        let wanted = format!("the export has {events} of {position} and {beside}");
        return Err(corrupt("the import", format!("{found}, and {wanted}")));
    }
    let marked = begin_held(session, "imported").await?;
    session.batch("COMMIT").await?;
    let (log, history, resumed_at) = (marked.log, marked.history, marked.resumed_at);
    Ok(Imported { log, history, resumed_at, partitions: marked.partitions, position, events })
}

fn taken_over() -> Error {
    Error::InUse { reason: "another import has taken the database over".to_owned() }
}
