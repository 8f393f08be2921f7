//! How errors go outward until a `try` catches them, a saga unwinds, or the run ends.

use super::event::RunEvent;
use super::path;
use super::terms::{After, Part};
use super::turn::Turn;
use crate::workflow::action::WorkflowError;

/// What a `try` makes of an error.
pub(super) enum Caught {
    /// It goes on with it.
    Yes,
    /// It lets it pass; perhaps as another error, where a condition could not be evaluated.
    No(WorkflowError),
}

impl Turn<'_> {
    /// Raises an error at an active task.
    pub(super) fn fault(&mut self, at: &str, mut error: WorkflowError) {
        if error.instance.is_none() {
            error.instance = Some(if at.is_empty() { "/do".to_owned() } else { path::reference(at) });
        }
        let kept = self.is_uncaught(at, &error);
        let failed = at.to_owned();
        let mut at = at.to_owned();
        loop {
            let calls = self.state.to_unwind(&at);
            if !calls.is_empty() {
                let then = After::Fault { error };
                return self.emit(RunEvent::UnwindingStarted { path: at, calls, then });
            }
            if at.is_empty() {
                return self.fail_at(error, kept.then_some(failed));
            }
            let Some(frame) = self.state.frames.get(&at) else { return };
            let (parent, part) = (frame.parent.clone(), frame.part);
            self.emit(RunEvent::TaskFaulted { path: at, error: error.clone(), kept });
            if part == Part::Body {
                match self.catch(&parent, error) {
                    Caught::Yes => return,
                    Caught::No(passed) => error = passed,
                }
            }
            at = parent;
        }
    }

    /// True if nothing around a task catches an error or undoes what was done: the run ends with it, and can be taken
    /// up again where it ended.
    fn is_uncaught(&self, at: &str, error: &WorkflowError) -> bool {
        let saga = self.state.frames.get("").is_some_and(|root| root.saga);
        let Some(frame) =
            self.state.frames.get(at).filter(|_| !saga && !self.is_undoing("") && !self.is_undoing(at))
        else {
            return false;
        };
        if !self.state.to_unwind("").is_empty() {
            return false;
        }
        let mut error = error.clone();
        let mut inner = frame;
        for (path, outer) in self.state.around(at) {
            if inner.part == Part::Body {
                match self.would_catch(path, error) {
                    Caught::Yes => return false,
                    Caught::No(passed) => error = passed,
                }
            }
            inner = outer;
        }
        true
    }

    /// Ends the run in an error.
    pub(super) fn fail(&mut self, error: WorkflowError) {
        self.fail_at(error, None);
    }

    fn fail_at(&mut self, error: WorkflowError, kept: Option<String>) {
        let saga = self.state.frames.get("").is_some_and(|root| root.saga);
        let undone = self.state.to_unwind("").is_empty();
        self.emit(if saga && undone {
            RunEvent::Compensated { error }
        } else {
            RunEvent::Faulted { error, kept }
        });
    }
}
