//! What should have gone on by now and did not: `GET /api/v1/overdue`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use promptsales_engine::runtime::OverdueKind;
use serde::Deserialize;
use serde_json::json;

use crate::app::App;
use crate::http::caller::Caller;
use crate::http::endpoint::{Endpoint, page_of};
use crate::http::paging::{PAGE, Page, PageQuery};
use crate::http::params::Query;
use crate::http::problem::{Code, Problem};

/// The endpoints.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let kinds = OverdueKind::ALL.map(OverdueKind::name);
    let item = json!({
        "type": "object",
        "required": ["kind", "id", "stream", "waitsFor", "since", "until", "overdueMs", "hint"],
        "properties": {
            "kind": { "enum": kinds }, "id": { "type": "string" },
            "stream": { "type": "string", "description": "the entity or run that it belongs to" },
            "waitsFor": { "type": "string" }, "since": { "type": "string", "format": "date-time" },
            "until": { "type": "string", "format": "date-time", "description": "when it should have gone on" },
            "overdueMs": { "type": "integer" }, "hint": { "type": "string", "description": "what can be done" }
        }
    });
    let summary = "Lists what should have gone on by now and did not, of what this node owns, as of its last look: \
        timers, effects, messages, entities that do not take their work, and runs that wait for nothing";
    vec![
        Endpoint::new("get", "/api/v1/overdue", summary, get(list))
            .query(&[("kind", "only this kind: `timer`, `effect`, `message`, `entity` or `run`")])
            .query(PAGE)
            .answer(200, page_of(&item)),
    ]
}

#[derive(Debug, Deserialize)]
struct Filter {
    kind: Option<String>,
}

async fn list(
    State(app): State<App>,
    Query(page): Query<PageQuery>,
    Query(filter): Query<Filter>,
    _: Caller,
) -> Result<Response, Problem> {
    app.node().check_any()?;
    let known = |kind: &String| OverdueKind::ALL.iter().any(|known| known.name() == kind);
    if let Some(kind) = filter.kind.as_ref().filter(|kind| !known(kind)) {
        return Err(Problem::new(Code::InvalidParameter, format!("`kind`: there is no kind `{kind}`")));
    }
    let mut all = app.node().overdue();
    all.retain(|of| filter.kind.as_deref().is_none_or(|kind| of.kind.name() == kind));
    let limit = page.limit()?;
    let skip = usize::try_from(page.after()?.unwrap_or(0)).unwrap_or(usize::MAX);
    let next = (all.len() > skip.saturating_add(limit)).then_some((skip + limit) as u64);
    let items: Vec<_> = all.into_iter().skip(skip).take(limit).collect();
    let kind = filter.kind.map_or_else(String::new, |kind| format!("&kind={kind}"));
    Ok(Page::new(items, next, format!("/api/v1/overdue?limit={limit}{kind}")).into_response())
}
