//! The log of calls, by which sagas are undone and failed calls taken up again.

use serde::{Deserialize, Serialize};

use super::terms::Data;
use crate::clock::Timestamp;
use crate::workflow::action::{StepResult, WorkflowError};

/// A call of an action: an entry of the log that sagas are undone by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Call {
    pub(super) path: String,
    pub(super) key: String,
    /// The path that its ids are derived of: that of its first attempt.
    pub(super) identity: String,
    pub(super) action: String,
    pub(super) arguments: Data,
    pub(super) compensates: bool,
    pub(super) generation: u32,
    pub(super) steps: Vec<StepResult>,
    /// True if nobody knows whether the step that comes next has been done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) doubt: bool,
    pub(super) waiting: Option<Waiting>,
    pub(super) state: CallState,
    pub(super) output: Option<Data>,
    /// The tasks around it that keep it in the log, from the inside out.
    pub(super) holders: Vec<Holder>,
    /// The task that is undoing it.
    pub(super) unwinding: Option<String>,
    pub(super) undo: Option<Undo>,
    pub(super) since: Timestamp,
}

/// A task that keeps calls in the log: a saga until it is through, a `try` until it tries no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Holder {
    pub(super) path: String,
    pub(super) saga: bool,
}

/// How a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum CallState {
    /// Under way.
    Open,
    /// Done.
    Completed,
    /// The action raised an error.
    Failed,
    /// Its task was cancelled; it takes no further step.
    Stopped,
    /// Undone, or there was nothing to undo.
    Undone,
}

/// A step that has been sent and not answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub(super) id: String,
    pub(super) what: String,
    pub(super) since: Timestamp,
}

/// How far the undoing of a call is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Undo {
    /// How often it has failed.
    pub(super) attempt: u32,
    pub(super) generation: u32,
    pub(super) steps: Vec<StepResult>,
    /// As with [`Call::doubt`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) doubt: bool,
    pub(super) waiting: Option<Waiting>,
    pub(super) retry_at: Option<Timestamp>,
    pub(super) error: Option<WorkflowError>,
    /// True if a person must see to it.
    pub(super) stuck: bool,
    pub(super) since: Timestamp,
}

impl Call {
    /// True if it may have changed something.
    pub(super) fn touched(&self) -> bool {
        self.waiting.is_some() || self.steps.iter().any(|step| !step.changed_nothing())
    }

    /// True if it must be settled or undone before what it belongs to can be called undone.
    pub(super) fn is_open_or_done(&self) -> bool {
        self.state != CallState::Undone && (self.waiting.is_some() || (self.compensates && self.touched()))
    }
}
