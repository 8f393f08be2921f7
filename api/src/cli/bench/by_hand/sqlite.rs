//! Rows in SQLite: WAL, `synchronous=FULL`, one connection that writes.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Executor};
use tokio::sync::Mutex;

use super::{Command, answer};

const SCHEMA: &str = "
    CREATE TABLE lead (
        id TEXT PRIMARY KEY, score INTEGER NOT NULL, activities INTEGER NOT NULL, tag TEXT,
        created_at TEXT NOT NULL, updated_at TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE activity (
        id INTEGER PRIMARY KEY, lead TEXT NOT NULL, activity TEXT NOT NULL, score INTEGER NOT NULL, tag TEXT,
        at TEXT NOT NULL
    );
    CREATE INDEX activity_lead ON activity (lead, id);
    CREATE TABLE request (key TEXT PRIMARY KEY, answer TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE event (
        source TEXT NOT NULL, id TEXT NOT NULL, type TEXT NOT NULL, subject TEXT, time TEXT, data TEXT,
        PRIMARY KEY (source, id)
    ) WITHOUT ROWID;";

const LEAD: &str = "
    INSERT INTO lead (id, score, activities, tag, created_at, updated_at)
    VALUES (?1, ?2, 1, ?3, datetime(), datetime())
    ON CONFLICT (id) DO UPDATE SET score = score + excluded.score, activities = activities + 1,
        tag = coalesce(excluded.tag, tag), updated_at = excluded.updated_at
    RETURNING activities";

const ACTIVITY: &str =
    "INSERT INTO activity (lead, activity, score, tag, at) VALUES (?1, ?2, ?3, ?4, datetime())";

const EVENTS: &str = "
    INSERT INTO event (source, id, type, subject, time, data)
    SELECT value ->> 'source', value ->> 'id', value ->> 'type', value ->> 'subject', value ->> 'time',
        value -> 'data'
    FROM json_each(?1) WHERE true ON CONFLICT DO NOTHING";

/// The file, through the one connection that writes.
pub(super) struct Rows(Mutex<SqliteConnection>);

impl Rows {
    pub(super) async fn open(folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let options = SqliteConnectOptions::new()
            .filename(folder.join("rows.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let mut connection = options.connect().await?;
        connection.execute(SCHEMA).await?;
        Ok(Self(Mutex::new(connection)))
    }

    pub(super) async fn record(&self, command: &Command<'_>) -> anyhow::Result<String> {
        let Command { lead, activity, key } = *command;
        let mut connection = self.0.lock().await;
        let mut work = connection.begin_with("BEGIN IMMEDIATE").await?;
        if let Some(key) = key {
            let known = sqlx::query_scalar("SELECT answer FROM request WHERE key = ?1").bind(key);
            if let Some(known) = known.fetch_optional(&mut *work).await? {
                return Ok(known);
            }
        }
        let row = sqlx::query_scalar(LEAD).bind(lead).bind(activity.score).bind(&activity.tag);
        let version: i64 = row.fetch_one(&mut *work).await?;
        let row = sqlx::query(ACTIVITY).bind(lead).bind(&activity.activity).bind(activity.score);
        row.bind(&activity.tag).execute(&mut *work).await?;
        let answer = answer(lead, version);
        if let Some(key) = key {
            let row = sqlx::query("INSERT INTO request (key, answer) VALUES (?1, ?2)").bind(key);
            row.bind(&answer).execute(&mut *work).await?;
        }
        work.commit().await?;
        Ok(answer)
    }

    pub(super) async fn take(&self, events: &str) -> anyhow::Result<u64> {
        let mut connection = self.0.lock().await;
        Ok(sqlx::query(EVENTS).bind(events).execute(&mut *connection).await?.rows_affected())
    }
}
