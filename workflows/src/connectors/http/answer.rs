//! What becomes of an answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, COOKIE, HeaderMap, PROXY_AUTHORIZATION};
use promptsales_engine::effect::CallError;
use serde_json::{Map, Value, json};

use super::exchange::{Answer, Ask};
use super::failure::{Repeat, of_status, refused};
use super::request::{essence, is_json};
use super::trip::Trip;
use super::veil::COVERED;

/// Content types besides `text/...` that are texts.
const TEXTS: [&str; 7] = [
    "application/xml",
    "application/yaml",
    "application/x-yaml",
    "application/javascript",
    "application/graphql",
    "application/x-www-form-urlencoded",
    "application/x-ndjson",
];

impl Answer {
    /// The error that the answer stands for.
    pub(super) fn error(&self, trip: &Trip<'_>, repeat: Repeat) -> CallError {
        let begin = if self.is_encoded() { String::new() } else { self.begin(trip) };
        of_status(self.status.as_u16(), repeat, &begin)
    }

    /// The begin of the body, which holds no piece of a secret either.
    fn begin(&self, trip: &Trip<'_>) -> String {
        let text = String::from_utf8_lossy(&self.body);
        trip.excerpt(&text)
    }

    /// The body's bytes, in base 64.
    pub(super) fn raw(&self, trip: &Trip<'_>) -> Value {
        match std::str::from_utf8(&self.body) {
            Ok(text) => {
                let mut text = Value::from(text);
                trip.veil(|veil| veil.cover_answer(&mut text));
                STANDARD.encode(text.as_str().unwrap_or_default()).into()
            }
            Err(_) => STANDARD.encode(&self.body).into(),
        }
    }

    /// What the body says: JSON as a value, text as such, anything else in base 64.
    pub(super) fn content(&self, trip: &Trip<'_>) -> Result<Value, CallError> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        let essence = stated_type(&self.headers);
        let is_text = !self.is_encoded()
            && (essence.starts_with("text/")
                || essence.ends_with("+xml")
                || TEXTS.contains(&essence.as_str()));
        if is_json(&essence) && !self.is_encoded() {
            return self.json(trip);
        }
        Ok(match std::str::from_utf8(&self.body) {
            Ok(text) if is_text || essence.is_empty() => text.into(),
            Err(_) if is_text => String::from_utf8_lossy(&self.body).into(),
            _ => self.raw(trip),
        })
    }

    /// The body as JSON.
    pub(super) fn json(&self, trip: &Trip<'_>) -> Result<Value, CallError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let begin = self.begin(trip);
            let wrong = match error.classify() {
                serde_json::error::Category::Eof => "breaks off",
                _ => "is not JSON",
            };
            refused("bad_answer", format!("the answer {wrong} at line {}: {begin}", error.line()))
        })
    }

    /// The whole answer with the request that was made.
    pub(super) fn response(&self, sent: &Ask, trip: &Trip<'_>) -> Result<Value, CallError> {
        let request = json!({
            "method": sent.method.as_str(),
            "uri": trip.veil(|veil| veil.cover(sent.url.as_str())),
            "headers": echoed(&sent.headers, trip),
        });
        Ok(json!({
            "request": request,
            "statusCode": self.status.as_u16(),
            "headers": texts(&self.headers),
            "content": self.content(trip)?,
        }))
    }

    fn is_encoded(&self) -> bool {
        self.headers.get(CONTENT_ENCODING).is_some_and(|value| value != "identity")
    }
}

/// The content type that headers state, without its parameters.
pub(super) fn stated_type(headers: &HeaderMap) -> String {
    let stated = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    essence(stated.unwrap_or_default())
}

/// Headers by name; several of a name are one list, as RFC 9110 says.
fn texts(headers: &HeaderMap) -> Map<String, Value> {
    let name_and_text = |name: &hyper::header::HeaderName| {
        let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        (name.to_string(), values.collect::<Vec<_>>().join(", ").into())
    };
    headers.keys().map(name_and_text).collect()
}

/// The headers of a request, without what is secret in them.
fn echoed(headers: &HeaderMap, trip: &Trip<'_>) -> Map<String, Value> {
    let mut echoed = texts(headers);
    for name in [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE] {
        if let Some(value) = echoed.get_mut(name.as_str()) {
            *value = COVERED.into();
        }
    }
    for (name, _) in headers.iter().filter(|(_, value)| value.is_sensitive()) {
        echoed.insert(name.to_string(), COVERED.into());
    }
    for value in echoed.values_mut() {
        let text = value.as_str().unwrap_or_default();
        *value = trip.veil(|veil| veil.cover(text)).into();
    }
    echoed
}
