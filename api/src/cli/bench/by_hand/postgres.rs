//! Rows in PostgreSQL, through a pool.

use sqlx::Executor;
use sqlx::postgres::{PgPool, PgPoolOptions};

use super::{Command, answer};

/// Fewer than PostgreSQL takes by default, more than it has use for on a small machine.
const CONNECTIONS: u32 = 32;

const SCHEMA: &str = "
    CREATE TABLE lead (
        id text PRIMARY KEY, score bigint NOT NULL, activities bigint NOT NULL, tag text,
        created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL
    );
    CREATE TABLE activity (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, lead text NOT NULL, activity text NOT NULL,
        score integer NOT NULL, tag text, at timestamptz NOT NULL
    );
    CREATE INDEX activity_lead ON activity (lead, id);
    CREATE TABLE request (key text PRIMARY KEY, answer text NOT NULL);
    CREATE TABLE event (
        source text NOT NULL, id text NOT NULL, type text NOT NULL, subject text, time text, data jsonb,
        PRIMARY KEY (source, id)
    );";

const LEAD: &str = "
    INSERT INTO lead AS l (id, score, activities, tag, created_at, updated_at)
    VALUES ($1, $2, 1, $3, now(), now())
    ON CONFLICT (id) DO UPDATE SET score = l.score + excluded.score, activities = l.activities + 1,
        tag = coalesce(excluded.tag, l.tag), updated_at = excluded.updated_at
    RETURNING activities";

const ACTIVITY: &str = "INSERT INTO activity (lead, activity, score, tag, at) VALUES ($1, $2, $3, $4, now())";

const EVENTS: &str = "
    INSERT INTO event (source, id, type, subject, time, data)
    SELECT source, id, type, subject, time, data
    FROM jsonb_to_recordset($1::jsonb)
        AS e (source text, id text, type text, subject text, time text, data jsonb)
    ON CONFLICT DO NOTHING";

/// The database.
pub(super) struct Rows(PgPool);

impl Rows {
    pub(super) async fn open(url: &str) -> anyhow::Result<Self> {
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(url).await?;
        pool.execute(SCHEMA).await?;
        Ok(Self(pool))
    }

    pub(super) async fn record(&self, command: &Command<'_>) -> anyhow::Result<String> {
        let Command { lead, activity, key } = *command;
        let mut work = self.0.begin().await?;
        if let Some(key) = key {
            let known = sqlx::query_scalar("SELECT answer FROM request WHERE key = $1").bind(key);
            if let Some(known) = known.fetch_optional(&mut *work).await? {
                return Ok(known);
            }
        }
        let row = sqlx::query_scalar(LEAD).bind(lead).bind(i64::from(activity.score)).bind(&activity.tag);
        let version: i64 = row.fetch_one(&mut *work).await?;
        let row = sqlx::query(ACTIVITY).bind(lead).bind(&activity.activity).bind(activity.score);
        row.bind(&activity.tag).execute(&mut *work).await?;
        let answer = answer(lead, version);
        if let Some(key) = key {
            let row = sqlx::query("INSERT INTO request (key, answer) VALUES ($1, $2)").bind(key);
            row.bind(&answer).execute(&mut *work).await?;
        }
        work.commit().await?;
        Ok(answer)
    }

    pub(super) async fn take(&self, events: &str) -> anyhow::Result<u64> {
        Ok(sqlx::query(EVENTS).bind(events).execute(&self.0).await?.rows_affected())
    }
}
