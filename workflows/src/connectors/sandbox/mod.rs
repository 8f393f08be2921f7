//! The sandbox: an outside world to try campaigns out in, which behaves as real providers do.
//!
//! It plays the connectors `content`, `ads` and `tracking`. An effect's key is the idempotency key: the same key
//! with the same request gives the same answer and is executed once, also after a restart and by calls at the same
//! time; with another request it is refused as `idempotency_conflict`. A refusal takes no key. Every operation
//! takes some time and says no for the reasons that a provider would have; what else goes wrong is set by the
//! rules of [`SandboxConfig`].
//!
//! # A call, in order
//!
//! It is written down as seen, with the rule that applies to it; it travels (latency, and the rule's `slow`); a rule
//! may let it fail; its request is checked; if its key has been executed before, it gets that answer; a rule may
//! refuse it; it is executed, which is written down; the answer goes out, or a rule keeps it back. A caller that
//! hangs up while the call travels has not had it executed.
//!
//! # Sharing
//!
//! With a file, what happened outlives the process (`kill -9` too; there is no fsync), and several processes that
//! open the same file share one outside world. The file is locked for the moments of reading and writing alone.

mod ads;
mod channel;
mod config;
mod content;
mod file;
mod ledger;
mod report;
mod request;
mod state;
mod templates;
#[cfg(test)]
mod tests;
mod tracking;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use promptsales_engine::effect::{Call, CallError, Verified};
use serde_json::Value;

pub use self::ads::Ads;
pub use self::config::{Behaviour, Rule, SandboxConfig};
pub use self::content::Content;
pub use self::report::{OperationCount, SandboxReport, world_of};
pub use self::tracking::Tracking;

use self::ledger::Ledger;
use self::request::{Asked, refused};
use self::state::{Change, Entry};

/// How long an answer is kept back by `acceptThenTimeout`: past any deadline.
const KEPT_BACK: Duration = Duration::from_secs(30);

/// Why a sandbox cannot be opened, or its file not be used.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A rule names an operation that no connector has.
    #[error("rule {index} is for `{operation}`: use one of {}", known.join(", "))]
    UnknownOperation {
        /// The rule's place in the list, from 0.
        index: usize,
        /// What it names.
        operation: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The file could not be opened, read or written.
    #[error("cannot use the sandbox file {path}")]
    File {
        /// The file.
        path: String,
        /// What happened.
        #[source]
        cause: std::io::Error,
    },
    /// A complete line of the file is not one that a sandbox writes.
    #[error("line {line} of the sandbox file {path} cannot be read: move the file away to begin anew")]
    Corrupt {
        /// The file.
        path: String,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        #[source]
        cause: serde_json::Error,
    },
}

/// What a request leads to: a pure function of the call, so that a repeat gives the same answer.
struct Deed {
    change: Change,
    answer: Value,
}

/// How a connector works out what a call leads to, or why it is refused.
type Plan = fn(&Call<'_>) -> Result<Deed, CallError>;

/// An outside world: what it was asked, and what it did.
#[derive(Debug)]
pub struct Sandbox {
    config: SandboxConfig,
    ledger: Mutex<Ledger>,
}

impl Sandbox {
    /// Opens a sandbox: on a file, which is created where it is missing and read where it is not, or in memory.
    ///
    /// A last line that was not completely written is cut off; its call was never answered.
    ///
    /// # Errors
    ///
    /// A rule for an operation that there is not; a file that cannot be used.
    pub fn open(path: Option<&Path>, config: SandboxConfig) -> Result<Arc<Self>, SandboxError> {
        let known = operations();
        for (index, rule) in config.rules.iter().enumerate() {
            let operation = format!("{}.{}", rule.connector, rule.operation);
            if !known.contains(&operation) {
                return Err(SandboxError::UnknownOperation { index, operation, known });
            }
        }
        let ledger = Mutex::new(Ledger::open(path)?);
        Ok(Arc::new(Self { config, ledger }))
    }

    /// What it was asked and what it did, as counts.
    pub fn report(&self) -> SandboxReport {
        self.with_ledger(|ledger| ledger.look().report())
    }

    /// What is there: active ads, forms, and content that is not archived; without ids that differ between runs.
    ///
    /// Two runs that did the same have equal worlds; the world after everything was undone is that before.
    pub fn world(&self) -> Value {
        self.with_ledger(|ledger| ledger.look().world())
    }

    /// Carries a call out.
    async fn call(&self, connector: &'static str, call: &Call<'_>, plan: Plan) -> Result<Value, CallError> {
        let asked = Asked::new(connector, call);
        let behaviour = self.arrive(&asked)?;
        self.travel(behaviour.as_ref()).await;
        if let Some(failure) = behaviour.as_ref().and_then(Behaviour::failure) {
            return Err(failure);
        }
        let deed = plan(call)?;
        self.execute(&asked, deed.change, behaviour.as_ref())?;
        if let Some(Behaviour::AcceptThenTimeout { .. }) = behaviour {
            tokio::time::sleep(KEPT_BACK).await;
            let message = "the connection was closed before the answer came".to_owned();
            return Err(CallError::Unknown { code: "timeout".into(), message });
        }
        Ok(deed.answer)
    }

    /// Finds out whether a call under this key was carried out.
    fn verify(&self, connector: &'static str, call: &Call<'_>, plan: Plan) -> Result<Verified, CallError> {
        let asked = Asked::new(connector, call);
        if !self.with_ledger(|ledger| ledger.look().was_done(&asked))? {
            return Ok(Verified::NotDone);
        }
        Ok(Verified::Done(plan(call)?.answer))
    }

    /// Writes a call down as seen, and finds the rule that applies to it.
    fn arrive(&self, asked: &Asked) -> Result<Option<Behaviour>, CallError> {
        let seen = self.with_ledger(|ledger| {
            ledger.update(|state| {
                let found = self.config.rule_for(asked, |rule| state.applied(rule, asked.key));
                let rule = found.as_ref().map(|(fingerprint, _)| *fingerprint);
                let entry = Entry::Seen { operation: asked.operation.clone(), key: asked.key, rule };
                (Some(entry), found.map(|(_, behaviour)| behaviour.clone()))
            })
        });
        seen.map_err(|error| broken(&error))
    }

    async fn travel(&self, behaviour: Option<&Behaviour>) {
        let slower = match behaviour {
            Some(Behaviour::Slow { ms }) => *ms,
            _ => 0,
        };
        let ms = self.config.latency_ms.saturating_add(slower);
        if ms > 0 {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
    }

    /// Executes what was asked, if it has not been executed.
    fn execute(&self, asked: &Asked, change: Change, behaviour: Option<&Behaviour>) -> Result<(), CallError> {
        let outcome = self.with_ledger(|ledger| {
            ledger.update(|state| match state.was_done(asked) {
                Err(conflict) => (None, Err(conflict)),
                Ok(true) => (None, Ok(())),
                Ok(false) => match behaviour {
                    Some(Behaviour::Refuse { code, message }) => {
                        (None, Err(refused(code.clone(), message.clone())))
                    }
                    _ => (Some(asked.executed(change)), Ok(())),
                },
            })
        });
        outcome.map_err(|error| broken(&error))?
    }

    fn with_ledger<T>(&self, job: impl FnOnce(&mut Ledger) -> T) -> T {
        job(&mut self.ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Every operation, as `connector.operation`.
fn operations() -> Vec<String> {
    let of = |connector: &str, operations: &[&str]| -> Vec<String> {
        operations.iter().map(|operation| format!("{connector}.{operation}")).collect()
    };
    [
        of(ads::NAME, ads::OPERATIONS),
        of(content::NAME, content::OPERATIONS),
        of(tracking::NAME, tracking::OPERATIONS),
    ]
    .concat()
}

/// A sandbox that cannot write has done nothing: its lines come before its deeds.
fn broken(error: &SandboxError) -> CallError {
    tracing::warn!(error = error as &dyn std::error::Error, "the sandbox cannot use its file");
    CallError::Failed { code: "unavailable".into(), message: error.to_string() }
}
