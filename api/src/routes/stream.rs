//! The stream of events: `GET /api/v1/stream`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use promptsales_engine::id::StreamId;
use promptsales_engine::id::StreamKey;
use promptsales_engine::projection::{Start, TailError};
use serde::Deserialize;
use serde_json::json;

use super::runs::RUN;
use crate::app::App;
use crate::http::caller::{Caller, text};
use crate::http::endpoint::Endpoint;
use crate::http::params::Query;
use crate::http::problem::{Code, Problem};
use crate::stream::{Feed, Filter, PUBLISHED, read};

/// The longest cursor, in bytes.
const LONGEST: usize = 16 * 1024;

/// The endpoints.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let summary = "Events as they happen, as server-sent events: each a CloudEvent, with the cursor behind it as \
        its `id`. Nothing is missed and nothing comes twice for whoever resumes with `Last-Event-ID`; where that cannot \
        be kept, 410. Restarts are not journalled and carry no `id`. 421 where another node owns what is followed";
    let types: Vec<_> =
        PUBLISHED.iter().map(|(kind, when)| json!({ "const": kind, "description": when })).collect();
    vec![
        Endpoint::new("get", "/api/v1/stream", summary, get(stream))
            .query(&[
                ("types", "only types that begin so, several with commas: `io.promptsales.run.`"),
                ("run", "only what is about this run"),
                ("kind", "only what is about this kind, by its plural (`runs`, `leads`), or `services`, `partitions`"),
                ("from", "where to begin without a cursor: `now` (the default) or `beginning`"),
                ("lastEventId", "a cursor, for clients that cannot send the header `Last-Event-ID`"),
            ])
            .answer(
                200,
                json!({
                    "type": "object", "required": ["specversion", "id", "source", "type"],
                    "properties": {
                        "type": { "oneOf": types }, "subject": { "type": "string" }, "data": { "type": "object" }
                    }
                }),
            )
            .media("text/event-stream"),
    ]
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    types: Option<String>,
    run: Option<String>,
    kind: Option<String>,
    from: Option<String>,
    last_event_id: Option<String>,
}

async fn stream(
    State(app): State<App>,
    Query(asked): Query<Asked>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let filter = filter(&app, &asked)?;
    let start = start(&asked, &headers)?;
    app.node().check_any()?;
    let full =
        || Problem::new(Code::Overloaded, "as many streams are open as this node serves: streams_full");
    let place = app.streams().enter().ok_or_else(full)?;
    let of = filter.run.map(|run| StreamKey::new(caller.tenant.clone(), run));
    let (wanted, tenant) = (filter.clone(), caller.tenant);
    let wanted = Arc::new(move |event: &promptsales_engine::journal::Event| {
        event.stream.tenant == tenant && wanted.may_want(&event.stream.id)
    });
    let mut tail = app.node().tail(&start, of.as_ref(), wanted).map_err(refused)?;
    tail.prime().await.map_err(refused)?;
    let heartbeat = app.streams().limits.heartbeat;
    let feed = Feed::new(app, tail, filter, heartbeat, place);
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::from_stream(feed.pieces())).into_response())
}

/// Where to begin: the header goes before the query.
fn start(asked: &Asked, headers: &HeaderMap) -> Result<Start, Problem> {
    let wrong = |what: &str| Problem::new(Code::InvalidParameter, what.to_owned());
    let cursor = text(headers, "last-event-id", LONGEST)?.or(asked.last_event_id.as_deref());
    if let Some(cursor) = cursor {
        let cursor = read(cursor).ok_or_else(|| {
            wrong("`Last-Event-ID`: use the `id` of an event of this stream as it came, or none to begin now")
        })?;
        return Ok(Start::After(cursor));
    }
    match asked.from.as_deref() {
        None | Some("now") => Ok(Start::Now),
        Some("beginning") => Ok(Start::Beginning),
        Some(_) => Err(wrong("`from`: use `now` or `beginning`")),
    }
}

fn filter(app: &App, asked: &Asked) -> Result<Filter, Problem> {
    let wrong = |what: String| Problem::new(Code::InvalidParameter, what);
    let types = asked.types.iter().flat_map(|types| types.split(',')).map(|one| one.trim().to_owned());
    let types: Vec<_> = types.filter(|one| !one.is_empty()).collect();
    let leads_nowhere = |one: &&String| !PUBLISHED.iter().any(|(kind, _)| kind.starts_with(one.as_str()));
    if let Some(one) = types.iter().find(leads_nowhere) {
        return Err(wrong(format!("`types`: no type begins with `{one}`; they stand in /openapi.json")));
    }
    let run = asked.run.as_deref().map(|run| StreamId::parse(run, RUN)).transpose();
    let run = run.map_err(|e| wrong(format!("`run`: {e}")))?;
    let known = |kind: &String| {
        matches!(kind.as_str(), "services" | "partitions") || app.node().catalog().by_plural(kind).is_some()
    };
    if let Some(kind) = asked.kind.as_ref().filter(|kind| !known(kind)) {
        return Err(wrong(format!("`kind`: there is no kind `{kind}`")));
    }
    Ok(Filter { types, run, kind: asked.kind.clone() })
}

/// Why a stream cannot begin where it is asked to, and what to do about it.
fn refused(error: TailError) -> Problem {
    let begin_anew = "begin without a cursor, with `from=beginning` for everything that is kept";
    let gone = |error: &TailError| Problem::new(Code::CursorGone, format!("{error}; {begin_anew}"));
    match error {
        TailError::NotOwner(not_owner) => promptsales_engine::entity::Fault::from(not_owner).into(),
        TailError::Journal(error) => error.into(),
        TailError::NotCovered { .. } => {
            let detail =
                "the cursor is of a stream with `run`: resume with the same `run`, or begin without a cursor";
            Problem::new(Code::InvalidParameter, detail)
        }
        TailError::OtherHistory | TailError::Ahead { .. } | TailError::Trimmed { .. } => gone(&error),
    }
}
