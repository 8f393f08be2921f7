//! How tasks leave the state, and what becomes of their calls.

use super::super::path;
use super::super::state::{Call, CallState, Phase, RunState, Work};

impl RunState {
    /// Ends all tasks inside of a path, the one at the path too if `itself`; what they called is kept as long as
    /// a saga or a `try` around them may need it.
    pub(super) fn remove_within(&mut self, root: &str, itself: bool) {
        let mut gone = self.frames_within(root);
        gone.retain(|path| itself || path != root);
        let mut calls = Vec::new();
        let mut held = false;
        for path in &gone {
            let Some(frame) = self.frames.remove(path) else { continue };
            self.clear_timers(path);
            held |= frame.saga || frame.retries;
            match frame.phase {
                Phase::Call { call } => calls.push(call),
                Phase::Unwinding { calls: undoing, .. } => {
                    calls.extend(undoing);
                    held = true;
                }
                _ => {}
            }
        }
        let inside = |list: &String| path::within(list, root);
        self.lists.retain(|list, _| !inside(list));
        self.agenda.retain(|work| match work {
            Work::Task(task) => !gone.contains(task),
            Work::List(list) => !inside(list),
        });
        if held {
            calls = self.calls.keys().copied().collect();
        }
        for call in calls {
            self.release(call);
        }
    }

    pub(super) fn clear_timers(&mut self, path: &str) {
        for kind in ["wait", "timeout", "retry", "attempt"] {
            self.timers.remove(&format!("{kind}:{path}"));
        }
    }

    /// Drops a call from the log if nothing needs it any more.
    fn release(&mut self, number: u64) {
        let Some(call) = self.calls.get(&number) else { return };
        let at_work = self.is_at_work(number, call);
        let taken = call.unwinding.as_ref().is_some_and(|at| {
            let frame = self.frames.get(at);
            frame.is_some_and(|frame| matches!(frame.phase, Phase::Unwinding { .. }))
        });
        let held = |saga: bool| {
            let mut holders = call.holders.iter().filter(|holder| holder.saga == saga);
            holders.any(|holder| self.frames.contains_key(&holder.path))
        };
        let undoable = call.is_open_or_done() && held(true);
        let resumable = !matches!(call.state, CallState::Completed | CallState::Undone) && held(false);
        if at_work || taken {
            return;
        }
        if undoable || resumable {
            self.stop(number);
            return;
        }
        let gone = self.calls.remove(&number);
        let waits = gone.into_iter().flat_map(|call| [call.waiting, call.undo.and_then(|undo| undo.waiting)]);
        for waiting in waits.flatten() {
            self.pending.remove(&waiting.id);
        }
        self.timers.remove(&format!("undo:{number}"));
    }

    /// True if the call's own task is active.
    pub(in super::super) fn is_at_work(&self, number: u64, call: &Call) -> bool {
        let frame = self.frames.get(&call.path);
        frame.is_some_and(|frame| frame.phase == Phase::Call { call: number })
    }

    /// Marks a call whose task is gone: it takes no further step.
    fn stop(&mut self, number: u64) {
        if let Some(call) = self.calls.get_mut(&number) {
            call.unwinding = None;
            if call.state == CallState::Open {
                call.state = CallState::Stopped;
            }
        }
    }
}
