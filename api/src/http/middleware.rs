//! What happens around every request: its id, its metrics, and panics kept inside.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;

use super::caller::{RequestId, new_request_id};
use super::problem::{Code, Problem};
use crate::app::App;

/// Counts of requests under way and their durations, by route.
pub const INFLIGHT: &str = "http_requests_inflight";
/// Histogram, seconds: how long requests took.
pub const SECONDS: &str = "http_request_seconds";

/// Gives the request its id, measures it, and turns a panic into a problem.
pub async fn around(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let given = request.headers().get("x-request-id").and_then(|v| v.to_str().ok());
    let id: Arc<str> = match given.filter(|text| (1..=128).contains(&text.len())) {
        Some(text) => text.into(),
        None => new_request_id(&app),
    };
    request.extensions_mut().insert(RequestId(id.clone()));
    let path = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let begun = app.node().cx().monotonic();
    metrics::gauge!(INFLIGHT).increment(1.0);
    let handled = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    metrics::gauge!(INFLIGHT).decrement(1.0);
    let mut response = handled.unwrap_or_else(|_| {
        tracing::error!(path, request = %id, "a request panicked");
        Problem::new(Code::Internal, "the request failed; its id is in `X-Request-Id`").into_response()
    });
    let status = response.status().as_u16().to_string();
    metrics::histogram!(SECONDS, "route" => path, "status" => status).record(begun.elapsed().as_secs_f64());
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", value);
    }
    response
}
