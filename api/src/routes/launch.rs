//! The orchestrator: one call with a brief launches a campaign.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use promptsales_actors::campaign::LAUNCH_WORKFLOW;
use promptsales_actors::value::Brief;
use promptsales_engine::id::{Prefix, StreamId, StreamKey};
use promptsales_engine::journal::{Outcome, Rejected};
use promptsales_engine::runtime::Command;
use promptsales_engine::workflow::versions::NamedBy;
use serde_json::json;

use super::entities::{external_key_of, new_id};
use crate::app::App;
use crate::http::body::JsonBody;
use crate::http::caller::Caller;
use crate::http::endpoint::{Endpoint, schema};
use crate::http::problem::{Code, Problem};
use crate::http::token;

/// The endpoints.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let answer = json!({
        "type": "object",
        "required": ["runId", "campaignId"],
        "properties": { "runId": { "type": "string" }, "campaignId": { "type": "string" } }
    });
    let summary = "Launches a campaign: content, ads and lead tracking, from one brief";
    vec![
        Endpoint::new("post", "/api/v1/campaigns/launch", summary, post(launch))
            .body(schema::<Brief>())
            .answer(202, answer),
    ]
}

/// Makes the campaign and its run in one commit: the run is a message of the campaign's own.
async fn launch(State(app): State<App>, caller: Caller, body: JsonBody) -> Result<Response, Problem> {
    let kind = app.node().catalog().by_plural("campaigns").cloned();
    let kind = kind.ok_or_else(|| Problem::new(Code::Internal, "campaigns are not registered"))?;
    let external_key = external_key_of(&body)?;
    let campaign = new_id(&app, &kind, &caller, external_key.as_deref());
    let dedup = caller.dedup(&app.node().info().secret, body.0.text());
    let stream = StreamKey::new(caller.tenant.clone(), campaign);
    let takes_runs = app.definitions().for_run(&caller.tenant, LAUNCH_WORKFLOW, None, NamedBy::Caller);
    if let Err(no_runs) = takes_runs
        && app.node().read(&stream).await?.is_none()
    {
        // A launch that could never begin is not accepted; of one that was, the answer is told again.
        return Err(Rejected::from(no_runs).into());
    }
    let origin = caller.origin.clone();
    let command =
        Command { stream: stream.clone(), name: "launch".into(), body: body.0, external_key, origin, dedup };
    let answer = app.node().command(command).await?;
    let accepted = match answer.outcome {
        Outcome::Accepted(accepted) => accepted,
        Outcome::Rejected(rejected) => return Err(rejected.into()),
    };
    let run =
        accepted.reply.value()["runId"].as_str().and_then(|id| StreamId::parse(id, Prefix::new("run")).ok());
    let run =
        run.ok_or_else(|| Problem::new(Code::Internal, "the campaign did not say which run it started"))?;
    // The run begins when its turn has come; until then it is shown as pending.
    let position = answer.position;
    let body = json!({ "runId": run, "campaignId": campaign });
    let mut response = (StatusCode::ACCEPTED, axum::Json(body)).into_response();
    response.headers_mut().insert(token::HEADER, token::write(app.node().info(), &stream, position));
    if answer.replayed {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    if let Ok(location) = HeaderValue::from_str(&format!("/api/v1/runs/{run}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}
