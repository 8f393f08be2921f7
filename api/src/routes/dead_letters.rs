//! The routes of dead letters: list, show, and what an operator does about them.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use promptsales_engine::clock::Timestamp;
use promptsales_engine::entity::{Answer, Entity, Fault};
use promptsales_engine::id::{Prefix, StreamId, StreamKey};
use promptsales_engine::runtime::Act;
use promptsales_engine::supervise::DeadLetter;
use serde::Deserialize;
use serde_json::{Value, json};

use super::entities::{answered, wait_for};
use crate::app::App;
use crate::http::acting::{
    Bulk, CONDITIONS, Conditions, Done, Filter, LOOKED_AT, Single, bulk_schema, done_schema, kind_of,
    why_schema,
};
use crate::http::body::JsonBody;
use crate::http::caller::Caller;
use crate::http::endpoint::{Endpoint, page_of};
use crate::http::paging::{PAGE, Page, PageQuery, cursor, encoded};
use crate::http::params::{Path, Query};
use crate::http::problem::{Code, Problem};

const LETTER: Prefix = DeadLetter::KIND.prefix;

const STATUS: &[(&str, &str)] =
    &[("status", "`open` by default, `retrying`, `retried`, `discarded` or `all`")];

/// The endpoints.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let letter = json!({
        "type": "object", "required": ["id", "target", "kind", "input", "cause", "status", "at"],
        "properties": {
            "id": { "type": "string" }, "target": { "type": "string" }, "kind": { "type": "string" },
            "input": { "type": "string" }, "body": {}, "cause": { "type": "string" },
            "backtrace": { "type": "string", "description": "not in lists" },
            "status": { "enum": ["open", "retrying", "retried", "discarded"] },
            "act": { "type": ["object", "null"] }, "answer": { "type": ["object", "null"] },
            "at": { "type": "string", "format": "date-time" }
        }
    });
    let answer = json!({ "type": "object", "required": ["id", "version", "events"] });
    let act = |path, summary, handler, body, answer| {
        Endpoint::new("post", path, summary, handler).body(body).answer(200, answer)
    };
    vec![
        Endpoint::new("get", "/api/v1/dead-letters", "Lists dead letters, the newest first", get(list))
            .query(STATUS)
            .query(CONDITIONS)
            .query(PAGE)
            .answer(200, page_of(&letter)),
        Endpoint::new(
            "get",
            "/api/v1/dead-letters/{id}",
            "Shows a dead letter with its backtrace",
            get(show),
        )
        .answer(200, letter),
        act(
            "/api/v1/dead-letters/{id}/retry",
            "Sends a dead letter's command again, once",
            post(retry),
            why_schema(),
            answer.clone(),
        ),
        act(
            "/api/v1/dead-letters/{id}/discard",
            "Lets a dead letter go",
            post(discard),
            why_schema(),
            answer,
        ),
        act(
            "/api/v1/dead-letters/retry",
            "Sends the commands of the open dead letters that fit again, the oldest first",
            post(retry_all),
            bulk_schema(),
            done_schema(),
        ),
        act(
            "/api/v1/dead-letters/discard",
            "Lets the open dead letters that fit go",
            post(discard_all),
            bulk_schema(),
            done_schema(),
        ),
    ]
}

#[derive(Debug, Deserialize)]
struct StatusQuery {
    status: Option<String>,
}

impl StatusQuery {
    fn read(&self) -> Result<&str, Problem> {
        let status = self.status.as_deref().unwrap_or("open");
        if ["open", "retrying", "retried", "discarded", "all"].contains(&status) {
            return Ok(status);
        }
        let detail = "`status`: use `open`, `retrying`, `retried`, `discarded` or `all`";
        Err(Problem::new(Code::InvalidParameter, detail))
    }
}

/// Lists dead letters. A page may be short; its `next` says whether there is more to look at.
async fn list(
    State(app): State<App>,
    Query(page): Query<PageQuery>,
    Query(conditions): Query<Conditions>,
    Query(status): Query<StatusQuery>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    app.node().check_any()?;
    wait_for(&app, &headers).await?;
    let (limit, filter, status) = (page.limit()?, conditions.read(&app)?, status.read()?);
    let path = format!("/api/v1/dead-letters?limit={limit}&status={}{}", encoded(status), conditions.path());
    let mut after = page.after()?;
    let mut items = Vec::new();
    for _ in 0..LOOKED_AT / limit.max(1) {
        let streams = app.node().list(&caller.tenant, LETTER, after, true, limit).await?.streams;
        let more = streams.len() == limit;
        for (stream, cursor) in streams {
            after = Some(cursor);
            let Some(mut letter) = read(&app, &stream).await? else { continue };
            if (status == "all" || letter["status"] == *status) && fits(&filter, &letter) {
                letter.as_object_mut().and_then(|letter| letter.remove("backtrace"));
                items.push(letter);
            }
            if items.len() == limit {
                return Ok(Page::new(items, after, path).into_response());
            }
        }
        if !more {
            after = None;
            break;
        }
    }
    Ok(Page::new(items, after, path).into_response())
}

async fn show(State(app): State<App>, Path(id): Path<String>, caller: Caller) -> Result<Response, Problem> {
    let stream = address(&caller, &id)?;
    let letter = read(&app, &stream).await?;
    let letter = letter.ok_or_else(|| Problem::new(Code::NotFound, format!("there is no `{id}`")))?;
    Ok(axum::Json(letter).into_response())
}

async fn retry(
    State(app): State<App>,
    Path(id): Path<String>,
    caller: Caller,
    body: JsonBody,
) -> Result<Response, Problem> {
    singly(&app, &caller, &id, &body, Verb::Retry).await
}

async fn discard(
    State(app): State<App>,
    Path(id): Path<String>,
    caller: Caller,
    body: JsonBody,
) -> Result<Response, Problem> {
    singly(&app, &caller, &id, &body, Verb::Discard).await
}

async fn retry_all(State(app): State<App>, caller: Caller, body: JsonBody) -> Result<Response, Problem> {
    in_bulk(&app, &caller, &body, Verb::Retry).await
}

async fn discard_all(State(app): State<App>, caller: Caller, body: JsonBody) -> Result<Response, Problem> {
    in_bulk(&app, &caller, &body, Verb::Discard).await
}

#[derive(Debug, Clone, Copy)]
enum Verb {
    Retry,
    Discard,
}

impl Verb {
    /// Does it to one letter.
    async fn act(self, app: &App, letter: &StreamKey, act: Act) -> Result<Answer, Fault> {
        match self {
            Self::Retry => app.node().retry_letter(letter.clone(), act).await,
            Self::Discard => app.node().discard_letter(letter.clone(), act).await,
        }
    }
}

async fn singly(
    app: &App,
    caller: &Caller,
    id: &str,
    body: &JsonBody,
    verb: Verb,
) -> Result<Response, Problem> {
    let stream = address(caller, id)?;
    let act = body.read::<Single>()?.act(app, caller, body);
    let answer = verb.act(app, &stream, act).await?;
    answered(app, &stream, answer, StatusCode::OK)
}

/// Acts on the open letters that fit, the oldest first. What is still poison becomes another letter, which is newer
/// than `until`, so that one request, or one after the other by their cursors, comes to an end.
async fn in_bulk(app: &App, caller: &Caller, body: &JsonBody, verb: Verb) -> Result<Response, Problem> {
    app.node().check_any()?;
    let bulk = body.read::<Bulk>()?;
    let mut filter = bulk.filter(app)?;
    let until = *filter.until.get_or_insert_with(|| app.node().cx().now());
    let page = PageQuery::from_cursor(bulk.cursor.clone());
    let streams = app.node().list(&caller.tenant, LETTER, page.after()?, false, LOOKED_AT).await?.streams;
    let next =
        (streams.len() == LOOKED_AT).then(|| streams.last().map(|(_, after)| cursor(*after))).flatten();
    let mut done = Done { next, until: Some(until), ..Done::default() };
    for (stream, _) in streams {
        let letter = read(app, &stream).await?;
        if letter.is_some_and(|letter| letter["status"] == "open" && fits(&filter, &letter)) {
            let act = bulk.act(app, caller, body, &stream.id);
            done.note(stream.id, verb.act(app, &stream, act).await)?;
        }
    }
    Ok(axum::Json(done).into_response())
}

/// A letter as it is shown.
async fn read(app: &App, stream: &StreamKey) -> Result<Option<Value>, Problem> {
    let Some(view) = app.node().read(stream).await? else { return Ok(None) };
    let mut letter = view.state.value();
    if let Some(target) = target(&letter) {
        letter["kind"] = kind_of(app, &target).into();
    }
    letter["id"] = json!(stream.id);
    Ok(Some(letter))
}

fn target(letter: &Value) -> Option<StreamId> {
    letter["target"].as_str()?.parse().ok()
}

fn fits(filter: &Filter, letter: &Value) -> bool {
    let at = letter["at"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
    let cause = letter["cause"].as_str().unwrap_or_default();
    target(letter).zip(at).is_some_and(|(target, at)| filter.fits(&target, cause, at))
}

fn address(caller: &Caller, text: &str) -> Result<StreamKey, Problem> {
    let id = StreamId::parse(text, LETTER).map_err(|e| Problem::new(Code::InvalidId, e.to_string()))?;
    Ok(StreamKey::new(caller.tenant.clone(), id))
}
