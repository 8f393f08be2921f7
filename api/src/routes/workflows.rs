//! The routes of workflows: register, list, show.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use promptsales_engine::id::StreamKey;
use promptsales_engine::journal::Outcome;
use promptsales_engine::workflow::definition::Definition;
use promptsales_engine::workflow::schedule::schedule_id;
use promptsales_engine::workflow::versions::NamedBy;
use serde_json::{Value, json};

use super::versions;
use crate::app::App;
use crate::http::body::TextBody;
use crate::http::caller::Caller;
use crate::http::endpoint::{Endpoint, page_of};
use crate::http::paging::{PAGE, Page, PageQuery};
use crate::http::params::{Path, Query};
use crate::http::problem::{Code, Problem};
use crate::http::token;

/// The endpoints.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let workflow = json!({
        "type": "object",
        "required": ["name", "version"],
        "properties": {
            "name": { "type": "string" }, "version": { "type": "string" }, "status": versions::status_schema()
        }
    });
    let register = "Registers a workflow definition: Open Workflow Specification DSL 1.0, YAML or JSON";
    vec![
        Endpoint::new("post", "/api/v1/workflows", register, post(registered))
            .body(json!({ "type": "object", "description": "the definition" }))
            .answer(201, registered_schema()),
        Endpoint::new("get", "/api/v1/workflows", "Lists the workflows in their latest versions", get(list))
            .query(PAGE)
            .answer(200, page_of(&workflow)),
        Endpoint::new("get", "/api/v1/workflows/{name}", "Shows a workflow in its latest version", get(show))
            .answer(200, workflow.clone()),
        Endpoint::new(
            "get",
            "/api/v1/workflows/{name}/versions/{v}",
            "Shows a version of a workflow",
            get(show_version),
        )
        .answer(200, workflow),
    ]
}

/// The schema of a registration: what is different, and about runs, from the second version on.
fn registered_schema() -> Value {
    let mut runs = versions::impact_counts_schema();
    runs["properties"]["unknown"] =
        json!({ "type": "string", "description": "the code of why nothing can be said of the runs now" });
    json!({ "type": "object", "required": ["name", "version", "warnings"], "properties": {
        "name": { "type": "string" }, "version": { "type": "string" },
        "warnings": { "type": "array", "items": { "type": "object" } },
        "diff": versions::diff_schema(), "runs": runs, "next": versions::next_schema(),
    }})
}

async fn registered(State(app): State<App>, caller: Caller, body: TextBody) -> Result<Response, Problem> {
    let dedup = caller.dedup(&app.node().info().secret, &body.0);
    let registered = app.register(&caller.tenant, caller.origin.clone(), dedup, body.0).await;
    let (definition, warnings, answer) = registered?;
    match answer.outcome {
        Outcome::Rejected(rejected) => Err(rejected.into()),
        Outcome::Accepted(_) => {
            let mut body =
                json!({ "name": definition.name, "version": definition.version, "warnings": warnings });
            versions::describe(&app, &caller, &definition, &mut body).await;
            let mut response = (StatusCode::CREATED, axum::Json(body)).into_response();
            let location = format!("/api/v1/workflows/{}/versions/{}", definition.name, definition.version);
            if let Ok(location) = HeaderValue::from_str(&location) {
                response.headers_mut().insert(header::LOCATION, location);
            }
            let stream = app.definition_stream(&caller.tenant, &definition.name);
            let token = token::write(app.node().info(), &stream, answer.position);
            response.headers_mut().insert(token::HEADER, token);
            Ok(response)
        }
    }
}

async fn list(
    State(app): State<App>,
    Query(page): Query<PageQuery>,
    caller: Caller,
) -> Result<Response, Problem> {
    app.node().check_any()?;
    let limit = page.limit()?;
    let skip = usize::try_from(page.after()?.unwrap_or(0)).unwrap_or(usize::MAX);
    let all = app.definitions().list(&caller.tenant);
    let next = (all.len() > skip.saturating_add(limit)).then_some((skip + limit) as u64);
    let items: Vec<_> = all.iter().skip(skip).take(limit).map(|d| brief(&app, &caller, d)).collect();
    Ok(Page::new(items, next, format!("/api/v1/workflows?limit={limit}")).into_response())
}

async fn show(State(app): State<App>, Path(name): Path<String>, caller: Caller) -> Result<Response, Problem> {
    let schedule = StreamKey::new(caller.tenant.clone(), schedule_id(&caller.tenant, &name));
    let mut body = shown(&app, &caller, &name, None)?;
    if let Some(schedule) = app.node().read(&schedule).await? {
        body["schedule"] = schedule.state.value();
    }
    Ok(axum::Json(body).into_response())
}

async fn show_version(
    State(app): State<App>,
    Path((name, version)): Path<(String, String)>,
    caller: Caller,
) -> Result<Response, Problem> {
    Ok(axum::Json(shown(&app, &caller, &name, Some(&version))?).into_response())
}

fn shown(app: &App, caller: &Caller, name: &str, version: Option<&str>) -> Result<Value, Problem> {
    app.node().check_any()?;
    let found = app.definitions().get(&caller.tenant, name, version);
    let definition = found.ok_or_else(|| no_workflow(name, version))?;
    let mut body = brief(app, caller, &definition);
    let latest = app.definitions().for_run(&caller.tenant, name, None, NamedBy::Caller).ok();
    let versions: Vec<_> =
        app.definitions().versions(&caller.tenant, name).iter().map(|d| d.version.clone()).collect();
    body["summary"] = json!(definition.summary);
    body["digest"] = json!(definition.digest);
    body["versions"] = json!(versions);
    body["latest"] = json!(latest.map(|latest| latest.version.clone()));
    body["definition"] = definition.document.clone();
    Ok(body)
}

fn brief(app: &App, caller: &Caller, definition: &Definition) -> Value {
    let life = app.definitions().life(&caller.tenant, &definition.name, &definition.version);
    let life = life.unwrap_or_default();
    json!({
        "namespace": definition.namespace, "name": definition.name, "version": definition.version,
        "title": definition.title, "saga": definition.saga, "status": life.name(), "change": life.act(),
    })
}

pub(super) fn no_workflow(name: &str, version: Option<&str>) -> Problem {
    let version = version.map_or_else(String::new, |v| format!(" in version {v}"));
    Problem::new(Code::NotFound, format!("there is no workflow `{name}`{version}"))
}
