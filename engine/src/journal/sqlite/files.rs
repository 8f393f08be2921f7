//! The files of a data directory: the lock, the journal with its migrations, and how each is opened.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::Rng;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};
use uuid::Uuid;

use super::error::{corrupt, unavailable};
use crate::clock::Timestamp;
use crate::id::{IdSecret, SlotMap};
use crate::journal::{Error, Info};

/// `PSjl`: what `file` and other tools know the journal by.
const APPLICATION_ID: i64 = 0x5053_6a6c;
/// The layouts of `journal.db`, each one step after the one before; `PRAGMA user_version` counts them.
const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/sqlite/0001_journal.sql"),
    include_str!("../../../migrations/sqlite/0002_base.sql"),
    include_str!("../../../migrations/sqlite/0003_forgotten.sql"),
];
/// `PRAGMA synchronous` as SQLite reports FULL.
const SYNCHRONOUS_FULL: i64 = 2;
/// How long a statement waits for a lock of the file. The writer waits only for a checkpoint's last moments.
const BUSY: Duration = Duration::from_secs(5);
/// How long a checkpoint waits for readers while it holds the writer up.
const CHECKPOINT_BUSY: Duration = Duration::from_millis(100);
/// Rows that a connection's thread may read ahead of whoever takes them.
const ROWS_AHEAD: usize = 512;
/// The page cache of each connection, in KiB (negative by SQLite's convention). What is not in it is mostly in the
/// machine's; there are eight connections, and they fill theirs as the store grows.
const CACHE: &str = "-4000";
/// That of the connection which fills the index, and touches pages all over it.
const INDEX_CACHE: &str = "-16000";

/// The paths of a data directory.
#[derive(Debug, Clone)]
pub(super) struct Files {
    dir: PathBuf,
}

impl Files {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.dir.join("journal.db")
    }

    pub(super) fn index(&self) -> PathBuf {
        self.dir.join("index.db")
    }

    /// Makes the directory and takes its lock, which is held for as long as the file is open.
    pub(super) fn lock(&self) -> Result<File, Error> {
        let io = |error: std::io::Error| unavailable(&self.dir.display().to_string(), error);
        std::fs::create_dir_all(&self.dir).map_err(io)?;
        let path = self.dir.join("lock");
        let mut file =
            OpenOptions::new().create(true).read(true).write(true).truncate(false).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Who holds it is told as far as it can be read.
                let _ = file.read_to_string(&mut holder);
                let reason = format!("process {} holds {}", holder.trim(), path.display());
                return Err(Error::InUse { reason });
            }
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        file.set_len(0).map_err(io)?;
        file.rewind().map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(file)
    }

    /// Opens the journal to append to it, and checks that commits will be synced.
    pub(super) async fn open_writer(&self) -> Result<SqliteConnection, Error> {
        let options = base(&self.journal())
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("fullfsync", "ON")
            .pragma("checkpoint_fullfsync", "ON")
            .pragma("wal_autocheckpoint", "0");
        let mut conn = options.connect().await?;
        let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut conn).await?;
        let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut conn).await?;
        if synchronous != SYNCHRONOUS_FULL || mode != "wal" {
            let found = format!("synchronous is {synchronous} and journal_mode {mode}");
            return Err(unavailable("the journal would not be synced", found));
        }
        Ok(conn)
    }

    /// Opens the journal to read it, with the index beside it as `idx`.
    pub(super) async fn open_reader(&self) -> Result<SqliteConnection, Error> {
        let mut conn = base(&self.journal()).pragma("query_only", "ON").connect().await?;
        attach(&mut conn, "ATTACH DATABASE ?1 AS idx", &self.index()).await?;
        Ok(conn)
    }

    /// Puts the journal beside an index that has been opened, to be copied from.
    pub(super) async fn attach_journal(&self, index: &mut SqliteConnection) -> Result<(), Error> {
        attach(index, "ATTACH DATABASE ?1 AS journal", &self.journal()).await
    }

    /// Opens the journal to write checkpoints.
    pub(super) async fn open_keeper(&self) -> Result<SqliteConnection, Error> {
        let options = base(&self.journal())
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(CHECKPOINT_BUSY)
            .pragma("checkpoint_fullfsync", "ON");
        Ok(options.connect().await?)
    }

    /// Opens the index, making an empty file where there is none. It need not be synced: it can be rebuilt.
    pub(super) async fn open_index(&self) -> Result<SqliteConnection, sqlx::Error> {
        base(&self.index())
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .pragma("cache_size", INDEX_CACHE)
            .synchronous(SqliteSynchronous::Normal)
            .connect()
            .await
    }

    /// Throws the index away.
    pub(super) fn remove_index(&self) -> Result<(), Error> {
        for name in ["index.db", "index.db-wal", "index.db-shm"] {
            match std::fs::remove_file(self.dir.join(name)) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(unavailable(name, error)),
            }
        }
        Ok(())
    }

    /// Makes sure that the files' names themselves survive a power loss.
    pub(super) fn sync_directory(&self) -> Result<(), Error> {
        let sync = |dir: &Path| File::open(dir).and_then(|dir| dir.sync_all());
        if cfg!(unix) {
            let parent = self.dir.parent().filter(|parent| !parent.as_os_str().is_empty());
            sync(&self.dir)
                .and_then(|()| parent.map_or(Ok(()), sync))
                .map_err(|error| unavailable(&self.dir.display().to_string(), error))?;
        }
        Ok(())
    }
}

async fn attach(conn: &mut SqliteConnection, sql: &'static str, path: &Path) -> Result<(), Error> {
    let path = path.to_str().ok_or_else(|| unavailable("the data directory", "its path is not UTF-8"))?;
    sqlx::query(sql).bind(path.to_owned()).execute(conn).await?;
    Ok(())
}

pub(super) fn base(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY)
        .pragma("cache_size", CACHE)
        .pragma("temp_store", "MEMORY")
        .row_buffer_size(ROWS_AHEAD)
        .disable_statement_logging()
}

/// Brings the journal to the newest layout, in one transaction.
pub(super) async fn migrate(conn: &mut SqliteConnection, identity: Option<&Identity>) -> Result<(), Error> {
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
    let application: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *tx).await?;
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *tx).await?;
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut *tx).await?;
    let is_new = application == 0 && version == 0 && tables == 0;
    if application != APPLICATION_ID && !is_new {
        return Err(corrupt("journal.db", "it is a database of another application"));
    }
    let done = usize::try_from(version).map_err(|_| corrupt("journal.db", "its layout has no number"))?;
    if done > MIGRATIONS.len() {
        let newest = MIGRATIONS.len();
        let why = format!("its layout is {done}, and this program knows {newest}; start a newer program");
        return Err(unavailable("journal.db", why));
    }
    for migration in &MIGRATIONS[done..] {
        sqlx::raw_sql(*migration).execute(&mut *tx).await?;
    }
    if is_new {
        identify(&mut tx, identity.copied().unwrap_or_else(Identity::random)).await?;
    }
    let stamp =
        format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {}", MIGRATIONS.len());
    sqlx::raw_sql(sqlx::AssertSqlSafe(stamp)).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(())
}

/// What a store is known by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity {
    pub(super) log: Uuid,
    pub(super) history: Uuid,
    pub(super) secret: IdSecret,
}

impl Identity {
    /// An identity of the machine's randomness, as it must differ from every other.
    fn random() -> Self {
        let (log, history, secret): ([u8; 16], [u8; 16], [u8; 32]) = rand::rng().random();
        Self { log: Uuid::from_bytes(log), history: Uuid::from_bytes(history), secret: IdSecret::new(secret) }
    }
}

/// Gives a new store its identity.
async fn identify(conn: &mut SqliteConnection, identity: Identity) -> Result<(), Error> {
    let Identity { log, history, secret } = identity;
    sqlx::query("INSERT INTO meta VALUES (1, ?1, ?2, unixepoch('subsec') * 1000)")
        .bind(log.as_bytes().to_vec())
        .bind(secret.bytes().to_vec())
        .execute(&mut *conn)
        .await?;
    sqlx::query("INSERT INTO history VALUES (1, ?1, 0, unixepoch('subsec') * 1000)")
        .bind(history.as_bytes().to_vec())
        .execute(conn)
        .await?;
    Ok(())
}

/// Reads what identifies the store.
pub(super) async fn read_info(conn: &mut SqliteConnection) -> Result<Info, Error> {
    const SQL: &str = "SELECT m.log, m.secret, h.history, h.at, h.no > 1 FROM meta AS m, history AS h ORDER BY h.no DESC LIMIT 1";
    let row = sqlx::query(SQL).fetch_one(&mut *conn).await?;
    let partitions: Vec<u32> =
        sqlx::query_scalar("SELECT id FROM partition ORDER BY id").fetch_all(conn).await?;
    let uuid = |bytes: Vec<u8>| Uuid::from_slice(&bytes).map_err(|error| corrupt("meta", error));
    let secret: Vec<u8> = row.try_get(1)?;
    let secret = secret.try_into().map_err(|_| corrupt("meta", "the secret has not 32 bytes"))?;
    let resumed = row.try_get(4)?;
    Ok(Info {
        log: uuid(row.try_get(0)?)?,
        history: uuid(row.try_get(2)?)?,
        resumed_at: if resumed { Some(Timestamp::from_ms(row.try_get(3)?)) } else { None },
        starts_held: resumed,
        secret: IdSecret::new(secret),
        partitions,
        slots: SlotMap::even(1),
    })
}
