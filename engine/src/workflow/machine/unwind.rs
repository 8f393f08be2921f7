//! Undoing: what a saga did is taken back, last first.
//!
//! First every call that is under way is settled: its answer is awaited, and it takes no further step. Then the
//! calls are undone one at a time, each by the action's own undoing, or as `metadata.compensate` says. One that
//! fails is tried again with growing waits; after the last attempt the run needs attention. A call whose outcome
//! is unknown is undone too: the undoing must cope with what is not there. Then the error goes on outward.

use std::time::Duration;

use serde_json::Value;

use super::call::no_action;
use super::event::RunEvent;
use super::path;
use super::scene::{Scene, error_value};
use super::state::{Call, Undo};
use super::terms::After;
use super::turn::Turn;
use crate::effect::EffectOutcome;
use crate::workflow::action::{Next, StepResult, Steps, WorkflowError};
use crate::workflow::definition::{CallSpec, Compensate, Kind, RunSpec};

impl<'a> Turn<'a> {
    pub(super) fn unwind(&mut self, at: &str, last: Option<u64>, then: After) {
        let Some(number) = last else { return self.unwound(at, then) };
        let Some(call) = self.state.calls.get(&number) else { return };
        let Some(undo) = &call.undo else {
            let event = match call.is_open_or_done() {
                true => RunEvent::CompensationStarted { call: number },
                false => RunEvent::CompensationEnded { call: number, undone: false },
            };
            return self.emit(event);
        };
        let next = self.next_undo(call, undo, &then).and_then(|next| self.bounded(next, undo.steps.len()));
        match next {
            Ok(Next::Step(request)) => self.request(number, request),
            Ok(Next::Done(_)) => self.emit(RunEvent::CompensationEnded { call: number, undone: true }),
            Err(error) => self.undo_failed(number, error),
        }
    }

    fn next_undo(&self, call: &Call, undo: &Undo, then: &After) -> Result<Next<Value>, WorkflowError> {
        let error = match then {
            After::Fault { error } => Some(error.clone()),
            After::Cancel { .. } | After::Complete { .. } | After::End { .. } => None,
        };
        let cx = self.action_cx(call, error);
        let steps = Steps(&undo.steps);
        if let Some((action, arguments)) = self.override_of(call, cx.error.as_ref())? {
            let info = self.action(action).ok_or_else(|| no_action(action))?;
            let path = format!("{}/compensate", cx.path);
            return info.next(&arguments, steps, &crate::workflow::action::ActionCx { path, ..cx });
        }
        let info = self.action(&call.action).ok_or_else(|| no_action(&call.action))?;
        info.undo(&call.arguments, Steps(&call.steps), steps, &cx)
    }

    /// The action that `metadata.compensate` names, with its arguments. They see the call: `.` and `$input` are its
    /// arguments, `$output` what it gave, `$error` why it is undone.
    fn override_of(
        &self,
        call: &Call,
        error: Option<&WorkflowError>,
    ) -> Result<Option<(&'a str, Value)>, WorkflowError> {
        let node = self.definition.node(&path::reference(&call.path));
        let Some(
            Kind::Call(CallSpec { compensate: Compensate::By { action, arguments, .. }, .. })
            | Kind::Run(RunSpec { compensate: Compensate::By { action, arguments, .. }, .. }),
        ) = node.map(|node| &node.kind)
        else {
            return Ok(None);
        };
        let scene = Scene {
            path: call.path.clone(),
            input: Some(call.arguments.clone()),
            output: call.output.clone(),
            extra: vec![("error".to_owned(), error.map(error_value).unwrap_or_default())],
            ..Scene::default()
        };
        let arguments = self.evaluate(arguments, &call.arguments, &scene)?;
        Ok(Some((action, arguments)))
    }

    fn undo_failed(&mut self, number: u64, error: WorkflowError) {
        let Some(undo) = self.state.calls.get(&number).and_then(|call| call.undo.as_ref()) else { return };
        let attempt = undo.attempt + 1;
        let sent = undo.steps.len();
        let (kept, generation) = match undo.steps.last() {
            Some(last) if last.changed_nothing() => (sent - 1, undo.generation + 1),
            Some(StepResult::Effect(EffectOutcome::Unknown(_))) => (sent - 1, undo.generation),
            Some(_) | None => (0, undo.generation + 1),
        };
        let backoff = self.limits.undo_backoff.saturating_mul(2u32.saturating_pow(attempt - 1));
        let again = attempt < self.limits.undo_attempts;
        let retry_at = again.then(|| self.cx.now.plus(backoff.min(Duration::from_secs(86_400))));
        self.emit(RunEvent::CompensationFailed { call: number, attempt, error, retry_at, kept, generation });
    }

    fn unwound(&mut self, at: &str, then: After) {
        match then {
            After::Fault { error } => self.fault(at, error),
            After::Cancel { reason } => self.emit(RunEvent::Cancelled { reason }),
            After::Complete { output } => self.complete(at, output, None),
            After::End { output } => self.complete_run(&output),
        }
    }
}
