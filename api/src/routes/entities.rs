//! The routes of every public kind: create, list, read, command, events.

use std::borrow::Cow;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use promptsales_actors::value::ExternalKey;
use promptsales_engine::clock::Timestamp;
use promptsales_engine::entity::{Answer, Fault, KindInfo, View};
use promptsales_engine::id::{StreamId, StreamKey};
use promptsales_engine::journal::{Accepted, Event, Json, Outcome, Seq};
use promptsales_engine::runtime::Command;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::app::App;
use crate::http::body::JsonBody;
use crate::http::caller::{Caller, text};
use crate::http::endpoint::{Endpoint, page_of};
use crate::http::paging::{PAGE, Page, PageQuery, json_text};
use crate::http::params::{Path, Query};
use crate::http::problem::{Code, Problem};
use crate::http::token;

/// How long a read waits for the position of its token.
const TOKEN_PATIENCE: Duration = Duration::from_secs(2);

/// The endpoints.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let entity = json!({
        "type": "object",
        "required": ["id", "version", "createdAt", "updatedAt"],
        "properties": { "id": { "type": "string" }, "version": { "type": "integer" } }
    });
    let answer = json!({
        "type": "object",
        "required": ["id", "version", "events", "reply"],
        "properties": {
            "id": { "type": "string" },
            "version": { "type": "integer", "description": "the number of the last event" },
            "events": { "type": "array", "items": { "type": "string" } },
            "reply": {}
        }
    });
    vec![
        Endpoint::new("post", "/api/v1/{kind}", "Creates a {kind}", post(create))
            .body(json!({ "type": "object" }))
            .answer(201, answer.clone()),
        Endpoint::new("get", "/api/v1/{kind}", "Lists every {kind}, the newest first", get(list))
            .query(PAGE)
            .answer(200, page_of(&entity)),
        Endpoint::new("get", "/api/v1/{kind}/{id}", "Reads a {kind}, as it is or was", get(read))
            .query(&[("at", "a moment (RFC 3339): the state as of then")])
            .answer(200, entity),
        Endpoint::new("get", "/api/v1/{kind}/{id}/events", "Lists the events of a {kind}", get(events))
            .query(PAGE)
            .answer(200, page_of(&json!({ "type": "object" }))),
        Endpoint::new("post", "/api/v1/{kind}/{id}/commands/{command}", "Sends a command", post(command))
            .body(json!({ "type": "object" }))
            .answer(200, answer),
    ]
}

async fn create(
    State(app): State<App>,
    Path(plural): Path<String>,
    caller: Caller,
    body: JsonBody,
) -> Result<Response, Problem> {
    let kind = kind(&app, &plural)?;
    let Some(name) = kind.create else { return Err(no_kind(&plural)) };
    let external_key = external_key_of(&body)?;
    let id = new_id(&app, &kind, &caller, external_key.as_deref());
    let stream = StreamKey::new(caller.tenant.clone(), id);
    let dedup = caller.dedup(&app.node().info().secret, body.0.text());
    let origin = caller.origin.clone();
    let command =
        Command { stream: stream.clone(), name: name.into(), body: body.0, external_key, origin, dedup };
    let answer = app.node().command(command).await?;
    let mut response = answered(&app, &stream, answer, StatusCode::CREATED)?;
    let location = HeaderValue::from_str(&format!("/api/v1/{plural}/{id}"));
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

async fn command(
    State(app): State<App>,
    Path((plural, id, name)): Path<(String, String, String)>,
    caller: Caller,
    body: JsonBody,
) -> Result<Response, Problem> {
    let kind = kind(&app, &plural)?;
    if !kind.commands.iter().any(|c| c.name == name) {
        let known: Vec<_> = kind.commands.iter().map(|c| c.name.as_str()).collect();
        let detail = format!("`{name}` is no command of {plural}; there are: {}", known.join(", "));
        return Err(Problem::new(Code::UnknownCommand, detail));
    }
    let (id, external_key) = address(&app, &kind, &caller, &id)?;
    let stream = StreamKey::new(caller.tenant.clone(), id);
    let dedup = caller.dedup(&app.node().info().secret, body.0.text());
    let origin = caller.origin.clone();
    let command =
        Command { stream: stream.clone(), name: name.into(), body: body.0, external_key, origin, dedup };
    let answer = app.node().command(command).await?;
    answered(&app, &stream, answer, StatusCode::OK)
}

#[derive(Debug, Deserialize)]
struct ReadQuery {
    at: Option<String>,
}

async fn read(
    State(app): State<App>,
    Path((plural, id)): Path<(String, String)>,
    Query(query): Query<ReadQuery>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let kind = kind(&app, &plural)?;
    let (id, _) = address(&app, &kind, &caller, &id)?;
    let stream = StreamKey::new(caller.tenant.clone(), id);
    wait_for(&app, &headers).await?;
    let view = match query.at {
        None => app.node().read(&stream).await?,
        Some(at) => {
            let at: Timestamp =
                at.parse().map_err(|e| Problem::new(Code::InvalidParameter, format!("`at`: {e}")))?;
            app.node().read_at(&stream, at).await?
        }
    };
    let view = view.ok_or_else(|| Problem::new(Code::NotFound, format!("there is no `{id}`")))?;
    let (position, version) = (view.position, view.seq);
    let mut text = String::with_capacity(1_024);
    view.write(&mut text);
    let mut response = json_text(text);
    response.headers_mut().insert(token::HEADER, token::write(app.node().info(), &stream, position));
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

async fn list(
    State(app): State<App>,
    Path(plural): Path<String>,
    Query(page): Query<PageQuery>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let kind = kind(&app, &plural)?;
    app.node().check_any()?;
    wait_for(&app, &headers).await?;
    let limit = page.limit()?;
    let streams =
        app.node().list(&caller.tenant, kind.kind.prefix, page.after()?, true, limit).await?.streams;
    let next = (streams.len() == limit).then(|| streams.last().map(|(_, cursor)| *cursor)).flatten();
    let streams: Vec<_> = streams.into_iter().map(|(stream, _)| stream).collect();
    let mut items = Vec::with_capacity(streams.len());
    for read in app.node().read_each(&streams).await {
        match read {
            Ok(view) => items.extend(view.map(Item::Shown)),
            Err(fault) => items.push(Item::SetAside(set_aside(&fault).ok_or(fault)?)),
        }
    }
    let page = Page::new(items, next, format!("/api/v1/{plural}?limit={limit}"));
    Ok(page.written(Item::write))
}

async fn events(
    State(app): State<App>,
    Path((plural, id)): Path<(String, String)>,
    Query(page): Query<PageQuery>,
    caller: Caller,
) -> Result<Response, Problem> {
    let kind = kind(&app, &plural)?;
    let (id, _) = address(&app, &kind, &caller, &id)?;
    let stream = StreamKey::new(caller.tenant.clone(), id);
    events_page(&app, &stream, &page, format!("/api/v1/{plural}/{id}/events")).await
}

/// A page of a stream's events.
pub(super) async fn events_page(
    app: &App,
    stream: &StreamKey,
    page: &PageQuery,
    path: String,
) -> Result<Response, Problem> {
    let limit = page.limit()?;
    let after = page.after()?.unwrap_or(0);
    let events = app.node().events(stream, after, limit).await?;
    if events.is_empty() && after == 0 {
        return Err(Problem::new(Code::NotFound, format!("there is no `{}`", stream.id)));
    }
    let next = (events.len() == limit).then(|| events.last().map(|e| e.seq)).flatten();
    let items: Vec<_> = events.iter().map(event_json).collect();
    Ok(Page::new(items, next, format!("{path}?limit={limit}")).into_response())
}

fn event_json(event: &Event) -> Value {
    let origin = &event.body.origin;
    json!({
        "position": event.position, "slot": event.slot().get(), "stream": event.stream.id, "seq": event.seq,
        "type": event.body.name, "version": event.body.version, "time": event.at, "tenant": event.stream.tenant,
        "causationId": origin.causation, "correlationId": origin.correlation, "traceparent": origin.trace,
        "principal": origin.principal, "data": event.body.data.value(),
    })
}

/// Waits until the journal has come to where the caller's token stands; 503 after its time, 421 where another node
/// has to be asked.
pub(super) async fn wait_for(app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    if let Some(given) = text(headers, token::HEADER, token::LONGEST)? {
        let marks = token::read(app.node().info(), given)?;
        if !app.node().until(&marks, TOKEN_PATIENCE).await? {
            return Err(Problem::new(
                Code::PositionNotReached,
                "repeat the read a little later, or without the token",
            ));
        }
    }
    Ok(())
}

/// Finds a public kind by its plural.
fn kind(app: &App, plural: &str) -> Result<std::sync::Arc<KindInfo>, Problem> {
    let found = app.node().catalog().by_plural(plural).filter(|k| k.public);
    found.cloned().ok_or_else(|| no_kind(plural))
}

fn no_kind(plural: &str) -> Problem {
    Problem::new(Code::NoSuchRoute, format!("there is no kind `{plural}`"))
}

/// Reads the id of a path: a TypeID, or `~KEY`.
fn address(
    app: &App,
    kind: &KindInfo,
    caller: &Caller,
    text: &str,
) -> Result<(StreamId, Option<String>), Problem> {
    if let Some(key) = text.strip_prefix('~') {
        let key: ExternalKey =
            key.parse().map_err(|e| Problem::new(Code::InvalidId, format!("the key behind `~`: {e}")))?;
        return Ok((keyed_id(app, kind, caller, key.as_str()), Some(key.into())));
    }
    let id = StreamId::parse(text, kind.kind.prefix);
    id.map(|id| (id, None)).map_err(|e| Problem::new(Code::InvalidId, e.to_string()))
}

fn keyed_id(app: &App, kind: &KindInfo, caller: &Caller, key: &str) -> StreamId {
    let parts = [caller.tenant.as_str(), kind.kind.name, key];
    app.node().info().secret.derive(kind.kind.prefix, None, "external key", &parts)
}

/// The id of what is created: of the external key, of the idempotency key, or a fresh one.
pub(super) fn new_id(app: &App, kind: &KindInfo, caller: &Caller, external_key: Option<&str>) -> StreamId {
    let prefix = kind.kind.prefix;
    match (external_key, caller.key_parts()) {
        (Some(key), _) => keyed_id(app, kind, caller, key),
        (None, Some(parts)) => app.node().info().secret.derive(prefix, None, "created under key", &parts),
        (None, None) => app.node().cx().new_id(prefix, None),
    }
}

/// The external key that a body brings.
pub(super) fn external_key_of(body: &JsonBody) -> Result<Option<String>, Problem> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Probe {
        #[serde(default)]
        external_key: Option<Value>,
    }
    let probe: Probe = body.read()?;
    match probe.external_key {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(key)) => match key.parse::<ExternalKey>() {
            Ok(key) => Ok(Some(key.into())),
            Err(e) => Err(Problem::new(Code::InvalidBody, format!("`externalKey`: {e}"))),
        },
        Some(_) => Err(Problem::new(Code::InvalidBody, "`externalKey`: use a text of 1 to 128 characters")),
    }
}

/// What a command answers.
#[derive(Serialize)]
struct Answered {
    id: StreamId,
    version: Seq,
    events: Vec<Cow<'static, str>>,
    reply: Json,
}

/// Turns an answer into a response, with its token.
pub(super) fn answered(
    app: &App,
    stream: &StreamKey,
    answer: Answer,
    status: StatusCode,
) -> Result<Response, Problem> {
    let Answer { outcome, position, replayed } = answer;
    let accepted = match outcome {
        Outcome::Accepted(accepted) => accepted,
        Outcome::Rejected(rejected) => return Err(rejected.into()),
    };
    let Accepted { seq: version, events, reply } = accepted;
    let id = stream.id;
    let mut response = (status, axum::Json(Answered { id, version, events, reply })).into_response();
    response.headers_mut().insert(token::HEADER, token::write(app.node().info(), stream, position));
    if replayed {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// What a list shows of an entity that is quarantined, so that one which cannot be read hides no other.
pub(super) fn set_aside(fault: &Fault) -> Option<Value> {
    let Fault::Quarantined { stream, cause, since } = fault else { return None };
    Some(json!({ "id": stream.id, "quarantined": { "cause": cause, "since": since } }))
}

/// An entity in a list.
enum Item {
    Shown(View),
    SetAside(Value),
}

impl Item {
    fn write(&self, text: &mut String) {
        match self {
            Self::Shown(view) => view.write(text),
            Self::SetAside(value) => text.push_str(&value.to_string()),
        }
    }
}
