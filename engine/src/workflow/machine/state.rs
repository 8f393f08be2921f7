//! The state of a run: what is active, what it waits for, and what there is to undo. A fold of its events.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(super) use super::log::{Call, CallState, Holder, Undo, Waiting};
use super::path;
use super::terms::{After, Data, Part, TaskType};
use crate::clock::Timestamp;
use crate::id::StreamId;
use crate::workflow::action::WorkflowError;

/// The state of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunState {
    /// The workflow's name.
    pub workflow: String,
    /// The version that the run is pinned to.
    pub version: String,
    /// The digest of that version's text.
    pub digest: String,
    /// What started it.
    pub cause: Option<String>,
    /// The key under which it was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What it is found by, beside what every run is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Value>,
    /// The run that waits for its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<StreamId>,
    /// The raw input.
    pub input: Data,
    /// The context that tasks export to.
    pub context: Data,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How it ended.
    pub end: Option<End>,
    /// Since when it is paused.
    pub paused: Option<Timestamp>,
    /// True if time stands still for it while it is paused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub frozen: bool,
    /// The task that failed, of a run that ended in an error and can go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    pub(super) frames: BTreeMap<String, Frame>,
    pub(super) lists: BTreeMap<String, List>,
    pub(super) agenda: VecDeque<Work>,
    pub(super) calls: BTreeMap<u64, Call>,
    pub(super) pending: BTreeMap<String, u64>,
    /// How runs ended that told so before the answer to their start came.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) early: BTreeMap<StreamId, Data>,
    pub(super) signals: VecDeque<Signal>,
    pub(super) timers: BTreeMap<String, Timestamp>,
    /// The topics at which it has ever listened.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) topics: BTreeSet<StreamId>,
    /// The events that came last, by source and id: one that comes from two topics counts once.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub(super) heard: VecDeque<u64>,
    pub(super) started_tasks: u64,
    pub(super) last_call: u64,
    pub(super) last_signal: u64,
}

/// How many events are remembered, so that none counts twice.
const MOST_HEARD: usize = 256;

/// A digest of what makes an event the same: its source and id (CloudEvents 1.0, section 3.1).
fn identity(event: &Value) -> u64 {
    let part = |name: &str| event[name].as_str().unwrap_or_default();
    let [a, b, c, d, e, f, g, h, ..] = crate::id::digest("heard", &[part("source"), part("id")]);
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// Well, with an output.
    Completed {
        /// The output.
        output: Data,
    },
    /// In an error.
    Faulted {
        /// The error.
        error: WorkflowError,
    },
    /// In an error, and undone.
    Compensated {
        /// The error.
        error: WorkflowError,
    },
    /// Before its time.
    Cancelled {
        /// Why.
        reason: Option<String>,
    },
}

/// What the engine itself has to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Work {
    /// Go on with a task.
    Task(String),
    /// Go on with a list.
    List(String),
}

/// An active task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Frame {
    pub(super) key: String,
    pub(super) parent: String,
    pub(super) part: Part,
    pub(super) kind: TaskType,
    /// The place among all tasks of the run in the order in which they began.
    pub(super) order: u64,
    pub(super) started_at: Timestamp,
    pub(super) raw: Data,
    pub(super) input: Data,
    pub(super) saga: bool,
    pub(super) retries: bool,
    /// How often a person had it begin anew.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) again: u32,
    pub(super) phase: Phase,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// How far an active task is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub(super) enum Phase {
    /// It began, and nothing more.
    Begun,
    /// Its tasks are under way.
    Inside,
    /// Its tasks gave this; `then` is where they lead.
    Returned {
        output: Data,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        then: Option<String>,
    },
    /// A loop.
    Loop {
        items: Data,
        parallel: Option<u32>,
        next: u64,
        active: u64,
        data: Data,
        outputs: BTreeMap<u64, Data>,
    },
    /// A fork.
    Fork { branches: u64, compete: bool, opened: u64, outputs: BTreeMap<u64, Data> },
    /// A `try`.
    Try { attempt: u32, stage: Stage },
    /// A call, by its number.
    Call { call: u64 },
    /// A wait.
    Waiting { until: Timestamp },
    /// A listener.
    Listening(Box<Listening>),
    /// Its calls are being undone; `calls` are those that remain, `unsettled` counts those still under way.
    Unwinding { calls: Vec<u64>, unsettled: u64, then: After },
}

/// How far a listener is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Listening {
    /// What it waits for, in words.
    pub(super) signal: String,
    /// The topics at which it listens.
    pub(super) topics: Vec<StreamId>,
    /// The filters that have been met.
    pub(super) met: BTreeSet<usize>,
    /// The correlations that events have set.
    pub(super) keys: BTreeMap<String, Value>,
    /// What was consumed.
    pub(super) taken: Vec<Data>,
    /// True if there are tasks for each event.
    pub(super) foreach: bool,
    /// What waits for those tasks.
    pub(super) queue: VecDeque<Data>,
    /// What the tasks are at.
    pub(super) current: Option<Data>,
    /// How many events the tasks have begun with.
    pub(super) round: u64,
    /// What the tasks gave.
    pub(super) outputs: Vec<Data>,
    /// True if it takes no more.
    pub(super) closed: bool,
}

/// How far a `try` is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub(super) enum Stage {
    /// About to try.
    Ready,
    /// Trying.
    Trying,
    /// Waiting to try again.
    Backoff { until: Timestamp, error: WorkflowError },
    /// About to handle an error.
    Caught { error: WorkflowError },
    /// Handling an error.
    Catching { error: WorkflowError },
    /// Through.
    Done { output: Data, caught: bool },
}

/// A list of tasks of which one is active.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct List {
    pub(super) owner: String,
    pub(super) part: Part,
    pub(super) data: Data,
    /// The task that is to begin.
    pub(super) turn: Option<usize>,
    /// How often each task was begun.
    pub(super) visits: BTreeMap<usize, u32>,
    /// Where the task around it goes on behind the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) then: Option<String>,
}

/// A signal that nobody has taken yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Signal {
    pub(super) number: u64,
    pub(super) name: String,
    pub(super) data: Data,
    pub(super) at: Timestamp,
    /// True if it is an event, and the data all of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) event: bool,
}

impl Frame {
    /// What the task puts out if nothing reshapes it.
    pub(super) fn natural(&self) -> &Data {
        match &self.phase {
            Phase::Returned { output, .. } | Phase::Try { stage: Stage::Done { output, .. }, .. } => output,
            Phase::Loop { data, parallel: None, .. } => data,
            _ => &self.input,
        }
    }

    /// The attempt of a `try`; 1 for every other task.
    pub(super) fn attempt(&self) -> u32 {
        match self.phase {
            Phase::Try { attempt, .. } => attempt,
            _ => 1,
        }
    }
}

impl RunState {
    /// The active tasks inside of a path, itself included.
    pub(super) fn frames_within(&self, root: &str) -> Vec<String> {
        let from = self.frames.range(root.to_owned()..);
        let near = from.map(|(path, _)| path).take_while(|path| path.starts_with(root));
        near.filter(|path| path::within(path, root)).cloned().collect()
    }

    /// The tasks around a task, from the inside out, down to the run itself.
    pub(super) fn around<'a>(&'a self, path: &str) -> impl Iterator<Item = (&'a str, &'a Frame)> {
        let mut next = self.frames.get(path).filter(|_| !path.is_empty()).map(|frame| frame.parent.as_str());
        std::iter::from_fn(move || {
            let parent = next?;
            let frame = self.frames.get(parent)?;
            next = (!parent.is_empty()).then_some(frame.parent.as_str());
            Some((parent, frame))
        })
    }

    /// The innermost saga that still holds a call.
    pub(super) fn saga_of<'a>(&self, call: &'a Call) -> Option<&'a str> {
        let mut sagas = call.holders.iter().filter(|holder| holder.saga);
        sagas.find(|holder| self.frames.contains_key(&holder.path)).map(|holder| holder.path.as_str())
    }

    /// The calls that must be undone if what is inside of a path ends now, in the order in which they began.
    pub(super) fn to_unwind(&self, root: &str) -> Vec<u64> {
        let inside = |call: &Call| {
            let taken = call.unwinding.as_deref().is_some_and(|at| path::within(at, root));
            let active = |holder: &&Holder| self.frames.contains_key(&holder.path);
            let mut sagas = call.holders.iter().filter(|holder| holder.saga).filter(active);
            taken || sagas.any(|holder| path::within(&holder.path, root))
        };
        let open = self.calls.iter().filter(|(_, call)| call.is_open_or_done() && inside(call));
        open.map(|(number, _)| *number).collect()
    }

    /// The data that a part of a task begins with.
    pub(super) fn incoming(&self, owner: &str, part: Part, list: &str) -> Option<Data> {
        if let Some(list) = self.lists.get(list).filter(|_| !matches!(part, Part::Branch(_))) {
            return Some(list.data.clone());
        }
        let frame = self.frames.get(owner)?;
        Some(match (&frame.phase, part) {
            (Phase::Loop { data, parallel: None, .. }, Part::Iteration(_)) => data.clone(),
            (Phase::Listening(listening), Part::Iteration(_)) => {
                listening.queue.front().or(listening.current.as_ref())?.clone()
            }
            _ => frame.input.clone(),
        })
    }

    /// The topics that are to send the run what comes.
    pub(super) fn wanted_topics(&self) -> BTreeSet<StreamId> {
        let topics = |frame: &Frame| match &frame.phase {
            Phase::Listening(listening) if !listening.closed => listening.topics.clone(),
            _ => Vec::new(),
        };
        if self.topics.is_empty() || self.end.is_some() {
            BTreeSet::new()
        } else {
            self.frames.values().flat_map(topics).collect()
        }
    }

    /// The runs whose end is waited for; those with `true` are not needed any more.
    pub(super) fn children(&self) -> BTreeMap<StreamId, bool> {
        // One that may be taken up again still waits.
        if self.end.is_some() && self.failed.is_none() {
            return BTreeMap::new();
        }
        let from = self.pending.range("run_".to_owned()..).take_while(|(id, _)| id.starts_with("run_"));
        let each = from.filter_map(|(id, number)| {
            let call = self.calls.get(number)?;
            // The task with which a run failed begins anew.
            let is_over = call.state == CallState::Stopped || self.failed.as_ref() == Some(&call.path);
            Some((id.parse().ok()?, is_over))
        });
        each.collect()
    }

    /// Whether an event came already.
    pub(super) fn has_heard(&self, event: &Value) -> bool {
        self.heard.contains(&identity(event))
    }

    /// Notes that an event came.
    pub(super) fn note_heard(&mut self, event: &Value) {
        self.heard.push_back(identity(event));
        if self.heard.len() > MOST_HEARD {
            self.heard.pop_front();
        }
    }

    /// The timers that the run wants to be set.
    pub(super) fn wanted_timers(&self) -> BTreeMap<String, Timestamp> {
        if self.paused.is_some() || self.end.is_some() { BTreeMap::new() } else { self.timers.clone() }
    }
}
