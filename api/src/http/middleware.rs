//! What happens around every request: its id, its metrics, and panics kept inside.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use metrics::{Gauge, Histogram};
use promptsales_engine::telemetry::names;
use tower_service::Service as _;
use tracing::Instrument as _;

use super::caller::{RequestId, new_request_id};
use super::problem::{Code, OwnerAddress, Problem};
use crate::app::App;

/// Counts of requests under way and their durations, by route.
pub const INFLIGHT: &str = "http_requests_inflight";
/// Histogram, seconds: how long requests took.
pub const SECONDS: &str = "http_request_seconds";
/// The route of a request that none matched.
const NO_ROUTE: &str = "none";

/// The metrics of requests. A series is looked up by name only once: naming it costs more than counting in it.
pub struct RequestMetrics {
    inflight: Gauge,
    seconds: RwLock<HashMap<u16, HashMap<String, Histogram>>>,
}

impl RequestMetrics {
    /// Metrics of the recorder that is installed.
    pub fn new() -> Self {
        Self { inflight: metrics::gauge!(INFLIGHT), seconds: RwLock::default() }
    }

    fn record(&self, route: &str, status: u16, took: Duration) {
        let series = self.seconds.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(seconds) = series.get(&status).and_then(|of_status| of_status.get(route)) {
            seconds.record(took.as_secs_f64());
            return;
        }
        drop(series);
        let seconds =
            metrics::histogram!(SECONDS, "route" => route.to_owned(), "status" => status.to_string());
        seconds.record(took.as_secs_f64());
        let mut series = self.seconds.write().unwrap_or_else(PoisonError::into_inner);
        series.entry(status).or_default().insert(route.to_owned(), seconds);
    }
}

impl Default for RequestMetrics {
    fn default() -> Self {
        Self::new()
    }
}

/// The routes, with what happens around every request: as a layer of the router it would cost a boxed future and a
/// clone of the router more for each.
#[derive(Clone)]
pub struct Edge {
    app: App,
    router: Router,
    /// The patterns of the routes, to measure by.
    patterns: Arc<matchit::Router<&'static str>>,
}

impl Edge {
    /// Puts routes and their patterns together.
    pub fn new(app: App, router: Router, patterns: impl IntoIterator<Item = &'static str>) -> Self {
        let mut known = matchit::Router::new();
        for pattern in patterns {
            // Several methods have one pattern.
            let _ = known.insert(pattern, pattern);
        }
        Self { app, router, patterns: Arc::new(known) }
    }

    /// Answers a request: gives it its id, measures it, turns a panic into a problem, and says where else it can go.
    pub async fn answer(&self, mut request: Request) -> Response {
        let Self { app, router, patterns } = self;
        let given = request.headers().get("x-request-id").and_then(|v| v.to_str().ok());
        let id: Arc<str> = match given.filter(|text| (1..=128).contains(&text.len())) {
            Some(text) => text.into(),
            None => new_request_id(app),
        };
        request.extensions_mut().insert(RequestId(id.clone()));
        let route = patterns.at(request.uri().path()).map_or(NO_ROUTE, |found| *found.value);
        let asked = request.uri().clone();
        let begun = app.node().cx().monotonic();
        let measured = app.requests();
        measured.inflight.increment(1.0);
        let span =
            tracing::debug_span!(names::SPAN_REQUEST, request = %id, method = %request.method(), route);
        let handled = AssertUnwindSafe(router.clone().call(request)).catch_unwind().instrument(span).await;
        measured.inflight.decrement(1.0);
        let handled = handled.map(|Ok(response)| response);
        let mut response = handled.unwrap_or_else(|_| {
            tracing::error!(path = route, request = %id, "a request panicked");
            Problem::new(Code::Internal, "the request failed; its id is in `X-Request-Id`").into_response()
        });
        measured.record(route, response.status().as_u16(), begun.elapsed());
        if let Some(OwnerAddress(owner)) = response.extensions().get() {
            let asked = asked.path_and_query().map_or("", PathAndQuery::as_str);
            if let Ok(location) = HeaderValue::from_str(&format!("{owner}{asked}")) {
                response.headers_mut().insert(header::LOCATION, location);
            }
        }
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert("x-request-id", value);
        }
        response
    }
}
