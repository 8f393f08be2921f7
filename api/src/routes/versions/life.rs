//! The life of versions: a list of them, deprecating and restoring one, and making one the latest.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use promptsales_engine::entity::{Answer, Dedup};
use promptsales_engine::journal::{Json, Outcome};
use promptsales_engine::runtime::Command;
use promptsales_engine::workflow::definition::compare_semver;
use promptsales_engine::workflow::registration::Life;
use promptsales_engine::workflow::schedule::{Plan, schedule_id};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::http::body::JsonBody;
use crate::http::caller::Caller;
use crate::http::endpoint::{Endpoint, page_of};
use crate::http::paging::{PAGE, Page, PageQuery};
use crate::http::params::{Path, Query};
use crate::http::problem::Problem;
use crate::http::token;
use crate::routes::runs::fields;
use crate::routes::workflows::no_workflow;

/// The endpoints.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let act = |path, summary, handler| {
        Endpoint::new("post", path, summary, handler).body(fields(json!({}))).answer(200, changed_schema())
    };
    vec![
        Endpoint::new(
            "get",
            "/api/v1/workflows/{name}/versions",
            "Lists the versions of a workflow, the newest first, each with its status",
            get(list),
        )
        .query(PAGE)
        .answer(200, page_of(&version_schema())),
        act(
            "/api/v1/workflows/{name}/versions/{v}/deprecate",
            "Has a version take no new runs; those that are open go on",
            changing("deprecate"),
        ),
        act(
            "/api/v1/workflows/{name}/versions/{v}/restore",
            "Has a version take runs again that was deprecated, or was to be deleted",
            changing("restore"),
        ),
        act(
            "/api/v1/workflows/{name}/versions/{v}/promote",
            "Makes a version the latest, as to roll back: new runs are of it until a newer one is registered",
            changing("promote"),
        ),
    ]
}

/// The schema of a status.
pub(in crate::routes) fn status_schema() -> Value {
    json!({ "enum": ["active", "deprecated", "retiring", "deleted"] })
}

fn version_schema() -> Value {
    json!({ "type": "object", "required": ["version", "status", "latest"], "properties": {
        "version": { "type": "string" }, "digest": { "type": "string" },
        "registeredAt": { "type": "string", "format": "date-time" },
        "status": status_schema(),
        "latest": { "type": "boolean", "description": "true for the version that new runs are of" },
        "change": {
            "type": ["object", "null"], "description": "what it came to its status by: `at`, `by`, `reason`",
        },
    }})
}

/// The schema of what a version is after a change.
pub(super) fn changed_schema() -> Value {
    json!({ "type": "object", "required": ["name", "version", "status", "latest"], "properties": {
        "name": { "type": "string" }, "version": { "type": "string" }, "status": status_schema(),
        "latest": { "type": ["string", "null"], "description": "the version that new runs are of now" },
    }})
}

async fn list(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(page): Query<PageQuery>,
    caller: Caller,
) -> Result<Response, Problem> {
    let view = app.node().read(&app.definition_stream(&caller.tenant, &name)).await?;
    let view = view.ok_or_else(|| no_workflow(&name, None))?.state.value();
    let mut all = view["versions"].as_array().cloned().unwrap_or_default();
    let number = |version: &Value| version["version"].as_str().unwrap_or_default().to_owned();
    all.sort_by(|a, b| compare_semver(&number(b), &number(a)));
    let limit = page.limit()?;
    let skip = usize::try_from(page.after()?.unwrap_or(0)).unwrap_or(usize::MAX);
    let next = (all.len() > skip.saturating_add(limit)).then_some((skip + limit) as u64);
    let items: Vec<_> = all.into_iter().skip(skip).take(limit).collect();
    Ok(Page::new(items, next, format!("/api/v1/workflows/{name}/versions?limit={limit}")).into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    reason: Option<String>,
}

/// A handler that does something to a version.
fn changing(command: &'static str) -> MethodRouter<App> {
    post(
        move |State(app): State<App>, path: Path<(String, String)>, caller: Caller, body: JsonBody| async move {
            let (name, version) = path.0;
            let Reason { reason } = body.read()?;
            let dedup = caller.dedup(&app.node().info().secret, body.0.text());
            let of = OneVersion { app: &app, caller: &caller, name: &name, version: &version };
            of.known()?;
            let answer = of.change(command, reason.as_deref(), dedup).await?;
            of.answered(answer)
        },
    )
}

/// A version that something is done to.
#[derive(Clone, Copy)]
pub(super) struct OneVersion<'a> {
    pub(super) app: &'a App,
    pub(super) caller: &'a Caller,
    pub(super) name: &'a str,
    pub(super) version: &'a str,
}

impl OneVersion<'_> {
    /// Refuses what is not there, by the name that the caller knows it by.
    pub(super) fn known(&self) -> Result<(), Problem> {
        self.app.node().check_any()?;
        let all = self.app.definitions().all(&self.caller.tenant, self.name);
        match all.contains_key(self.version) {
            true => Ok(()),
            false => Err(no_workflow(self.name, Some(self.version))),
        }
    }

    /// Where it is in its life.
    pub(super) fn life(&self) -> Option<Life> {
        self.app.definitions().life(&self.caller.tenant, self.name, self.version)
    }

    /// Does something to it that may change which version is the latest.
    pub(super) async fn change(
        &self,
        command: &'static str,
        reason: Option<&str>,
        dedup: Dedup,
    ) -> Result<Answer, Problem> {
        let tenant = &self.caller.tenant;
        let all = self.app.definitions().all(tenant, self.name);
        // One that does not compile any more begins no runs.
        let plan = |definition: Option<&_>| definition.and_then(|definition| Plan::of(definition, tenant));
        let plans =
            all.iter().map(|(version, definition)| (version.clone(), json!(plan(definition.as_deref()))));
        let plans: serde_json::Map<String, Value> = plans.collect();
        let body = json!({
            "version": self.version, "reason": reason, "schedule": schedule_id(tenant, self.name), "plans": plans,
        });
        self.tell(command, &body, dedup).await
    }

    /// Sends the workflow a command.
    pub(super) async fn tell(
        &self,
        command: &'static str,
        body: &Value,
        dedup: Dedup,
    ) -> Result<Answer, Problem> {
        let stream = self.app.definition_stream(&self.caller.tenant, self.name);
        let (name, body, origin) = (command.into(), Json::from(body), self.caller.origin.clone());
        let command = Command { stream, name, body, external_key: None, origin, dedup };
        Ok(self.app.node().command(command).await?)
    }

    /// Answers how it is now.
    pub(super) fn answered(&self, answer: Answer) -> Result<Response, Problem> {
        let accepted = match answer.outcome {
            Outcome::Accepted(accepted) => accepted,
            Outcome::Rejected(rejected) => return Err(rejected.into()),
        };
        let mut response = (StatusCode::OK, axum::Json(accepted.reply.value())).into_response();
        let stream = self.app.definition_stream(&self.caller.tenant, self.name);
        let headers = response.headers_mut();
        headers.insert(token::HEADER, token::write(self.app.node().info(), &stream, answer.position));
        if answer.replayed {
            headers.insert("idempotency-replayed", HeaderValue::from_static("true"));
        }
        Ok(response)
    }
}
