//! JSON-RPC 2.0 over HTTP, answered by JSON or by a stream of events: what MCP and A2A speak.

use bytes::Bytes;
use hyper::Method;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use promptsales_engine::effect::CallError;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::answer::stated_type;
use super::auth::Scheme;
use super::exchange::{Ask, Opened};
use super::failure::{Repeat, done_perhaps, refused, unknown};
use super::request::{add_defaults, is_json};
use super::sse::Events;
use super::trip::Trip;

/// One method call.
pub(super) struct Procedure<'a> {
    pub(super) ask: &'a Ask,
    pub(super) scheme: Option<&'a Scheme>,
    pub(super) name: &'a str,
    pub(super) parameters: Option<&'a Value>,
    pub(super) repeat: Repeat,
    pub(super) until: Instant,
    pub(super) results: Results,
}

/// How many results a method has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Results {
    /// One, which ends the answer.
    One,
    /// As many as the stream holds: the result is the list of them.
    Stream,
}

/// Calls a method, and gives its result with the headers of the answer.
///
/// # Errors
///
/// [`CallError::Refused`] with `rpc_<code>` where the other side says no, and as any request.
pub(super) async fn call(trip: &Trip<'_>, method: &Procedure<'_>) -> Result<(Value, HeaderMap), CallError> {
    // No two requests of a session have the same.
    let id = format!("{}/{}", trip.key, method.name);
    let mut message = json!({ "jsonrpc": "2.0", "id": id, "method": method.name });
    if let Some(parameters) = method.parameters {
        message["params"] = parameters.clone();
    }
    let mut ask = post(method.ask, &message);
    add_defaults(&mut ask.headers, trip.key, method.repeat);
    let cap = trip.parts.outgoing.max_answer;
    let (_, opened) = trip.open(&ask, method.scheme, method.until, cap).await?;
    let headers = opened.headers.clone();
    let content_type = stated_type(&headers);
    if opened.status.is_success() && content_type == "text/event-stream" {
        return Ok((streamed(trip, opened, &id, method).await?, headers));
    }
    let late = |error| done_perhaps(error, method.repeat);
    let answer = opened.complete().await.map_err(late)?;
    let body = if is_json(&content_type) { serde_json::from_slice(&answer.body).ok() } else { None };
    let is_ours = body.as_ref().is_none_or(|body| is_to(body, &id));
    // Some say no with a status too: their words are the better ones.
    if let Some(error) = body.as_ref().filter(|_| is_ours).and_then(|body| error_of(trip, body)) {
        return Err(error);
    }
    if !answer.status.is_success() {
        return Err(answer.error(trip, method.repeat));
    }
    if !is_ours {
        return Err(late(refused("bad_answer", "the answer is to another request")));
    }
    let mut message = answer.json(trip).map_err(late)?;
    let result = message.get_mut("result").map(Value::take).ok_or_else(|| late(no_result()))?;
    let result = if method.results == Results::Stream { json!([result]) } else { result };
    Ok((result, headers))
}

/// Sends a notification, which has no result.
pub(super) async fn notify(
    trip: &Trip<'_>,
    ask: &Ask,
    scheme: Option<&Scheme>,
    name: &str,
) -> Result<(), CallError> {
    let mut ask = post(ask, &json!({ "jsonrpc": "2.0", "method": name }));
    add_defaults(&mut ask.headers, trip.key, Repeat::Harmless);
    let cap = trip.parts.outgoing.max_answer;
    let (_, opened) = trip.open(&ask, scheme, trip.step_until(), cap).await?;
    match opened.status.is_success() {
        // Whatever else it says is of no interest.
        true => Ok(()),
        false => Err(opened.complete().await?.error(trip, Repeat::Harmless)),
    }
}

fn post(to: &Ask, message: &Value) -> Ask {
    let mut ask = to.clone();
    ask.method = Method::POST;
    ask.body = Bytes::from(message.to_string());
    ask.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    ask.headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    ask
}

/// Reads a stream up to the result, or to its end where there may be several.
async fn streamed(
    trip: &Trip<'_>,
    mut opened: Opened,
    id: &str,
    method: &Procedure<'_>,
) -> Result<Value, CallError> {
    let late = |error| done_perhaps(error, method.repeat);
    let mut events = Events::default();
    let mut found = Vec::new();
    while let Some(piece) = opened.piece().await.map_err(late)? {
        for data in events.take(&piece) {
            // What is neither ours nor understood is somebody else's: pings, notifications, progress.
            let Ok(mut message) = serde_json::from_str::<Value>(&data) else { continue };
            if message.get("id").and_then(Value::as_str) != Some(id) || message.get("method").is_some() {
                continue;
            }
            if let Some(error) = error_of(trip, &message) {
                return Err(error);
            }
            let result = message.get_mut("result").map(Value::take).ok_or_else(|| late(no_result()))?;
            match method.results {
                Results::One => return Ok(result),
                Results::Stream => found.push(result),
            }
        }
    }
    match method.results {
        Results::Stream => Ok(Value::Array(found)),
        Results::One => Err(unknown("broken", "the stream ended before the result came")),
    }
}

/// Whether a message that is all of an answer is to a request; one that does not say is.
fn is_to(message: &Value, id: &str) -> bool {
    message.get("id").is_none_or(|said| said.is_null() || said == id)
}

/// The no that a message holds.
fn error_of(trip: &Trip<'_>, message: &Value) -> Option<CallError> {
    let error = message.get("error").filter(|error| error.is_object())?;
    let code = error.get("code").and_then(Value::as_i64).unwrap_or_default();
    let said = error.get("message").and_then(Value::as_str).unwrap_or("an error without words");
    let message = match error.get("data").filter(|data| !data.is_null()) {
        Some(data) => format!("{said} ({data})"),
        None => said.to_owned(),
    };
    Some(CallError::Refused { code: format!("rpc_{code}").into(), message: trip.excerpt(&message) })
}

fn no_result() -> CallError {
    refused("bad_answer", "the answer holds neither a result nor an error")
}
