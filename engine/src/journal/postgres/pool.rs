//! A bounded set of connections that are lent out and come back only when they are sound.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::Failure;
use super::schema;
use super::session::{Param, Session};
use super::target::Target;

/// Connections to one database.
pub(super) struct Pool {
    target: Target,
    tls: MakeRustlsConnect,
    connect: Duration,
    deadline: Duration,
    permits: Semaphore,
    idle: Mutex<Vec<Session>>,
}

/// A connection that is lent out. Dropped, it is closed; [`Lent::give_back`] keeps it for the next.
pub(super) struct Lent<'a> {
    pool: &'a Pool,
    pub(super) session: Session,
    _permit: SemaphorePermit<'a>,
}

impl Pool {
    /// An empty pool of at most `size` connections.
    pub(super) fn new(
        target: Target,
        tls: MakeRustlsConnect,
        size: usize,
        (connect, deadline): (Duration, Duration),
    ) -> Self {
        let permits = Semaphore::new(size.max(1));
        Self { target, tls, connect, deadline, permits, idle: Mutex::default() }
    }

    /// Lends a connection that is sound as far as can be seen from here, or a new one.
    pub(super) async fn get(&self) -> Result<Lent<'_>, Failure> {
        let permit = timeout(self.deadline, self.permits.acquire()).await;
        let unsent = |why: &str| Failure::Unsent(why.to_owned());
        let permit = permit.map_err(|_| unsent("every connection is in use"))?;
        let permit = permit.map_err(|_| unsent("the journal has been closed"))?;
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(mut session) = idle else { break };
            if session.is_alive().await {
                return Ok(Lent { pool: self, session, _permit: permit });
            }
        }
        let session = self.connect().await?;
        Ok(Lent { pool: self, session, _permit: permit })
    }

    /// Opens a connection of its own, and checks that what is committed over it is safe.
    pub(super) async fn connect(&self) -> Result<Session, Failure> {
        let mut session = Session::connect(&self.target, self.tls.clone(), self.connect).await?;
        let checked = timeout(self.deadline, schema::check_settings(&mut session)).await;
        checked.map_err(|_| Failure::Unsent("the database did not answer in time".to_owned()))??;
        Ok(session)
    }

    /// Runs one statement on a connection of the pool, within the deadline.
    pub(super) async fn query(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Failure> {
        let mut lent = self.get().await?;
        let answer = timeout(self.deadline, lent.session.query(sql, params)).await;
        let answer = answer.unwrap_or_else(|_| Err(Failure::Lost(self.late())));
        match &answer {
            Err(Failure::Lost(_) | Failure::Unsent(_)) => {}
            Err(Failure::Refused(refusal)) if refusal.spoils_connection() => {}
            Ok(_) | Err(Failure::Refused(_)) => lent.give_back(),
        }
        answer
    }

    /// Runs one statement as [`Pool::query`] does, and returns how many rows it touched.
    pub(super) async fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<u64, Failure> {
        let mut lent = self.get().await?;
        let answer = timeout(self.deadline, lent.session.execute(sql, params)).await;
        let touched = answer.unwrap_or_else(|_| Err(Failure::Lost(self.late())))?;
        lent.give_back();
        Ok(touched)
    }

    /// Closes it: what is lent out is not taken back.
    pub(super) fn close(&self) {
        self.permits.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn late(&self) -> String {
        format!("no answer within {:?}", self.deadline)
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("target", &self.target).finish_non_exhaustive()
    }
}

impl Lent<'_> {
    /// Keeps the connection for the next. Only where the last statement was answered.
    pub(super) fn give_back(self) {
        if !self.pool.permits.is_closed() {
            self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(self.session);
        }
    }
}
