//! The tasks of a run in the order in which they began: a fold of its events for those who look at it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::event::RunEvent;
use super::migrate::Renaming;
use super::path;
use super::terms::{Go, TaskType};
use crate::clock::Timestamp;
use crate::codec::{ShapeError, read_named};
use crate::journal::Event;

/// The status of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskStatus {
    /// At work, or its tasks are.
    Running,
    /// Waiting for a time, a signal, or its next attempt.
    Waiting,
    /// Ended well.
    Completed,
    /// Ended in an error.
    Faulted,
    /// Not run: its condition did not hold.
    Skipped,
    /// Ended before its time.
    Cancelled,
    /// Undone.
    Compensated,
}

/// A task of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskItem {
    /// Its name.
    pub name: String,
    /// Its JSON pointer in the definition.
    pub reference: String,
    /// Its instance path, without the attempts of the `try`s around it.
    pub path: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: TaskType,
    /// How it stands.
    pub status: TaskStatus,
    /// How often it was begun, or tried.
    pub attempts: u32,
    /// When it began first.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// The tasks of a run.
#[derive(Debug, Clone, Default)]
pub struct TaskList {
    items: Vec<TaskItem>,
    /// The items by their path without attempts.
    by_key: BTreeMap<String, usize>,
    /// What was active when the run ended in an error, and is again if it goes on.
    parked: Vec<(String, usize, TaskStatus)>,
    /// The active ones by their instance path.
    active: BTreeMap<String, usize>,
    /// The items of calls that may be undone.
    calls: BTreeMap<u64, usize>,
}

impl TaskList {
    /// A list without tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// The tasks of a run, folded from its stored events.
    ///
    /// # Errors
    ///
    /// When an event has no shape of a run's events.
    pub fn of(events: &[Event]) -> Result<Self, ShapeError> {
        let mut list = Self::new();
        for event in events {
            list.apply(&read_named(&event.body.name, event.body.data.text())?, event.at);
        }
        Ok(list)
    }

    /// The tasks in the order in which they began.
    pub fn items(&self) -> &[TaskItem] {
        &self.items
    }

    /// Folds one more event in.
    pub fn apply(&mut self, event: &RunEvent, at: Timestamp) {
        match event {
            RunEvent::TaskStarted { path, key, kind, .. } => self.begin(path, key.as_deref(), *kind, at),
            RunEvent::TaskSkipped { path, key, kind, .. } => {
                self.begin(path, key.as_deref(), *kind, at);
                self.end(path, TaskStatus::Skipped, at);
            }
            RunEvent::TaskCompleted { path, go, .. } => {
                self.end(path, TaskStatus::Completed, at);
                if *go == Go::End {
                    self.complete_around(path, at);
                }
            }
            RunEvent::TaskFaulted { path, kept, .. } => {
                if *kept {
                    self.park();
                }
                self.end(path, TaskStatus::Faulted, at);
            }
            RunEvent::WaitStarted { path, .. }
            | RunEvent::ListenStarted { path, .. }
            | RunEvent::RetryScheduled { path, .. } => {
                self.cancel_inside(path, at);
                self.set(path, TaskStatus::Waiting);
            }
            RunEvent::RetryStarted { path, attempt, .. } => {
                self.set(path, TaskStatus::Running);
                if let Some(item) = self.active.get(path) {
                    self.items[*item].attempts = *attempt;
                }
            }
            RunEvent::ErrorCaught { path, .. } | RunEvent::UnwindingStarted { path, .. } => {
                self.cancel_inside(path, at);
            }
            RunEvent::CallStarted { path, call, .. } | RunEvent::CallResumed { path, call, .. } => {
                if let Some(item) = self.active.get(path) {
                    self.calls.insert(*call, *item);
                }
            }
            RunEvent::CompensationEnded { call, undone: true } => {
                if let Some(item) = self.calls.get(call) {
                    self.items[*item].status = TaskStatus::Compensated;
                }
            }
            RunEvent::Reopened { path, .. } => self.reopen(path),
            RunEvent::Moved { list, .. } => self.leave(list, at),
            RunEvent::Migrated { tasks, turns, .. } => {
                turns.keys().for_each(|list| self.leave(list, at));
                self.rename(&Renaming { tasks: tasks.clone(), turns: turns.clone() });
            }
            RunEvent::Completed { .. }
            | RunEvent::Faulted { .. }
            | RunEvent::Compensated { .. }
            | RunEvent::Cancelled { .. } => self.cancel_inside("", at),
            // Steps of calls, signals and acts change no task by themselves.
            _ => {}
        }
    }

    fn begin(&mut self, at_path: &str, key: Option<&str>, kind: TaskType, at: Timestamp) {
        let key = key.unwrap_or(at_path);
        let index = *self.by_key.entry(key.to_owned()).or_insert(self.items.len());
        self.active.insert(at_path.to_owned(), index);
        if let Some(item) = self.items.get_mut(index) {
            item.attempts += 1;
            item.status = TaskStatus::Running;
            item.ended_at = None;
            return;
        }
        self.items.push(TaskItem {
            name: path::name(at_path).to_owned(),
            reference: path::reference(at_path),
            path: key.to_owned(),
            kind,
            status: TaskStatus::Running,
            attempts: 1,
            started_at: at,
            ended_at: None,
        });
    }

    /// What is active of a list is left for another task of it.
    fn leave(&mut self, list: &str, at: Timestamp) {
        let left: Vec<String> =
            self.active.keys().filter(|path| path::list_of(path) == list).cloned().collect();
        for path in left {
            self.end(&path, TaskStatus::Cancelled, at);
        }
    }

    /// What is active stands where the new version has it; what has ended stays as it was.
    fn rename(&mut self, renaming: &Renaming) {
        let active = std::mem::take(&mut self.active);
        for (old, index) in active {
            let new = renaming.path(&old);
            let item = &mut self.items[index];
            self.by_key.remove(&item.path);
            item.reference = path::reference(&new);
            item.path = renaming.path(&item.path);
            self.by_key.insert(item.path.clone(), index);
            self.active.insert(new, index);
        }
    }

    /// A task that failed is tried again, and what was active with it goes on.
    fn reopen(&mut self, failed: &str) {
        for (path, index, status) in std::mem::take(&mut self.parked) {
            self.items[index].status = status;
            self.items[index].ended_at = None;
            self.active.insert(path, index);
        }
        if let Some(item) = self.active.get(failed) {
            self.items[*item].attempts += 1;
            self.items[*item].status = TaskStatus::Running;
        }
    }

    /// Notes what is active when the run ends in an error.
    fn park(&mut self) {
        if self.parked.is_empty() {
            let each =
                self.active.iter().map(|(path, index)| (path.clone(), *index, self.items[*index].status));
            self.parked = each.collect();
        }
    }

    fn set(&mut self, at_path: &str, status: TaskStatus) {
        if let Some(item) = self.active.get(at_path) {
            self.items[*item].status = status;
        }
    }

    fn end(&mut self, at_path: &str, status: TaskStatus, at: Timestamp) {
        self.cancel_inside(at_path, at);
        if let Some(index) = self.active.remove(at_path) {
            self.items[index].status = status;
            self.items[index].ended_at = Some(at);
        }
    }

    fn cancel_inside(&mut self, root: &str, at: Timestamp) {
        let inside = |active: &&String| path::within(active, root) && *active != root;
        let paths: Vec<String> = self.active.keys().filter(inside).cloned().collect();
        for gone in paths {
            if let Some(index) = self.active.remove(&gone) {
                self.items[index].status = TaskStatus::Cancelled;
                self.items[index].ended_at = Some(at);
            }
        }
    }

    fn complete_around(&mut self, at_path: &str, at: Timestamp) {
        let around: Vec<String> =
            self.active.keys().filter(|active| path::within(at_path, active)).cloned().collect();
        for outer in around {
            if let Some(index) = self.active.remove(&outer) {
                self.items[index].status = TaskStatus::Completed;
                self.items[index].ended_at = Some(at);
            }
        }
    }
}
