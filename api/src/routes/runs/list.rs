//! The list of runs, and what it can be narrowed to.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use promptsales_engine::clock::Timestamp;
use promptsales_engine::entity::Fault;
use serde::Deserialize;
use serde_json::Value;

use super::{RUN, run_schema};
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::endpoint::{Endpoint, page_of};
use crate::http::paging::{PAGE, Page, PageQuery, encoded};
use crate::http::params::Query;
use crate::http::problem::{Code, Problem};
use crate::routes::entities::{set_aside, wait_for};

/// Runs looked at for one page of a filtered list.
const LOOKED_AT: usize = 1_000;

const LIST: &[(&str, &str)] = &[
    ("status", "only runs of this status"),
    ("workflow", "only runs of this workflow"),
    ("since", "only runs started at or after this moment (RFC 3339)"),
];

/// The endpoints.
pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new("get", "/api/v1/runs", "Lists runs, the newest first", get(list))
            .query(LIST)
            .query(PAGE)
            .answer(200, page_of(&run_schema())),
    ]
}

#[derive(Debug, Deserialize)]
struct Filter {
    status: Option<String>,
    workflow: Option<String>,
    since: Option<String>,
}

impl Filter {
    fn fits(&self, run: &Value, since: Option<Timestamp>) -> bool {
        let is = |field: &str, wanted: &Option<String>| wanted.as_ref().is_none_or(|w| run[field] == **w);
        let started = || run["startedAt"].as_str().and_then(|t| t.parse::<Timestamp>().ok());
        is("status", &self.status)
            && is("workflow", &self.workflow)
            && since.is_none_or(|s| started() >= Some(s))
    }

    fn path(&self, limit: usize) -> String {
        let parts = [("status", &self.status), ("workflow", &self.workflow), ("since", &self.since)];
        let given =
            parts.iter().filter_map(|(name, value)| Some(format!("&{name}={}", encoded(value.as_ref()?))));
        format!("/api/v1/runs?limit={limit}{}", given.collect::<String>())
    }
}

/// Lists runs. A filtered page may be short; its `next` says whether there is more to look at.
async fn list(
    State(app): State<App>,
    Query(page): Query<PageQuery>,
    Query(filter): Query<Filter>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    app.node().check_any()?;
    wait_for(&app, &headers).await?;
    let limit = page.limit()?;
    let wrong = |e| Problem::new(Code::InvalidParameter, format!("`since`: {e}"));
    let since = filter.since.as_ref().map(|t| t.parse::<Timestamp>()).transpose().map_err(wrong)?;
    let mut after = page.after()?;
    let mut items = Vec::new();
    for _ in 0..LOOKED_AT / limit.max(1) {
        let streams = app.node().list(&caller.tenant, RUN, after, true, limit).await?.streams;
        let more = streams.len() == limit;
        let (streams, cursors): (Vec<_>, Vec<_>) = streams.into_iter().unzip();
        for (read, cursor) in app.node().read_each(&streams).await.into_iter().zip(cursors) {
            after = Some(cursor);
            let run = match read {
                Ok(view) => view.map(|view| view.state.value()),
                Err(fault) => Some(quarantined(&fault).ok_or(fault)?),
            };
            items.extend(run.filter(|run| filter.fits(run, since)));
            if items.len() == limit {
                return Ok(Page::new(items, after, filter.path(limit)).into_response());
            }
        }
        if !more {
            after = None;
            break;
        }
    }
    Ok(Page::new(items, after, filter.path(limit)).into_response())
}

/// What a list shows of a run that is quarantined: it needs attention, and says why.
fn quarantined(fault: &Fault) -> Option<Value> {
    let mut run = set_aside(fault)?;
    run["status"] = "needs-attention".into();
    Some(run)
}
