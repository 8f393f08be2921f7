//! Calls to services over HTTP, for the tasks of workflows that call `http`, `openapi`, `mcp` and `a2a`.
//!
//! The shapes of requests are those of the Open Workflow Specification with all expressions evaluated; what stands
//! for a secret ([`Secrets`]) is replaced just before a request goes out, and nothing that comes out of a call
//! repeats one. Only addresses of the public internet are reached unless [`Outgoing::allow_local`] says otherwise:
//! the address that is connected to is the one that was checked, also after a redirect.
//!
//! # Operations
//!
//! | operation | request | a repeat is |
//! |---|---|---|
//! | `read` | `method` (GET, HEAD, OPTIONS, PUT, DELETE), `endpoint`, `headers`, `query`, `body`, `redirect`, `output` | harmless |
//! | `send` | the same with any method; goes out with `Idempotency-Key` | harmful |
//! | `openapi` | `document`, `operationId`, `parameters`, `authentication`, `redirect`, `output` | as its method is |
//! | `mcp` | `method`, `parameters`, `transport`, `protocolVersion`, `client`, `timeout` | harmful for `tools/call` |
//! | `a2a` | `agentCard` or `server`, `method`, `parameters` | harmful for what changes something |
//!
//! # How calls fail
//!
//! [`CallError::Failed`] is given where nothing was sent, or the service asks to come again; [`CallError::Unknown`]
//! where no complete answer came to what was sent; [`CallError::Refused`] for the rest. What is harmful to repeat is
//! `Unknown` too where the service failed at it, took it with an answer that cannot be read, or sent on to a result
//! that cannot be got. A status that is an error has the code `http_<status>`.
//!
//! What fails opens the circuit in front of the host and port that were called, or of the document that says where the
//! service is; calls to other places go on.

mod a2a;
mod address;
mod answer;
mod auth;
mod circuit;
mod dial;
mod exchange;
mod failure;
mod fill;
mod mcp;
mod openapi;
mod parts;
mod plain;
mod request;
mod rpc;
mod secrets;
mod sse;
#[cfg(test)]
mod tests;
mod text;
mod tls;
mod trip;
mod veil;

use std::time::Duration;

use async_trait::async_trait;
use promptsales_engine::effect::{Call, CallError, Connector, OnUnknown, Policy, Verified};
use promptsales_engine::runtime::Context;
use serde_json::Value;

pub use self::secrets::{Secrets, SecretsError};

use self::failure::{Repeat, refused};
use self::parts::Parts;
use self::trip::Trip;

const NAME: &str = "http";
const OPERATIONS: &[&str] = &["read", "send", "openapi", "mcp", "a2a"];

/// What calls may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Whether addresses of the machine and its network may be reached; what tells the machine's credentials may not.
    pub allow_local: bool,
    /// The most bytes of an answer's body.
    pub max_answer: usize,
    /// How long a call may take.
    pub deadline: Duration,
}

impl Default for Outgoing {
    fn default() -> Self {
        Self { allow_local: false, max_answer: 1024 * 1024, deadline: Duration::from_secs(30) }
    }
}

/// A connector that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// No answer could come.
    #[error("a call needs some time and an answer some bytes")]
    NoRoom,
}

/// Calls services over HTTP.
pub struct HttpConnector(Parts);

impl HttpConnector {
    /// A connector with the machine's clock.
    ///
    /// # Errors
    ///
    /// [`HttpError::NoRoom`] where a limit is zero.
    pub fn new(outgoing: Outgoing, secrets: Secrets) -> Result<Self, HttpError> {
        if outgoing.deadline.is_zero() || outgoing.max_answer == 0 {
            return Err(HttpError::NoRoom);
        }
        let dial = dial::Dial::new(outgoing.allow_local);
        let (tokens, documents) = (auth::Tokens::default(), openapi::Documents::default());
        Ok(Self(Parts { outgoing, secrets, cx: Context::real(), dial, tokens, documents }))
    }

    /// The connector with another context, for its clock and chance.
    #[must_use]
    pub fn with_context(mut self, cx: Context) -> Self {
        self.0.cx = cx;
        self
    }
}

impl std::fmt::Debug for HttpConnector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Parts { outgoing, secrets, .. } = &self.0;
        f.debug_struct("HttpConnector").field("outgoing", outgoing).field("secrets", secrets).finish()
    }
}

#[async_trait]
impl Connector for HttpConnector {
    fn name(&self) -> &'static str {
        NAME
    }

    fn operations(&self) -> &'static [&'static str] {
        OPERATIONS
    }

    fn policy(&self, operation: &str) -> Policy {
        let on_unknown = match operation {
            "read" => OnUnknown::Retry,
            "send" => OnUnknown::Park,
            // It depends on the request, which `verify` looks at.
            _ => OnUnknown::Verify,
        };
        let backoff = Duration::from_millis(500);
        Policy { deadline: self.0.outgoing.deadline, retries: 3, backoff, on_unknown }
    }

    fn circuit(&self, call: &Call<'_>) -> Option<String> {
        circuit::of(call.operation, call.request, &self.0.secrets)
    }

    async fn call(&self, call: Call<'_>) -> Result<Value, CallError> {
        let trip = Trip::new(&self.0, call.key);
        let answered = match trip.veil(|veil| fill::fill(call.request, &self.0.secrets, veil)) {
            // The futures of calls are large.
            Ok(request) => Box::pin(carry_out(&trip, call.operation, &request)).await,
            Err(error) => Err(error),
        };
        match answered {
            Ok(mut answer) => {
                trip.veil(|veil| veil.cover_answer(&mut answer));
                fill::unmark(&mut answer);
                Ok(answer)
            }
            Err(error) => Err(told(&trip, error)),
        }
    }

    /// Nobody can be asked; but what is harmless to repeat can be taken for not done.
    async fn verify(&self, call: Call<'_>) -> Result<Verified, CallError> {
        let trip = Trip::new(&self.0, call.key);
        let looked_at = match trip.veil(|veil| fill::fill(call.request, &self.0.secrets, veil)) {
            Ok(request) => Box::pin(repeat(&trip, call.operation, &request)).await,
            Err(error) => Err(error),
        };
        match looked_at {
            Ok(Repeat::Harmless) => Ok(Verified::NotDone),
            Ok(Repeat::Harmful) => {
                Err(failure::unknown("cannot_verify", "a repeat could do once more what has been done"))
            }
            Err(error) => Err(told(&trip, error)),
        }
    }
}

/// An error as it leaves the connector: nothing of it is secret, too long or stands for a secret.
fn told(trip: &Trip<'_>, error: CallError) -> CallError {
    let covered = trip.veil(|veil| veil.cover_error(error));
    failure::reworded(covered, |message| failure::shortened(&fill::unmarked(message)))
}

async fn carry_out(trip: &Trip<'_>, operation: &str, request: &Value) -> Result<Value, CallError> {
    match operation {
        "read" => plain::call(trip, request, Repeat::Harmless).await,
        "send" => plain::call(trip, request, Repeat::Harmful).await,
        "openapi" => openapi::call(trip, request).await,
        "mcp" => mcp::call(trip, request).await,
        "a2a" => a2a::call(trip, request).await,
        other => Err(refused("no_such_operation", format!("there is no operation `{other}`"))),
    }
}

/// Whether a call can be repeated without harm.
async fn repeat(trip: &Trip<'_>, operation: &str, request: &Value) -> Result<Repeat, CallError> {
    Ok(match operation {
        "read" => Repeat::Harmless,
        "openapi" => openapi::repeat(trip, request).await?,
        "mcp" => mcp::repeat(request),
        "a2a" => a2a::repeat(request),
        _ => Repeat::Harmful,
    })
}
