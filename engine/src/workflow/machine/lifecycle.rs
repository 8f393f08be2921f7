//! The lifecycle events of the Open Workflow Specification ("Lifecycle Events", DSL 1.0.3), as a fold of a run's events.
//!
//! What ends a task ends what is active inside of it too; a run that is undone is `faulted` to the specification,
//! which knows no compensation.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::event::RunEvent;
use super::migrate::Renaming;
use super::path;
use super::terms::Go;
use crate::clock::Timestamp;
use crate::id::StreamId;

/// A lifecycle event: its type, and its data.
pub type LifecycleEvent = (&'static str, Value);

/// Makes lifecycle events of a run's events.
#[derive(Debug, Clone)]
pub struct Lifecycle {
    run: StreamId,
    namespace: String,
    /// The qualified name of the run.
    name: String,
    /// The active tasks by their instance path, in the order in which they began.
    active: BTreeMap<String, u64>,
    /// What was active when the run ended in an error, and is again if it goes on.
    parked: BTreeMap<String, u64>,
    begun: u64,
    keys: BTreeMap<String, serde_json::Map<String, Value>>,
}

impl Lifecycle {
    /// Begins with the first event of a run; the namespace is that of its workflow.
    pub fn new(run: StreamId, namespace: &str) -> Self {
        Self {
            run,
            namespace: namespace.to_owned(),
            name: String::new(),
            active: BTreeMap::new(),
            parked: BTreeMap::new(),
            begun: 0,
            keys: BTreeMap::new(),
        }
    }

    /// An estimate of its size in bytes.
    pub fn size(&self) -> usize {
        let paths = self.active.keys().chain(self.parked.keys()).chain(self.keys.keys());
        paths.map(|path| 64 + path.len()).sum()
    }

    /// Folds one more event in, and gives what it means.
    pub fn apply(&mut self, event: &RunEvent, at: Timestamp) -> Vec<LifecycleEvent> {
        let mut out = Vec::new();
        match event {
            RunEvent::Started { workflow, version, .. } => out.push(self.started(workflow, version, at)),
            RunEvent::TaskStarted { path, .. } => {
                self.begun += 1;
                self.active.insert(path.clone(), self.begun);
                out.push(self.task("io.serverlessworkflow.task.created.v1", path, "createdAt", at));
                out.push(self.task("io.serverlessworkflow.task.started.v1", path, "startedAt", at));
            }
            RunEvent::TaskCompleted { path, go, .. } => {
                self.cancel_inside(path, at, &mut out);
                self.complete(path, at, &mut out);
                if *go == Go::End {
                    self.complete_around(path, at, &mut out);
                }
            }
            RunEvent::TaskFaulted { path, error, kept } => {
                if *kept && self.parked.is_empty() {
                    self.parked.clone_from(&self.active);
                }
                self.cancel_inside(path, at, &mut out);
                if self.active.remove(path).is_some() {
                    let (kind, mut data) =
                        self.task("io.serverlessworkflow.task.faulted.v1", path, "faultedAt", at);
                    data["error"] = json!(error);
                    out.push((kind, data));
                }
            }
            RunEvent::RetryStarted { path, .. } => {
                out.push(self.task("io.serverlessworkflow.task.retried.v1", path, "retriedAt", at));
            }
            RunEvent::ErrorCaught { path, .. }
            | RunEvent::RetryScheduled { path, .. }
            | RunEvent::UnwindingStarted { path, .. } => self.cancel_inside(path, at, &mut out),
            RunEvent::ListenStarted { .. } | RunEvent::SignalConsumed { .. } => {
                self.correlate(event, at, &mut out);
            }
            RunEvent::Paused { .. } => self.hold("suspended", "suspendedAt", at, &mut out),
            RunEvent::Resumed { .. } => self.hold("resumed", "resumedAt", at, &mut out),
            RunEvent::Reopened { path, .. } => self.reopen(path, at, &mut out),
            RunEvent::Moved { list, .. } => self.leave(list, at, &mut out),
            RunEvent::Migrated { tasks, turns, .. } => {
                turns.keys().for_each(|list| self.leave(list, at, &mut out));
                let renaming = Renaming { tasks: tasks.clone(), turns: turns.clone() };
                let active = std::mem::take(&mut self.active).into_iter();
                self.active = active.map(|(path, order)| (renaming.path(&path), order)).collect();
            }
            RunEvent::Completed { .. } => {
                self.end("io.serverlessworkflow.workflow.completed.v1", "completedAt", at, &mut out);
            }
            RunEvent::Faulted { error, .. } | RunEvent::Compensated { error } => {
                self.end("io.serverlessworkflow.workflow.faulted.v1", "faultedAt", at, &mut out);
                if let Some((_, data)) = out.last_mut() {
                    data["error"] = json!(error);
                }
            }
            RunEvent::Cancelled { .. } => {
                self.end("io.serverlessworkflow.workflow.cancelled.v1", "cancelledAt", at, &mut out);
            }
            _ => {}
        }
        out
    }

    fn started(&mut self, workflow: &str, version: &str, at: Timestamp) -> LifecycleEvent {
        let id = self.run.to_string();
        let id = id.rsplit('_').next().unwrap_or_default();
        self.name = format!("{workflow}-{id}.{}", self.namespace);
        let definition = json!({ "name": workflow, "namespace": self.namespace, "version": version });
        let data = json!({ "name": self.name, "definition": definition, "startedAt": at });
        ("io.serverlessworkflow.workflow.started.v1", data)
    }

    /// The tasks around one that ends the run complete with it.
    fn complete_around(&mut self, path: &str, at: Timestamp, out: &mut Vec<LifecycleEvent>) {
        let mut around: Vec<_> =
            self.active.keys().filter(|other| path::within(path, other)).cloned().collect();
        around.sort_by_key(|path| std::cmp::Reverse(path.len()));
        for outer in around {
            self.cancel_inside(&outer, at, out);
            self.complete(&outer, at, out);
        }
    }

    /// What is active of a list is left for another task of it.
    fn leave(&mut self, list: &str, at: Timestamp, out: &mut Vec<LifecycleEvent>) {
        let left: Vec<_> = self.active.keys().filter(|path| path::list_of(path) == list).cloned().collect();
        for path in left {
            self.cancel_inside(&path, at, out);
            self.active.remove(&path);
            out.push(self.task("io.serverlessworkflow.task.cancelled.v1", &path, "cancelledAt", at));
        }
    }

    /// A task that failed is tried again, and what was active with it goes on.
    fn reopen(&mut self, failed: &str, at: Timestamp, out: &mut Vec<LifecycleEvent>) {
        self.active = std::mem::take(&mut self.parked);
        out.push(self.workflow("io.serverlessworkflow.workflow.resumed.v1", "resumedAt", at));
        out.push(self.task("io.serverlessworkflow.task.retried.v1", failed, "retriedAt", at));
    }

    fn task(&self, kind: &'static str, path: &str, when: &str, at: Timestamp) -> LifecycleEvent {
        let mut data = json!({ "workflow": self.name, "task": path::reference(path) });
        data[when] = json!(at);
        (kind, data)
    }

    fn workflow(&self, kind: &'static str, when: &str, at: Timestamp) -> LifecycleEvent {
        let mut data = json!({ "name": self.name });
        data[when] = json!(at);
        (kind, data)
    }

    fn complete(&mut self, path: &str, at: Timestamp, out: &mut Vec<LifecycleEvent>) {
        if self.active.remove(path).is_some() {
            out.push(self.task("io.serverlessworkflow.task.completed.v1", path, "completedAt", at));
        }
    }

    fn cancel_inside(&mut self, root: &str, at: Timestamp, out: &mut Vec<LifecycleEvent>) {
        let inside = |path: &&String| path::within(path, root) && *path != root;
        let gone: Vec<String> = self.active.keys().filter(inside).cloned().collect();
        for path in gone {
            self.active.remove(&path);
            out.push(self.task("io.serverlessworkflow.task.cancelled.v1", &path, "cancelledAt", at));
        }
    }

    fn end(&mut self, kind: &'static str, when: &str, at: Timestamp, out: &mut Vec<LifecycleEvent>) {
        self.cancel_inside("", at, out);
        out.push(self.workflow(kind, when, at));
    }

    fn hold(&self, how: &str, when: &str, at: Timestamp, out: &mut Vec<LifecycleEvent>) {
        let (workflow, task) = match how {
            "suspended" => {
                ("io.serverlessworkflow.workflow.suspended.v1", "io.serverlessworkflow.task.suspended.v1")
            }
            _ => ("io.serverlessworkflow.workflow.resumed.v1", "io.serverlessworkflow.task.resumed.v1"),
        };
        out.push(self.workflow(workflow, when, at));
        let mut tasks: Vec<_> = self.active.iter().collect();
        tasks.sort_by_key(|(_, order)| **order);
        out.extend(tasks.into_iter().map(|(path, _)| self.task(task, path, when, at)));
    }

    fn correlate(&mut self, event: &RunEvent, at: Timestamp, out: &mut Vec<LifecycleEvent>) {
        match event {
            RunEvent::ListenStarted { path, .. } => {
                self.keys.insert(path.clone(), serde_json::Map::new());
                out.push(self.workflow(
                    "io.serverlessworkflow.workflow.correlation-started.v1",
                    "startedAt",
                    at,
                ));
            }
            RunEvent::SignalConsumed { path, keys, closes, .. } => {
                self.keys.entry(path.clone()).or_default().extend(keys.clone());
                if *closes {
                    let (kind, mut data) = self.workflow(
                        "io.serverlessworkflow.workflow.correlation-completed.v1",
                        "completedAt",
                        at,
                    );
                    let keys = self.keys.remove(path).filter(|keys| !keys.is_empty());
                    if let Some(keys) = keys {
                        data["correlationKeys"] = Value::Object(keys);
                    }
                    out.push((kind, data));
                }
            }
            _ => {}
        }
    }
}
