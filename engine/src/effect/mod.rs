//! Effects: the only way in which anything outside the process is touched.
//!
//! An effect is a row in the same commit as the event that caused it, with a stable key that goes to the outside
//! as its idempotency key. Its life: `intended -> dispatched -> confirmed | refused | failed | unknown`. We claim
//! at-least-once with idempotent effects, and count every ambiguity.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::id::{StreamId, StreamKey};
use crate::journal::{Json, Origin};

mod breaker;
mod dispatcher;

pub use breaker::Breaker;
pub use dispatcher::{Connectors, Dispatcher, DuplicateConnector};

/// The stable key of an effect, made of stream, task, iteration and recipient; sent along as idempotency key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EffectKey(Uuid);

impl EffectKey {
    /// Derives the key of parts.
    pub fn derive(parts: &[&str]) -> Self {
        Self(crate::id::uuid_v8(crate::id::digest("effect", parts), None))
    }

    /// Takes a stored UUID.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The UUID, to be stored.
    pub const fn uuid(&self) -> Uuid {
        self.0
    }
}

impl fmt::Display for EffectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "eff_{}", self.0.simple())
    }
}

impl fmt::Debug for EffectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One thing to be done outside.
#[derive(Debug, Clone)]
pub struct Effect {
    /// Its idempotency key.
    pub key: EffectKey,
    /// The stream that wants it and takes its outcome.
    pub stream: StreamKey,
    /// The connector's name.
    pub connector: Cow<'static, str>,
    /// The operation of the connector.
    pub operation: Cow<'static, str>,
    /// What to do, in the operation's shape.
    pub request: Json,
    /// How far it is.
    pub state: EffectState,
    /// The calls made so far, as far as recorded.
    pub attempts: u32,
    /// What caused it.
    pub origin: Arc<Origin>,
    /// When it was intended.
    pub at: Timestamp,
}

/// How far an effect is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectState {
    /// Committed, and to be done.
    Intended,
    /// A call is or was under way under this epoch; recorded only where a repeat is not safe.
    Dispatched {
        /// The epoch of the partition that made the call.
        epoch: u64,
    },
    /// It ended.
    Ended(EffectOutcome),
}

/// How an effect ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectOutcome {
    /// Done; with what the outside answered.
    Confirmed(Json),
    /// The outside said no, for good; nothing was done.
    Refused(EffectFailure),
    /// Provably not done, though it was tried as often as allowed.
    Failed(EffectFailure),
    /// It is not known whether it was done.
    Unknown(EffectFailure),
}

/// Why an effect was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectFailure {
    /// A stable code: the outside's own, or `deadline`, `unreachable`, `circuit_open`.
    pub code: Cow<'static, str>,
    /// A sentence for a person.
    pub message: String,
}

/// A step of an effect's life, committed by its stream.
#[derive(Debug, Clone)]
pub enum EffectOp {
    /// It is to be done.
    Intend(Box<Effect>),
    /// A call begins, under an epoch; for connectors that must verify or park.
    Dispatch {
        /// Which.
        key: EffectKey,
        /// The epoch of the partition that makes the call.
        epoch: u64,
        /// The number of the call, from 1.
        attempt: u32,
    },
    /// It ended, and its stream has taken the outcome in.
    End {
        /// Which.
        key: EffectKey,
        /// How.
        outcome: EffectOutcome,
    },
}

/// One call of a connector.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// The idempotency key, the same at every attempt.
    pub key: EffectKey,
    /// Whose stream wants it.
    pub stream: StreamId,
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
