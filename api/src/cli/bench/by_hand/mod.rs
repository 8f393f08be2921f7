//! The same work as one would write it by hand: axum, sqlx, one transaction a command.
//!
//! A command updates the lead's row and adds the activity's, and keeps its answer under the key if it came with one; a
//! batch of events is one statement. There is no journal, no replay, no supervision and no history of the lead.

mod postgres;
pub(super) mod scratch;
mod sqlite;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::ListenerExt;
use clap::Args;
use serde::Deserialize;
use tokio::net::TcpListener;

use crate::config::DatabaseUrl;

/// Where it keeps its rows.
#[derive(Debug, Args)]
pub(super) struct ByHandArgs {
    /// The folder of the SQLite file.
    #[arg(long)]
    data_dir: PathBuf,
    /// The PostgreSQL to use instead.
    #[arg(long, env = "PROMPTSALES_DATABASE_URL", hide_env_values = true)]
    database_url: Option<DatabaseUrl>,
}

/// What a lead did.
#[derive(Debug, Deserialize)]
struct Activity {
    activity: String,
    score: i32,
    tag: Option<String>,
}

/// A command with where it goes and what makes it count once.
struct Command<'a> {
    lead: &'a str,
    activity: &'a Activity,
    key: Option<&'a str>,
}

enum Database {
    Sqlite(sqlite::Rows),
    Postgres(postgres::Rows),
}

impl Database {
    async fn record(&self, command: &Command<'_>) -> anyhow::Result<String> {
        match self {
            Self::Sqlite(rows) => rows.record(command).await,
            Self::Postgres(rows) => rows.record(command).await,
        }
    }

    /// Takes a batch of events, and answers how many of them are new.
    async fn take(&self, events: &str) -> anyhow::Result<u64> {
        match self {
            Self::Sqlite(rows) => rows.take(events).await,
            Self::Postgres(rows) => rows.take(events).await,
        }
    }
}

/// Serves until killed.
pub(super) async fn run(args: &ByHandArgs) -> anyhow::Result<()> {
    let database = match &args.database_url {
        Some(url) => Database::Postgres(postgres::Rows::open(url.expose()).await?),
        None => Database::Sqlite(sqlite::Rows::open(&args.data_dir).await?),
    };
    let router = Router::new()
        .route("/api/v1/leads/{id}/commands/record-activity", post(record))
        .route("/api/v1/events", post(take))
        .with_state(Arc::new(database));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    Ok(axum::serve(listener, router).await?)
}

async fn record(
    State(database): State<Arc<Database>>,
    Path(lead): Path<String>,
    headers: HeaderMap,
    axum::Json(activity): axum::Json<Activity>,
) -> Response {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    answered(database.record(&Command { lead: &lead, activity: &activity, key }).await)
}

async fn take(State(database): State<Arc<Database>>, body: String) -> Response {
    let events: Result<Vec<&serde_json::value::RawValue>, _> = serde_json::from_str(&body);
    let Ok(sent) = events.map(|events| events.len() as u64) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let taken = database.take(&body).await;
    let answer = |new: u64| format!("{{\"accepted\":{new},\"duplicates\":{}}}", sent.saturating_sub(new));
    answered(taken.map(answer))
}

fn answered(result: anyhow::Result<String>) -> Response {
    match result {
        Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")).into_response(),
    }
}

/// The answer to a command, as the product gives it.
fn answer(lead: &str, version: i64) -> String {
    format!("{{\"id\":\"{lead}\",\"version\":{version},\"events\":[\"activity-recorded\"],\"reply\":null}}")
}
