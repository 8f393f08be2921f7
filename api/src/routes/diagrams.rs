//! The routes of drawings: a workflow, and a run of it, as a picture.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use promptsales_engine::entity::Corruption;
use promptsales_engine::journal::Event;
use promptsales_engine::workflow::definition::Definition;
use promptsales_engine::workflow::drawing::{Progress, Wait, draw};
use promptsales_engine::workflow::machine::TaskList;
use promptsales_engine::workflow::run::read_event;
use serde_json::{Value, json};

use super::entities::wait_for;
use super::runs::folding::{Folding, folded};
use super::runs::{address, coming};
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::endpoint::Endpoint;
use crate::http::params::Path;
use crate::http::problem::{Code, Problem};

const SVG: &str = "image/svg+xml";

/// What a picture may do where it is opened by itself: nothing but look as it says.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The endpoints.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let picture = |path, summary, handler| {
        Endpoint::new("get", path, summary, handler)
            .media(SVG)
            .answer(200, json!({ "type": "string", "description": "an SVG document" }))
    };
    vec![
        picture(
            "/api/v1/workflows/{name}/diagram.svg",
            "Draws a workflow in its latest version",
            get(latest),
        ),
        picture(
            "/api/v1/workflows/{name}/versions/{v}/diagram.svg",
            "Draws a version of a workflow",
            get(version),
        ),
        picture("/api/v1/runs/{id}/diagram.svg", "Draws a run: its workflow, and how far it is", get(run)),
    ]
}

async fn latest(
    State(app): State<App>,
    Path(name): Path<String>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    definition(&app, &caller, &name, None, &headers).await
}

async fn version(
    State(app): State<App>,
    Path((name, version)): Path<(String, String)>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    definition(&app, &caller, &name, Some(&version), &headers).await
}

async fn definition(
    app: &App,
    caller: &Caller,
    name: &str,
    version: Option<&str>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    app.node().check_any()?;
    wait_for(app, headers).await?;
    let found = app.definitions().get(&caller.tenant, name, version);
    let definition = found.ok_or_else(|| super::workflows::no_workflow(name, version))?;
    // The picture follows from the definition, the actions and the drawing itself, which come with the product.
    let tag = format!("\"{}-{}\"", env!("CARGO_PKG_VERSION"), definition.digest);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let is_known = known.is_some_and(|tags| {
        tags.split(',').map(str::trim).any(|known| known == "*" || known.trim_start_matches("W/") == tag)
    });
    let mut response = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => picture(drawn(app, definition, None).await?),
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    Ok(response)
}

async fn run(
    State(app): State<App>,
    Path(id): Path<String>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let stream = address(&caller, &id)?;
    wait_for(&app, &headers).await?;
    let list = folded(&app, &stream, None, Every(TaskList::new())).await?;
    let run = coming::shown(&app, &stream).await?.value();
    let (name, version) = (text(&run["workflow"]), text(&run["version"]));
    let found = app.definitions().get(&caller.tenant, name, Some(version));
    let definition = found.ok_or_else(|| super::workflows::no_workflow(name, Some(version)))?;
    let waits: Vec<Wait> = run["waitingFor"].as_array().into_iter().flatten().map(wait).collect();
    let tasks = list.as_ref().map_or(&[][..], |Every(list)| list.items());
    let progress = Progress::new(text(&run["status"]), tasks, &waits);
    let mut response = picture(drawn(&app, definition, Some(progress)).await?);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// A fold that tells all tasks.
struct Every(TaskList);

impl Folding for Every {
    fn take_in(&mut self, events: &[Event]) -> Result<bool, Corruption> {
        for event in events {
            self.0.apply(&read_event(event)?, event.at);
        }
        Ok(false)
    }
}

fn wait(wait: &Value) -> Wait {
    let [task, kind, what] = ["task", "kind", "what"].map(|member| text(&wait[member]).to_owned());
    Wait { task, kind, what, until: wait["until"].as_str().map(str::to_owned) }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Draws where long work belongs.
async fn drawn(
    app: &App,
    definition: Arc<Definition>,
    progress: Option<Progress>,
) -> Result<String, Problem> {
    let actions = app.actions();
    let drawn = app.node().cx().cpu(move || draw(&definition, &actions, progress.as_ref())).await;
    drawn.map_err(|panicked| Problem::new(Code::Internal, panicked.to_string()))
}

fn picture(svg: String) -> Response {
    let mut response = svg.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    let sniff = HeaderName::from_static("x-content-type-options");
    headers.insert(sniff, HeaderValue::from_static("nosniff"));
    response
}
