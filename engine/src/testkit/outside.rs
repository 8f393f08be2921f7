//! A connector for tests, which writes down what it is asked and answers as told.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::effect::{Call, CallError, Connector, EffectKey, OnUnknown, Policy, Verified};

/// One call that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct OutsideCall {
    /// The key that came with it.
    pub key: EffectKey,
    /// Its operation.
    pub operation: String,
    /// The number of the attempt.
    pub attempt: u32,
}

/// A connector that answers `{ "ok": true }`, unless it has been given other answers.
#[derive(Debug, Default)]
pub struct Outside {
    calls: Mutex<Vec<OutsideCall>>,
    answers: Mutex<VecDeque<Result<Value, CallError>>>,
    verified: Mutex<Option<Result<Verified, CallError>>>,
    on_unknown: Option<OnUnknown>,
    panics: AtomicU32,
}

impl Outside {
    /// A connector that handles unknown outcomes as said.
    pub fn new(on_unknown: OnUnknown) -> Arc<Self> {
        Arc::new(Self { on_unknown: Some(on_unknown), ..Self::default() })
    }

    /// Gives it its next answer.
    pub fn answer(&self, answer: Result<Value, CallError>) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).push_back(answer);
    }

    /// Lets its next calls panic.
    pub fn panic(&self, times: u32) {
        self.panics.store(times, Ordering::Relaxed);
    }

    /// Says what it finds out about earlier calls from now on; at first, that they were not made.
    pub fn verified(&self, verified: Result<Verified, CallError>) {
        *self.verified.lock().unwrap_or_else(PoisonError::into_inner) = Some(verified);
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<OutsideCall> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Connector for Outside {
    fn name(&self) -> &'static str {
        "outside"
    }

    fn operations(&self) -> &'static [&'static str] {
        &["do"]
    }

    fn policy(&self, _: &str) -> Policy {
        let on_unknown = self.on_unknown.unwrap_or(OnUnknown::Retry);
        Policy {
            deadline: Duration::from_secs(1),
            retries: 3,
            backoff: Duration::from_millis(100),
            on_unknown,
        }
    }

    async fn call(&self, call: Call<'_>) -> Result<Value, CallError> {
        let made = OutsideCall { key: call.key, operation: call.operation.to_owned(), attempt: call.attempt };
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(made);
        let left = self.panics.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if left.is_ok() {
            panic!("told to panic");
        }
        let answer = self.answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        answer.unwrap_or_else(|| Ok(json!({ "ok": true })))
    }

    async fn verify(&self, _: Call<'_>) -> Result<Verified, CallError> {
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner).clone();
        verified.unwrap_or(Ok(Verified::NotDone))
    }
}
