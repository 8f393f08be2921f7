//! What has happened to a run: its lifecycle events, and what it is a fold of.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use promptsales_engine::entity::Corruption;
use promptsales_engine::id::{StreamId, StreamKey};
use promptsales_engine::journal::Event;
use promptsales_engine::workflow::machine::Lifecycle;
use promptsales_engine::workflow::run::read_event;
use serde_json::{Value, json};

use super::folding::{Folding, first, folded};
use super::{address, coming};
use crate::app::App;
use crate::folds::{Cut, Last};
use crate::http::caller::Caller;
use crate::http::endpoint::{Endpoint, page_of};
use crate::http::paging::{PAGE, Page, PageQuery, part_cursor};
use crate::http::params::{Path, Query};
use crate::http::problem::{Code, Problem};
use crate::routes::entities::events_page;

/// The endpoints.
pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
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

/// Lists lifecycle events; the cursor is the id of the last of them.
async fn events(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(page): Query<PageQuery>,
    caller: Caller,
) -> Result<Response, Problem> {
    let stream = address(&caller, &id)?;
    let limit = page.limit()?;
    let (seq, part) = page.after_part()?.unwrap_or((0, None));
    let told = told(&app, &stream, limit, seq, part).await?;
    if let Some(cut) = told.cut {
        app.folds().events.keep(&stream, cut.last.seq, cut);
    }
    let next = told.end.filter(|_| told.more).map(|(seq, part)| part_cursor(seq, part));
    Ok(Page::by_id(told.items, next, format!("/api/v1/runs/{id}/events?limit={limit}")).into_response())
}

/// A fold that tells some of the lifecycle events.
struct Told {
    run: StreamId,
    fold: Lifecycle,
    /// The journalled event behind which it begins to tell, and how many of those that come of it are told already.
    after: (u64, usize),
    limit: usize,
    items: Vec<Value>,
    /// Where the last item is from: the journalled event, and which of those that come of it.
    end: Option<(u64, u64)>,
    /// True if there are more.
    more: bool,
    /// The last event that was folded.
    last: Option<Last>,
    /// The fold before the events that the last items are from.
    cut: Option<Cut<Lifecycle>>,
}

impl Folding for Told {
    fn take_in(&mut self, events: &[Event]) -> Result<bool, Corruption> {
        let (after, told) = self.after;
        if let Some(last) = self.last.filter(|_| events.last().is_some_and(|event| event.seq >= after)) {
            self.cut = Some(Cut { bytes: self.fold.size(), fold: self.fold.clone(), last });
        }
        for event in events {
            let made = self.fold.apply(&read_event(event)?, event.at);
            self.last = Some(Last::of(event));
            let skipped = match event.seq.cmp(&after) {
                std::cmp::Ordering::Less => continue,
                std::cmp::Ordering::Equal => told,
                std::cmp::Ordering::Greater => 0,
            };
            for (part, (kind, data)) in (0_u64..).zip(made).skip(skipped) {
                if self.items.len() == self.limit {
                    self.more = true;
                    return Ok(true);
                }
                self.items.push(json!({
                    "specversion": "1.0", "id": format!("{}.{part}", event.seq),
                    "source": format!("/runs/{}", self.run), "type": kind, "subject": self.run,
                    "time": event.at, "datacontenttype": "application/json", "data": data,
                }));
                self.end = Some((event.seq, part));
            }
        }
        Ok(false)
    }
}

/// Tells lifecycle events behind one; goes on from where an earlier answer came to, if it can.
async fn told(
    app: &App,
    stream: &StreamKey,
    limit: usize,
    seq: u64,
    part: Option<u64>,
) -> Result<Told, Problem> {
    let told =
        part.map_or(usize::MAX, |part| usize::try_from(part).map_or(usize::MAX, |n| n.saturating_add(1)));
    let of = |fold, last| Told {
        run: stream.id,
        fold,
        after: (seq, told),
        limit,
        items: Vec::new(),
        end: None,
        more: false,
        last,
        cut: None,
    };
    if let Some(near) = app.folds().events.nearest(stream, seq.saturating_sub(1)) {
        let told = of(near.fold.clone(), Some(near.last));
        if let Some(told) = folded(app, stream, Some(near.last), told).await? {
            return Ok(told);
        }
    }
    let begun = first(app, stream, 1).await?[0].body.data.value();
    let [workflow, version, digest] =
        ["workflow", "version", "digest"].map(|field| begun[field].as_str().unwrap_or_default());
    let pinned = app.definitions().pinned(&stream.tenant, workflow, version, digest);
    let namespace = pinned.map(|definition| definition.namespace.clone()).unwrap_or_default();
    let told = folded(app, stream, None, of(Lifecycle::new(stream.id, &namespace), None)).await?;
    told.ok_or_else(|| Problem::new(Code::Internal, "the run has no beginning"))
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
