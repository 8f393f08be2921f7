//! Versions of a workflow: what is different, what would become of the open runs, and letting them follow.
//!
//! Runs are looked at one by one, the newest first. What follows is done once for each run; who asks again goes on
//! with those that are left.

use axum::extract::State;
use axum::routing::{get, post};
use promptsales_engine::id::StreamKey;
use promptsales_engine::journal::{Json, Outcome};
use promptsales_engine::runtime::Command;
use promptsales_engine::workflow::definition::Definition;
use promptsales_engine::workflow::difference::Diff;
use serde::Deserialize;
use serde_json::{Value, json};

use super::runs::RUN;
use super::workflows::no_workflow;
use crate::app::App;
use crate::http::body::JsonBody;
use crate::http::caller::Caller;
use crate::http::endpoint::Endpoint;
use crate::http::params::Path;
use crate::http::problem::Problem;

/// Runs that are looked at when a version is registered.
pub(super) const AT_REGISTRATION: usize = 1_000;

/// Runs that are looked at when it is asked for.
const WHEN_ASKED: usize = 100_000;

/// Runs that are read at once.
const PAGE: usize = 100;

/// Runs that are named of those that need a choice.
const NAMED: usize = 100;

/// The endpoints.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let answer = json!({ "type": "object", "required": ["version", "diff", "runs"] });
    vec![
        Endpoint::new(
            "get",
            "/api/v1/workflows/{name}/versions/{v}/impact",
            "Says what would become of each open run if it followed a version",
            get(shown),
        )
        .answer(200, answer),
        Endpoint::new(
            "post",
            "/api/v1/workflows/{name}/versions/{v}/follow",
            "Has every open run go on in a version, but those that somebody must choose for",
            post(follow),
        )
        .body(json!({ "type": "object", "properties": {
            "reason": { "type": "string" },
            "tasks": { "type": "object", "additionalProperties": { "type": "string" } },
        }, "additionalProperties": false }))
        .answer(200, json!({ "type": "object", "required": ["version", "runs"] })),
    ]
}

async fn shown(
    State(app): State<App>,
    Path((name, version)): Path<(String, String)>,
    caller: Caller,
) -> Result<axum::Json<Value>, Problem> {
    let definition = app.definitions().get(&caller.tenant, &name, Some(&version));
    let definition = definition.ok_or_else(|| no_workflow(&name, Some(&version)))?;
    let found = impact(&app, &caller, &definition, WHEN_ASKED).await?;
    Ok(axum::Json(found.unwrap_or_else(|| json!({ "version": version, "diff": null, "runs": counts() }))))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Follow {
    #[serde(default)]
    tasks: Value,
    reason: Option<String>,
}

async fn follow(
    State(app): State<App>,
    Path((name, version)): Path<(String, String)>,
    caller: Caller,
    body: JsonBody,
) -> Result<axum::Json<Value>, Problem> {
    let definition = app.definitions().get(&caller.tenant, &name, Some(&version));
    let definition = definition.ok_or_else(|| no_workflow(&name, Some(&version)))?;
    let Follow { tasks, reason } = body.read()?;
    let tasks = if tasks.is_null() { json!({}) } else { tasks };
    let ask = json!({ "version": definition.version, "tasks": tasks, "reason": reason });
    let mut runs = json!({ "looked": 0, "followed": 0, "refused": [] });
    each_open(&app, &caller, &definition, WHEN_ASKED, &ask, |stream, outcome| match outcome {
        Outcome::Accepted(_) => add(&mut runs, "followed"),
        Outcome::Rejected(rejected) => {
            if let Some(refused) = runs["refused"].as_array_mut().filter(|refused| refused.len() < NAMED) {
                refused.push(json!({ "run": stream.id, "code": rejected.code, "message": rejected.message }));
            }
        }
    })
    .await
    .map(|looked| runs["looked"] = looked.into())?;
    Ok(axum::Json(json!({ "version": definition.version, "runs": runs })))
}

/// What is different from the version before, and what would become of the open runs; none for the first version.
pub(super) async fn impact(
    app: &App,
    caller: &Caller,
    definition: &Definition,
    most: usize,
) -> Result<Option<Value>, Problem> {
    let versions = app.definitions().versions(&caller.tenant, &definition.name);
    let before = versions.iter().rev().find(|other| {
        promptsales_engine::workflow::definition::compare_semver(&other.version, &definition.version).is_lt()
    });
    let Some(before) = before else { return Ok(None) };
    let diff = Diff::between(before, definition);
    let ask = json!({ "version": definition.version, "dryRun": true });
    let (mut runs, mut named) = (counts(), Vec::new());
    let looked = each_open(app, caller, definition, most, &ask, |stream, outcome| {
        let Outcome::Accepted(accepted) = outcome else { return };
        let effect = accepted.reply.value();
        add(&mut runs, "open");
        match effect["effect"].as_str() {
            Some("unaffected") => add(&mut runs, "unaffected"),
            Some("follows") => add(&mut runs, "follows"),
            _ => {
                add(&mut runs, "mustChoose");
                if named.len() < NAMED {
                    named.push(
                        json!({ "run": stream.id, "version": effect["from"], "tasks": effect["tasks"] }),
                    );
                }
            }
        }
    })
    .await?;
    runs["looked"] = looked.into();
    Ok(Some(json!({ "version": definition.version, "diff": diff, "runs": runs, "mustChoose": named })))
}

fn counts() -> Value {
    json!({ "looked": 0, "open": 0, "unaffected": 0, "follows": 0, "mustChoose": 0 })
}

fn add(counts: &mut Value, name: &str) {
    counts[name] = (counts[name].as_u64().unwrap_or(0) + 1).into();
}

/// Asks every open run of a workflow that is on another version to migrate. Gives how many runs were looked at.
async fn each_open(
    app: &App,
    caller: &Caller,
    definition: &Definition,
    most: usize,
    ask: &Value,
    mut take: impl FnMut(&StreamKey, Outcome),
) -> Result<usize, Problem> {
    let (mut after, mut looked) = (None, 0);
    let body = Json::from(ask);
    loop {
        let page = app.node().list(&caller.tenant, RUN, after, true, PAGE).await?.streams;
        let is_last = page.len() < PAGE;
        let (streams, cursors): (Vec<_>, Vec<_>) = page.into_iter().unzip();
        after = cursors.last().copied();
        looked += streams.len();
        let views = app.node().read_each(&streams).await;
        for (stream, view) in streams.into_iter().zip(views) {
            let Ok(Some(view)) = view else { continue };
            let run = view.state.value();
            let other =
                run["workflow"] == definition.name.as_str() && run["version"] != definition.version.as_str();
            if !other || !run["endedAt"].is_null() {
                continue;
            }
            let command = Command {
                stream: stream.clone(),
                name: "migrate".into(),
                body: body.clone(),
                external_key: None,
                origin: caller.origin.clone(),
                dedup: promptsales_engine::entity::Dedup::None,
            };
            take(&stream, app.node().command(command).await?.outcome);
        }
        if is_last || looked >= most {
            return Ok(looked);
        }
    }
}
