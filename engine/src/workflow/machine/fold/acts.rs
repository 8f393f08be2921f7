//! What people do to runs.

use std::collections::BTreeMap;

use super::super::event::RunEvent;
use super::super::migrate::Renaming;
use super::super::path;
use super::super::state::{CallState, Phase, RunState, Stage, Work};
use super::super::terms::Data;
use super::Misfit;
use crate::clock::Timestamp;

impl RunState {
    pub(super) fn apply_act(&mut self, event: &RunEvent, at: Timestamp) -> Result<(), Misfit> {
        match event {
            RunEvent::Paused { freeze, .. } => {
                self.paused = Some(at);
                self.frozen = *freeze;
                Ok(())
            }
            RunEvent::Resumed { .. } | RunEvent::CancelRequested { .. } => {
                self.thaw(at);
                Ok(())
            }
            RunEvent::Reopened { .. } => Err("the run has not ended".to_owned()),
            RunEvent::SkipRequested { path, .. } => self.frame(path).map(|_| ()),
            RunEvent::DataPatched { context, path, input, .. } => self.patch(context, path, input),
            RunEvent::Moved { list, to, data, .. } => self.turn_to(list, *to, data),
            RunEvent::Migrated { version, digest, tasks, turns, .. } => {
                self.version.clone_from(version);
                self.digest.clone_from(digest);
                self.rename(&Renaming { tasks: tasks.clone(), turns: turns.clone() });
                Ok(())
            }
            _ => Err("not an act of a person".to_owned()),
        }
    }

    /// Ends a pause; where time stood still, all that is due comes later by its length.
    pub(super) fn thaw(&mut self, at: Timestamp) {
        let Some(since) = self.paused.take() else { return };
        if !std::mem::take(&mut self.frozen) {
            return;
        }
        let long = std::time::Duration::from_millis(u64::try_from(at.ms() - since.ms()).unwrap_or(0));
        for due in self.timers.values_mut() {
            *due = due.plus(long);
        }
        for frame in self.frames.values_mut() {
            match &mut frame.phase {
                Phase::Waiting { until } | Phase::Try { stage: Stage::Backoff { until, .. }, .. } => {
                    *until = until.plus(long);
                }
                _ => {}
            }
        }
        for undo in self.calls.values_mut().filter_map(|call| call.undo.as_mut()) {
            undo.retry_at = undo.retry_at.map(|due| due.plus(long));
        }
    }

    /// Opens a run again that had ended in an error, with the task that failed.
    pub(super) fn reopen(
        &mut self,
        failed: &str,
        deadlines: &BTreeMap<String, Timestamp>,
        at: Timestamp,
    ) -> Result<(), Misfit> {
        self.end = None;
        self.ended_at = None;
        self.failed = None;
        // Deadlines that have passed meanwhile are not held against it: tasks have their time anew.
        self.timers
            .retain(|name, due| *due > at || !(name.starts_with("timeout:") || name.starts_with("attempt:")));
        self.timers.extend(deadlines.iter().map(|(task, due)| (format!("timeout:{task}"), *due)));
        let calls = &self.calls;
        let frame = self.frames.get_mut(failed).ok_or_else(|| format!("there is no task at `{failed}`"))?;
        let done = |number: &u64| calls.get(number).is_some_and(|call| call.state == CallState::Completed);
        match &frame.phase {
            Phase::Call { call } if done(call) => {}
            Phase::Call { .. } | Phase::Waiting { .. } | Phase::Listening(_) => {
                frame.phase = Phase::Begun;
                frame.again += 1;
            }
            _ => {}
        }
        let lists: Vec<String> =
            self.lists.iter().filter(|(_, list)| list.turn.is_some()).map(|(name, _)| name.clone()).collect();
        self.agenda.extend(lists.into_iter().map(Work::List));
        let paths: Vec<String> = self.frames.keys().cloned().collect();
        for path in paths {
            self.refresh(&path);
        }
        Ok(())
    }

    pub(super) fn patch(
        &mut self,
        context: &Option<Data>,
        path: &Option<String>,
        input: &Option<Data>,
    ) -> Result<(), Misfit> {
        if let Some(context) = context {
            self.context = context.clone();
        }
        if let (Some(path), Some(input)) = (path, input) {
            let frame = self.frame(path)?;
            frame.raw = input.clone();
            frame.input = input.clone();
        }
        Ok(())
    }

    /// Has a list go on with another of its tasks.
    pub(in super::super) fn turn_to(&mut self, list: &str, to: usize, data: &Data) -> Result<(), Misfit> {
        let active: Vec<String> = self
            .frames
            .keys()
            .filter(|path| !path.is_empty() && path::list_of(path) == list)
            .cloned()
            .collect();
        for path in active {
            self.remove_within(&path, true);
        }
        let none = || format!("there is no active list at `{list}`");
        let entry = self.lists.get_mut(list).ok_or_else(none)?;
        entry.turn = Some(to);
        entry.data = data.clone();
        let work = Work::List(list.to_owned());
        if !self.agenda.contains(&work) {
            self.agenda.push_back(work);
        }
        Ok(())
    }
}
