//! Documents: fetched, read as JSON or YAML, and kept for some minutes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::Method;
use hyper::header::{ACCEPT, HeaderValue};
use promptsales_engine::effect::CallError;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use url::Url;

use super::tree;
use crate::connectors::http::exchange::Ask;
use crate::connectors::http::failure::{failed, refused};
use crate::connectors::http::request::{Endpoint, required};
use crate::connectors::http::trip::Trip;

/// How long a document is kept.
const KEPT_FOR: Duration = Duration::from_secs(300);

/// The most documents kept.
const KEPT: usize = 32;

/// The most bytes of a document.
const SIZE: usize = 4 * 1024 * 1024;

/// The most references one after the other.
const REFERENCES: usize = 16;

/// A document with the place that it is from, after redirects (RFC 3986, 5.1.3).
pub(super) struct Document {
    pub(super) at: Url,
    pub(super) root: Value,
}

/// Documents with the time until which they are kept.
type Kept = HashMap<[u8; 32], (Instant, Arc<Document>)>;

/// Documents by a digest of their endpoint as the request states it: of credentials that it takes from a secret by
/// `use`, the name alone is in it.
#[derive(Default)]
pub(in crate::connectors::http) struct Documents(Mutex<Kept>);

impl Documents {
    fn find(&self, key: &[u8; 32], now: Instant) -> Option<Arc<Document>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(key).filter(|(until, _)| *until > now).map(|(_, document)| document.clone())
    }

    fn keep(&self, key: [u8; 32], now: Instant, document: Arc<Document>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.retain(|_, (until, _)| *until > now);
        }
        if kept.len() >= KEPT {
            let oldest = kept.iter().min_by_key(|(_, (until, _))| *until).map(|(key, _)| *key);
            oldest.map(|key| kept.remove(&key));
        }
        kept.insert(key, (now + KEPT_FOR, document));
    }
}

impl Document {
    /// A value, or what it refers to within the document.
    pub(super) fn resolved<'a>(&'a self, mut value: &'a Value) -> Result<&'a Value, CallError> {
        for _ in 0..REFERENCES {
            let Some(reference) = value.get("$ref").and_then(Value::as_str) else { return Ok(value) };
            let found = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            value = found.ok_or_else(|| bad(format!("it does not hold what it refers to: `{reference}`")))?;
        }
        Err(bad("its references go in circles".to_owned()))
    }

    /// A value at a key of another, resolved.
    pub(super) fn get<'a>(&'a self, value: &'a Value, key: &str) -> Result<Option<&'a Value>, CallError> {
        value.get(key).map(|value| self.resolved(value)).transpose()
    }

    /// Whether it is of version 2, which was called Swagger.
    pub(super) fn is_swagger(&self) -> bool {
        self.root.get("swagger").is_some()
    }
}

/// A document that cannot be used.
pub(super) fn bad(message: String) -> CallError {
    refused("bad_document", format!("the OpenAPI document cannot be used: {message}"))
}

/// The document of a request.
pub(super) async fn of(trip: &Trip<'_>, request: &Value) -> Result<Arc<Document>, CallError> {
    let endpoint = required(required(request, "document")?, "endpoint")?;
    let Endpoint { url, scheme } = Endpoint::read(endpoint, trip)?;
    let key: [u8; 32] = Sha256::digest(endpoint.to_string()).into();
    let documents = &trip.parts.documents;
    if let Some(kept) = documents.find(&key, trip.parts.cx.monotonic()) {
        return Ok(kept);
    }
    let mut ask = Ask::new(Method::GET, url);
    let accepted = "application/json, application/yaml, application/vnd.oai.openapi, */*;q=0.5";
    ask.headers.insert(ACCEPT, HeaderValue::from_static(accepted));
    let (at, answer) = trip.fetch("reading the OpenAPI document", ask, scheme.as_ref(), SIZE).await?;
    let read = trip.parts.cx.cpu(move || read(&answer.body)).await;
    let root = read.map_err(|_| failed("internal", "reading the OpenAPI document failed"))??;
    let document = Arc::new(Document { at, root });
    documents.keep(key, trip.parts.cx.monotonic(), document.clone());
    Ok(document)
}

fn read(bytes: &[u8]) -> Result<Value, CallError> {
    let root = tree::read(bytes).map_err(bad)?;
    let version =
        |name: &str| root.get(name).map(|value| value.as_str().map_or(value.to_string(), str::to_owned));
    match (version("openapi"), version("swagger")) {
        (Some(version), _) if version.starts_with("3.") => Ok(root),
        (None, Some(version)) if version.starts_with('2') => Ok(root),
        _ => Err(bad("it is not of OpenAPI 3 or Swagger 2".to_owned())),
    }
}
