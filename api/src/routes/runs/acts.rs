//! What an operator can do to a run, and signals.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use promptsales_engine::journal::Json;
use promptsales_engine::runtime::Command;
use serde_json::{Value, json};

use super::{address, coming};
use crate::app::App;
use crate::http::body::JsonBody;
use crate::http::caller::Caller;
use crate::http::endpoint::Endpoint;
use crate::http::params::Path;
use crate::http::problem::Problem;
use crate::routes::entities::answered;

/// The endpoints.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let answer = json!({ "type": "object", "required": ["id", "version", "events"] });
    let act =
        |path, summary, handler| Endpoint::new("post", path, summary, handler).answer(200, answer.clone());
    vec![
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
pub(in crate::routes) fn fields(mut own: Value) -> Value {
    own["reason"] = json!({ "type": "string" });
    json!({ "type": "object", "properties": own, "additionalProperties": false })
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
    coming::until_begun(&app, &stream).await?;
    let answer = app.node().command(command).await?;
    answered(&app, &stream, answer, StatusCode::OK)
}
