//! The routes: a file per resource, put together here.

use axum::Router;
use axum::extract::OriginalUri;
use axum::http::Method;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::http::endpoint::Endpoint;
use crate::http::middleware::Edge;
use crate::http::problem::{Code, Problem};

mod actions;
mod admin;
mod dead_letters;
mod diagrams;
mod entities;
mod events;
mod launch;
mod overdue;
mod quarantine;
mod rules;
mod runs;
mod service;
mod starts;
mod stream;
mod supervision;
#[cfg(test)]
mod tests;
mod versions;
mod workflows;

/// Everything that is served.
pub fn endpoints() -> Vec<Endpoint> {
    let mut all = Vec::new();
    let mut register = |endpoints: Vec<Endpoint>| all.extend(endpoints);
    register(service::endpoints());
    register(supervision::endpoints());
    register(stream::endpoints());
    register(overdue::endpoints());
    register(admin::endpoints());
    register(dead_letters::endpoints());
    register(quarantine::endpoints());
    register(launch::endpoints());
    register(events::endpoints());
    register(workflows::endpoints());
    register(diagrams::endpoints());
    register(versions::endpoints());
    register(runs::endpoints());
    register(rules::endpoints());
    register(starts::endpoints());
    register(actions::endpoints());
    register(entities::endpoints());
    all
}

/// Everything that answers requests.
pub fn edge(app: App) -> Edge {
    let mut router = Router::new();
    let mut patterns = Vec::new();
    for endpoint in endpoints() {
        patterns.push(endpoint.path);
        router = router.route(endpoint.path, endpoint.handler);
    }
    let router = router.fallback(no_such_route).method_not_allowed_fallback(method_not_allowed);
    Edge::new(app.clone(), router.with_state(app), patterns)
}

async fn no_such_route(OriginalUri(uri): OriginalUri) -> Response {
    Problem::new(Code::NoSuchRoute, format!("nothing is at `{}`", uri.path())).into_response()
}

async fn method_not_allowed(method: Method, OriginalUri(uri): OriginalUri) -> Response {
    Problem::new(Code::MethodNotAllowed, format!("`{}` does not take {method}", uri.path())).into_response()
}
