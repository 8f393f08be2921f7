//! The events of calls and of their undoing.

use super::super::event::RunEvent;
use super::super::state::{Call, CallState, Holder, Phase, RunState, Undo, Waiting};
use super::super::terms::CallEnd;
use super::Misfit;
use crate::clock::Timestamp;
use crate::effect::EffectOutcome;
use crate::id::StreamId;
use crate::workflow::action::StepResult;

impl RunState {
    pub(super) fn apply_call(&mut self, event: &RunEvent, at: Timestamp) -> Result<(), Misfit> {
        match event {
            RunEvent::CallStarted { path, call, .. } => {
                self.add_call(event, at)?;
                self.set_phase(path, Phase::Call { call: *call })
            }
            RunEvent::CallResumed { path, call: number, generation, kept, arguments } => {
                let (holders, asked) = (self.holders(path), self.frame(path)?.again > 0);
                let call = self.call(*number)?;
                call.path = path.clone();
                call.holders = holders;
                call.generation = *generation;
                call.doubt = !asked && is_unknown(call.steps.get(*kept));
                call.steps.truncate(*kept);
                call.state = CallState::Open;
                if let Some(arguments) = arguments {
                    call.arguments = arguments.clone();
                }
                self.set_phase(path, Phase::Call { call: *number })
            }
            RunEvent::StepRequested { call: number, undo, id, target, name, .. } => {
                let waiting = Waiting { id: id.clone(), what: format!("{target} {name}"), since: at };
                let call = self.call(*number)?;
                let (path, unwinding) = (call.path.clone(), call.unwinding.clone());
                if *undo {
                    let undo = undo_of(call)?;
                    (undo.waiting, undo.doubt) = (Some(waiting), false);
                } else {
                    (call.waiting, call.doubt) = (Some(waiting), false);
                }
                self.pending.insert(id.clone(), *number);
                self.refresh(if *undo { unwinding.as_deref().unwrap_or_default() } else { &path });
                Ok(())
            }
            RunEvent::StepAnswered { .. } => self.answer(event),
            RunEvent::CallEnded { call, end, output } => {
                let call = self.call(*call)?;
                call.output = output.clone();
                call.state = match end {
                    CallEnd::Completed => CallState::Completed,
                    CallEnd::Failed => CallState::Failed,
                };
                Ok(())
            }
            _ => self.apply_undo(event, at),
        }
    }

    fn apply_undo(&mut self, event: &RunEvent, at: Timestamp) -> Result<(), Misfit> {
        match event {
            RunEvent::UnwindingStarted { path, calls, then } => self.unwind(
                path,
                calls,
                Phase::Unwinding { calls: calls.clone(), unsettled: 0, then: then.clone() },
            ),
            RunEvent::CompensationStarted { call } => {
                self.call(*call)?.undo = Some(Undo {
                    attempt: 0,
                    generation: 1,
                    steps: Vec::new(),
                    doubt: false,
                    waiting: None,
                    retry_at: None,
                    error: None,
                    stuck: false,
                    since: at,
                });
                self.refresh_unwinding(*call)
            }
            RunEvent::CompensationFailed { call, attempt, error, retry_at, kept, generation } => {
                let undo = undo_of(self.call(*call)?)?;
                undo.attempt = *attempt;
                undo.generation = *generation;
                undo.doubt = is_unknown(undo.steps.get(*kept));
                undo.steps.truncate(*kept);
                undo.error = Some(error.clone());
                undo.retry_at = *retry_at;
                undo.stuck = retry_at.is_none();
                if let Some(due) = retry_at {
                    self.timers.insert(format!("undo:{call}"), *due);
                }
                self.refresh_unwinding(*call)
            }
            RunEvent::CompensationRetried { call, asked } => {
                let undo = undo_of(self.call(*call)?)?;
                undo.retry_at = None;
                if *asked {
                    undo.stuck = false;
                    undo.doubt = false;
                    undo.attempt = 0;
                }
                self.timers.remove(&format!("undo:{call}"));
                self.refresh_unwinding(*call)
            }
            RunEvent::CompensationEnded { call: number, .. } => {
                let call = self.call(*number)?;
                call.state = CallState::Undone;
                let at = call.unwinding.clone().unwrap_or_default();
                if let Phase::Unwinding { calls, .. } = &mut self.frame(&at)?.phase {
                    calls.retain(|other| other != number);
                }
                self.calls.remove(number);
                self.refresh(&at);
                Ok(())
            }
            _ => Err("not an event of a call".to_owned()),
        }
    }

    fn unwind(&mut self, path: &str, calls: &[u64], phase: Phase) -> Result<(), Misfit> {
        // The new phase stands first, so that the calls are held by it while their tasks go.
        self.frame(path)?.phase = phase;
        for number in calls {
            self.call(*number)?.unwinding = Some(path.to_owned());
        }
        self.remove_within(path, false);
        self.clear_timers(path);
        let under_way = |number: &&u64| self.calls.get(number).is_some_and(|call| call.waiting.is_some());
        let count = calls.iter().filter(under_way).count() as u64;
        for number in calls {
            let call = self.call(*number)?;
            if call.state == CallState::Open {
                call.state = CallState::Stopped;
            }
        }
        if let Phase::Unwinding { unsettled, .. } = &mut self.frame(path)?.phase {
            *unsettled = count;
        }
        self.refresh(path);
        Ok(())
    }

    fn answer(&mut self, event: &RunEvent) -> Result<(), Misfit> {
        let RunEvent::StepAnswered { call: number, undo, result, .. } = event else {
            return Err("not an answer".to_owned());
        };
        let call = self.call(*number)?;
        let waiting = if *undo {
            let undo = undo_of(call)?;
            undo.steps.push(result.clone());
            undo.waiting.take()
        } else {
            call.steps.push(result.clone());
            call.waiting.take()
        };
        let (path, unwinding) = (call.path.clone(), call.unwinding.clone());
        let waiting = waiting.ok_or("the call waits for no answer")?;
        self.pending.remove(&waiting.id);
        if let Ok(child) = waiting.id.parse::<StreamId>() {
            self.early.remove(&child);
        }
        match unwinding {
            Some(at) => {
                if let Phase::Unwinding { unsettled, .. } = &mut self.frame(&at)?.phase
                    && !undo
                {
                    *unsettled = unsettled.saturating_sub(1);
                }
                self.refresh(&at);
            }
            None => self.refresh(&path),
        }
        Ok(())
    }

    fn add_call(&mut self, event: &RunEvent, at: Timestamp) -> Result<(), Misfit> {
        let RunEvent::CallStarted { path, call, action, arguments, compensates } = event else {
            return Err("not a call's start".to_owned());
        };
        let frame = self.frame(path)?;
        let key = frame.key.clone();
        // What begins anew is another call: its steps are not taken for those of the one before.
        let identity = if frame.again > 0 { format!("{path}!{}", frame.again) } else { path.clone() };
        let started = Call {
            path: path.clone(),
            key,
            identity,
            action: action.clone(),
            arguments: arguments.clone(),
            compensates: *compensates,
            generation: 1,
            steps: Vec::new(),
            doubt: false,
            waiting: None,
            state: CallState::Open,
            output: None,
            holders: self.holders(path),
            unwinding: None,
            undo: None,
            since: at,
        };
        self.last_call = *call;
        self.calls.insert(*call, started);
        Ok(())
    }

    fn holders(&self, path: &str) -> Vec<Holder> {
        let around = self.around(path).filter(|(_, frame)| frame.saga || frame.retries);
        around.map(|(path, frame)| Holder { path: path.to_owned(), saga: frame.saga }).collect()
    }

    fn call(&mut self, number: u64) -> Result<&mut Call, Misfit> {
        self.calls.get_mut(&number).ok_or_else(|| format!("there is no call {number}"))
    }

    fn refresh_unwinding(&mut self, number: u64) -> Result<(), Misfit> {
        let at = self.call(number)?.unwinding.clone();
        self.refresh(&at.ok_or("the call is not being undone")?);
        Ok(())
    }
}

fn undo_of(call: &mut Call) -> Result<&mut Undo, Misfit> {
    call.undo.as_mut().ok_or_else(|| "the call is not being undone".to_owned())
}

/// Whether a step may have been done or not.
fn is_unknown(step: Option<&StepResult>) -> bool {
    matches!(step, Some(StepResult::Effect(EffectOutcome::Unknown(_))))
}
