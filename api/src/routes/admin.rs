//! The routes of the operator: copies of the store, and the hold on one that was restored.

use std::path::{Path, PathBuf};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::stream::try_unfold;
use promptsales_engine::effect::Effect;
use promptsales_engine::entity::Overload;
use promptsales_engine::journal::Outcome;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::app::App;
use crate::backup::{Manifest, digest_of};
use crate::http::body::JsonBody;
use crate::http::caller::Caller;
use crate::http::endpoint::{Endpoint, page_of};
use crate::http::paging::{PAGE, Page, PageQuery};
use crate::http::params::Query;
use crate::http::problem::{Code, Problem};

/// The bytes of a copy that are sent at once.
const PIECE: usize = 256 * 1024;

/// The endpoints.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let effect =
        json!({ "type": "object", "required": ["key", "stream", "connector", "operation", "intendedAt"] });
    let why = json!({
        "type": "object", "required": ["why"], "additionalProperties": false,
        "properties": { "why": { "type": "string", "description": "what makes the release right" } }
    });
    vec![
        Endpoint::new("get", "/api/v1/admin/held", "Lists the effects that wait for the release", get(held))
            .query(PAGE)
            .answer(200, page_of(&effect)),
        Endpoint::new("post", "/api/v1/admin/release", "Ends the hold on a restored store", post(release))
            .body(why)
            .answer(200, json!({ "type": "object", "required": ["history", "status"] })),
        Endpoint::new(
            "get",
            "/api/v1/admin/backup",
            "A checked copy of the store as it is now: an SQLite file, described in `X-Backup`",
            get(backup),
        ),
    ]
}

async fn held(State(app): State<App>, Query(page): Query<PageQuery>, _: Caller) -> Result<Response, Problem> {
    let limit = page.limit()?;
    if !app.node().is_held() {
        return Ok(Page::<Value>::new(Vec::new(), None, "/api/v1/admin/held".to_owned()).into_response());
    }
    let after = page.after()?.unwrap_or(0);
    let mut open = Vec::new();
    // Their numbers rise from partition to partition, so that one cursor does for all.
    for (partition, _) in app.node().positions() {
        open.extend(app.node().open_effects(partition, after, limit - open.len()).await?);
    }
    let next = (open.len() == limit).then(|| open.last().map(|(cursor, _)| *cursor)).flatten();
    let items: Vec<_> = open.iter().map(|(_, effect)| effect_json(effect)).collect();
    Ok(Page::new(items, next, format!("/api/v1/admin/held?limit={limit}")).into_response())
}

fn effect_json(effect: &Effect) -> Value {
    json!({
        "key": effect.key.to_string(), "stream": effect.stream.id, "tenant": effect.stream.tenant,
        "connector": effect.connector, "operation": effect.operation, "attempts": effect.attempts,
        "state": effect.state, "intendedAt": effect.at,
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Release {
    why: String,
}

async fn release(State(app): State<App>, caller: Caller, body: JsonBody) -> Result<Response, Problem> {
    let Release { why } = body.read()?;
    let info = app.node().info().clone();
    if !info.starts_held {
        return Err(Problem::new(Code::NotHeld, "this history was never held"));
    }
    let dedup = caller.dedup(&info.secret, body.0.text());
    let answer = app.node().release_history(&why, caller.origin.clone(), dedup).await?;
    if let Outcome::Rejected(rejected) = answer.outcome {
        return Err(rejected.into());
    }
    let shipped = app.released().await;
    shipped.map_err(|error| Problem::new(Code::Internal, format!("it was released; then: {error:#}")))?;
    Ok(axum::Json(json!({ "history": info.history, "status": "released" })).into_response())
}

fn busy() -> Problem {
    Problem::new(Code::Overloaded, "a copy is being made already").with_reason(Overload::BackupUnderWay)
}

async fn backup(State(app): State<App>, _: Caller) -> Result<Response, Problem> {
    let Some(folder) = app.folder() else {
        return Err(Problem::new(Code::JournalUnavailable, "this store is not kept in a folder"));
    };
    let _turn = app.backing_up().map_err(|_| busy())?;
    let (manifest, file) = copy(&app, folder).await?;
    let described = serde_json::to_string(&manifest).ok().and_then(|text| HeaderValue::from_str(&text).ok());
    let mut response = Body::from_stream(try_unfold(file, piece)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/vnd.sqlite3"));
    headers.insert(header::CONTENT_LENGTH, manifest.bytes.into());
    if let Some(described) = described {
        headers.insert("x-backup", described);
    }
    Ok(response)
}

/// Makes the copy beside the store, and takes its name away again: it lasts as long as it is being sent.
async fn copy(app: &App, folder: &Path) -> Result<(Manifest, File), Problem> {
    let failed = |error: std::io::Error| Problem::new(Code::JournalUnavailable, format!("the copy: {error}"));
    let path: PathBuf = folder.join("backup.part");
    remove(&path).await.map_err(failed)?;
    let facts = app.node().back_up(&path).await;
    let opened = File::open(&path).await;
    remove(&path).await.map_err(failed)?;
    let (facts, mut file) = (facts?, opened.map_err(failed)?);
    let mut twin = file.try_clone().await.map_err(failed)?.into_std().await;
    let digested = app.node().cx().cpu(move || digest_of(&mut twin)).await;
    let digested = digested.map_err(|panicked| Problem::new(Code::Internal, panicked.to_string()))?;
    let (bytes, blake3) = digested.map_err(failed)?;
    // The twin shares its place in the file.
    file.rewind().await.map_err(failed)?;
    Ok((Manifest { backup: facts, bytes, blake3 }, file))
}

async fn remove(path: &Path) -> std::io::Result<()> {
    match tokio::fs::remove_file(path).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

async fn piece(mut file: File) -> std::io::Result<Option<(Bytes, File)>> {
    let mut buffer = vec![0; PIECE];
    let read = file.read(&mut buffer).await?;
    buffer.truncate(read);
    Ok((read > 0).then(|| (Bytes::from(buffer), file)))
}
