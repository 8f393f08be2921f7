//! One connection, driven by whoever uses it: no task stands behind it, so that dropping it ends it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::{Failure, told};
use super::target::Target;

/// A parameter with its type, so that the database need not be asked for it.
pub(super) type Param<'a> = (&'a (dyn ToSql + Sync), Type);

type Driver = Pin<Box<dyn Future<Output = Result<(), tokio_postgres::Error>> + Send>>;

/// A connection. A call that is dropped or fails leaves it in no state to be used again.
pub(super) struct Session {
    client: Client,
    /// `None` once it has ended.
    driver: Option<Driver>,
}

impl Session {
    /// Connects.
    pub(super) async fn connect(
        target: &Target,
        tls: MakeRustlsConnect,
        patience: Duration,
    ) -> Result<Self, Failure> {
        let connected = timeout(patience, target.config.connect(tls)).await;
        let unsent = |why: String| Failure::Unsent(format!("cannot connect to {target}: {why}"));
        let (client, connection) = connected
            .map_err(|_| unsent(format!("no answer within {patience:?}")))?
            .map_err(|error| unsent(told(&error)))?;
        Ok(Self { client, driver: Some(Box::pin(connection)) })
    }

    /// Runs one statement: unnamed, in one message, and autocommitted unless a transaction has been begun.
    pub(super) async fn query(&mut self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Failure> {
        let Self { client, driver } = self;
        drive(driver, client.query_typed(sql, params)).await
    }

    /// Runs one statement as [`Session::query`] does, and returns how many rows it touched.
    pub(super) async fn execute(&mut self, sql: &str, params: &[Param<'_>]) -> Result<u64, Failure> {
        let Self { client, driver } = self;
        drive(driver, client.execute_typed(sql, params)).await
    }

    /// Runs several statements without parameters in one message.
    pub(super) async fn batch(&mut self, sql: &str) -> Result<(), Failure> {
        let Self { client, driver } = self;
        drive(driver, client.batch_execute(sql)).await
    }

    /// Has the database check a statement without running it.
    pub(super) async fn check(&mut self, sql: &str) -> Result<(), Failure> {
        let Self { client, driver } = self;
        drive(driver, client.prepare(sql)).await.map(|_| ())
    }

    /// False if the other end has closed the connection.
    pub(super) async fn is_alive(&mut self) -> bool {
        let Some(driver) = &mut self.driver else { return false };
        poll_fn(|cx| Poll::Ready(driver.as_mut().poll(cx).is_pending())).await
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

/// Carries work out over a connection, which goes on only while this is polled.
async fn drive<T>(
    driver: &mut Option<Driver>,
    work: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Failure> {
    let mut work = pin!(work);
    poll_fn(|cx| {
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(done.map_err(Failure::from));
        }
        let Some(connection) = driver else {
            return Poll::Ready(Err(Failure::Lost("the connection is closed".to_owned())));
        };
        let Poll::Ready(ended) = connection.as_mut().poll(cx) else { return Poll::Pending };
        *driver = None;
        // What came before the end may hold the answer.
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(done.map_err(Failure::from));
        }
        let why = ended.map_or_else(|error| told(&error), |()| "the connection was closed".to_owned());
        Poll::Ready(Err(Failure::Lost(why)))
    })
    .await
}
