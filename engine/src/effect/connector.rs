//! Connectors: the ways to the outside, one per vendor or protocol.

use std::borrow::Cow;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::EffectKey;
use crate::id::StreamKey;
use crate::journal::Origin;

/// One call of a connector.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// The idempotency key, the same at every attempt.
    pub key: EffectKey,
    /// Whose stream wants it.
    pub stream: &'a StreamKey,
    /// What caused it.
    pub origin: &'a Origin,
    /// The operation.
    pub operation: &'a str,
    /// What to do.
    pub request: &'a Value,
    /// The number of the attempt, from 1.
    pub attempt: u32,
}

/// Why a call did not succeed. What each means for a retry is in its name.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// The outside said no, for good. No retry.
    #[error("refused: {message}")]
    Refused {
        /// The outside's own code, made stable.
        code: Cow<'static, str>,
        /// What it said.
        message: String,
    },
    /// Provably not done; may be tried again.
    #[error("failed: {message}")]
    Failed {
        /// A stable code.
        code: Cow<'static, str>,
        /// What happened.
        message: String,
    },
    /// It may have been done or not: the connection broke, the answer did not come.
    #[error("unknown: {message}")]
    Unknown {
        /// A stable code.
        code: Cow<'static, str>,
        /// What happened.
        message: String,
    },
}

/// What to do when it is not known whether a call was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnUnknown {
    /// Call again under the same key: the outside is idempotent.
    Retry,
    /// Ask with [`Connector::verify`], then call again if it was not done.
    Verify,
    /// Leave it, and let a person decide.
    Park,
}

/// How an operation is called.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// How long one call may take.
    pub deadline: Duration,
    /// Calls after the first.
    pub retries: u32,
    /// The wait before the first retry; doubles with each, with jitter.
    pub backoff: Duration,
    /// What to do when the outcome of a call is unknown.
    pub on_unknown: OnUnknown,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(1),
            retries: 3,
            backoff: Duration::from_millis(100),
            on_unknown: OnUnknown::Retry,
        }
    }
}

/// What a connector found out about an earlier call.
#[derive(Debug, Clone)]
pub enum Verified {
    /// It was done; with the answer.
    Done(Value),
    /// It was not done.
    NotDone,
}

/// A way to the outside: one vendor, one protocol.
#[async_trait]
pub trait Connector: Send + Sync + 'static {
    /// The name that effects call it by.
    fn name(&self) -> &'static str;

    /// The operations it has.
    fn operations(&self) -> &'static [&'static str];

    /// How an operation is called.
    fn policy(&self, operation: &str) -> Policy {
        let _ = operation;
        Policy::default()
    }

    /// Says what a call goes to, where others of the connector go elsewhere: what fails there holds back the calls that
    /// go there too, and no others. None for the one circuit of the connector. It may be secret, and is shown nowhere.
    fn circuit(&self, call: &Call<'_>) -> Option<String> {
        let _ = call;
        None
    }

    /// Carries an operation out. The dispatcher keeps the deadline.
    async fn call(&self, call: Call<'_>) -> Result<Value, CallError>;

    /// Finds out whether a call under this key was carried out.
    async fn verify(&self, call: Call<'_>) -> Result<Verified, CallError> {
        let _ = call;
        Err(CallError::Unknown {
            code: "cannot_verify".into(),
            message: "this connector cannot verify".into(),
        })
    }
}
