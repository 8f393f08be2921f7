//! The tasks of a run in the order in which they began: a fold of its events for those who look at it.
//!
//! Of a run that has begun many tasks a window is kept: the items at some places of the list, and what it takes to
//! count on and to tell what becomes of them.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::ops::Range;

use super::event::RunEvent;
use super::migrate::Renaming;
use super::path;
use super::task::{TaskItem, TaskStatus};
use super::terms::{Go, TaskType};
use crate::clock::Timestamp;

/// A task that is active.
#[derive(Debug, Clone)]
struct Active {
    /// Its place in the list, from 0.
    place: usize,
    /// Its path without attempts, where that differs.
    key: Option<String>,
}

/// What was active when the run ended in an error, and is again if it goes on.
#[derive(Debug, Clone)]
struct Parked {
    active: BTreeMap<String, Active>,
    again: BTreeMap<String, HashMap<u64, usize>>,
    statuses: Vec<(usize, TaskStatus)>,
}

/// The tasks of a run.
#[derive(Debug, Clone)]
pub struct TaskList {
    /// The places whose items are kept, from 0.
    window: Range<usize>,
    /// Those items.
    items: Vec<TaskItem>,
    /// How many tasks have begun.
    begun: usize,
    /// The active ones by their instance path.
    active: BTreeMap<String, Active>,
    /// The outermost active `try`s that try again; each with the places of the tasks that began inside, by a digest
    /// of their path without attempts: another attempt begins them again.
    again: BTreeMap<String, HashMap<u64, usize>>,
    parked: Option<Parked>,
    /// The places of calls that may be undone, of items that are kept.
    calls: BTreeMap<u64, usize>,
}

impl Default for TaskList {
    fn default() -> Self {
        Self::new()
    }
}

impl TaskList {
    /// A list without tasks, which keeps each.
    pub fn new() -> Self {
        Self::window(0..usize::MAX)
    }

    /// A list without tasks, which keeps those at some places, from 0.
    pub fn window(window: Range<usize>) -> Self {
        Self {
            window,
            items: Vec::new(),
            begun: 0,
            active: BTreeMap::new(),
            again: BTreeMap::new(),
            parked: None,
            calls: BTreeMap::new(),
        }
    }

    /// The same fold with another window, none of whose tasks has begun.
    pub(super) fn turned(&self, window: Range<usize>) -> Self {
        let (active, again, parked) = (self.active.clone(), self.again.clone(), self.parked.clone());
        Self { begun: self.begun, active, again, parked, ..Self::window(window) }
    }

    /// The tasks that are kept, in the order in which they began.
    pub fn items(&self) -> &[TaskItem] {
        &self.items
    }

    /// How many tasks have begun.
    pub fn begun(&self) -> usize {
        self.begun
    }

    /// The calls, and the tasks that they belong to, whose undoing changes an item that is kept.
    pub(super) fn calls(&self) -> impl Iterator<Item = u64> {
        self.calls.keys().copied()
    }

    /// True if no item that is kept is active, may begin again with a `try`, or comes back with its run.
    pub(super) fn has_ended(&self) -> bool {
        let kept = |place: &usize| self.window.contains(place);
        let parked = self.parked.iter().flat_map(|parked| parked.active.values());
        let again = |item: &TaskItem| self.again.keys().any(|root| path::within(&item.path, root));
        !self.active.values().chain(parked).any(|active| kept(&active.place)) && !self.items.iter().any(again)
    }

    /// An estimate of its size in bytes, without its items.
    pub(super) fn size(&self) -> usize {
        let parked = self.parked.iter();
        let paths = self.active.keys().chain(parked.clone().flat_map(|parked| parked.active.keys()));
        let again = self.again.values().chain(parked.flat_map(|parked| parked.again.values()));
        paths.map(|path| 64 + path.len()).sum::<usize>() + again.map(|keys| 24 * keys.len()).sum::<usize>()
    }

    /// Folds one more event in; gives the place of the task that it begins, skips or ends.
    pub fn apply(&mut self, event: &RunEvent, at: Timestamp) -> Option<usize> {
        match event {
            RunEvent::TaskStarted { path, key, kind, retries, .. } => {
                let place = self.begin(path, key.as_deref(), *kind, at);
                if *retries && self.root_of(path).is_none() {
                    self.again.insert(path.clone(), HashMap::new());
                }
                return Some(place);
            }
            RunEvent::TaskSkipped { path, key, kind, .. } => {
                let place = self.begin(path, key.as_deref(), *kind, at);
                self.end(path, TaskStatus::Skipped, at);
                return Some(place);
            }
            RunEvent::TaskCompleted { path, go, .. } => {
                let place = self.end(path, TaskStatus::Completed, at);
                if *go == Go::End {
                    self.complete_around(path, at);
                }
                return place;
            }
            RunEvent::TaskFaulted { path, error, kept } => {
                if *kept {
                    self.park();
                }
                let place = self.end(path, TaskStatus::Faulted, at);
                if let Some(item) = place.and_then(|place| self.item(place)) {
                    item.error = Some(error.clone());
                }
                return place;
            }
            RunEvent::WaitStarted { path, .. }
            | RunEvent::ListenStarted { path, .. }
            | RunEvent::RetryScheduled { path, .. } => {
                self.cancel_inside(path, at);
                self.set(path, TaskStatus::Waiting);
            }
            RunEvent::RetryStarted { path, attempt, .. } => {
                self.set(path, TaskStatus::Running);
                if let Some(item) = self.active_item(path) {
                    item.attempts = *attempt;
                }
            }
            RunEvent::ErrorCaught { path, .. } | RunEvent::UnwindingStarted { path, .. } => {
                self.cancel_inside(path, at);
            }
            RunEvent::CallStarted { path, call, .. } | RunEvent::CallResumed { path, call, .. } => {
                let place = self.place(path).filter(|place| self.window.contains(place));
                self.calls.extend(place.map(|place| (*call, place)));
            }
            RunEvent::CompensationEnded { call, undone: true } => self.undo(*call),
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
        None
    }

    /// The place of an active task.
    pub(super) fn place(&self, at_path: &str) -> Option<usize> {
        self.active.get(at_path).map(|active| active.place)
    }

    /// The item at a place, if it is kept.
    pub(super) fn item(&mut self, place: usize) -> Option<&mut TaskItem> {
        self.items.get_mut(place.checked_sub(self.window.start)?)
    }

    fn active_item(&mut self, at_path: &str) -> Option<&mut TaskItem> {
        self.item(self.place(at_path)?)
    }

    /// The outermost `try` around a task that tries again.
    fn root_of(&self, at_path: &str) -> Option<&String> {
        self.again.keys().find(|root| path::within(at_path, root) && at_path != *root)
    }

    fn begin(&mut self, at_path: &str, key: Option<&str>, kind: TaskType, at: Timestamp) -> usize {
        let root = self.root_of(at_path).cloned();
        let mut place = self.begun;
        if let Some(keys) = root.and_then(|root| self.again.get_mut(&root)) {
            place = *keys.entry(digest(key.unwrap_or(at_path))).or_insert(place);
        }
        self.active.insert(at_path.to_owned(), Active { place, key: key.map(str::to_owned) });
        if place < self.begun {
            if let Some(item) = self.item(place) {
                item.attempts += 1;
                item.status = TaskStatus::Running;
                (item.ended_at, item.error, item.output) = (None, None, None);
            }
            return place;
        }
        self.begun += 1;
        if self.window.contains(&place) {
            self.items.push(TaskItem {
                number: place + 1,
                name: path::name(at_path).to_owned(),
                reference: path::reference(at_path),
                path: key.unwrap_or(at_path).to_owned(),
                kind,
                status: TaskStatus::Running,
                attempts: 1,
                started_at: at,
                ended_at: None,
                error: None,
                input: None,
                output: None,
            });
        }
        place
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
        for (old, Active { place, key }) in std::mem::take(&mut self.active) {
            let new = renaming.path(&old);
            let new_key = renaming.path(key.as_ref().unwrap_or(&old));
            let root = self.root_of(&old).cloned();
            if let Some(keys) = root.and_then(|root| self.again.get_mut(&root)) {
                keys.remove(&digest(key.as_ref().unwrap_or(&old)));
                keys.insert(digest(&new_key), place);
            }
            if let Some(item) = self.item(place) {
                item.reference = path::reference(&new);
                item.path.clone_from(&new_key);
            }
            let key = (new_key != new).then_some(new_key);
            self.active.insert(new, Active { place, key });
        }
        let again = std::mem::take(&mut self.again).into_iter();
        self.again = again.map(|(root, keys)| (renaming.path(&root), keys)).collect();
    }

    /// A task that failed is tried again, and what was active with it goes on.
    fn reopen(&mut self, failed: &str) {
        if let Some(Parked { active, again, statuses }) = self.parked.take() {
            (self.active, self.again) = (active, again);
            for (place, status) in statuses {
                if let Some(item) = self.item(place) {
                    item.status = status;
                    (item.ended_at, item.error) = (None, None);
                }
            }
        }
        if let Some(item) = self.active_item(failed) {
            item.attempts += 1;
            item.status = TaskStatus::Running;
        }
    }

    /// Notes what is active when the run ends in an error.
    fn park(&mut self) {
        if self.parked.is_some() {
            return;
        }
        let status = |active: &Active| {
            let item = self.items.get(active.place.checked_sub(self.window.start)?)?;
            Some((active.place, item.status))
        };
        let statuses = self.active.values().filter_map(status).collect();
        self.parked = Some(Parked { active: self.active.clone(), again: self.again.clone(), statuses });
    }

    fn undo(&mut self, call: u64) {
        let place = self.calls.get(&call).copied();
        if let Some(item) = place.and_then(|place| self.item(place)) {
            item.status = TaskStatus::Compensated;
        }
    }

    fn set(&mut self, at_path: &str, status: TaskStatus) {
        if let Some(item) = self.active_item(at_path) {
            item.status = status;
        }
    }

    fn end(&mut self, at_path: &str, status: TaskStatus, at: Timestamp) -> Option<usize> {
        self.cancel_inside(at_path, at);
        self.close(at_path, status, at)
    }

    fn cancel_inside(&mut self, root: &str, at: Timestamp) {
        let inside = |active: &&String| path::within(active, root) && *active != root;
        let near = self.active.range(root.to_owned()..).map(|(path, _)| path);
        let paths: Vec<String> =
            near.take_while(|path| path.starts_with(root)).filter(inside).cloned().collect();
        for gone in paths {
            self.close(&gone, TaskStatus::Cancelled, at);
        }
    }

    fn complete_around(&mut self, at_path: &str, at: Timestamp) {
        let around: Vec<String> =
            self.active.keys().filter(|active| path::within(at_path, active)).cloned().collect();
        for outer in around {
            self.close(&outer, TaskStatus::Completed, at);
        }
    }

    fn close(&mut self, at_path: &str, status: TaskStatus, at: Timestamp) -> Option<usize> {
        let Active { place, .. } = self.active.remove(at_path)?;
        self.again.remove(at_path);
        if let Some(item) = self.item(place) {
            item.status = status;
            item.ended_at = Some(at);
        }
        Some(place)
    }
}

fn digest(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}
