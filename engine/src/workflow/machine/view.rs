//! A run as a person may see it: its status, and what it waits for.

use serde::Serialize;
use serde_json::{Value, json};

use super::path;
use super::state::{Call, CallState, End, Frame, Phase, RunState, Stage, Waiting};
use crate::clock::Timestamp;
use crate::id::StreamId;

/// The status of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Asked for, and not begun.
    Pending,
    /// At work: a call is under way, or the engine has something to do.
    Running,
    /// Waiting for a time or a signal.
    Waiting,
    /// Held by a person.
    Suspended,
    /// A person must see to it.
    NeedsAttention,
    /// Ended well.
    Completed,
    /// Ended in an error.
    Faulted,
    /// Ended in an error, and undone.
    Compensated,
    /// Ended before its time.
    Cancelled,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Pending,
        Self::Running,
        Self::Waiting,
        Self::Suspended,
        Self::NeedsAttention,
        Self::Completed,
        Self::Faulted,
        Self::Compensated,
        Self::Cancelled,
    ];

    /// True if a run of this status has ended.
    pub fn is_end(self) -> bool {
        match self {
            Self::Completed | Self::Faulted | Self::Compensated | Self::Cancelled => true,
            Self::Pending | Self::Running | Self::Waiting | Self::Suspended | Self::NeedsAttention => false,
        }
    }

    /// The wire name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Suspended => "suspended",
            Self::NeedsAttention => "needs-attention",
            Self::Completed => "completed",
            Self::Faulted => "faulted",
            Self::Compensated => "compensated",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The kind of thing that a run waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitKind {
    /// The answer to a step of a call.
    Call,
    /// A time.
    Timer,
    /// A signal.
    Signal,
    /// The next attempt of a `try`.
    Retry,
    /// The answer to a call whose task was cancelled; then undoing begins.
    Settling,
    /// The undoing of a call, or its next attempt.
    Compensation,
    /// A person.
    Attention,
    /// A person who lets it go on.
    Resume,
    /// Its next turn: it has used its share of one transition up.
    Turn,
}

/// What a run waits for while it is at work itself.
const AT_WORK: [WaitKind; 3] = [WaitKind::Call, WaitKind::Settling, WaitKind::Compensation];

/// One thing that a run waits for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WaitingFor {
    /// What kind of thing.
    pub kind: WaitKind,
    /// The JSON pointer of the task.
    pub task: String,
    /// The task's instance path.
    pub path: String,
    /// In words: the action, the signal, the error.
    pub what: String,
    /// Since when.
    pub since: Timestamp,
    /// The id of the message or effect that is to be answered, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Until when, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl RunState {
    /// The run's status.
    pub fn status(&self) -> Status {
        match &self.end {
            Some(End::Completed { .. }) => return Status::Completed,
            Some(End::Faulted { .. }) => return Status::Faulted,
            Some(End::Compensated { .. }) => return Status::Compensated,
            Some(End::Cancelled { .. }) => return Status::Cancelled,
            None => {}
        }
        let waits = self.waiting_for();
        let is = |kind| waits.iter().any(|wait| wait.kind == kind);
        if is(WaitKind::Attention) {
            Status::NeedsAttention
        } else if self.paused.is_some() {
            Status::Suspended
        } else if !self.agenda.is_empty() || AT_WORK.into_iter().any(is) {
            Status::Running
        } else {
            Status::Waiting
        }
    }

    /// What the run waits for, in the order of its tasks, then of its calls.
    pub fn waiting_for(&self) -> Vec<WaitingFor> {
        if self.end.is_some() {
            return Vec::new();
        }
        let mut frames: Vec<_> = self.frames.iter().collect();
        frames.sort_by_key(|(_, frame)| frame.order);
        let tasks = frames.into_iter().filter_map(|(path, frame)| self.task_wait(path, frame));
        let calls = self.calls.iter().filter_map(|(number, call)| self.call_wait(*number, call));
        self.own_wait().into_iter().chain(tasks).chain(calls).collect()
    }

    /// What the run as a whole waits for.
    fn own_wait(&self) -> Option<WaitingFor> {
        let of = |kind, what: &str, since| WaitingFor { kind, ..self.wait("", what.to_owned(), since) };
        if self.end.is_some() {
            return None;
        }
        if let Some(since) = self.paused {
            return Some(of(WaitKind::Resume, "a person who lets it go on", since));
        }
        let due = *self.timers.get("yield")?;
        Some(WaitingFor { until: Some(due), ..of(WaitKind::Turn, "its next turn", due) })
    }

    fn task_wait(&self, path: &str, frame: &Frame) -> Option<WaitingFor> {
        let (kind, what, until) = match &frame.phase {
            Phase::Waiting { until } => (WaitKind::Timer, "a time".to_owned(), Some(*until)),
            Phase::Listening(listening) if listening.current.is_none() => {
                (WaitKind::Signal, listening.signal.clone(), self.deadline(path))
            }
            Phase::Try { stage: Stage::Backoff { until, error }, .. } => {
                let title = error.title.as_deref().unwrap_or(&error.kind);
                (WaitKind::Retry, format!("another attempt after: {title}"), Some(*until))
            }
            _ => return None,
        };
        Some(WaitingFor { kind, until, ..self.wait(path, what, frame.started_at) })
    }

    fn call_wait(&self, number: u64, call: &Call) -> Option<WaitingFor> {
        if let Some(undo) = call.undo.as_ref().filter(|_| call.unwinding.is_some()) {
            let of = format!("undoing `{}`", call.action);
            let failed = || undo.error.as_ref().map(|e| e.detail.as_deref().unwrap_or(&e.kind).to_owned());
            let (kind, what, since) = match &undo.waiting {
                _ if undo.stuck => {
                    let what =
                        format!("{of} failed {} times: {}", undo.attempt, failed().unwrap_or_default());
                    (WaitKind::Attention, what, undo.since)
                }
                Some(Waiting { what, since, .. }) => {
                    (WaitKind::Compensation, format!("{of}: {what}"), *since)
                }
                None if undo.retry_at.is_some() => {
                    let what = format!("{of} again after: {}", failed().unwrap_or_default());
                    (WaitKind::Compensation, what, undo.since)
                }
                None => return None,
            };
            let wait = self.wait(&call.path, what, since);
            let id = undo.waiting.as_ref().map(|waiting| waiting.id.clone());
            return Some(WaitingFor { kind, id, until: undo.retry_at, ..wait });
        }
        let waiting = call.waiting.as_ref()?;
        let kind = match call.unwinding {
            Some(_) => WaitKind::Settling,
            None if self.is_at_work(number, call) && call.state == CallState::Open => WaitKind::Call,
            None => return None,
        };
        let what = format!("{}: {}", call.action, waiting.what);
        let (id, until) = (Some(waiting.id.clone()), self.deadline(&call.path));
        Some(WaitingFor { kind, id, until, ..self.wait(&call.path, what, waiting.since) })
    }

    fn wait(&self, at: &str, what: String, since: Timestamp) -> WaitingFor {
        let (task, path) = (path::reference(at), at.to_owned());
        WaitingFor { kind: WaitKind::Call, task, path, what, since, id: None, until: None }
    }

    fn deadline(&self, path: &str) -> Option<Timestamp> {
        self.timers.get(&format!("timeout:{path}")).copied()
    }

    /// The run as it is shown.
    pub fn view(&self, id: StreamId) -> Value {
        let (output, error) = match &self.end {
            Some(End::Completed { output }) => (Some(output), None),
            Some(End::Faulted { error } | End::Compensated { error }) => (None, Some(error)),
            Some(End::Cancelled { .. }) | None => (None, None),
        };
        let mut view = json!({
            "id": id,
            "workflow": self.workflow,
            "version": self.version,
            "status": self.status(),
            "input": self.input,
            "output": output,
            "error": error,
            "waitingFor": self.waiting_for(),
            "startedAt": self.started_at,
            "endedAt": self.ended_at,
        });
        if let Some(parent) = &self.parent {
            view["parent"] = json!(parent);
        }
        if let Some(key) = &self.key {
            view["key"] = key.as_str().into();
        }
        if !self.attributes.is_empty() {
            view["attributes"] = json!(self.attributes);
        }
        if let Some(cause) = &self.cause {
            view["cause"] = cause.as_str().into();
        }
        if let Some(End::Cancelled { reason: Some(reason) }) = &self.end {
            view["reason"] = reason.as_str().into();
        }
        view
    }
}
