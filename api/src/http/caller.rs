//! Who calls, with what key, under which request id.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use promptsales_engine::entity::Dedup;
use promptsales_engine::id::{IdSecret, StreamId, TenantId, digest};
use promptsales_engine::journal::Origin;

use super::problem::{Code, Problem};
use crate::app::App;

/// The longest `Idempotency-Key`, in bytes.
pub const LONGEST_KEY: usize = 255;

/// The id that a request carries through the logs.
#[derive(Debug, Clone)]
pub struct RequestId(pub Arc<str>);

/// What is known of the caller of a request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Whose data it works on.
    pub tenant: TenantId,
    /// What caused the request's consequences.
    pub origin: Arc<Origin>,
    /// The `Idempotency-Key`, with the method and path, which are part of its meaning.
    pub key: Option<Key>,
}

/// A key under which a request counts once.
#[derive(Debug, Clone)]
pub struct Key {
    /// Method and path.
    pub operation: String,
    /// The key itself.
    pub text: String,
}

impl Caller {
    /// What makes a payload count once under the caller's key.
    pub fn dedup(&self, secret: &IdSecret, payload: &str) -> Dedup {
        let Some(parts) = self.key_parts() else { return Dedup::None };
        Dedup::Key { key: secret.digest("idempotency key", &parts), digest: digest("payload", &[payload]) }
    }

    /// What makes one request's act on several count once for each under the caller's key.
    pub fn dedup_each(&self, secret: &IdSecret, id: &StreamId, payload: &str) -> Dedup {
        let Some([tenant, principal, operation, key]) = self.key_parts() else { return Dedup::None };
        let key = secret.digest("act in bulk", &[tenant, principal, operation, key, &id.to_string()]);
        Dedup::Key { key, digest: digest("payload", &[payload]) }
    }

    /// The parts that an id created under the caller's key is derived from, if there is a key.
    pub fn key_parts(&self) -> Option<[&str; 4]> {
        let key = self.key.as_ref()?;
        Some([self.tenant.as_str(), &self.origin.principal, &key.operation, &key.text])
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let id = parts.extensions.get::<RequestId>().map_or_else(|| new_request_id(app), |id| id.0.clone());
        let trace = text(&parts.headers, "traceparent", 128)?.map(Arc::from);
        let correlation =
            text(&parts.headers, "x-correlation-id", 128)?.map_or_else(|| id.clone(), Arc::from);
        let origin =
            Arc::new(Origin { causation: id, correlation, trace, principal: app.principal(), hops: 0 });
        let key = text(&parts.headers, "idempotency-key", LONGEST_KEY)?.map(|key| Key {
            operation: format!("{} {}", parts.method, parts.uri.path()),
            text: key.to_owned(),
        });
        Ok(Self { tenant: app.tenant(), origin, key })
    }
}

/// A fresh request id.
pub fn new_request_id(app: &App) -> Arc<str> {
    format!("req_{}", app.node().cx().uuid().simple()).into()
}

/// Reads a header of visible ASCII characters, 1 to `limit` of them.
pub fn text<'a>(headers: &'a HeaderMap, name: &str, limit: usize) -> Result<Option<&'a str>, Problem> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let fits = value.to_str().ok().filter(|text| (1..=limit).contains(&text.len()));
    let message = || format!("header `{name}`: use 1 to {limit} visible ASCII characters");
    fits.map(Some).ok_or_else(|| Problem::new(Code::InvalidParameter, message()))
}
