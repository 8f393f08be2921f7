//! The routes of the service itself: liveness, readiness, metrics, description, supervision.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use crate::app::App;
use crate::http::endpoint::Endpoint;

/// The endpoints.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new("get", "/healthz", "Says that the process lives", get(healthz)),
        Endpoint::new("get", "/readyz", "Says whether the journal can be used", get(readyz)),
        Endpoint::new("get", "/metrics", "The metrics, in the text format of Prometheus", get(metrics)),
        Endpoint::new("get", "/openapi.json", "This description, OpenAPI 3.1", get(openapi)),
        Endpoint::new("get", "/api/v1/health", "Says that the process lives", get(healthz)),
        Endpoint::new("get", "/api/health", "Says that the process lives", get(healthz)),
        Endpoint::new("get", "/api/v1/supervision", "The live supervision tree", get(supervision)),
    ]
}

async fn healthz() -> Response {
    axum::Json(json!({ "status": "ok" })).into_response()
}

async fn readyz(State(app): State<App>) -> Response {
    let info = app.node().info();
    match app.node().probe().await {
        Ok(()) if !app.is_stopping() => {
            let ready = json!({
                "status": "ready", "log": info.log, "history": info.history,
                "position": app.node().position(), "partitions": info.partitions,
            });
            axum::Json(ready).into_response()
        }
        Ok(()) => {
            (StatusCode::SERVICE_UNAVAILABLE, axum::Json(json!({ "status": "stopping" }))).into_response()
        }
        Err(error) => {
            let body = json!({ "status": "not ready", "reason": error.to_string() });
            (StatusCode::SERVICE_UNAVAILABLE, axum::Json(body)).into_response()
        }
    }
}

async fn metrics(State(app): State<App>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, app.render_metrics()).into_response()
}

async fn openapi(State(app): State<App>) -> Response {
    axum::Json(app.openapi()).into_response()
}

async fn supervision(State(app): State<App>) -> Response {
    axum::Json(app.node().tree()).into_response()
}
