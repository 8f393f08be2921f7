//! The routes of the quarantine: what is set aside, what became of it, and its release.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use promptsales_engine::entity::Fault;
use promptsales_engine::id::StreamKey;
use promptsales_engine::journal::{Event, Outcome};
use promptsales_engine::supervise::Quarantined;
use serde_json::{Value, json};

use crate::app::App;
use crate::http::acting::{
    Bulk, CONDITIONS, Conditions, Done, LOOKED_AT, Single, bulk_schema, done_schema, kind_of, stream_of,
    why_schema,
};
use crate::http::body::JsonBody;
use crate::http::caller::Caller;
use crate::http::endpoint::{Endpoint, page_of};
use crate::http::paging::{PAGE, Page, PageQuery};
use crate::http::params::{Path, Query};
use crate::http::problem::{Code, Problem};

/// How long the answer to a release waits for how the entity is then.
const TRIED: Duration = Duration::from_secs(5);

/// The endpoints.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let aside = json!({
        "type": "object", "required": ["id", "kind", "cause", "restarts", "since"],
        "properties": {
            "id": { "type": "string" }, "kind": { "type": "string" }, "cause": { "type": "string" },
            "restarts": { "type": "integer" }, "since": { "type": "string", "format": "date-time" }
        }
    });
    let shown = json!({
        "type": "object", "required": ["id", "kind", "status", "acts"],
        "properties": { "status": { "enum": ["quarantined", "released"] } }
    });
    let released = json!({
        "type": "object", "required": ["id", "status"],
        "properties": { "status": { "enum": ["live", "quarantined", "released"] } }
    });
    vec![
        Endpoint::new(
            "get",
            "/api/v1/quarantine",
            "Lists the entities and runs that are set aside",
            get(list),
        )
        .query(CONDITIONS)
        .query(PAGE)
        .answer(200, page_of(&aside)),
        Endpoint::new(
            "get",
            "/api/v1/quarantine/{id}",
            "Shows why an entity is or was set aside, and who released it, why",
            get(show),
        )
        .answer(200, shown),
        Endpoint::new(
            "post",
            "/api/v1/quarantine/{id}/release",
            "Releases an entity and tries it again",
            post(release),
        )
        .body(why_schema())
        .answer(200, released),
        Endpoint::new(
            "post",
            "/api/v1/quarantine/release",
            "Releases the entities that fit",
            post(release_all),
        )
        .body(bulk_schema())
        .answer(200, done_schema()),
    ]
}

async fn list(
    State(app): State<App>,
    Query(page): Query<PageQuery>,
    Query(conditions): Query<Conditions>,
    caller: Caller,
) -> Result<Response, Problem> {
    app.node().check_any()?;
    let (limit, filter) = (page.limit()?, conditions.read(&app)?);
    let path = format!("/api/v1/quarantine?limit={limit}{}", conditions.path());
    let mut fitting = quarantined(&app, &caller, page.after_id())?;
    fitting.retain(|aside| filter.fits(&aside.stream.id, &aside.cause, aside.since));
    let next = (fitting.len() > limit).then(|| fitting[limit - 1].stream.id.to_string());
    let items = fitting.iter().take(limit).map(|aside| shown(&app, aside)).collect();
    Ok(Page::by_id(items, next, path).into_response())
}

async fn show(State(app): State<App>, Path(id): Path<String>, caller: Caller) -> Result<Response, Problem> {
    let stream = stream_of(&caller, &id)?;
    let aside = app.node().quarantine_of(&stream)?;
    let acts = app.node().quarantine_history(&stream).await?;
    if aside.is_none() && acts.is_empty() {
        return Err(Problem::new(Code::NotFound, format!("`{id}` was never quarantined")));
    }
    let mut all = match aside {
        Some(aside) => shown(&app, &aside),
        None => json!({ "id": stream.id, "kind": kind_of(&app, &stream.id), "status": "released" }),
    };
    all["acts"] = acts.iter().map(act_json).collect();
    Ok(axum::Json(all).into_response())
}

async fn release(
    State(app): State<App>,
    Path(id): Path<String>,
    caller: Caller,
    body: JsonBody,
) -> Result<Response, Problem> {
    let stream = stream_of(&caller, &id)?;
    let act = body.read::<Single>()?.act(&app, &caller, &body);
    let answer = app.node().release(&stream, act).await?;
    if let Outcome::Rejected(rejected) = answer.outcome {
        return Err(rejected.into());
    }
    Ok(axum::Json(tried(&app, &stream).await).into_response())
}

/// How an entity is that was just released.
async fn tried(app: &App, stream: &StreamKey) -> Value {
    let id = stream.id;
    match tokio::time::timeout(TRIED, app.node().read(stream)).await {
        Ok(Ok(_)) => json!({ "id": id, "status": "live" }),
        Ok(Err(Fault::Quarantined { cause, .. })) => {
            json!({ "id": id, "status": "quarantined", "cause": cause })
        }
        Ok(Err(_)) | Err(_) => json!({ "id": id, "status": "released" }),
    }
}

/// Releases those that fit, in the order of their ids; each is tried when it is next wanted.
async fn release_all(State(app): State<App>, caller: Caller, body: JsonBody) -> Result<Response, Problem> {
    app.node().check_any()?;
    let bulk = body.read::<Bulk>()?;
    let mut filter = bulk.filter(&app)?;
    let until = *filter.until.get_or_insert_with(|| app.node().cx().now());
    let mut fitting = quarantined(&app, &caller, bulk.cursor.as_deref())?;
    fitting.retain(|aside| filter.fits(&aside.stream.id, &aside.cause, aside.since));
    let next = (fitting.len() > LOOKED_AT).then(|| fitting[LOOKED_AT - 1].stream.id.to_string());
    let mut done = Done { next, until: Some(until), ..Done::default() };
    for Quarantined { stream, .. } in fitting.iter().take(LOOKED_AT) {
        let answer = app.node().release(stream, bulk.act(&app, &caller, &body, &stream.id)).await;
        done.note(stream.id, answer)?;
    }
    Ok(axum::Json(done).into_response())
}

/// What is set aside of the caller's tenant, in the order of the ids, behind one.
fn quarantined(app: &App, caller: &Caller, after: Option<&str>) -> Result<Vec<Quarantined>, Problem> {
    let after = after.map(|text| stream_of(caller, text)).transpose()?;
    let mut all = app.node().quarantined();
    all.retain(|aside| aside.stream.tenant == caller.tenant);
    all.retain(|aside| after.as_ref().is_none_or(|after| aside.stream > *after));
    Ok(all)
}

fn shown(app: &App, aside: &Quarantined) -> Value {
    let Quarantined { stream, cause, restarts, since } = aside;
    json!({
        "id": stream.id, "kind": kind_of(app, &stream.id), "status": "quarantined", "cause": cause,
        "restarts": restarts, "since": since,
    })
}

fn act_json(event: &Event) -> Value {
    let data = event.body.data.value();
    json!({
        "act": event.body.name, "by": event.body.origin.principal, "at": event.at, "why": data["why"],
        "cause": data["cause"],
    })
}
