//! The routes of the service itself: liveness, readiness, metrics, description.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use promptsales_engine::entity::Fault;
use serde_json::json;

use crate::app::App;
use crate::http::endpoint::Endpoint;
use crate::http::problem::{Code, Problem};

/// The endpoints.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new("get", "/healthz", "Says that the process lives", get(healthz)),
        Endpoint::new(
            "get",
            "/readyz",
            "Says whether the node can do work: 503 with the code `standby` where it owns nothing",
            get(readyz),
        ),
        Endpoint::new("get", "/metrics", "The metrics, in the text format of Prometheus", get(metrics)),
        Endpoint::new("get", "/openapi.json", "This description, OpenAPI 3.1", get(openapi)),
        Endpoint::new("get", "/api/v1/health", "Says that the process lives", get(healthz)),
        Endpoint::new("get", "/api/health", "Says that the process lives", get(healthz)),
    ]
}

async fn healthz() -> Response {
    axum::Json(json!({ "status": "ok" })).into_response()
}

/// Ready is whoever can do the work: a node that stands by answers 503, so that a load balancer sends nothing to it,
/// and says `standby`, so that an operator can tell it from one that is broken.
async fn readyz(State(app): State<App>) -> Response {
    let node = app.node();
    let info = node.info();
    let not_ready = |status: &str, reason: String| {
        let body = json!({ "status": status, "reason": reason });
        (StatusCode::SERVICE_UNAVAILABLE, axum::Json(body)).into_response()
    };
    if app.is_stopping() {
        return not_ready("stopping", "the node is ending".to_owned());
    }
    if let Err(error) = node.probe().await {
        return not_ready("not ready", error.to_string());
    }
    if let Err(Fault::NotOwner { address }) = node.check_any() {
        let detail = "the journal can be used, and other nodes own every partition";
        return Problem::new(Code::Standby, detail).with_owner(address).into_response();
    }
    if node.is_held() {
        let held = json!({ "status": "held", "log": info.log, "history": info.history });
        return (StatusCode::SERVICE_UNAVAILABLE, axum::Json(held)).into_response();
    }
    if !app.is_set_up() {
        return not_ready(
            "not ready",
            "the definitions that come with the product are not registered yet".to_owned(),
        );
    }
    let owned = node.positions();
    let partitions: Vec<_> = owned.iter().map(|(partition, _)| partition).collect();
    let positions: Vec<_> =
        owned.iter().map(|(partition, position)| format!("{partition}:{position}")).collect();
    let ready = json!({
        "status": "ready", "role": "owner", "log": info.log, "history": info.history,
        "partitions": partitions, "positions": positions,
    });
    axum::Json(ready).into_response()
}

async fn metrics(State(app): State<App>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, app.render_metrics()).into_response()
}

async fn openapi(State(app): State<App>) -> Response {
    axum::Json(app.openapi()).into_response()
}
