//! The terms that a run's events and state share.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::workflow::action::WorkflowError;

/// A value that flows through a run; shared, never changed.
pub type Data = Arc<Value>;

/// The type of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TaskType {
    /// Tasks one after the other.
    Do,
    /// Sets data.
    Set,
    /// Chooses where to go on.
    Switch,
    /// A loop.
    For,
    /// Tasks side by side.
    Fork,
    /// Calls an action.
    Call,
    /// Waits for a time.
    Wait,
    /// Sends an event.
    Emit,
    /// Waits for events.
    Listen,
    /// Raises an error.
    Raise,
    /// Runs another workflow.
    Run,
    /// Handles errors.
    Try,
}

/// The part of its owner that a task belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The tasks of a `do`, or what a `try` tries.
    Body,
    /// What a `try` does with an error.
    Catch,
    /// An iteration of a loop, from 0.
    Iteration(u64),
    /// A branch of a fork, from 0.
    Branch(u64),
}

/// Where a list goes on after one of its tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Go {
    /// With the task at this place of the list.
    To(usize),
    /// Behind the list.
    Out,
    /// Nowhere: the run is complete.
    End,
}

/// How a call came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CallEnd {
    /// The action is done.
    Completed,
    /// The action raised an error.
    Failed,
}

/// What comes after an unwinding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum After {
    /// The error goes on outward.
    Fault {
        /// The error.
        error: WorkflowError,
    },
    /// The run is cancelled.
    Cancel {
        /// Why, if somebody said so.
        reason: Option<String>,
    },
    /// The task completes.
    Complete {
        /// Its raw output.
        output: Data,
    },
    /// The run completes.
    End {
        /// The last task's output.
        output: Data,
    },
}
