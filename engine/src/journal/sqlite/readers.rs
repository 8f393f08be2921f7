//! The connections that read. There are a few; each is used for one short read at a time.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use sqlx::{Connection, SqliteConnection};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::unavailable;
use super::files::Files;
use crate::journal::Error;

/// How many reads run at once.
const READERS: u32 = 4;

/// A small pool that needs no timers, so that it also works while time is paused.
#[derive(Debug)]
pub(super) struct Readers {
    files: Files,
    permits: Semaphore,
    idle: Mutex<Vec<SqliteConnection>>,
}

/// A connection for one read. It goes back only when the read succeeded; otherwise it is closed.
pub(super) struct Reader<'a> {
    conn: SqliteConnection,
    home: &'a Mutex<Vec<SqliteConnection>>,
    _permit: SemaphorePermit<'a>,
}

impl Readers {
    pub(super) fn new(files: Files) -> Self {
        let permits = Semaphore::new(READERS as usize);
        Self { files, permits, idle: Mutex::new(Vec::new()) }
    }

    pub(super) async fn get(&self) -> Result<Reader<'_>, Error> {
        let permit =
            self.permits.acquire().await.map_err(|_| unavailable("the journal", "it has been closed"))?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = match idle {
            Some(conn) => conn,
            None => self.files.open_reader().await?,
        };
        Ok(Reader { conn, home: &self.idle, _permit: permit })
    }

    /// Waits for the reads under way, and closes every connection.
    pub(super) async fn close(&self) {
        // An error says that it has been closed already.
        let all = self.permits.acquire_many(READERS).await;
        self.permits.close();
        drop(all);
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        for conn in idle {
            // It only reads; there is nothing to lose.
            let _ = conn.close().await;
        }
    }
}

impl Reader<'_> {
    /// Gives the connection back after a read that succeeded.
    pub(super) fn done(self) {
        let Self { conn, home, .. } = self;
        home.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
    }
}

impl Deref for Reader<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.conn
    }
}

impl DerefMut for Reader<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.conn
    }
}
