//! The routes of runs: list, show, tasks, events, and what an operator or a signal can do.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use promptsales_engine::clock::Timestamp;
use promptsales_engine::codec;
use promptsales_engine::effect::{EffectKey, EffectState};
use promptsales_engine::entity::Fault;
use promptsales_engine::id::{Prefix, StreamId, StreamKey};
use promptsales_engine::journal::Json;
use promptsales_engine::runtime::Command;
use promptsales_engine::workflow::machine::{Lifecycle, RunEvent, TaskList};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::entities::{answered, events_page, set_aside, wait_for};
use crate::app::App;
use crate::http::body::JsonBody;
use crate::http::caller::Caller;
use crate::http::endpoint::{Endpoint, page_of};
use crate::http::paging::{PAGE, Page, PageQuery, encoded, json_text};
use crate::http::params::{Path, Query};
use crate::http::problem::{Code, Problem};

/// The prefix of a run's id.
pub(super) const RUN: Prefix = Prefix::new("run");

/// Runs looked at for one page of a filtered list.
const LOOKED_AT: usize = 1_000;

const LIST: &[(&str, &str)] = &[
    ("status", "only runs of this status"),
    ("workflow", "only runs of this workflow"),
    ("since", "only runs started at or after this moment (RFC 3339)"),
];

/// The endpoints.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let answer = json!({ "type": "object", "required": ["id", "version", "events"] });
    let act =
        |path, summary, handler| Endpoint::new("post", path, summary, handler).answer(200, answer.clone());
    vec![
        Endpoint::new("get", "/api/v1/runs", "Lists runs, the newest first", get(list))
            .query(LIST)
            .query(PAGE)
            .answer(200, page_of(&run_schema())),
        Endpoint::new("get", "/api/v1/runs/{id}", "Shows a run and what it waits for", get(show))
            .answer(200, run_schema()),
        Endpoint::new(
            "get",
            "/api/v1/runs/{id}/tasks",
            "Lists the tasks in the order in which they began",
            get(tasks),
        )
        .query(PAGE)
        .answer(200, page_of(&json!({ "type": "object" }))),
        Endpoint::new(
            "get",
            "/api/v1/runs/{id}/events",
            "Lists the lifecycle events of a run, as CloudEvents of the Open Workflow Specification",
            get(events),
        )
        .query(PAGE)
        .answer(200, page_of(&json!({ "type": "object", "required": ["id", "source", "type", "data"] }))),
        Endpoint::new(
            "get",
            "/api/v1/runs/{id}/journal",
            "Lists all events that a run is a fold of",
            get(journal),
        )
        .query(PAGE)
        .answer(200, page_of(&json!({ "type": "object" }))),
        act("/api/v1/runs/{id}/pause", "Holds a run where it is", acting("pause"))
            .body(fields(json!({ "timers": { "enum": ["keep", "freeze"] } }))),
        act("/api/v1/runs/{id}/resume", "Lets a held run go on", acting("resume")).body(fields(json!({}))),
        act("/api/v1/runs/{id}/cancel", "Cancels a run; what it did is undone", acting("cancel"))
            .body(fields(json!({}))),
        act("/api/v1/runs/{id}/terminate", "Ends a run at once; nothing is undone", acting("terminate"))
            .body(fields(json!({}))),
        act("/api/v1/runs/{id}/retry", "Tries again what failed or needs attention", acting("retry"))
            .body(fields(json!({}))),
        act("/api/v1/runs/{id}/skip", "Completes a task without doing what it does", acting("skip"))
            .body(fields(json!({ "task": { "type": "string" }, "output": {} }))),
        act("/api/v1/runs/{id}/patch", "Changes the data of a run", acting("patch"))
            .body(fields(json!({ "context": {}, "task": { "type": "string" }, "input": {} }))),
        act("/api/v1/runs/{id}/move", "Has a run go on with another task", acting("move"))
            .body(fields(json!({ "to": { "type": "string" }, "input": {} }))),
        act("/api/v1/runs/{id}/migrate", "Has a run go on in another version", acting("migrate")).body(
            fields(json!({
                "version": { "type": "string" }, "dryRun": { "type": "boolean" },
                "tasks": { "type": "object", "additionalProperties": { "type": "string" } }
            })),
        ),
        act("/api/v1/runs/{id}/signals/{name}", "Sends a signal; the body is its data", post(signal))
            .body(json!({})),
    ]
}

/// The fields of an act, each of which says why.
pub(super) fn fields(mut own: Value) -> Value {
    own["reason"] = json!({ "type": "string" });
    json!({ "type": "object", "properties": own, "additionalProperties": false })
}

/// The schema of a run.
pub(super) fn run_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "id": { "type": "string" }, "workflow": { "type": "string" }, "version": { "type": "string" },
            "status": { "enum": [
                "pending", "running", "waiting", "suspended", "needs-attention",
                "completed", "faulted", "compensated", "cancelled"
            ] },
            "input": {}, "output": {}, "error": { "type": ["object", "null"] },
            "waitingFor": { "type": "array", "items": { "type": "object" } },
            "startedAt": { "type": ["string", "null"], "format": "date-time" },
            "endedAt": { "type": ["string", "null"], "format": "date-time" }
        }
    })
}

#[derive(Debug, Deserialize)]
struct Filter {
    status: Option<String>,
    workflow: Option<String>,
    since: Option<String>,
}

impl Filter {
    fn fits(&self, run: &Value, since: Option<Timestamp>) -> bool {
        let is = |field: &str, wanted: &Option<String>| wanted.as_ref().is_none_or(|w| run[field] == **w);
        let started = || run["startedAt"].as_str().and_then(|t| t.parse::<Timestamp>().ok());
        is("status", &self.status)
            && is("workflow", &self.workflow)
            && since.is_none_or(|s| started() >= Some(s))
    }

    fn path(&self, limit: usize) -> String {
        let parts = [("status", &self.status), ("workflow", &self.workflow), ("since", &self.since)];
        let given =
            parts.iter().filter_map(|(name, value)| Some(format!("&{name}={}", encoded(value.as_ref()?))));
        format!("/api/v1/runs?limit={limit}{}", given.collect::<String>())
    }
}

/// Lists runs. A filtered page may be short; its `next` says whether there is more to look at.
async fn list(
    State(app): State<App>,
    Query(page): Query<PageQuery>,
    Query(filter): Query<Filter>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    app.node().check_any()?;
    wait_for(&app, &headers).await?;
    let limit = page.limit()?;
    let wrong = |e| Problem::new(Code::InvalidParameter, format!("`since`: {e}"));
    let since = filter.since.as_ref().map(|t| t.parse::<Timestamp>()).transpose().map_err(wrong)?;
    let mut after = page.after()?;
    let mut items = Vec::new();
    for _ in 0..LOOKED_AT / limit.max(1) {
        let streams = app.node().list(&caller.tenant, RUN, after, true, limit).await?.streams;
        let more = streams.len() == limit;
        let (streams, cursors): (Vec<_>, Vec<_>) = streams.into_iter().unzip();
        for (read, cursor) in app.node().read_each(&streams).await.into_iter().zip(cursors) {
            after = Some(cursor);
            let run = match read {
                Ok(view) => view.map(|view| view.state.value()),
                Err(fault) => Some(quarantined(&fault).ok_or(fault)?),
            };
            items.extend(run.filter(|run| filter.fits(run, since)));
            if items.len() == limit {
                return Ok(Page::new(items, after, filter.path(limit)).into_response());
            }
        }
        if !more {
            after = None;
            break;
        }
    }
    Ok(Page::new(items, after, filter.path(limit)).into_response())
}

/// What a list shows of a run that is quarantined: it needs attention, and says why.
fn quarantined(fault: &Fault) -> Option<Value> {
    let mut run = set_aside(fault)?;
    run["status"] = "needs-attention".into();
    Some(run)
}

async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    wait_for(&app, &headers).await?;
    let stream = address(&caller, &id)?;
    let view = app.node().read(&stream).await?.ok_or_else(|| no_run(&stream.id))?;
    let text = view.state.text();
    if !text.contains("\"id\":\"eff_") {
        return Ok(json_text(text.to_owned()));
    }
    let mut run = view.state.value();
    for wait in run["waitingFor"].as_array_mut().into_iter().flatten() {
        if let Some(effect) = effect_of(&app, wait).await? {
            wait["effect"] = effect;
        }
    }
    Ok(json_text(run.to_string()))
}

/// How far the effect is that a run waits for, and how long its calls may take.
async fn effect_of(app: &App, wait: &Value) -> Result<Option<Value>, Problem> {
    let id = wait["id"].as_str().and_then(|id| id.strip_prefix("eff_"));
    let Some(key) = id.and_then(|id| Uuid::parse_str(id).ok()).map(EffectKey::from_uuid) else {
        return Ok(None);
    };
    let Some((effect, policy)) = app.node().effect(&key).await? else { return Ok(None) };
    let state = match effect.state {
        EffectState::Intended => "intended",
        EffectState::Dispatched { .. } => "dispatched",
        EffectState::Ended(_) => "ended",
    };
    Ok(Some(json!({
        "connector": effect.connector, "operation": effect.operation, "state": state, "intendedAt": effect.at,
        "attempts": effect.attempts, "deadlineMs": policy.deadline.as_millis() as u64, "retries": policy.retries,
    })))
}

async fn tasks(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(page): Query<PageQuery>,
    caller: Caller,
) -> Result<Response, Problem> {
    let stream = address(&caller, &id)?;
    let events = app.node().events(&stream, 0, usize::MAX).await?;
    if events.is_empty() {
        return Err(no_run(&stream.id));
    }
    let all = TaskList::of(&events).map_err(|e| Problem::new(Code::Internal, e.to_string()))?;
    let limit = page.limit()?;
    let skip = usize::try_from(page.after()?.unwrap_or(0)).unwrap_or(usize::MAX);
    let next = (all.items().len() > skip.saturating_add(limit)).then_some((skip + limit) as u64);
    let items: Vec<_> = all.items().iter().skip(skip).take(limit).collect();
    Ok(Page::new(items, next, format!("/api/v1/runs/{id}/tasks?limit={limit}")).into_response())
}

/// Lists lifecycle events; the cursor is the number of the journalled event that the last of them comes of.
async fn events(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(page): Query<PageQuery>,
    caller: Caller,
) -> Result<Response, Problem> {
    let stream = address(&caller, &id)?;
    let (limit, after) = (page.limit()?, page.after()?.unwrap_or(0));
    let all = app.node().events(&stream, 0, usize::MAX).await?;
    let first = all.first().ok_or_else(|| no_run(&stream.id))?;
    let begun = first.body.data.value();
    let [workflow, version, digest] =
        ["workflow", "version", "digest"].map(|field| begun[field].as_str().unwrap_or_default());
    let pinned = app.definitions().pinned(&caller.tenant, workflow, version, digest);
    let namespace = pinned.map(|definition| definition.namespace.clone()).unwrap_or_default();
    let mut fold = Lifecycle::new(stream.id, &namespace);
    let (mut items, mut next) = (Vec::new(), None);
    for event in &all {
        let read = codec::read_named::<RunEvent>(&event.body.name, event.body.data.text());
        let read = read.map_err(|e| Problem::new(Code::Internal, e.to_string()))?;
        let made = fold.apply(&read, event.at);
        if event.seq <= after || made.is_empty() {
            continue;
        }
        if items.len() >= limit {
            break;
        }
        items.extend(made.into_iter().enumerate().map(|(n, (kind, data))| {
            json!({
                "specversion": "1.0", "id": format!("{}.{n}", event.seq), "source": format!("/runs/{}", stream.id),
                "type": kind, "subject": stream.id, "time": event.at, "datacontenttype": "application/json",
                "data": data,
            })
        }));
        next = Some(event.seq);
    }
    let next = next.filter(|seq| items.len() >= limit && *seq < all.last().map_or(0, |last| last.seq));
    Ok(Page::new(items, next, format!("/api/v1/runs/{id}/events?limit={limit}")).into_response())
}

async fn journal(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(page): Query<PageQuery>,
    caller: Caller,
) -> Result<Response, Problem> {
    let stream = address(&caller, &id)?;
    events_page(&app, &stream, &page, format!("/api/v1/runs/{id}/journal")).await
}

/// A handler that sends a run a command whose fields are the body.
fn acting(name: &'static str) -> MethodRouter<App> {
    post(move |app: State<App>, id: Path<String>, caller: Caller, body: JsonBody| async move {
        act(app, id, caller, name, body.0).await
    })
}

async fn signal(
    app: State<App>,
    Path((id, name)): Path<(String, String)>,
    caller: Caller,
    body: JsonBody,
) -> Result<Response, Problem> {
    let body = Json::from(&json!({ "name": name, "data": body.read::<Value>()? }));
    act(app, Path(id), caller, "signal", body).await
}

async fn act(
    State(app): State<App>,
    Path(id): Path<String>,
    caller: Caller,
    name: &'static str,
    body: Json,
) -> Result<Response, Problem> {
    let stream = address(&caller, &id)?;
    let dedup = caller.dedup(&app.node().info().secret, body.text());
    let origin = caller.origin.clone();
    let command =
        Command { stream: stream.clone(), name: name.into(), body, external_key: None, origin, dedup };
    let answer = app.node().command(command).await?;
    answered(&app, &stream, answer, StatusCode::OK)
}

/// The stream of a run's id in a path, of the caller's tenant.
pub(super) fn address(caller: &Caller, text: &str) -> Result<StreamKey, Problem> {
    let id = StreamId::parse(text, RUN).map_err(|e| Problem::new(Code::InvalidId, e.to_string()))?;
    Ok(StreamKey::new(caller.tenant.clone(), id))
}

/// The problem of an id that no run has.
pub(super) fn no_run(id: &StreamId) -> Problem {
    Problem::new(Code::NotFound, format!("there is no run `{id}`"))
}
