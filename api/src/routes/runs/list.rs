//! The list of runs, and what it can be narrowed to.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use promptsales_engine::entity::Fault;
use promptsales_engine::id::StreamKey;
use promptsales_engine::projection::index::Search;
use promptsales_engine::workflow::found::{FILTERS, fields, is_filter, tests};
use promptsales_engine::workflow::machine::Status;
use serde_json::Value;

use super::{RUN, run_schema};
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::endpoint::{Endpoint, page_of};
use crate::http::paging::{PAGE, Page, PageQuery, encoded};
use crate::http::params::Query;
use crate::http::problem::{Code, Problem};
use crate::http::token;
use crate::routes::entities::{set_aside, wait_for};

/// Candidates looked at for one page of a filtered list.
const LOOKED_AT: usize = 1_000;

/// The endpoints.
pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new("get", "/api/v1/runs", "Lists runs, the newest first", get(list))
            .query(FILTERS)
            .query(PAGE)
            .answer(200, page_of(&run_schema())),
    ]
}

/// What a list is narrowed to: the parameters, and what they ask.
struct Filter {
    given: Vec<(String, String)>,
    search: Search,
}

impl Filter {
    fn read(caller: &Caller, query: Vec<(String, String)>) -> Result<Self, Problem> {
        let given: Vec<_> = query.into_iter().filter(|(name, _)| is_filter(name)).collect();
        let tests = tests(&given).map_err(|wrong| Problem::new(Code::InvalidParameter, wrong.to_string()))?;
        Ok(Self { given, search: Search { tenant: caller.tenant.clone(), prefix: RUN, tests } })
    }

    fn path(&self, limit: usize) -> String {
        let given = self.given.iter().map(|(name, value)| format!("&{name}={}", encoded(value)));
        format!("/api/v1/runs?limit={limit}{}", given.collect::<String>())
    }
}

/// Lists runs. A filtered page may be short; its `next` says whether there is more to look at.
async fn list(
    State(app): State<App>,
    Query(page): Query<PageQuery>,
    Query(query): Query<Vec<(String, String)>>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    app.node().check_any()?;
    wait_for(&app, &headers).await?;
    let (limit, mut after) = (page.limit()?, page.after()?);
    let filter = Filter::read(&caller, query)?;
    let path = filter.path(limit);
    let mut items = Vec::new();
    for _ in 0..LOOKED_AT / limit {
        let found = candidates(&app, &filter.search, after, limit, &headers).await?;
        let is_more = found.len() == limit;
        let (cursors, streams): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        for (read, cursor) in app.node().read_each(&streams).await.into_iter().zip(cursors) {
            if items.len() == limit {
                return Ok(Page::new(items, after, path).into_response());
            }
            after = Some(cursor);
            let (run, found_by) = match read {
                Ok(None) => continue,
                Ok(Some(view)) => {
                    let run = view.state.value();
                    let found_by = fields(Some(&run));
                    (run, found_by)
                }
                Err(fault) => (quarantined(&fault).ok_or(fault)?, fields(None)),
            };
            if filter.search.fits(&found_by) {
                items.push(run);
            }
        }
        if !is_more {
            after = None;
        }
        if !is_more || items.len() == limit {
            break;
        }
    }
    Ok(Page::new(items, after, path).into_response())
}

/// Runs behind a cursor that may fit, each with its own cursor, the newest first.
async fn candidates(
    app: &App,
    search: &Search,
    after: Option<u64>,
    limit: usize,
    headers: &HeaderMap,
) -> Result<Vec<(u64, StreamKey)>, Problem> {
    if search.tests.is_empty() {
        let page = app.node().list(&search.tenant, RUN, after, true, limit).await?;
        return Ok(page.streams.into_iter().map(|(stream, cursor)| (cursor, stream)).collect());
    }
    let found = app.node().find(search, after, limit).await?;
    if found.is_behind && headers.contains_key(token::HEADER) {
        let detail = "the index is behind: repeat the read a little later, or without the token";
        return Err(Problem::new(Code::PositionNotReached, detail));
    }
    Ok(found.streams)
}

/// What a list shows of a run that is quarantined: it needs attention, and says why.
fn quarantined(fault: &Fault) -> Option<Value> {
    let mut run = set_aside(fault)?;
    run["status"] = Status::NeedsAttention.name().into();
    Some(run)
}
