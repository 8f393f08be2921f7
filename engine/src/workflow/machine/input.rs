//! What comes to a run from outside beside commands: answers and timers.

use super::event::RunEvent;
use super::state::RunState;
use super::turn::Turn;
use crate::clock::Timestamp;
use crate::journal::TimerOp;
use crate::workflow::action::{StepResult, WorkflowError};

impl Turn<'_> {
    /// Takes the answer to a message or effect in. One that nothing waits for is a repeat, or too late.
    pub(in crate::workflow) fn answered(&mut self, id: &str, result: StepResult) {
        let orphan = super::run::orphan(&result, &self.cx);
        match self.state.answer_to(id, result) {
            Some(event) => {
                self.emit(event);
                self.run();
            }
            None => self.step.messages.extend(orphan),
        }
    }

    /// Takes a timer in. Paused runs leave theirs unset until they go on.
    pub(in crate::workflow) fn timer(&mut self, name: &str) {
        let due = self.state.timers.get(name).copied();
        self.fired(name);
        if self.state.paused.is_some() || self.state.end.is_some() {
            return self.forget(name);
        }
        match due {
            // One that was set while the definition was missing, or that nothing waits for any more.
            None => {
                self.forget(name);
                self.run();
            }
            // Too early: it is set again.
            Some(due) if self.cx.now < due => {}
            Some(due) => {
                self.fire(name, due);
                self.run();
            }
        }
    }

    fn forget(&mut self, name: &str) {
        self.step.timers.push(TimerOp::Clear { name: name.to_owned() });
    }

    fn fire(&mut self, name: &str, due: Timestamp) {
        let (kind, at) = name.split_once(':').unwrap_or((name, ""));
        match kind {
            "wait" => self.complete(at, self.input(at), None),
            "timeout" if !self.is_undoing(at) => {
                let what = if at.is_empty() { "the run" } else { "the task" };
                let detail = format!("{what} was not done by {due}");
                self.fault(at, WorkflowError::standard("timeout", 408, detail));
            }
            "retry" => self.try_again(at),
            "attempt" => self.end_attempt(at, due),
            "undo" => {
                if let Ok(call) = at.parse() {
                    self.emit(RunEvent::CompensationRetried { call, asked: false });
                }
            }
            // A yield: the run goes on below, whatever else there is to do.
            _ => {}
        }
    }
}

impl RunState {
    /// The event of an answer; none if nothing waits for it.
    pub(in crate::workflow) fn answer_to(&self, id: &str, result: StepResult) -> Option<RunEvent> {
        let number = *self.pending.get(id)?;
        let call = self.calls.get(&number)?;
        let forward = call.waiting.as_ref().is_some_and(|waiting| waiting.id == id);
        let undoing = call.undo.as_ref().map_or(0, |undo| undo.steps.len());
        let step = if forward { call.steps.len() } else { undoing };
        Some(RunEvent::StepAnswered { call: number, undo: !forward, step, result })
    }
}
