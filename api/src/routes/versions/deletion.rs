//! Deleting a version that no open run is of.
//!
//! First it is looked whether any run is open. If none is, the version is retired, which is a commit: from then on no
//! run can begin with it, be taken up again in it, or go on in it. What runs had decided before is waited for, the
//! runs are looked at, and the version is deleted, or is as it was before. A deletion that broke off leaves it
//! `retiring`; asking again goes on, and `restore` undoes it.
//!
//! One request looks at some of the runs. Where that was not all, it says in `next` where another goes on.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::delete;
use promptsales_engine::entity::{Answer, Dedup, Fault};
use promptsales_engine::id::StreamKey;
use promptsales_engine::journal::Outcome;
use promptsales_engine::workflow::registration::Life;
use serde::Deserialize;
use serde_json::{Value, json};

use super::life::{OneVersion, changed_schema};
use super::open_runs::{Runs, is_of_the_node};
use super::{CURSOR, WHEN_ASKED, next_schema};
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::endpoint::Endpoint;
use crate::http::paging::{PageQuery, cursor, encoded};
use crate::http::params::{Path, Query};
use crate::http::problem::{Code, Problem};
use crate::routes::runs::RUN;

/// Open runs that are named in an answer.
const NAMED: usize = 20;

/// The endpoints.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut answer = changed_schema();
    answer["properties"]["next"] = next_schema();
    vec![
        Endpoint::new(
            "delete",
            "/api/v1/workflows/{name}/versions/{v}",
            "Deletes a version that no open run is of; 202 where not all runs were looked at",
            delete(deleted),
        )
        .query(&[("reason", "why")])
        .query(CURSOR)
        .answer(200, answer),
    ]
}

#[derive(Debug, Deserialize)]
struct Ask {
    reason: Option<String>,
    cursor: Option<String>,
}

async fn deleted(
    State(app): State<App>,
    Path((name, version)): Path<(String, String)>,
    Query(ask): Query<Ask>,
    caller: Caller,
) -> Result<Response, Problem> {
    let of = OneVersion { app: &app, caller: &caller, name: &name, version: &version };
    of.known()?;
    let deletion = Deletion { of, reason: ask.reason.as_deref() };
    match of.life() {
        Some(Life::Deleted(_)) => return of.answered(deletion.end(0, 0).await?),
        Some(Life::Retiring { .. }) => {}
        None | Some(Life::Active | Life::Deprecated(_)) => {
            deletion.check_names()?;
            let found = InUse::look(&of, None).await?;
            if !found.open.is_empty() {
                return Err(deletion.refused(found).await?);
            }
        }
    }
    let retired = deletion.retire().await?;
    // Beside the place, a cursor says in which retirement it was given.
    let place = ask.cursor.as_deref().and_then(|cursor| cursor.rsplit_once('.'));
    let place = place.filter(|(_, given)| *given == retired.to_string()).map(|(place, _)| place.to_owned());
    let found = InUse::look(&of, PageQuery::from_cursor(place).after()?).await?;
    match found.next {
        _ if !found.open.is_empty() => {
            let refused = deletion.refused(found).await?;
            deletion.keep().await?;
            Err(refused)
        }
        Some(place) => Ok(deletion.goes_on(format!("{}.{retired}", cursor(place)))),
        None => {
            let answer = deletion.end(0, retired).await?;
            if matches!(answer.outcome, Outcome::Rejected(_)) {
                // The key has had its answer, or somebody was faster.
                deletion.keep().await?;
            }
            of.answered(answer)
        }
    }
}

/// A version that is to be deleted, and why.
struct Deletion<'a> {
    of: OneVersion<'a>,
    reason: Option<&'a str>,
}

impl Deletion<'_> {
    /// Refuses it while definitions run it by its number.
    fn check_names(&self) -> Result<(), Problem> {
        let OneVersion { app, caller, name, version } = self.of;
        let naming = app.definitions().naming(&caller.tenant, name, version);
        let others = naming.iter().filter(|d| d.name != name || d.version != version);
        let naming: Vec<_> = others.map(|d| format!("{} {}", d.name, d.version)).collect();
        if naming.is_empty() {
            return Ok(());
        }
        let detail = format!(
            "definitions run version {version} of `{name}` by its number: {}; delete those first",
            naming.join(", ")
        );
        Err(Problem::new(Code::VersionInUse, detail).with_errors(json!({ "namedBy": naming })))
    }

    /// Has it take no runs at all, and waits for what runs have decided before; gives the number of the retirement.
    async fn retire(&self) -> Result<u64, Problem> {
        let answer = self.of.change("retire", self.reason, Dedup::None).await?;
        if let Outcome::Rejected(rejected) = answer.outcome {
            return Err(rejected.into());
        }
        let retired = match self.of.life() {
            Some(Life::Retiring { seq, .. }) => seq,
            None | Some(Life::Active | Life::Deprecated(_) | Life::Deleted(_)) => 0,
        };
        self.of.app.node().settled(&self.of.caller.tenant, RUN).await?;
        Ok(retired)
    }

    /// Has it be as it was.
    async fn keep(&self) -> Result<(), Problem> {
        self.of.change("keep", Some("it was not deleted"), Dedup::None).await.map(drop)
    }

    /// Deletes it; or refuses that, since runs are open. Either counts under the caller's key like any answer.
    async fn end(&self, open: usize, retired: u64) -> Result<Answer, Problem> {
        let OneVersion { app, caller, version, .. } = self.of;
        let body = json!({ "version": version, "reason": self.reason, "open": open, "retired": retired });
        let dedup = caller.dedup(&app.node().info().secret, self.reason.unwrap_or_default());
        self.of.tell("delete", &body, dedup).await
    }

    /// Says where another request goes on.
    fn goes_on(&self, next: String) -> Response {
        let OneVersion { app, caller, name, version } = self.of;
        let latest = app.definitions().for_run(&caller.tenant, name, None, super::CALLER).ok();
        let body = json!({
            "name": name, "version": version, "status": "retiring", "latest": latest.map(|d| d.version.clone()),
            "next": next,
        });
        (StatusCode::ACCEPTED, axum::Json(body)).into_response()
    }

    /// Why it is refused, with the open runs.
    async fn refused(&self, found: InUse) -> Result<Problem, Problem> {
        let answer = self.end(found.open.len(), 0).await?;
        let Outcome::Rejected(rejected) = answer.outcome else {
            let detail = "the version is deleted already".to_owned();
            return Err(Problem::new(Code::Internal, detail));
        };
        let (name, version) = (encoded(self.of.name), encoded(self.of.version));
        let list = format!("/api/v1/runs?workflow={name}&version={version}");
        let (open, runs) = (found.open.len(), &found.open[..found.open.len().min(NAMED)]);
        Ok(Problem::from(rejected).with_errors(json!({ "open": open, "runs": runs, "list": list })))
    }
}

/// The runs of a version that are open, as far as was looked.
struct InUse {
    open: Vec<Value>,
    next: Option<u64>,
}

impl InUse {
    async fn look(of: &OneVersion<'_>, mut after: Option<u64>) -> Result<Self, Problem> {
        let (mut open, mut looked) = (Vec::new(), 0);
        loop {
            let Runs { runs, is_last } = Runs::page(of.app, of.caller, after).await?;
            for (stream, place, view) in runs {
                (looked, after) = (looked + 1, Some(place));
                let is_open = match view {
                    Ok(view) => view.is_some_and(|view| is_open(of, &view.state.value())),
                    Err(fault) if is_of_the_node(&fault) => return Err(fault.into()),
                    Err(_) => may_be_open(of, &stream).await?,
                };
                if is_open {
                    open.push(json!(stream.id));
                }
            }
            if is_last {
                return Ok(Self { open, next: None });
            }
            if looked >= WHEN_ASKED {
                return Ok(Self { open, next: after });
            }
        }
    }
}

fn is_open(of: &OneVersion<'_>, run: &Value) -> bool {
    run["workflow"] == *of.name && run["version"] == *of.version && run["endedAt"].is_null()
}

/// Whether a run is of the version, as its events say, that cannot be brought to life.
async fn may_be_open(of: &OneVersion<'_>, stream: &StreamKey) -> Result<bool, Problem> {
    let events = match of.app.node().events(stream, 0, usize::MAX).await {
        Ok(events) => events,
        Err(error) => {
            let fault = Fault::from(error);
            return if is_of_the_node(&fault) { Err(fault.into()) } else { Ok(true) };
        }
    };
    let (mut workflow, mut version) = (Value::Null, Value::Null);
    for event in events {
        let data = event.body.data.value();
        match event.body.name.as_ref() {
            "started" => (workflow, version) = (data["workflow"].clone(), data["version"].clone()),
            "migrated" => version = data["version"].clone(),
            _ => {}
        }
    }
    Ok(workflow == *of.name && version == *of.version)
}
