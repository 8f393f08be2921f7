//! Events in: CloudEvents, structured, batched or binary.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use promptsales_engine::entity::Dedup;
use promptsales_engine::runtime::{Incoming, TakenIn};
use serde::Serialize;
use serde_json::json;

use crate::app::App;
use crate::http::body::TextBody;
use crate::http::caller::Caller;
use crate::http::cloud_event::{self, CloudEvent};
use crate::http::endpoint::Endpoint;
use crate::http::problem::Problem;
use crate::http::token;

/// The endpoints.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let event = json!({
        "type": "object",
        "required": ["specversion", "id", "source", "type"],
        "properties": {
            "specversion": { "const": "1.0" },
            "id": { "type": "string", "description": "with the source, what it is recognised by when it comes again" },
            "source": { "type": "string" },
            "type": { "type": "string" },
            "time": { "type": "string", "format": "date-time" },
            "data": {}
        }
    });
    let answer = json!({
        "type": "object",
        "required": ["accepted", "duplicates"],
        "properties": {
            "accepted": { "type": "integer", "description": "events that were new, and are on stable storage" },
            "duplicates": { "type": "integer", "description": "events that had been taken before" }
        }
    });
    let summary =
        "Takes CloudEvents in, once each by source and id; a batch as application/cloudevents-batch+json";
    vec![
        Endpoint::new("post", "/api/v1/events", summary, post(take_in))
            .body(json!({ "oneOf": [event, { "type": "array", "items": { "type": "object" } }] }))
            .answer(200, answer),
    ]
}

/// What is answered.
#[derive(Serialize)]
struct Taken {
    accepted: usize,
    duplicates: usize,
}

async fn take_in(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    TextBody(body): TextBody,
) -> Result<Response, Problem> {
    let events = cloud_event::read(&headers, &body)?;
    // In binary mode most of an event stands in the headers.
    let payload = |event: &CloudEvent| event.json.text().to_owned();
    let dedup = match &caller.key {
        None => Dedup::None,
        Some(_) => caller.dedup(&app.node().info().secret, &events.iter().map(payload).collect::<String>()),
    };
    let interests = app.definitions().interests(&caller.tenant);
    let incoming = |CloudEvent { source, id, kind, json }| {
        let topics = match interests.may_want(&kind) {
            true => interests.topics(&caller.tenant, &json.value()),
            false => Vec::new(),
        };
        Incoming { source, id, kind, event: json, topics }
    };
    let events = events.into_iter().map(incoming).collect();
    let (taken, replayed) = app.node().take_in_once(&caller.tenant, &caller.origin, events, dedup).await?;
    let TakenIn { accepted, duplicates, marks } = taken;
    let mut response = axum::Json(Taken { accepted, duplicates }).into_response();
    if replayed {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    if !marks.is_empty() {
        response.headers_mut().insert(token::HEADER, token::write_marks(app.node().info(), &marks));
    }
    Ok(response)
}
