//! What people can do to a run beside pausing and cancelling: take a failed one up again, skip, patch, move.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::command::conflict;
use super::event::RunEvent;
use super::path;
use super::scene::Scene;
use super::state::Phase;
use super::turn::Turn;
use crate::entity::invalid;
use crate::journal::Rejected;

impl Turn<'_> {
    /// Takes a run up again that ended in an error, with the task that failed.
    pub(super) fn reopen(&mut self, reason: Option<String>) -> Result<Value, Rejected> {
        let Some(path) = self.state.failed.clone() else {
            return Err(conflict(
                "nothing_to_retry",
                "the run did not end in an error that can be tried again".into(),
            ));
        };
        self.emit(self.reopening(path, reason));
        Ok(self.go_on_after_act())
    }

    /// The event by which a run is opened again: what has run out of time has its time anew.
    pub(super) fn reopening(&self, path: String, reason: Option<String>) -> RunEvent {
        let now = self.cx.now;
        let ran_out = |at: &str| {
            let due = self.state.timers.get(&format!("timeout:{at}"));
            due.is_none_or(|due| *due <= now) && (due.is_some() || at == path || at.is_empty())
        };
        let mut deadlines = BTreeMap::new();
        for at in self.state.frames.keys().filter(|at| ran_out(at)) {
            let span = if at.is_empty() { &self.definition.timeout } else { &self.node(at).timeout };
            let Some(span) = span else { continue };
            let scene = if at.is_empty() { Scene::default() } else { self.scene(at) };
            if let Ok(span) = self.span(span, &self.input(at), &scene) {
                deadlines.insert(at.clone(), now.plus(span));
            }
        }
        RunEvent::Reopened { path, deadlines, reason }
    }

    /// The active task at an instance path, or the only one at a JSON pointer.
    pub(super) fn active(&self, task: &str) -> Result<String, Rejected> {
        if !task.is_empty() && self.state.frames.contains_key(task) {
            return Ok(task.to_owned());
        }
        let mut found = self.state.frames.keys().filter(|at| !at.is_empty() && path::reference(at) == task);
        match (found.next(), found.next()) {
            (Some(at), None) => Ok(at.clone()),
            (Some(_), Some(_)) => {
                let message = format!("`{task}` is active several times; name one by its `path`");
                Err(invalid("ambiguous_task", message))
            }
            (None, _) => {
                let mut known: Vec<_> =
                    self.state.frames.keys().filter(|at| !at.is_empty()).take(10).cloned().collect();
                known.sort_unstable();
                let message = format!("`{task}` is not active; these tasks are: `{}`", known.join("`, `"));
                Err(conflict("task_not_active", message))
            }
        }
    }

    /// Completes the task with which a run failed in the place of what it does, and takes the run up again.
    pub(super) fn skip_failed(
        &mut self,
        output: Option<Value>,
        reason: Option<String>,
    ) -> Result<Value, Rejected> {
        let failed = self.state.failed.clone().unwrap_or_default();
        if failed.is_empty() {
            let message = "the run failed as a whole, not a task of it; `retry` takes it up again";
            return Err(conflict("nothing_to_skip", message.into()));
        }
        self.may_skip(&failed)?;
        self.emit(self.reopening(failed.clone(), reason.clone()));
        self.skip(failed, output, reason);
        Ok(self.go_on_after_act())
    }

    /// Whether an active task can be skipped.
    pub(super) fn may_skip(&self, at: &str) -> Result<(), Rejected> {
        if self.is_undoing(at) || self.is_undoing("") {
            return Err(conflict("task_not_active", format!("what `{at}` did is being undone")));
        }
        let calls = self.state.to_unwind(at);
        let own = |number: &u64| self.state.calls.get(number).is_some_and(|call| call.path == at);
        if calls.iter().any(|number| !own(number)) {
            let message = format!(
                "`{at}` holds a saga with work that is not undone; cancel the run, or skip a task in it"
            );
            return Err(conflict("saga_open", message));
        }
        Ok(())
    }

    /// Completes an active task without doing what it does.
    pub(super) fn skip(&mut self, at: String, output: Option<Value>, reason: Option<String>) {
        self.emit(RunEvent::SkipRequested { path: at.clone(), reason });
        let output = output.map_or_else(|| self.input(&at), Arc::new);
        self.complete(&at, output, None);
    }

    /// Changes the run's data.
    pub(super) fn patch(
        &mut self,
        context: Option<Value>,
        task: Option<String>,
        input: Option<Value>,
        reason: Option<String>,
    ) -> Result<(), Rejected> {
        if context.is_none() && input.is_none() {
            return Err(invalid("nothing_to_patch", "give `context`, or `task` and `input`".into()));
        }
        if input.is_some() != task.is_some() {
            return Err(invalid("nothing_to_patch", "`task` and `input` belong together".into()));
        }
        let path = task.map(|task| self.active(&task)).transpose()?;
        let context = context.map(|patch| {
            let mut patched = (*self.state.context).clone();
            merge(&mut patched, &patch);
            Arc::new(patched)
        });
        self.emit(RunEvent::DataPatched { context, path, input: input.map(Arc::new), reason });
        Ok(())
    }

    /// Has a list go on with another of its tasks.
    pub(super) fn move_to(
        &mut self,
        to: &str,
        input: Option<Value>,
        reason: Option<String>,
    ) -> Result<(), Rejected> {
        let definition = self.definition;
        let Some(node) = definition.node(to) else {
            return Err(invalid("unknown_task", format!("there is no task `{to}` in the definition")));
        };
        if self.is_undoing("") {
            return Err(conflict("task_not_active", "what the run did is being undone".into()));
        }
        let lists: Vec<String> =
            self.state.lists.keys().filter(|list| path::reference(list) == node.list).cloned().collect();
        let [list] = lists.as_slice() else {
            let message = format!("the list of `{to}` is active {} times; it must be once", lists.len());
            return Err(conflict("task_not_active", message));
        };
        let left = self.state.frames.iter().find(|(at, _)| !at.is_empty() && path::list_of(at) == *list);
        if let Some((at, _)) = left
            && !self.state.to_unwind(at).is_empty()
            && self.state.frames_within(at).iter().any(|inner| self.holds_saga(inner))
        {
            let message = format!("`{at}` holds a saga with work that is not undone; cancel the run instead");
            return Err(conflict("saga_open", message));
        }
        let data = match (input, left) {
            (Some(input), _) => Arc::new(input),
            (None, Some((_, frame))) => frame.raw.clone(),
            (None, None) => self.state.lists[list].data.clone(),
        };
        self.emit(RunEvent::Moved { list: list.clone(), to: node.index, data, reason });
        Ok(())
    }

    fn holds_saga(&self, at: &str) -> bool {
        self.state
            .frames
            .get(at)
            .is_some_and(|frame| frame.saga || matches!(frame.phase, Phase::Unwinding { .. }))
    }
}

/// JSON Merge Patch (RFC 7396).
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(known) = target else { return };
    for (name, value) in fields {
        match value {
            Value::Null => drop(known.remove(name)),
            other => merge(known.entry(name.clone()).or_insert(Value::Null), other),
        }
    }
}
