//! What happens around every request: its id, its metrics, and panics kept inside.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use metrics::{Gauge, Histogram};
use promptsales_engine::entity::{Fault, Overload};
use promptsales_engine::telemetry::names;
use tower_service::Service as _;
use tracing::Instrument as _;

use super::body::BodyPatience;
use super::caller::{RequestId, new_request_id};
use super::problem::{Code, OwnerAddress, Problem};
use super::refusal::Refusals;
use crate::app::App;
use crate::limits::EdgeLimits;

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

/// Where the routes begin that tell how the node is and let an operator act: they are served under any load.
const IN_ANY_CASE: [&str; 12] = [
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/api/health",
    "/api/v1/health",
    "/api/v1/supervision",
    "/api/v1/overdue",
    "/api/v1/stream",
    "/api/v1/dead-letters",
    "/api/v1/quarantine",
    "/api/v1/admin",
];

/// What a connection may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seat {
    /// Anything.
    Regular,
    /// How the node is: there are too many connections for more.
    Spare,
}

/// A route, as far as it matters around a request.
#[derive(Debug, Clone, Copy)]
struct Known {
    pattern: &'static str,
    load: Load,
}

/// What becomes of requests under load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Load {
    /// They are served in any case.
    Always,
    /// They count, and are refused beyond the limits.
    Counts,
}

/// A request that counts; given back when dropped.
struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// The routes, with what happens around every request: as a layer of the router it would cost a boxed future and a
/// clone of the router more for each.
#[derive(Clone)]
pub struct Edge {
    app: App,
    router: Router,
    /// The patterns of the routes, to measure by.
    patterns: Arc<matchit::Router<Known>>,
    limits: EdgeLimits,
    seat: Seat,
    under_way: Arc<AtomicUsize>,
    refusals: Arc<Refusals>,
}

impl Edge {
    /// Puts routes and their patterns together.
    pub fn new(app: App, router: Router, patterns: impl IntoIterator<Item = &'static str>) -> Self {
        let mut known = matchit::Router::new();
        for pattern in patterns {
            // Several methods have one pattern.
            let always = IN_ANY_CASE.iter().any(|start| pattern.starts_with(start));
            let load = if always { Load::Always } else { Load::Counts };
            let _ = known.insert(pattern, Known { pattern, load });
        }
        let (limits, under_way) = (EdgeLimits::default(), Arc::new(AtomicUsize::new(0)));
        let (patterns, refusals) = (Arc::new(known), Arc::default());
        Self { app, router, patterns, limits, seat: Seat::Regular, under_way, refusals }
    }

    /// The same under other limits.
    #[must_use]
    pub fn within(self, limits: EdgeLimits) -> Self {
        Self { limits, ..self }
    }

    /// The same for connections of a kind; their requests count together.
    #[must_use]
    pub fn at(&self, seat: Seat) -> Self {
        Self { seat, ..self.clone() }
    }

    /// What it lets in.
    pub fn limits(&self) -> EdgeLimits {
        self.limits
    }

    /// The kind of its connections.
    pub fn seat(&self) -> Seat {
        self.seat
    }

    /// Counts a connection that is closed without a word.
    pub fn refuse_connection(&self, reason: Overload) {
        // Nobody is there to be told.
        let _ = self.app.node().refuse(reason);
    }

    /// Lets a request in, or refuses it before anything is made of it.
    fn admit(&self, method: &Method) -> Result<UnderWay<'_>, Fault> {
        let node = self.app.node();
        if self.seat == Seat::Spare {
            return Err(node.refuse(Overload::ConnectionsFull));
        }
        let before = self.under_way.fetch_add(1, Relaxed);
        let under_way = UnderWay(&self.under_way);
        if before >= self.limits.requests {
            return Err(node.refuse(Overload::RequestsFull));
        }
        if method == Method::POST {
            node.check_load()?;
        }
        Ok(under_way)
    }

    async fn handle(&self, mut request: Request, id: &Arc<str>) -> Response {
        request.extensions_mut().insert(RequestId(id.clone()));
        if request.method() == Method::POST {
            request.extensions_mut().insert(BodyPatience(self.limits.body_timeout));
        }
        let Ok(response) = self.router.clone().call(request).await;
        response
    }

    /// Answers a request: gives it its id, measures it, turns a panic into a problem, and says where else it can go.
    pub async fn answer(&self, request: Request) -> Response {
        let Self { app, patterns, .. } = self;
        let given = request.headers().get("x-request-id").and_then(|v| v.to_str().ok());
        let id: Arc<str> = match given.filter(|text| (1..=128).contains(&text.len())) {
            Some(text) => text.into(),
            None => new_request_id(app),
        };
        let none = Known { pattern: NO_ROUTE, load: Load::Counts };
        let Known { pattern: route, load } =
            patterns.at(request.uri().path()).map_or(none, |found| *found.value);
        let (begun, measured) = (app.node().cx().monotonic(), app.requests());
        let admitted = match load {
            Load::Always => None,
            Load::Counts => match self.admit(request.method()) {
                Ok(admitted) => Some(admitted),
                Err(fault) => {
                    let mut response = self.refusals.answer(fault);
                    measured.record(route, response.status().as_u16(), begun.elapsed());
                    name(&mut response, &id);
                    return response;
                }
            },
        };
        let asked = request.uri().clone();
        measured.inflight.increment(1.0);
        let span =
            tracing::debug_span!(names::SPAN_REQUEST, request = %id, method = %request.method(), route);
        let handled = AssertUnwindSafe(self.handle(request, &id)).catch_unwind().instrument(span).await;
        drop(admitted);
        measured.inflight.decrement(1.0);
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
        name(&mut response, &id);
        response
    }
}

/// Tells the client the id of its request.
fn name(response: &mut Response, id: &str) {
    if let Ok(value) = HeaderValue::from_str(id) {
        response.headers_mut().insert("x-request-id", value);
    }
}
