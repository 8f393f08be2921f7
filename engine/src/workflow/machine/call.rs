//! `call`: asks an action, step by step, what is to be sent, until it is done.
//!
//! A step's message id or effect key is made of the run, the call's identity, its generation and the step. Under a
//! `try`, a later attempt takes the call up again where it ended: a step whose outcome is unknown is sent again
//! under the same key, as one that may have been done, so that the connector's policy decides; one that provably changed nothing is sent under a new one. A call that ended well, or whose
//! answers the action itself took for an error, is a new call in a later attempt.

use std::sync::Arc;

use serde_json::Value;

use super::event::RunEvent;
use super::run::RUN;
use super::state::{Call, CallState};
use super::terms::{CallEnd, Data};
use super::turn::Turn;
use crate::effect::{Effect, EffectKey, EffectOutcome, EffectState};
use crate::journal::{Message, MessageId};
use crate::workflow::action::{ActionCx, ActionInfo, Next, StepRequest, StepResult, Steps, WorkflowError};
use crate::workflow::definition::{CallSpec, Compensate, Kind, RunSpec};
use crate::workflow::subflow::run_workflow;

/// How a later attempt takes a call up again.
pub(super) struct Resumption {
    call: u64,
    generation: u32,
    kept: usize,
    /// True if nothing of the call stands, so that its arguments are evaluated anew.
    afresh: bool,
}

impl<'a> Turn<'a> {
    pub(super) fn begin_call(&mut self, at: &str) {
        let Kind::Call(spec) = &self.node(at).kind else { return };
        let resumed = self.resumption(at);
        let wanted = resumed.as_ref().is_none_or(|resumed| resumed.afresh);
        let arguments = match wanted.then(|| self.arguments(at, spec)).transpose() {
            Ok(arguments) => Arc::new(arguments.unwrap_or_default()),
            Err(e) => return self.fault(at, e),
        };
        if resumed.is_some() {
            return self.begin_or_resume(at, resumed, &spec.action, arguments, false);
        }
        let Some(info) = self.action(&spec.action) else {
            return self.fault(at, no_action(&spec.action));
        };
        let compensates = match spec.compensate {
            Compensate::Action => info.compensates,
            Compensate::Never => false,
            Compensate::By { .. } => true,
        };
        self.begin_or_resume(at, None, &spec.action, arguments, compensates);
    }

    /// Begins a call, or takes one up again; the arguments count where nothing of it stands.
    pub(super) fn begin_or_resume(
        &mut self,
        at: &str,
        resumed: Option<Resumption>,
        action: &str,
        arguments: Data,
        compensates: bool,
    ) {
        let path = at.to_owned();
        if let Some(Resumption { call, generation, kept, afresh }) = resumed {
            let arguments = afresh.then_some(arguments);
            return self.emit(RunEvent::CallResumed { path, call, generation, kept, arguments });
        }
        let (call, action) = (self.state.last_call + 1, action.to_owned());
        self.emit(RunEvent::CallStarted { path, call, action, arguments, compensates });
    }

    fn arguments(&self, at: &str, spec: &CallSpec) -> Result<Value, WorkflowError> {
        self.evaluate(&spec.arguments, &self.input(at), &self.scene(at))
    }

    /// Finds the call of an earlier attempt that this task takes up again.
    pub(super) fn resumption(&self, at: &str) -> Option<Resumption> {
        let frame = self.state.frames.get(at)?;
        if frame.again == 0 && !self.state.around(at).any(|(_, frame)| frame.retries) {
            return None;
        }
        let key = &frame.key;
        let earlier = |(number, call): &(&u64, &Call)| {
            call.key == *key && call.unwinding.is_none() && !self.state.is_at_work(**number, call)
        };
        let (number, call) = self.state.calls.iter().rev().find(earlier)?;
        let (generation, kept, afresh) = match call.state {
            CallState::Completed | CallState::Undone => return None,
            CallState::Open | CallState::Stopped => (call.generation, call.steps.len(), false),
            CallState::Failed => {
                let last = call.steps.last()?;
                let kept = call.steps.len() - 1;
                if last.changed_nothing() {
                    (call.generation + 1, kept, kept == 0)
                } else if matches!(last, StepResult::Effect(EffectOutcome::Unknown(_))) {
                    (call.generation, kept, false)
                } else {
                    return None;
                }
            }
        };
        Some(Resumption { call: *number, generation, kept, afresh })
    }

    pub(super) fn advance_call(&mut self, at: &str, number: u64) {
        let Some(call) = self.state.calls.get(&number) else { return };
        let next = match self.action(&call.action) {
            Some(info) => info.next(&call.arguments, Steps(&call.steps), &self.action_cx(call, None)),
            None => Err(no_action(&call.action)),
        };
        match next.and_then(|next| self.bounded(next, call.steps.len())) {
            Ok(Next::Step(request)) => self.request(number, request),
            Ok(Next::Done(output)) => {
                let output: Data = Arc::new(output);
                let needed = matches!(
                    &self.node(at).kind,
                    Kind::Call(CallSpec { compensate: Compensate::By { .. }, .. })
                        | Kind::Run(RunSpec { compensate: Compensate::By { .. }, .. })
                );
                let kept = needed.then(|| output.clone());
                self.emit(RunEvent::CallEnded { call: number, end: CallEnd::Completed, output: kept });
                self.complete(at, output, None);
            }
            Err(error) => {
                self.emit(RunEvent::CallEnded { call: number, end: CallEnd::Failed, output: None });
                self.fault(at, error);
            }
        }
    }

    /// The action of a name.
    pub(super) fn action(&self, name: &str) -> Option<&'a Arc<ActionInfo>> {
        if name == RUN { Some(run_workflow()) } else { self.actions.get(name) }
    }

    /// Refuses a step beyond the most that a call may take.
    pub(super) fn bounded<T>(&self, next: Next<T>, taken: usize) -> Result<Next<T>, WorkflowError> {
        let most = self.limits.steps;
        if matches!(next, Next::Step(_)) && taken >= most {
            let detail = format!("the action took {most} steps, the most that are allowed");
            return Err(WorkflowError::standard("runtime", 500, detail));
        }
        Ok(next)
    }

    pub(super) fn action_cx(&self, call: &Call, error: Option<WorkflowError>) -> ActionCx {
        ActionCx { run: self.cx.stream.id, path: call.identity.clone(), now: self.cx.now, error }
    }

    /// Sends a step of a call, or of its undoing.
    pub(super) fn request(&mut self, number: u64, request: StepRequest) {
        let Some(call) = self.state.calls.get(&number) else { return };
        let (undo, generation, step, doubt) = match &call.undo {
            Some(undo) => (true, undo.generation, undo.steps.len(), undo.doubt),
            None => (false, call.generation, call.steps.len(), call.doubt),
        };
        let direction = if undo { "undo" } else { "do" };
        let run = self.cx.stream.id.to_string();
        let (generation, place) = (generation.to_string(), step.to_string());
        let parts = [run.as_str(), &call.identity, direction, &generation, &place];
        match request {
            StepRequest::Command { to, command, body } => {
                let id = MessageId::derive(&parts);
                let (key, target, name) = (id.to_string(), to.to_string(), command.clone());
                self.emit(RunEvent::StepRequested {
                    call: number,
                    undo,
                    step,
                    id: key.clone(),
                    target,
                    name,
                });
                let origin = Arc::new(self.cx.origin.caused(&key, &run));
                let from = self.cx.stream.clone();
                self.step.messages.push(Message { id, from, to, command: command.into(), body, origin });
            }
            StepRequest::Await { run } => {
                let (id, target) = (run.to_string(), run.to_string());
                let name = "end".to_owned();
                self.emit(RunEvent::StepRequested { call: number, undo, step, id, target, name });
                self.take_early_ending(run);
            }
            StepRequest::Effect { connector, operation, request } => {
                let key = EffectKey::derive(&parts);
                let (id, target, name) = (key.to_string(), connector.clone(), operation.clone());
                self.emit(RunEvent::StepRequested { call: number, undo, step, id: id.clone(), target, name });
                self.step.effects.push(Effect {
                    key,
                    stream: self.cx.stream.clone(),
                    connector: connector.into(),
                    operation: operation.into(),
                    request,
                    // What may have been done is looked back on before it is done again.
                    state: if doubt { EffectState::Dispatched { epoch: 0 } } else { EffectState::Intended },
                    attempts: 0,
                    origin: Arc::new(self.cx.origin.caused(&id, &run)),
                    at: self.cx.now,
                });
            }
        }
    }
}

/// The error of an action that this installation does not have.
pub(super) fn no_action(name: &str) -> WorkflowError {
    WorkflowError::standard("configuration", 400, format!("there is no action `{name}`"))
}
