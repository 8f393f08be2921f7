//! Trying a rule on an event: what it would do, and why; nothing is done.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use promptsales_engine::rule::Rendered;
use promptsales_engine::rule::weigh;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{address, checked, shown};
use crate::app::App;
use crate::http::body::JsonBody;
use crate::http::caller::Caller;
use crate::http::endpoint::Endpoint;
use crate::http::params::Path;
use crate::http::problem::{Code, Problem};

/// The endpoint.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let body = json!({
        "type": "object", "required": ["event"], "additionalProperties": false,
        "properties": {
            "event": { "type": "object", "description": "a CloudEvent in the JSON format" },
            "entity": { "description": "the state that the rule sees; null if absent" }
        }
    });
    let answer = json!({ "type": "object", "required": ["outcome", "actions"] });
    vec![
        Endpoint::new(
            "post",
            "/api/v1/rules/{id}/rehearse",
            "Says what a rule would do, and does nothing",
            post(rehearse),
        )
        .body(body)
        .answer(200, answer),
    ]
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rehearsal {
    event: Value,
    #[serde(default)]
    entity: Value,
}

/// Tries the draft of a rule, or the version that is published where there is none.
async fn rehearse(
    State(app): State<App>,
    Path(id): Path<String>,
    caller: Caller,
    body: JsonBody,
) -> Result<Response, Problem> {
    let stream = address(&app, &caller, &id)?;
    let Rehearsal { event, entity } = body.read()?;
    let known = shown(&app, &stream).await?;
    let newest = known["versions"].get(0).unwrap_or(&Value::Null);
    let source = [&known["draft"]["source"], &newest["source"]].into_iter().find_map(Value::as_str);
    let none = || Problem::new(Code::NotFound, "the rule has no text to rehearse".to_owned());
    let rule = checked(&app, source.ok_or_else(none)?).await?;
    let Some(weighed) = weigh(&rule, &event, entity, 0) else {
        let place = rule.on.passes(&event).err();
        return Ok(
            axum::Json(json!({ "outcome": "filtered-out", "filter": place, "actions": [] })).into_response()
        );
    };
    let actions: Vec<_> = weighed.actions.iter().map(told).collect();
    let answer = json!({
        "outcome": weighed.outcome, "miss": weighed.miss, "detail": weighed.detail, "key": weighed.key,
        "actions": actions,
    });
    Ok(axum::Json(answer).into_response())
}

fn told(action: &Rendered) -> Value {
    match action {
        Rendered::Start { workflow, version, input, key } => {
            json!({ "start": { "workflow": workflow, "version": version, "input": input, "key": key } })
        }
        Rendered::Command { to, command, body } => {
            json!({ "command": { "to": to, "command": command, "body": body } })
        }
        Rendered::Emit { event } => json!({ "emit": event }),
    }
}
