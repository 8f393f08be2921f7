//! What a run has done: its tasks, its lifecycle events, and what it is a fold of.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use promptsales_engine::codec;
use promptsales_engine::workflow::machine::{Lifecycle, RunEvent, TaskList};
use serde_json::json;

use super::{address, coming};
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::endpoint::{Endpoint, page_of};
use crate::http::paging::{PAGE, Page, PageQuery};
use crate::http::params::{Path, Query};
use crate::http::problem::{Code, Problem};
use crate::routes::entities::events_page;

/// The endpoints.
pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(
            "get",
            "/api/v1/runs/{id}/tasks",
            "Lists the tasks in the order in which they began",
            get(tasks),
        )
        .query(PAGE)
        .answer(200, page_of(&json!({ "type": "object" }))),
        Endpoint::new(
            "get",
            "/api/v1/runs/{id}/events",
            "Lists the lifecycle events of a run, as CloudEvents of the Open Workflow Specification",
            get(events),
        )
        .query(PAGE)
        .answer(200, page_of(&json!({ "type": "object", "required": ["id", "source", "type", "data"] }))),
        Endpoint::new(
            "get",
            "/api/v1/runs/{id}/journal",
            "Lists all events that a run is a fold of",
            get(journal),
        )
        .query(PAGE)
        .answer(200, page_of(&json!({ "type": "object" }))),
    ]
}

async fn tasks(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(page): Query<PageQuery>,
    caller: Caller,
) -> Result<Response, Problem> {
    let stream = address(&caller, &id)?;
    let events = coming::events(&app, &stream).await?;
    let all = TaskList::of(&events).map_err(|e| Problem::new(Code::Internal, e.to_string()))?;
    let limit = page.limit()?;
    let skip = usize::try_from(page.after()?.unwrap_or(0)).unwrap_or(usize::MAX);
    let next = (all.items().len() > skip.saturating_add(limit)).then_some((skip + limit) as u64);
    let items: Vec<_> = all.items().iter().skip(skip).take(limit).collect();
    Ok(Page::new(items, next, format!("/api/v1/runs/{id}/tasks?limit={limit}")).into_response())
}

/// Lists lifecycle events; the cursor is the number of the journalled event that the last of them comes of.
async fn events(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(page): Query<PageQuery>,
    caller: Caller,
) -> Result<Response, Problem> {
    let stream = address(&caller, &id)?;
    let (limit, after) = (page.limit()?, page.after()?.unwrap_or(0));
    let all = coming::events(&app, &stream).await?;
    let begun = all[0].body.data.value();
    let [workflow, version, digest] =
        ["workflow", "version", "digest"].map(|field| begun[field].as_str().unwrap_or_default());
    let pinned = app.definitions().pinned(&caller.tenant, workflow, version, digest);
    let namespace = pinned.map(|definition| definition.namespace.clone()).unwrap_or_default();
    let mut fold = Lifecycle::new(stream.id, &namespace);
    let (mut items, mut next) = (Vec::new(), None);
    for event in &all {
        let read = codec::read_named::<RunEvent>(&event.body.name, event.body.data.text());
        let read = read.map_err(|e| Problem::new(Code::Internal, e.to_string()))?;
        let made = fold.apply(&read, event.at);
        if event.seq <= after || made.is_empty() {
            continue;
        }
        if items.len() >= limit {
            break;
        }
        items.extend(made.into_iter().enumerate().map(|(n, (kind, data))| {
            json!({
                "specversion": "1.0", "id": format!("{}.{n}", event.seq), "source": format!("/runs/{}", stream.id),
                "type": kind, "subject": stream.id, "time": event.at, "datacontenttype": "application/json",
                "data": data,
            })
        }));
        next = Some(event.seq);
    }
    let next = next.filter(|seq| items.len() >= limit && *seq < all.last().map_or(0, |last| last.seq));
    Ok(Page::new(items, next, format!("/api/v1/runs/{id}/events?limit={limit}")).into_response())
}

async fn journal(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(page): Query<PageQuery>,
    caller: Caller,
) -> Result<Response, Problem> {
    let stream = address(&caller, &id)?;
    coming::until_begun(&app, &stream).await?;
    events_page(&app, &stream, &page, format!("/api/v1/runs/{id}/journal")).await
}
