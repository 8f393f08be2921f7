//! What the requests of all operations have in common: endpoints, headers, queries, bodies.

use bytes::Bytes;
use hyper::Method;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use promptsales_engine::effect::{CallError, EffectKey};
use serde_json::{Map, Value};
use url::Url;

use super::auth::Scheme;
use super::exchange::Ask;
use super::failure::{Repeat, bad_request};
use super::text::plain;
use super::trip::{Redirects, Trip};

/// Headers that are the connection's, not the caller's.
const NOT_FOR_CALLERS: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What makes a repeat known as one to a service (draft-ietf-httpapi-idempotency-key-header).
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What an answer is wanted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// The body's bytes.
    Raw,
    /// What the body says.
    Content,
    /// All of the answer, with the request.
    Response,
}

/// Where a request goes, and with which credentials.
pub(super) struct Endpoint {
    pub(super) url: Url,
    pub(super) scheme: Option<Scheme>,
}

impl Endpoint {
    /// Reads an endpoint: a URI, or `{ uri, authentication }`.
    pub(super) fn read(value: &Value, trip: &Trip<'_>) -> Result<Self, CallError> {
        let (uri, authentication) = match value {
            Value::String(uri) => (uri.as_str(), None),
            _ => (text(value, "uri")?, given(value, "authentication")),
        };
        let scheme = authentication.map(|it| Scheme::read(it, trip)).transpose()?;
        Ok(Self { url: url(uri)?, scheme })
    }
}

/// A URL without credentials in it.
pub(super) fn url(text: &str) -> Result<Url, CallError> {
    let url =
        Url::parse(text).map_err(|error| bad_request(format!("`{text}` is no absolute URI: {error}")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad_request("credentials belong into `authentication`, not into a URI"));
    }
    Ok(url)
}

/// A field that is there and not null.
pub(super) fn given<'a>(value: &'a Value, field: &str) -> Option<&'a Value> {
    value.get(field).filter(|value| !value.is_null())
}

/// A field that must be there.
pub(super) fn required<'a>(value: &'a Value, field: &str) -> Result<&'a Value, CallError> {
    given(value, field).ok_or_else(|| bad_request(format!("`{field}` is missing")))
}

/// A field that must be there and a text.
pub(super) fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str, CallError> {
    required(value, field)?.as_str().ok_or_else(|| bad_request(format!("`{field}` is no text")))
}

/// A field that is a map, where it is there.
pub(super) fn map<'a>(value: &'a Value, field: &str) -> Result<Option<&'a Map<String, Value>>, CallError> {
    let wrong = || bad_request(format!("`{field}` is no map"));
    given(value, field).map(|value| value.as_object().ok_or_else(wrong)).transpose()
}

/// The field `output`.
pub(super) fn output(request: &Value) -> Result<Output, CallError> {
    match given(request, "output").map(Value::as_str) {
        None | Some(Some("content")) => Ok(Output::Content),
        Some(Some("raw")) => Ok(Output::Raw),
        Some(Some("response")) => Ok(Output::Response),
        Some(_) => Err(bad_request("`output` is one of raw, content, response")),
    }
}

/// The field `redirect`.
pub(super) fn redirects(request: &Value) -> Result<Redirects, CallError> {
    match given(request, "redirect").map(Value::as_bool) {
        None | Some(Some(false)) => Ok(Redirects::Errors),
        Some(Some(true)) => Ok(Redirects::Followed),
        Some(None) => Err(bad_request("`redirect` is true or false")),
    }
}

/// A method, and whether it may be repeated without harm (RFC 9110, 9.2).
pub(super) fn method(name: &str) -> Result<(Method, Repeat), CallError> {
    let method = Method::from_bytes(name.to_ascii_uppercase().as_bytes());
    let method = method.map_err(|_| bad_request(format!("`{name}` is no method")))?;
    if method == Method::CONNECT || method == Method::TRACE {
        return Err(bad_request(format!("{method} is not for calls")));
    }
    let repeat = Repeat::of(&method);
    Ok((method, repeat))
}

/// Adds a header of the caller's; one with a secret is marked as sensitive.
pub(super) fn add_header(ask: &mut Ask, trip: &Trip<'_>, name: &str, value: &str) -> Result<(), CallError> {
    let name = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| bad_request(format!("`{name}` is no name of a header")))?;
    if NOT_FOR_CALLERS.contains(&name.as_str()) {
        return Err(bad_request(format!("the header `{name}` is set by the connection")));
    }
    let mut parsed = HeaderValue::from_bytes(value.as_bytes())
        .map_err(|_| bad_request(format!("the header `{name}` has a value that cannot be sent")))?;
    parsed.set_sensitive(trip.veil(|veil| veil.is_in(value)));
    ask.headers.insert(name, parsed);
    Ok(())
}

/// Adds the headers of a map.
pub(super) fn add_headers(ask: &mut Ask, trip: &Trip<'_>, from: &Value) -> Result<(), CallError> {
    let texts = map(from, "headers")?.into_iter().flatten();
    for (name, value) in texts.filter_map(|(name, value)| Some((name, plain(value)?))) {
        add_header(ask, trip, name, &value)?;
    }
    Ok(())
}

/// Adds what every request says of itself, unless the caller has said it; a key where a repeat is harmful.
pub(super) fn add_defaults(headers: &mut HeaderMap, key: EffectKey, repeat: Repeat) {
    let agent = HeaderValue::from_static(concat!("promptsales/", env!("CARGO_PKG_VERSION")));
    headers.entry(USER_AGENT).or_insert(agent);
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
    if repeat == Repeat::Harmful
        && let Ok(key) = HeaderValue::from_str(&key.to_string())
    {
        headers.entry(IDEMPOTENCY_KEY).or_insert(key);
    }
}

/// Adds pairs to a URL's query: a list repeats its name, nothing is left out.
pub(super) fn add_query(url: &mut Url, query: &Map<String, Value>) {
    let pairs: Vec<(&String, String)> = query
        .iter()
        .flat_map(|(name, value)| match value {
            Value::Array(items) => items.iter().filter_map(|item| Some((name, plain(item)?))).collect(),
            one => plain(one).map(|text| (name, text)).into_iter().collect::<Vec<_>>(),
        })
        .collect();
    // Asking for the pairs alone would add a question mark.
    if !pairs.is_empty() {
        url.query_pairs_mut().extend_pairs(pairs);
    }
}

/// Gives a request its body, written as its content type says: JSON unless it says something else.
pub(super) fn add_body(ask: &mut Ask, body: &Value) -> Result<(), CallError> {
    let stated = ask.headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default().to_owned());
    let (content_type, bytes) = match (stated, body) {
        (_, Value::Null) => return Ok(()),
        (None, Value::String(text)) => ("text/plain; charset=utf-8".to_owned(), Bytes::from(text.clone())),
        (None, other) => ("application/json".to_owned(), Bytes::from(other.to_string())),
        (Some(stated), body) => {
            let bytes = written(&stated, body)?;
            (stated, bytes)
        }
    };
    let value =
        HeaderValue::from_str(&content_type).map_err(|_| bad_request("the content type is no text"))?;
    ask.headers.insert(CONTENT_TYPE, value);
    ask.body = bytes;
    Ok(())
}

fn written(content_type: &str, body: &Value) -> Result<Bytes, CallError> {
    let essence = essence(content_type);
    match body {
        // A text may be JSON already.
        Value::String(text) if is_json(&essence) && serde_json::from_str::<Value>(text).is_err() => {
            Ok(Bytes::from(body.to_string()))
        }
        Value::String(text) => Ok(Bytes::from(text.clone())),
        other if is_json(&essence) => Ok(Bytes::from(other.to_string())),
        Value::Object(fields) if essence == "application/x-www-form-urlencoded" => Ok(form(fields)),
        Value::Bool(_) | Value::Number(_) => Ok(Bytes::from(body.to_string())),
        _ => Err(bad_request(format!("a map or list cannot be written as {essence}"))),
    }
}

/// Fields as a form.
pub(super) fn form(fields: &Map<String, Value>) -> Bytes {
    let mut url = Url::parse("form:").expect("a scheme alone is a URL");
    add_query(&mut url, fields);
    Bytes::from(url.query().unwrap_or_default().to_owned())
}

/// A content type without its parameters, in small letters.
pub(super) fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether a content type is one of JSON.
pub(super) fn is_json(essence: &str) -> bool {
    essence == "application/json" || essence == "text/json" || essence.ends_with("+json")
}
