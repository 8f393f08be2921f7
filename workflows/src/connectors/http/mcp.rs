//! `mcp`: methods of servers of the Model Context Protocol, over its streamable HTTP transport.
//!
//! Each call is a session of its own: it begins with `initialize`, as the protocol wants, and is ended where the
//! server has given it an id.

use std::time::Duration;

use hyper::Method;
use hyper::header::HeaderValue;
use promptsales_engine::effect::CallError;
use serde_json::{Value, json};

use super::exchange::Ask;
use super::failure::{Repeat, bad_request, before, refused};
use super::request::{Endpoint, add_headers, given, required, text};
use super::rpc::{self, Procedure, Results};
use super::trip::Trip;

const VERSION: &str = "2025-06-18";
const SESSION: &str = "mcp-session-id";
const METHODS: [&str; 7] = [
    "tools/list",
    "tools/call",
    "prompts/list",
    "prompts/get",
    "resources/list",
    "resources/read",
    "resources/templates/list",
];

/// How long the end of a session may take: nobody waits for what it brings.
const GOODBYE: Duration = Duration::from_secs(1);

/// Carries `mcp` out: the answer is the method's result.
pub(super) async fn call(trip: &Trip<'_>, request: &Value) -> Result<Value, CallError> {
    let name = text(request, "method")?;
    if !METHODS.contains(&name) {
        return Err(bad_request(format!("`method` is one of {}", METHODS.join(", "))));
    }
    let parameters = given(request, "parameters");
    if parameters.is_some_and(|parameters| !parameters.is_object()) {
        return Err(bad_request("`parameters` is no map"));
    }
    let transport = required(request, "transport")?;
    let Some(http) = given(transport, "http") else {
        return Err(refused(
            "transport_not_supported",
            "only the transport `http` is there, no processes are started",
        ));
    };
    let Endpoint { url, scheme } = Endpoint::read(required(http, "endpoint")?, trip)?;
    let mut ask = Ask::new(Method::POST, url);
    add_headers(&mut ask, trip, http)?;
    let until = match timeout(request)? {
        Some(timeout) => trip.until.min(trip.parts.cx.monotonic() + timeout),
        None => trip.until,
    };
    let greeting = greeting(request);
    let hello = Procedure {
        ask: &ask,
        scheme: scheme.as_ref(),
        name: "initialize",
        parameters: Some(&greeting),
        repeat: Repeat::Harmless,
        until: until.min(trip.step_until()),
        results: Results::One,
    };
    let greeted = rpc::call(trip, &hello).await;
    let (welcome, headers) = greeted.map_err(|error| before("greeting the server", error))?;
    let version = welcome.get("protocolVersion").and_then(Value::as_str).unwrap_or(VERSION);
    if let Ok(version) = HeaderValue::from_str(version) {
        ask.headers.insert("mcp-protocol-version", version);
    }
    let session = headers.get(SESSION).cloned();
    if let Some(session) = &session {
        ask.headers.insert(SESSION, session.clone());
    }
    let ready = rpc::notify(trip, &ask, scheme.as_ref(), "notifications/initialized").await;
    ready.map_err(|error| before("greeting the server", error))?;
    let procedure = Procedure {
        ask: &ask,
        scheme: scheme.as_ref(),
        name,
        parameters,
        repeat: repeat(request),
        until,
        results: Results::One,
    };
    let result = rpc::call(trip, &procedure).await;
    if session.is_some() {
        ask.method = Method::DELETE;
        let until = until.min(trip.parts.cx.monotonic() + GOODBYE);
        // A server that does not let sessions be ended ends them itself.
        let _ = trip.open(&ask, scheme.as_ref(), until, trip.parts.outgoing.max_answer).await;
    }
    result.map(|(result, _)| result)
}

/// Whether a repeat is harmless: only tools do anything.
pub(super) fn repeat(request: &Value) -> Repeat {
    match request.get("method").and_then(Value::as_str) {
        Some("tools/call") => Repeat::Harmful,
        _ => Repeat::Harmless,
    }
}

fn greeting(request: &Value) -> Value {
    let version = given(request, "protocolVersion").and_then(Value::as_str).unwrap_or(VERSION);
    let own = || json!({ "name": "promptsales", "version": env!("CARGO_PKG_VERSION") });
    let client = given(request, "client").cloned().unwrap_or_else(own);
    json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": client })
}

/// The field `timeout`: `{ days, hours, minutes, seconds, milliseconds }`, or `PT2S` and the like (ISO 8601).
fn timeout(request: &Value) -> Result<Option<Duration>, CallError> {
    let wrong = || bad_request("`timeout` is no duration");
    let Some(stated) = given(request, "timeout") else { return Ok(None) };
    let seconds = match stated {
        Value::String(text) => iso_seconds(text).ok_or_else(wrong)?,
        Value::Object(fields) => {
            let of = |name: &str| fields.get(name).map_or(Some(0.0), Value::as_f64);
            let units = [
                ("days", 86_400.0),
                ("hours", 3_600.0),
                ("minutes", 60.0),
                ("seconds", 1.0),
                ("milliseconds", 0.001),
            ];
            units.iter().map(|(name, unit)| Some(of(name)? * unit)).sum::<Option<f64>>().ok_or_else(wrong)?
        }
        _ => return Err(wrong()),
    };
    Duration::try_from_secs_f64(seconds.min(1e9)).map(Some).map_err(|_| wrong())
}

fn iso_seconds(text: &str) -> Option<f64> {
    let (days, times) = text.strip_prefix('P')?.split_once('T').unwrap_or((&text[1..], ""));
    let (mut seconds, mut number) = (0.0, String::new());
    let marks = days.chars().map(|mark| (mark, false)).chain(times.chars().map(|mark| (mark, true)));
    for (mark, is_time) in marks {
        let unit = match (mark, is_time) {
            ('0'..='9' | '.', _) => {
                number.push(mark);
                continue;
            }
            ('W', false) => 604_800.0,
            ('D', false) => 86_400.0,
            ('H', true) => 3_600.0,
            ('M', true) => 60.0,
            ('S', true) => 1.0,
            _ => return None,
        };
        seconds += std::mem::take(&mut number).parse::<f64>().ok()? * unit;
    }
    (number.is_empty() && text.len() > 2).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_read_in_both_forms() {
        let read = |value: Value| timeout(&json!({ "timeout": value }));
        assert_eq!(read(json!("PT1M2.5S")).unwrap(), Some(Duration::from_millis(62_500)));
        assert_eq!(read(json!("P1DT1H")).unwrap(), Some(Duration::from_secs(90_000)));
        assert_eq!(
            read(json!({ "seconds": 2, "milliseconds": 5 })).unwrap(),
            Some(Duration::from_millis(2_005))
        );
        assert_eq!(read(Value::Null).unwrap(), None);
        for wrong in [
            json!("2s"),
            json!("P"),
            json!("PT"),
            json!("PT5"),
            json!("P1M"),
            json!(5),
            json!({ "seconds": "x" }),
        ] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
