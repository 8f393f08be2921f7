//! The routes of runs: list, show, what they have done, and what an operator or a signal can do.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use promptsales_engine::effect::{EffectKey, EffectState};
use promptsales_engine::id::{Prefix, StreamId, StreamKey};
use serde_json::{Value, json};
use uuid::Uuid;

use super::entities::wait_for;
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::endpoint::Endpoint;
use crate::http::paging::json_text;
use crate::http::params::Path;
use crate::http::problem::{Code, Problem};

mod acts;
pub(super) mod coming;
pub(super) mod folding;
mod history;
mod list;
mod tasks;

pub(super) use self::acts::fields;

/// The prefix of a run's id.
pub(super) const RUN: Prefix = Prefix::new("run");

/// The endpoints.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let own = vec![
        Endpoint::new("get", "/api/v1/runs/{id}", "Shows a run and what it waits for", get(show))
            .answer(200, run_schema()),
    ];
    let parts = [own, list::endpoints(), tasks::endpoints(), history::endpoints(), acts::endpoints()];
    parts.into_iter().flatten().collect()
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

async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    wait_for(&app, &headers).await?;
    let stream = address(&caller, &id)?;
    let shown = coming::shown(&app, &stream).await?;
    if !shown.text().contains("\"id\":\"eff_") {
        return Ok(json_text(shown.text().to_owned()));
    }
    let mut run = shown.value();
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

/// The stream of a run's id in a path, of the caller's tenant.
pub(super) fn address(caller: &Caller, text: &str) -> Result<StreamKey, Problem> {
    let id = StreamId::parse(text, RUN).map_err(|e| Problem::new(Code::InvalidId, e.to_string()))?;
    Ok(StreamKey::new(caller.tenant.clone(), id))
}

/// The problem of an id that no run has.
pub(super) fn no_run(id: &StreamId) -> Problem {
    Problem::new(Code::NotFound, format!("there is no run `{id}`"))
}
