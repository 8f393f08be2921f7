//! The routes of actions: what the tasks of workflows can call.

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use promptsales_engine::effect::OnUnknown;
use promptsales_engine::workflow::action::{ActionInfo, CallTerms};
use serde_json::{Value, json};

use crate::app::App;
use crate::http::endpoint::{Endpoint, page_of};
use crate::http::paging::{PAGE, Page, PageQuery};
use crate::http::params::{Path, Query};
use crate::http::problem::{Code, Problem};

const MARKDOWN: &str = "text/markdown; charset=utf-8";

/// The endpoints.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let action = json!({
        "type": "object", "required": ["name", "version", "summary", "compensates"],
        "properties": {
            "name": { "type": "string" }, "version": { "type": "string" }, "summary": { "type": "string" },
            "compensates": { "type": "boolean", "description": "true if its saga can take back what it did" },
            "input": { "type": "object", "description": "a JSON Schema" },
            "output": { "description": "a JSON Schema" },
            "effects": { "type": "array", "items": { "type": "object" }, "description": "its calls outside" }
        }
    });
    vec![
        Endpoint::new("get", "/api/v1/actions", "Lists what tasks can call", get(list))
            .query(PAGE)
            .answer(200, page_of(&action)),
        Endpoint::new("get", "/api/v1/actions/{name}", "Shows an action with its schemas", get(show))
            .answer(200, action),
        Endpoint::new("get", "/api/v1/actions/{name}/docs.md", "The page of an action", get(docs))
            .media("text/markdown")
            .answer(200, json!({ "type": "string", "description": "a Markdown document" })),
    ]
}

async fn list(State(app): State<App>, Query(page): Query<PageQuery>) -> Result<Response, Problem> {
    let (limit, after) = (page.limit()?, page.after()?.unwrap_or_default());
    let actions = app.actions();
    let behind = actions.iter().skip(usize::try_from(after).unwrap_or(usize::MAX));
    let mut items: Vec<_> = behind.take(limit + 1).map(|action| brief(action)).collect();
    let next = (items.len() > limit).then_some(after + limit as u64);
    items.truncate(limit);
    Ok(Page::new(items, next, format!("/api/v1/actions?limit={limit}")).into_response())
}

async fn show(State(app): State<App>, Path(name): Path<String>) -> Result<Response, Problem> {
    let actions = app.actions();
    let action = actions.get(&name).ok_or_else(|| no_action(&name))?;
    let effect = |CallTerms { connector, operation, policy }: CallTerms| {
        let on_unknown = match policy.on_unknown {
            OnUnknown::Retry => "retry",
            OnUnknown::Verify => "verify",
            OnUnknown::Park => "park",
        };
        json!({
            "connector": connector, "operation": operation, "deadlineMs": policy.deadline.as_millis() as u64,
            "retries": policy.retries, "onUnknown": on_unknown,
        })
    };
    let mut shown = brief(action);
    shown["input"] = action.input.clone();
    shown["output"] = action.output.clone();
    shown["effects"] = app.node().call_terms(action).into_iter().map(effect).collect();
    Ok(axum::Json(shown).into_response())
}

async fn docs(State(app): State<App>, Path(name): Path<String>) -> Result<Response, Problem> {
    let actions = app.actions();
    let action = actions.get(&name).ok_or_else(|| no_action(&name))?;
    let page = action.page(&app.node().call_terms(action));
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(MARKDOWN))], page).into_response())
}

fn brief(action: &ActionInfo) -> Value {
    let ActionInfo { name, version, summary, compensates, .. } = action;
    json!({ "name": name, "version": version, "summary": summary, "compensates": compensates })
}

fn no_action(name: &str) -> Problem {
    Problem::new(Code::NotFound, format!("there is no action `{name}`; `/api/v1/actions` lists them"))
}
