//! What happened in a scenario, for its expectations and for whoever reads why it failed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::iso;
use crate::clock::Timestamp;
use crate::workflow::action::WorkflowError;
use crate::workflow::definition::clip;
use crate::workflow::machine::{RUN, RunEvent};

/// A call of an action, or a run of another workflow.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Called {
    /// The task's instance path.
    pub(super) path: String,
    /// The path of the first attempt, which the ids are made of that the action gives.
    pub(super) identity: String,
    pub(super) action: String,
    pub(super) arguments: Value,
}

impl Called {
    /// The namespace and the name of the workflow that it runs, where it runs one.
    pub(super) fn workflow(&self) -> Option<(&str, &str)> {
        let of = |field: &str| self.arguments[field].as_str();
        if self.action == RUN { of("namespace").zip(of("name")) } else { None }
    }

    /// What it is called by: the action, or the workflow with its namespace.
    pub(super) fn name(&self) -> String {
        match self.workflow() {
            Some((namespace, name)) => format!("{namespace}/{name}"),
            None => self.action.clone(),
        }
    }

    /// What it is given: the arguments of an action, or the input of a workflow.
    pub(super) fn given(&self) -> &Value {
        if self.action == RUN { &self.arguments["input"] } else { &self.arguments }
    }

    /// Whether it is meant by the name of an action or a workflow, the latter with its namespace or without.
    pub(super) fn is_of(&self, named: &str) -> bool {
        match self.workflow() {
            Some((_, name)) => name == named || self.name() == named,
            None => self.action == named,
        }
    }
}

/// What happened so far.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// The lines for a person.
    pub(super) lines: Vec<String>,
    /// The instance paths of the tasks in the order in which they began.
    pub(super) tasks: Vec<String>,
    /// The calls in the order in which they were made; one that is tried again stands here again.
    pub(super) calls: Vec<Called>,
    /// The instance paths of the tasks whose calls were undone, in that order.
    pub(super) undone: Vec<String>,
    /// The number of events.
    pub(super) events: usize,
    /// The filters that each task which listens has met, by its instance path.
    pub(super) met: BTreeMap<String, BTreeSet<usize>>,
    by_number: BTreeMap<u64, Called>,
    start: Timestamp,
}

impl Log {
    pub(super) fn new(start: Timestamp) -> Self {
        Self { start, ..Self::default() }
    }

    /// The call of a number.
    pub(super) fn call(&self, number: u64) -> Option<&Called> {
        self.by_number.get(&number)
    }

    /// Notes that something happened somewhere.
    pub(super) fn note(&mut self, now: Timestamp, what: &str, rest: &str) {
        let at = iso(now.since(self.start));
        self.lines.push(format!("{at:<12} {what:<10} {rest}").trim_end().to_owned());
    }

    /// Takes an event of the run in.
    pub(super) fn event(&mut self, now: Timestamp, event: &RunEvent) {
        self.events += 1;
        self.remember(event);
        if let Some((what, rest)) = self.described(event) {
            self.note(now, what, &rest);
        }
    }

    fn remember(&mut self, event: &RunEvent) {
        match event {
            RunEvent::TaskStarted { path, .. } => self.tasks.push(path.clone()),
            RunEvent::CallStarted { path, call, action, arguments, .. } => {
                let (path, action, arguments) = (path.clone(), action.clone(), (**arguments).clone());
                let called = Called { identity: path.clone(), path, action, arguments };
                self.by_number.insert(*call, called);
            }
            RunEvent::CallResumed { path, call, arguments, .. } => {
                if let Some(called) = self.by_number.get_mut(call) {
                    called.path.clone_from(path);
                    if let Some(arguments) = arguments {
                        called.arguments = (**arguments).clone();
                    }
                }
            }
            RunEvent::SignalConsumed { path, filter: Some(filter), .. } => {
                self.met.entry(path.clone()).or_default().insert(*filter);
            }
            RunEvent::CompensationEnded { call, undone: true } => {
                let path = self.by_number.get(call).map(|called| called.path.clone());
                self.undone.extend(path);
            }
            _ => {}
        }
    }

    /// An event in words; none if it says nothing to whoever wrote the workflow.
    fn described(&self, event: &RunEvent) -> Option<(&'static str, String)> {
        let of = |call: &u64| self.call(*call).map_or_else(String::new, |called| called.path.clone());
        Some(match event {
            RunEvent::TaskStarted { path, .. } => ("begins", path.clone()),
            RunEvent::TaskSkipped { path, .. } => ("skips", path.clone()),
            RunEvent::TaskFaulted { path, error, .. } => ("fails", format!("{path}: {}", in_words(error))),
            RunEvent::WaitStarted { path, until } => {
                ("waits", format!("{path} until {}", iso(until.since(self.start))))
            }
            RunEvent::ListenStarted { path, .. } => ("listens", path.clone()),
            RunEvent::SignalReceived { name, data, .. } => {
                ("signal", format!("{name} {}", clip(&data.to_string())))
            }
            RunEvent::ErrorCaught { path, error, .. } => ("catches", format!("{path}: {}", in_words(error))),
            RunEvent::RetryScheduled { path, attempt, at, .. } => {
                ("retries", format!("{path}, attempt {attempt}, at {}", iso(at.since(self.start))))
            }
            RunEvent::UnwindingStarted { path, calls, .. } => {
                let whole = if path.is_empty() { "the run" } else { path };
                ("unwinds", format!("{whole}: {} calls", calls.len()))
            }
            RunEvent::CompensationEnded { call, undone: true } => ("undoes", of(call)),
            RunEvent::CompensationFailed { call, error, .. } => {
                ("cannot undo", format!("{}: {}", of(call), in_words(error)))
            }
            RunEvent::Paused { .. } => ("pauses", String::new()),
            RunEvent::Resumed { .. } => ("resumes", String::new()),
            RunEvent::CancelRequested { reason, .. } => ("is to end", reason.clone().unwrap_or_default()),
            RunEvent::Completed { output } => ("completes", clip(&output.to_string())),
            RunEvent::Faulted { error, .. } => ("faults", in_words(error)),
            RunEvent::Compensated { error } => ("is undone", in_words(error)),
            RunEvent::Cancelled { .. } => ("is cancelled", String::new()),
            _ => return None,
        })
    }
}

/// An error in a line.
pub(super) fn in_words(error: &WorkflowError) -> String {
    let kind = error.kind.rsplit([':', '/']).next().unwrap_or_default();
    let detail = error.detail.as_deref().map(|detail| format!(": {detail}")).unwrap_or_default();
    format!("{kind} ({}){detail}", error.status)
}
