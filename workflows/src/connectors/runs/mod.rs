//! The runs of the product itself: finding some of them, and doing something to each.
//!
//! A page of runs is found in one call and journalled by who asked for it; what is done to them is another. A run is
//! given a command once for each run that asks for it, however often that call is made.

mod act;
mod asked;
mod find;

use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use promptsales_engine::effect::{Call, CallError, Connector, Policy};
use promptsales_engine::entity::Fault;
use promptsales_engine::id::StreamId;
use promptsales_engine::runtime::{Node, WeakNode};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use self::asked::{Act, Asked, Wrong, restart_of};

/// The connector's name.
pub const CONNECTOR: &str = "runs";
/// The operation that finds some.
pub const FIND: &str = "find";
/// The operation that does something to each.
pub const ACT: &str = "act";

/// The most runs that one page holds.
pub const PAGE: usize = 200;

/// What [`FIND`] takes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Find {
    /// What is to be done to them.
    pub asked: Asked,
    /// Behind what to go on.
    pub after: Option<After>,
}

/// A place among runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct After {
    /// The cursor of the run looked at last.
    pub before: u64,
    /// The cursor of the run that asks. If it changes, the index was made anew, and cursors mean something else.
    pub asker: u64,
}

/// What [`FIND`] answers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    /// The runs, the newest first.
    pub runs: Vec<StreamId>,
    /// Runs that are meant and cannot be reached.
    pub refused: Vec<Refusal>,
    /// Behind what to go on; none at the end.
    pub next: Option<After>,
}

/// What [`ACT`] takes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Each {
    /// What is to be done.
    pub asked: Asked,
    /// To which runs.
    pub runs: Vec<StreamId>,
}

/// What [`ACT`] answers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Acted {
    /// To how many runs it was done.
    pub done: u64,
    /// Those that refused it.
    pub refused: Vec<Refusal>,
}

/// A run that something was not done to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    /// The run.
    #[schemars(with = "String")]
    pub run: StreamId,
    /// A stable code.
    pub code: String,
    /// Why.
    pub detail: String,
}

/// The runs of a node.
#[derive(Default)]
pub struct Runs {
    node: OnceLock<WeakNode>,
}

impl Runs {
    /// Tells it which node it is of. Until then its calls fail, and are made again.
    pub fn attach(&self, node: &Node) {
        // Each node has one of its own, and tells it once.
        let _ = self.node.set(node.downgrade());
    }

    fn node(&self) -> Result<Node, CallError> {
        let node = self.node.get().and_then(WeakNode::upgrade);
        node.ok_or_else(|| failed("starting", "the node is not there yet, or no more"))
    }
}

fn unreached(run: StreamId, fault: &Fault) -> Refusal {
    let code = if matches!(fault, Fault::Quarantined { .. }) { "quarantined" } else { "unreadable" };
    Refusal { run, code: code.to_owned(), detail: fault.to_string() }
}

fn failed(code: &'static str, message: &str) -> CallError {
    CallError::Failed { code: code.into(), message: message.to_owned() }
}

fn refused(code: &'static str, message: &str) -> CallError {
    CallError::Refused { code: code.into(), message: message.to_owned() }
}

fn read<T: DeserializeOwned>(request: &Value) -> Result<T, CallError> {
    T::deserialize(request).map_err(|e| refused("invalid_act", &e.to_string()))
}

#[async_trait]
impl Connector for Runs {
    fn name(&self) -> &'static str {
        CONNECTOR
    }

    fn operations(&self) -> &'static [&'static str] {
        &[FIND, ACT]
    }

    /// A call may be made again: to find changes nothing, and an act counts once for each run.
    fn policy(&self, _: &str) -> Policy {
        Policy { deadline: Duration::from_secs(30), retries: 10, ..Policy::default() }
    }

    async fn call(&self, call: Call<'_>) -> Result<Value, CallError> {
        match call.operation {
            FIND => Ok(json!(find::find(&self.node()?, &call, &read(call.request)?).await?)),
            ACT => Ok(json!(act::act(&self.node()?, &call, read(call.request)?).await?)),
            other => Err(refused("unknown_operation", &format!("`{other}`: use `{FIND}` or `{ACT}`"))),
        }
    }
}
