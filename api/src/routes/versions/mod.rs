//! Versions of a workflow: their life, what is different, what would become of the open runs, and letting them follow.
//!
//! One request looks at some of the runs, the newest first, and says in `next` where another goes on, which is its
//! `cursor`; null is the end. Where a run follows, that is done once for each: one that is there already is not asked.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::routing::{get, post};
use promptsales_engine::journal::Rejected;
use promptsales_engine::workflow::definition::{Definition, compare_semver};
use promptsales_engine::workflow::difference::Diff;
use promptsales_engine::workflow::versions::{NamedBy, NoRuns};
use serde::Deserialize;
use serde_json::{Value, json};

use self::open_runs::{Walk, Walked};
use super::workflows::no_workflow;
use crate::app::App;
use crate::http::body::JsonBody;
use crate::http::caller::Caller;
use crate::http::endpoint::Endpoint;
use crate::http::paging::PageQuery;
use crate::http::params::{Path, Query};
use crate::http::problem::Problem;

mod deletion;
mod life;
mod open_runs;

pub(super) use life::status_schema;

/// Runs that are looked at when a version is registered.
const AT_REGISTRATION: usize = 1_000;

/// Runs that are looked at in one request.
const WHEN_ASKED: usize = 5_000;

/// The query of a walk over runs.
const CURSOR: &[(&str, &str)] = &[("cursor", "the `next` of an earlier answer")];

/// A version that a request names.
const CALLER: NamedBy = NamedBy::Caller;

/// The endpoints.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let mut all = vec![
        Endpoint::new(
            "get",
            "/api/v1/workflows/{name}/versions/{v}/impact",
            "Says what would become of each open run if it followed a version",
            get(shown),
        )
        .query(CURSOR)
        .answer(200, impact_schema()),
        Endpoint::new(
            "post",
            "/api/v1/workflows/{name}/versions/{v}/follow",
            "Has open runs go on in a version, but those that somebody must choose for",
            post(follow),
        )
        .body(json!({ "type": "object", "properties": {
            "reason": { "type": "string" },
            "tasks": { "type": "object", "additionalProperties": { "type": "string" } },
            "cursor": { "type": "string", "description": "the `next` of an earlier answer" },
        }, "additionalProperties": false }))
        .answer(
            200,
            json!({ "type": "object", "required": ["version", "runs", "next"], "properties": {
                "version": { "type": "string" },
                "runs": counts_schema(&["looked", "followed"]),
                "next": next_schema(),
            }}),
        ),
    ];
    all.extend(life::endpoints());
    all.extend(deletion::endpoints());
    all
}

fn impact_schema() -> Value {
    json!({ "type": "object", "required": ["version", "diff", "runs", "mustChoose", "next"], "properties": {
        "version": { "type": "string" },
        "diff": diff_schema(),
        "runs": impact_counts_schema(),
        "mustChoose": { "type": "array", "items": { "type": "object", "required": ["run", "version", "tasks"] } },
        "next": next_schema(),
    }})
}

/// The schema of what is different from the version before.
pub(super) fn diff_schema() -> Value {
    json!({ "type": ["object", "null"], "description": "from the version before; null for the first" })
}

/// The schema of what would become of the open runs.
pub(super) fn impact_counts_schema() -> Value {
    counts_schema(&["looked", "open", "unaffected", "follows", "mustChoose"])
}

/// The schema of where to go on.
pub(super) fn next_schema() -> Value {
    json!({ "type": ["string", "null"], "description": "`cursor` of the next request; null at the end" })
}

fn counts_schema(names: &[&str]) -> Value {
    let refused = json!({ "type": "object", "required": ["run", "code", "message"] });
    let mut counts = json!({ "refused": { "type": "array", "items": refused } });
    for name in names {
        counts[*name] = json!({ "type": "integer" });
    }
    json!({ "type": "object", "properties": counts })
}

async fn shown(
    State(app): State<App>,
    Path((name, version)): Path<(String, String)>,
    Query(page): Query<PageQuery>,
    caller: Caller,
) -> Result<axum::Json<Value>, Problem> {
    app.node().check_any()?;
    let definition = app.definitions().get(&caller.tenant, &name, Some(&version));
    let definition = definition.ok_or_else(|| no_workflow(&name, Some(&version)))?;
    let Impact { runs, must_choose, next } =
        Impact::of(&app, &caller, &definition, page.after()?, WHEN_ASKED).await?;
    Ok(axum::Json(json!({
        "version": version, "diff": diff(&app, &caller, &definition), "runs": runs, "mustChoose": must_choose,
        "next": next,
    })))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Follow {
    #[serde(default)]
    tasks: BTreeMap<String, String>,
    reason: Option<String>,
    cursor: Option<String>,
}

async fn follow(
    State(app): State<App>,
    Path((name, version)): Path<(String, String)>,
    caller: Caller,
    body: JsonBody,
) -> Result<axum::Json<Value>, Problem> {
    app.node().check_any()?;
    let definition = app.definitions().for_run(&caller.tenant, &name, Some(&version), CALLER);
    let definition = definition.map_err(|no_runs| match no_runs {
        NoRuns::Unknown { .. } => no_workflow(&name, Some(&version)),
        closed @ NoRuns::Closed { .. } => Rejected::from(closed).into(),
    })?;
    let Follow { tasks, reason, cursor } = body.read()?;
    let ask = json!({ "version": definition.version, "tasks": tasks, "reason": reason });
    let after = PageQuery::from_cursor(cursor).after()?;
    let walk = Walk {
        app: &app,
        caller: &caller,
        definition: &definition,
        ask,
        once: true,
        after,
        most: WHEN_ASKED,
    };
    let mut followed = 0_u64;
    let Walked { looked, refused, next } = walk.go(|_, _| followed += 1).await?;
    let runs = json!({ "looked": looked, "followed": followed, "refused": refused });
    Ok(axum::Json(json!({ "version": definition.version, "runs": runs, "next": next })))
}

/// Adds to the answer of a registration what is different, and what would become of the runs. The version is there
/// whatever can be said of them.
pub(super) async fn describe(app: &App, caller: &Caller, definition: &Definition, body: &mut Value) {
    let Some(diff) = diff(app, caller, definition) else { return };
    body["diff"] = json!(diff);
    match Impact::of(app, caller, definition, None, AT_REGISTRATION).await {
        Ok(impact) => {
            body["runs"] = impact.runs;
            body["next"] = json!(impact.next);
        }
        Err(problem) => body["runs"] = json!({ "unknown": problem.code() }),
    }
}

/// What is different from the version before; none for the first version.
fn diff(app: &App, caller: &Caller, definition: &Definition) -> Option<Diff> {
    let versions = app.definitions().versions(&caller.tenant, &definition.name);
    let is_before = |other: &str| compare_semver(other, &definition.version).is_lt();
    let before = versions.iter().rev().find(|other| is_before(&other.version))?;
    Some(Diff::between(before, definition))
}

/// What would become of some of the open runs.
struct Impact {
    runs: Value,
    must_choose: Vec<Value>,
    next: Option<String>,
}

impl Impact {
    async fn of(
        app: &App,
        caller: &Caller,
        definition: &Definition,
        after: Option<u64>,
        most: usize,
    ) -> Result<Self, Problem> {
        let ask = json!({ "version": definition.version, "dryRun": true });
        let walk = Walk { app, caller, definition, ask, once: false, after, most };
        let (mut unaffected, mut follows, mut must_choose) = (0_u64, 0_u64, Vec::new());
        let walked = walk.go(|stream, reply| match reply["effect"].as_str() {
            Some("unaffected") => unaffected += 1,
            Some("follows") => follows += 1,
            _ => {
                let (from, tasks) = (&reply["from"], &reply["tasks"]);
                must_choose.push(json!({ "run": stream.id, "version": from, "tasks": tasks }));
            }
        });
        let Walked { looked, refused, next } = walked.await?;
        let chosen = must_choose.len() as u64;
        let runs = json!({
            "looked": looked, "open": unaffected + follows + chosen, "unaffected": unaffected,
            "follows": follows, "mustChoose": chosen, "refused": refused,
        });
        Ok(Self { runs, must_choose, next })
    }
}
