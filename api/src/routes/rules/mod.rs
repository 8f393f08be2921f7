//! The routes of rules: write, publish, hold, look at what became of events.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use promptsales_engine::id::{StreamId, StreamKey};
use promptsales_engine::journal::{Json, Outcome};
use promptsales_engine::rule::definition::Rule;
use promptsales_engine::rule::entity::{RULE, rule_id};
use promptsales_engine::runtime::Command;
use serde::Deserialize;
use serde_json::{Value, json};

use super::entities::{answered, wait_for};
use crate::app::App;
use crate::http::body::{JsonBody, TextBody};
use crate::http::caller::Caller;
use crate::http::endpoint::{Endpoint, page_of};
use crate::http::paging::{PAGE, Page, PageQuery};
use crate::http::params::{Path, Query};
use crate::http::problem::{Code, Problem};
use crate::http::token;

mod explanations;
mod rehearsal;

/// The endpoints.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let rule = json!({ "type": "object", "required": ["id", "name", "status"] });
    let answer = json!({ "type": "object", "required": ["id", "version", "events"] });
    let reason = json!({
        "type": "object", "properties": { "reason": { "type": "string" } }, "additionalProperties": false
    });
    let mut publish = reason.clone();
    publish["properties"]["version"] =
        json!({ "type": "integer", "description": "an earlier version, once more" });
    let act = |path, summary, name, body: &Value| {
        Endpoint::new("post", path, summary, acting(name)).body(body.clone()).answer(200, answer.clone())
    };
    let own = vec![
        Endpoint::new("post", "/api/v1/rules", "Writes a draft of a rule, in YAML or JSON", post(written))
            .query(&[("publish", "`true` to publish it at once")])
            .body(json!({ "type": "object", "description": "the rule" }))
            .answer(201, rule.clone()),
        Endpoint::new("get", "/api/v1/rules", "Lists the rules", get(list))
            .query(PAGE)
            .answer(200, page_of(&rule)),
        Endpoint::new("get", "/api/v1/rules/{id}", "Shows a rule, its draft and its versions", get(show))
            .answer(200, rule.clone()),
        Endpoint::new(
            "put",
            "/api/v1/rules/{id}",
            "Writes the next version of a rule, as a draft",
            put(rewritten),
        )
        .body(json!({ "type": "object", "description": "the rule" }))
        .answer(200, rule),
        Endpoint::new("delete", "/api/v1/rules/{id}", "Takes a rule away", delete(deleted))
            .answer(200, answer.clone()),
        act("/api/v1/rules/{id}/publish", "Publishes the draft of a rule", "publish", &publish),
        act(
            "/api/v1/rules/{id}/pause",
            "Holds a rule: what happens meanwhile does not count",
            "pause",
            &reason,
        ),
        act("/api/v1/rules/{id}/resume", "Lets a rule go on", "resume", &reason),
    ];
    [own, explanations::endpoints(), rehearsal::endpoints()].into_iter().flatten().collect()
}

/// The stream of a rule: its id, or `~NAME`.
fn address(app: &App, caller: &Caller, text: &str) -> Result<StreamKey, Problem> {
    let id = match text.strip_prefix('~') {
        Some(name) => rule_id(&app.node().info().secret, &caller.tenant, name),
        None => StreamId::parse(text, RULE).map_err(|e| Problem::new(Code::InvalidId, e.to_string()))?,
    };
    Ok(StreamKey::new(caller.tenant.clone(), id))
}

async fn shown(app: &App, stream: &StreamKey) -> Result<Value, Problem> {
    let view = app.node().read(stream).await?;
    let view =
        view.ok_or_else(|| Problem::new(Code::NotFound, format!("there is no rule `{}`", stream.id)))?;
    let mut rule = view.state.value();
    rule["id"] = json!(stream.id);
    Ok(rule)
}

/// Checks the text of a rule.
async fn checked(app: &App, source: &str) -> Result<Rule, Problem> {
    let text = source.to_owned();
    let parsed = app.node().cx().cpu(move || Rule::parse(&text)).await;
    let parsed = parsed.map_err(|panicked| Problem::new(Code::Internal, panicked.to_string()))?;
    parsed.map_err(|problems| {
        let first = problems.first().map_or_else(String::new, |problem| problem.message.clone());
        let detail = format!("the rule cannot be used: {first}");
        Problem::new(Code::InvalidDefinition, detail).with_errors(json!(problems))
    })
}

#[derive(Debug, Deserialize)]
struct WriteQuery {
    publish: Option<String>,
}

async fn written(
    State(app): State<App>,
    Query(query): Query<WriteQuery>,
    caller: Caller,
    body: TextBody,
) -> Result<Response, Problem> {
    let publishes = match query.publish.as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Problem::new(Code::InvalidParameter, "`publish`: use `true` or `false`")),
    };
    let rule = checked(&app, &body.0).await?;
    let id = rule_id(&app.node().info().secret, &caller.tenant, &rule.name);
    let stream = StreamKey::new(caller.tenant.clone(), id);
    let draft = json!({ "name": rule.name, "source": body.0 });
    let mut answer = send(&app, &caller, &stream, "draft", &draft, &body.0).await?;
    if publishes {
        answer = send(&app, &caller, &stream, "publish", &json!({}), &body.0).await?;
    }
    let rule = shown(&app, &stream).await?;
    let mut response = (StatusCode::CREATED, axum::Json(rule)).into_response();
    response.headers_mut().insert(token::HEADER, token::write(app.node().info(), &stream, answer.position));
    Ok(response)
}

async fn rewritten(
    State(app): State<App>,
    Path(id): Path<String>,
    caller: Caller,
    body: TextBody,
) -> Result<Response, Problem> {
    let stream = address(&app, &caller, &id)?;
    let known = shown(&app, &stream).await?;
    let rule = checked(&app, &body.0).await?;
    if known["name"] != json!(rule.name) {
        let detail = format!("`name`: the rule is called {}, and its name does not change", known["name"]);
        return Err(Problem::new(Code::InvalidBody, detail));
    }
    let draft = json!({ "name": rule.name, "source": body.0 });
    send(&app, &caller, &stream, "draft", &draft, &body.0).await?;
    Ok(axum::Json(shown(&app, &stream).await?).into_response())
}

async fn deleted(
    State(app): State<App>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Response, Problem> {
    let stream = address(&app, &caller, &id)?;
    let answer = send(&app, &caller, &stream, "delete", &json!({}), "").await?;
    answered(&app, &stream, answer, StatusCode::OK)
}

/// A handler that sends a rule a command whose fields are the body.
fn acting(name: &'static str) -> axum::routing::MethodRouter<App> {
    post(move |State(app): State<App>, Path(id): Path<String>, caller: Caller, body: JsonBody| async move {
        let stream = address(&app, &caller, &id)?;
        let fields = body.read::<Value>()?;
        let answer = send(&app, &caller, &stream, name, &fields, body.0.text()).await?;
        answered(&app, &stream, answer, StatusCode::OK)
    })
}

async fn send(
    app: &App,
    caller: &Caller,
    stream: &StreamKey,
    name: &'static str,
    body: &Value,
    payload: &str,
) -> Result<promptsales_engine::entity::Answer, Problem> {
    let secret = &app.node().info().secret;
    let payload = format!("{name} {payload}");
    let dedup = match name {
        // The draft and its publication are two commands of one request.
        "draft" => caller.dedup(secret, &payload),
        _ => caller.dedup_each(secret, &stream.id, &payload),
    };
    let (body, origin) = (Json::from(body), caller.origin.clone());
    let command =
        Command { stream: stream.clone(), name: name.into(), body, external_key: None, origin, dedup };
    let answer = app.node().command(command).await?;
    match answer.outcome {
        Outcome::Rejected(rejected) => Err(rejected.into()),
        Outcome::Accepted(_) => Ok(answer),
    }
}

async fn list(
    State(app): State<App>,
    Query(page): Query<PageQuery>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    wait_for(&app, &headers).await?;
    let (limit, mut after) = (page.limit()?, page.after()?);
    let mut items = Vec::new();
    loop {
        let found = app.node().list(&caller.tenant, RULE, after, false, limit).await?.streams;
        let is_last = found.len() < limit;
        for (stream, cursor) in found {
            if items.len() == limit {
                break;
            }
            after = Some(cursor);
            let rule = shown(&app, &stream).await?;
            if rule["status"] != "deleted" {
                let parts = ["id", "name", "status", "version"];
                items.push(
                    parts.iter().map(|part| ((*part).to_owned(), rule[*part].clone())).collect::<Value>(),
                );
            }
        }
        if is_last {
            after = None;
        }
        if is_last || items.len() == limit {
            break;
        }
    }
    Ok(Page::new(items, after, format!("/api/v1/rules?limit={limit}")).into_response())
}

async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    wait_for(&app, &headers).await?;
    let stream = address(&app, &caller, &id)?;
    let mut rule = shown(&app, &stream).await?;
    rule["counts"] = explanations::counts(&app, &caller, &stream.id).await?;
    Ok(axum::Json(rule).into_response())
}
