//! Why a rule fired, or did not: what the desks of the partitions told of it, the newest first.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use promptsales_engine::id::{StreamId, StreamKey};
use promptsales_engine::journal::{Event, MessageId, Seq};
use promptsales_engine::rule::desk::{Counts, desk_of};
use promptsales_engine::rule::told::{Outcome, Told};
use serde::Deserialize;
use serde_json::{Value, json};

use super::address;
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::endpoint::{Endpoint, page_of};
use crate::http::paging::{PAGE, PageQuery};
use crate::http::params::{Path, Query};
use crate::http::problem::{Code, Problem};

/// Events of a desk that are read at once.
const READ: u64 = 100;
/// Events of a desk that one request looks at.
const LOOKED_AT: u64 = 2_000;

/// The endpoints.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let item = json!({
        "type": "object", "required": ["at", "outcome", "event"],
        "properties": {
            "outcome": { "enum": ["fired", "limited", "condition-not-met", "broken", "loop", "held-back", "waiting"] }
        }
    });
    vec![
        Endpoint::new("get", "/api/v1/rules/{id}/explanations", "Why a rule fired, or did not", get(list))
            .query(&[
                ("subject", "only events about this"),
                ("outcome", "only this outcome: fired, limited, condition-not-met, broken, loop"),
            ])
            .query(PAGE)
            .answer(200, page_of(&item)),
    ]
}

#[derive(Debug, Deserialize)]
struct Filter {
    subject: Option<String>,
    outcome: Option<String>,
}

/// The desks, each with its last event.
async fn desks(
    app: &App,
    caller: &Caller,
) -> Result<Vec<(StreamKey, Seq, BTreeMap<StreamId, Counts>)>, Problem> {
    let info = app.node().info();
    let mut all = Vec::new();
    for partition in &info.partitions {
        let Some(desk) = desk_of(info, &caller.tenant, *partition) else { continue };
        if let Some(view) = app.node().read(&desk).await? {
            let rules = serde_json::from_value(view.state.value()["rules"].take()).unwrap_or_default();
            all.push((desk, view.seq, rules));
        }
    }
    Ok(all)
}

/// How often each thing became of events by a rule.
pub(super) async fn counts(app: &App, caller: &Caller, rule: &StreamId) -> Result<Value, Problem> {
    let mut all = BTreeMap::<String, u64>::new();
    for (_, _, rules) in desks(app, caller).await? {
        for (outcome, count) in rules.get(rule).into_iter().flat_map(|counts| &counts.outcomes) {
            *all.entry(outcome.clone()).or_default() += count;
        }
    }
    Ok(json!(all))
}

async fn list(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(page): Query<PageQuery>,
    Query(filter): Query<Filter>,
    caller: Caller,
) -> Result<Response, Problem> {
    let (stream, limit) = (address(&app, &caller, &id)?, page.limit()?);
    if let Some(outcome) = &filter.outcome
        && !Outcome::ALL.iter().any(|known| known.name() == outcome)
    {
        let names = Outcome::ALL.map(Outcome::name).join("`, `");
        let detail = format!("`outcome`: there is no outcome `{outcome}`; use `{names}`");
        return Err(Problem::new(Code::InvalidParameter, detail));
    }
    let before = page.after()?.map_or(i64::MAX, |ms| i64::try_from(ms).unwrap_or(i64::MAX));
    let wants = |told: &Told| {
        told.rule == stream.id
            && told.event.at.ms() < before
            && filter.subject.as_ref().is_none_or(|subject| told.event.subject.as_ref() == Some(subject))
            && filter.outcome.as_ref().is_none_or(|outcome| told.outcome.name() == outcome)
    };
    let mut found = Vec::new();
    for (desk, last, _) in desks(&app, &caller).await? {
        let (mut upto, mut looked_at, mut own) = (last, 0, 0);
        while upto > 0 && looked_at < LOOKED_AT && own < limit {
            let from = upto.saturating_sub(READ);
            let events = app.node().events(&desk, from, (upto - from) as usize).await?;
            let refused = refusals(&events);
            for told in events.iter().rev().flat_map(told_in).filter(|told| wants(told)) {
                own += 1;
                let refusal = told.messages.iter().find_map(|id| refused.get(id).cloned());
                found.push((told, refusal));
            }
            (upto, looked_at) = (from, looked_at + READ);
        }
    }
    found.sort_by_key(|(told, _)| std::cmp::Reverse((told.event.at, told.event.position, told.event.part)));
    let next = (found.len() > limit).then(|| found[limit - 1].0.event.at.ms());
    found.truncate(limit);
    let mut items = Vec::new();
    for (told, refusal) in found {
        items.push(explained(&app, &caller, told, refusal).await?);
    }
    let next = next.and_then(|ms| u64::try_from(ms).ok());
    let path = format!("/api/v1/rules/{id}/explanations?limit={limit}");
    Ok(crate::http::paging::Page::new(items, next, path).into_response())
}

fn told_in(event: &Event) -> Vec<Told> {
    let value = event.body.data.value();
    serde_json::from_value(value["told"].clone()).unwrap_or_default()
}

/// What was refused, by the messages' ids.
fn refusals(events: &[Event]) -> BTreeMap<MessageId, Value> {
    let refused = events.iter().filter(|event| event.body.name == "refused");
    let read = refused.filter_map(|event| {
        let value = event.body.data.value();
        let id = serde_json::from_value(value["message"].clone()).ok()?;
        Some((id, json!({ "code": value["code"], "reason": value["reason"] })))
    });
    read.collect()
}

/// An explanation as it is shown; of one that has limits, with what became of it in the end.
async fn explained(app: &App, caller: &Caller, told: Told, refusal: Option<Value>) -> Result<Value, Problem> {
    let mut shown = json!({
        "at": told.event.at, "version": told.version, "outcome": told.outcome, "event": told.event,
        "miss": told.miss, "detail": told.detail, "key": told.key, "refused": refusal,
    });
    let Some(gate) = told.gate else { return Ok(shown) };
    let gate = StreamKey::new(caller.tenant.clone(), gate);
    shown["outcome"] = json!("waiting");
    for event in app.node().events(&gate, 0, 10_000).await? {
        let value = event.body.data.value();
        let seen = if value["event"].is_null() { &value["trigger"]["event"] } else { &value["event"] };
        let is_it = seen["position"] == json!(told.event.position) && seen["id"] == json!(told.event.id);
        match event.body.name.as_ref() {
            "fired" if is_it => shown["outcome"] = json!("fired"),
            "held-back" if is_it => {
                shown["outcome"] = json!("held-back");
                shown["detail"] = json!(value["reason"]);
                shown["until"] = value["until"].clone();
            }
            "delayed" if is_it => shown["until"] = value["until"].clone(),
            "refused" if shown["outcome"] == "fired" && shown["refused"].is_null() => {
                shown["refused"] = json!({ "code": value["code"], "reason": value["reason"] });
            }
            _ => {}
        }
    }
    Ok(shown)
}
