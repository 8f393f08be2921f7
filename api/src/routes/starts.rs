//! The routes that start runs: of a workflow, once more with the input of another run, and to act on many of them.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use promptsales_engine::entity::Answer;
use promptsales_engine::id::StreamKey;
use promptsales_engine::journal::{Json, Outcome};
use promptsales_engine::runtime::Command;
use promptsales_workflows::connectors::runs::{Asked, restart_of};
use serde::Deserialize;
use serde_json::{Value, json};

use super::runs::{RUN, address, fields, no_run, run_schema};
use super::workflows::no_workflow;
use crate::app::App;
use crate::http::body::JsonBody;
use crate::http::caller::{Caller, LONGEST_KEY};
use crate::http::endpoint::{Endpoint, schema};
use crate::http::params::{Path, Query};
use crate::http::problem::{Code, Problem};
use crate::http::token;

/// The longest `?wait=`, in seconds.
const LONGEST_WAIT: u64 = 60;

/// The endpoints.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(
            "post",
            "/api/v1/workflows/{name}/runs",
            "Starts a run; the body is its input",
            post(start),
        )
        .query(&[
            ("wait", "seconds to wait for the end, 0 to 60"),
            ("version", "the version; otherwise the latest"),
            ("key", "a key by which the run can be found; otherwise its Idempotency-Key"),
        ])
        .body(json!({ "type": "object" }))
        .answer(202, run_schema()),
        Endpoint::new("post", "/api/v1/runs/{id}/restart", "Starts a run with the same input", post(restart))
            .body(fields(json!({ "version": { "type": "string" } })))
            .answer(202, json!({ "type": "object", "required": ["runId"] })),
        Endpoint::new(
            "post",
            "/api/v1/runs/bulk",
            "Starts a run that does something to every run that filters name",
            post(bulk),
        )
        .query(&[("wait", "seconds to wait for the end, 0 to 60")])
        .body(schema::<Asked>())
        .answer(202, json!({ "type": "object", "required": ["runId", "status"] })),
    ]
}

#[derive(Debug, Deserialize)]
struct StartQuery {
    wait: Option<String>,
    version: Option<String>,
    key: Option<String>,
}

/// Starts a run of a workflow, and waits for its end for as long as was asked.
async fn start(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(query): Query<StartQuery>,
    caller: Caller,
    body: JsonBody,
) -> Result<Response, Problem> {
    let wait = wait_of(query.wait.as_deref())?;
    app.node().check_any()?;
    let known = app.definitions().get(&caller.tenant, &name, query.version.as_deref());
    known.ok_or_else(|| no_workflow(&name, query.version.as_deref()))?;
    let key = key_of(query.key, &caller)?;
    // Which version is the latest, and whether it takes runs, is decided where the run begins.
    let start = json!({
        "workflow": name, "version": query.version, "input": body.read::<Value>()?, "key": key,
    });
    Started::by(&app, &caller, &body, &start).await?.waited_for(&app, wait).await
}

#[derive(Debug, Deserialize)]
struct BulkQuery {
    wait: Option<String>,
}

/// Starts a run that does something to every run that filters name.
async fn bulk(
    State(app): State<App>,
    Query(query): Query<BulkQuery>,
    caller: Caller,
    body: JsonBody,
) -> Result<Response, Problem> {
    let wait = wait_of(query.wait.as_deref())?;
    app.node().check_any()?;
    let asked: Asked = body.read()?;
    asked.check().map_err(|wrong| Problem::new(Code::InvalidBody, wrong.to_string()))?;
    let start = json!({ "workflow": "act-on-runs", "input": asked, "cause": asked.reason });
    Started::by(&app, &caller, &body, &start).await?.waited_for(&app, wait).await
}

/// The key by which a run can be found.
fn key_of(given: Option<String>, caller: &Caller) -> Result<Option<String>, Problem> {
    let fits = |key: &String| (1..=LONGEST_KEY).contains(&key.len());
    if given.as_ref().is_some_and(|key| !fits(key)) {
        let detail = format!("`key`: use 1 to {LONGEST_KEY} bytes");
        return Err(Problem::new(Code::InvalidParameter, detail));
    }
    Ok(given.or_else(|| caller.key.as_ref().map(|key| key.text.clone())))
}

fn wait_of(text: Option<&str>) -> Result<Duration, Problem> {
    let Some(text) = text else { return Ok(Duration::ZERO) };
    let seconds = text.parse().ok().filter(|s| *s <= LONGEST_WAIT);
    let wrong = || Problem::new(Code::InvalidParameter, format!("`wait`: use 0 to {LONGEST_WAIT} seconds"));
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Restart {
    version: Option<String>,
    reason: Option<String>,
}

/// Starts a run with the input of another one, of the version that it had or of another.
async fn restart(
    State(app): State<App>,
    Path(id): Path<String>,
    caller: Caller,
    body: JsonBody,
) -> Result<Response, Problem> {
    let of = address(&caller, &id)?;
    let Restart { version, reason } = body.read()?;
    let view = app.node().read(&of).await?.ok_or_else(|| no_run(&of.id))?;
    let run = view.state.value();
    let start = restart_of(of.id, &run, version.as_deref(), reason.as_deref());
    let started = Started::by(&app, &caller, &body, &start).await?;
    let body = json!({ "runId": started.stream.id, "restartOf": of.id });
    Ok(started.answered(&app, body))
}

/// A run that a request started, now or when it first came.
struct Started {
    stream: StreamKey,
    answer: Answer,
}

impl Started {
    /// Starts a run. Under a key of the caller it is started once, and what has to be the same again is the request
    /// as it was sent: what the start was made of may have changed since.
    async fn by(app: &App, caller: &Caller, request: &JsonBody, start: &Value) -> Result<Self, Problem> {
        let secret = &app.node().info().secret;
        let id = match caller.key_parts() {
            Some(parts) => secret.derive(RUN, None, "created under key", &parts),
            None => app.node().cx().new_id(RUN, None),
        };
        let stream = StreamKey::new(caller.tenant.clone(), id);
        let dedup = caller.dedup(secret, request.0.text());
        let (origin, body) = (caller.origin.clone(), Json::from(start));
        let command =
            Command { stream: stream.clone(), name: "start".into(), body, external_key: None, origin, dedup };
        let answer = app.node().command(command).await?;
        match answer.outcome {
            Outcome::Rejected(rejected) => Err(rejected.into()),
            Outcome::Accepted(_) => Ok(Self { stream, answer }),
        }
    }

    /// The answer after a wait for the run's end, as long as given; with what it ended with.
    async fn waited_for(&self, app: &App, wait: Duration) -> Result<Response, Problem> {
        let run = app.run_until_ended(&self.stream, wait).await?;
        let mut body = json!({ "runId": self.stream.id, "status": run["status"] });
        for end in ["output", "error"] {
            if !run["endedAt"].is_null() && !run[end].is_null() {
                body[end] = run[end].clone();
            }
        }
        Ok(self.answered(app, body))
    }

    /// The answer, with where the run is, and whether it was there before.
    fn answered(&self, app: &App, body: Value) -> Response {
        let Self { stream, answer } = self;
        let mut response = (StatusCode::ACCEPTED, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(token::HEADER, token::write(app.node().info(), stream, answer.position));
        if answer.replayed {
            headers.insert("idempotency-replayed", HeaderValue::from_static("true"));
        }
        if let Ok(location) = HeaderValue::from_str(&format!("/api/v1/runs/{}", stream.id)) {
            headers.insert(header::LOCATION, location);
        }
        response
    }
}
