//! The ledger: what is to be done outside, and how far it is.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::id::StreamKey;
use crate::journal::{Json, Origin};

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
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
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
