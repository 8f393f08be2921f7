//! The events of the run as a whole, and what they all share.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::super::event::RunEvent;
use super::super::state::{End, Frame, Phase, RunState, Signal, Stage, Work};
use super::super::terms::{Data, Part, TaskType};
use crate::clock::Timestamp;
use crate::workflow::action::WorkflowError;

use super::Misfit;

impl RunState {
    /// Makes the state of a run's first event.
    ///
    /// # Errors
    ///
    /// When a run cannot begin with this event.
    pub fn begin(event: &RunEvent, at: Timestamp) -> Result<Self, String> {
        let RunEvent::Started { workflow, version, digest, input, data, saga, deadline, cause, key, parent } =
            event
        else {
            return Err("a run begins with `started`".to_owned());
        };
        let data = data.as_ref().unwrap_or(input);
        let root = Frame {
            key: String::new(),
            parent: String::new(),
            part: Part::Body,
            kind: TaskType::Do,
            order: 0,
            started_at: at,
            raw: input.clone(),
            input: data.clone(),
            saga: *saga,
            retries: false,
            again: 0,
            phase: Phase::Begun,
        };
        Ok(Self {
            workflow: workflow.clone(),
            version: version.clone(),
            digest: digest.clone(),
            cause: cause.clone(),
            key: key.clone(),
            attributes: BTreeMap::new(),
            parent: *parent,
            input: input.clone(),
            context: data.clone(),
            started_at: at,
            ended_at: None,
            end: None,
            paused: None,
            frozen: false,
            failed: None,
            frames: BTreeMap::from([(String::new(), root)]),
            lists: BTreeMap::new(),
            agenda: VecDeque::from([Work::Task(String::new())]),
            calls: BTreeMap::new(),
            pending: BTreeMap::new(),
            early: BTreeMap::new(),
            signals: VecDeque::new(),
            heard: VecDeque::new(),
            timers: deadline.iter().map(|due| ("timeout:".to_owned(), *due)).collect(),
            topics: BTreeSet::new(),
            started_tasks: 0,
            last_call: 0,
            last_signal: 0,
        })
    }

    /// Folds one more event in.
    ///
    /// # Errors
    ///
    /// When the event cannot follow.
    pub fn apply(&mut self, event: &RunEvent, at: Timestamp) -> Result<(), String> {
        if self.end.is_some() {
            return self.apply_ended(event, at);
        }
        match event {
            RunEvent::Started { .. } => Err("the run has begun already".to_owned()),
            RunEvent::TaskStarted { .. }
            | RunEvent::TaskSkipped { .. }
            | RunEvent::TaskCompleted { .. }
            | RunEvent::TaskFaulted { .. }
            | RunEvent::LoopStarted { .. }
            | RunEvent::ForkStarted { .. }
            | RunEvent::WaitStarted { .. }
            | RunEvent::ListenStarted { .. }
            | RunEvent::ErrorCaught { .. }
            | RunEvent::RetryScheduled { .. }
            | RunEvent::RetryStarted { .. } => self.apply_task(event, at),
            RunEvent::ChildEnded { child, ending } => {
                self.early.insert(*child, ending.clone());
                Ok(())
            }
            RunEvent::CallStarted { .. }
            | RunEvent::CallResumed { .. }
            | RunEvent::StepRequested { .. }
            | RunEvent::StepAnswered { .. }
            | RunEvent::CallEnded { .. }
            | RunEvent::UnwindingStarted { .. }
            | RunEvent::CompensationStarted { .. }
            | RunEvent::CompensationFailed { .. }
            | RunEvent::CompensationRetried { .. }
            | RunEvent::CompensationEnded { .. } => self.apply_call(event, at),
            RunEvent::AttributesSet { attributes, .. } => {
                self.attributes.extend(attributes.clone());
                self.attributes.retain(|_, value| !value.is_null());
                Ok(())
            }
            RunEvent::EventEmitted { path, .. } => self.frame(path).map(|_| ()),
            RunEvent::SignalReceived { number, name, data, event } => {
                self.receive(*number, name, data, *event, at);
                Ok(())
            }
            RunEvent::SignalDropped { number } => {
                self.drop_signal(*number);
                Ok(())
            }
            RunEvent::SignalConsumed { .. } => self.consume(event),
            RunEvent::Paused { .. }
            | RunEvent::Resumed { .. }
            | RunEvent::CancelRequested { .. }
            | RunEvent::Reopened { .. }
            | RunEvent::SkipRequested { .. }
            | RunEvent::DataPatched { .. }
            | RunEvent::Moved { .. }
            | RunEvent::Migrated { .. } => self.apply_act(event, at),
            RunEvent::Yielded { at } => {
                self.timers.insert("yield".to_owned(), *at);
                Ok(())
            }
            RunEvent::Continued {} => {
                self.timers.remove("yield");
                Ok(())
            }
            RunEvent::Completed { output } => self.finish(End::Completed { output: output.clone() }, at),
            RunEvent::Faulted { error, kept } => self.fault(error, kept.as_ref(), at),
            RunEvent::Compensated { error } => self.finish(End::Compensated { error: error.clone() }, at),
            RunEvent::Cancelled { reason } => self.finish(End::Cancelled { reason: reason.clone() }, at),
        }
    }

    fn receive(&mut self, number: u64, name: &str, data: &Data, event: bool, at: Timestamp) {
        self.last_signal = number;
        if event {
            self.note_heard(data);
        }
        self.signals.push_back(Signal { number, name: name.to_owned(), data: data.clone(), at, event });
    }

    fn drop_signal(&mut self, number: u64) {
        self.signals.retain(|signal| signal.number != number);
    }

    /// Folds what can still happen to a run that has ended: one that can be taken up again hears the answers to what was
    /// under way.
    fn apply_ended(&mut self, event: &RunEvent, at: Timestamp) -> Result<(), Misfit> {
        match event {
            RunEvent::StepAnswered { .. } if self.failed.is_some() => self.apply_call(event, at),
            RunEvent::ChildEnded { child, ending } if self.failed.is_some() => {
                self.early.insert(*child, ending.clone());
                Ok(())
            }
            RunEvent::SignalReceived { number, name, data, event } if self.failed.is_some() => {
                self.receive(*number, name, data, *event, at);
                Ok(())
            }
            RunEvent::SignalDropped { number } if self.failed.is_some() => {
                self.drop_signal(*number);
                Ok(())
            }
            RunEvent::Reopened { path, deadlines, .. } if self.failed.is_some() => {
                self.reopen(path, deadlines, at)
            }
            _ => Err("the run has ended".to_owned()),
        }
    }

    /// Ends the run in an error; what was active is kept where it can be taken up again.
    fn fault(&mut self, error: &WorkflowError, kept: Option<&String>, at: Timestamp) -> Result<(), Misfit> {
        let end = End::Faulted { error: error.clone() };
        if kept.is_none() {
            return self.finish(end, at);
        }
        self.end = Some(end);
        self.ended_at = Some(at);
        self.failed = kept.cloned();
        self.agenda.clear();
        Ok(())
    }

    fn finish(&mut self, end: End, at: Timestamp) -> Result<(), Misfit> {
        self.end = Some(end);
        self.ended_at = Some(at);
        self.paused = None;
        self.frames.clear();
        self.lists.clear();
        self.agenda.clear();
        self.calls.clear();
        self.pending.clear();
        self.early.clear();
        self.signals.clear();
        self.timers.clear();
        Ok(())
    }

    fn consume(&mut self, event: &RunEvent) -> Result<(), Misfit> {
        let RunEvent::SignalConsumed { number, path, filter, data, keys, ends, closes } = event else {
            return Err("not a signal that was consumed".to_owned());
        };
        let at = self.signals.iter().position(|signal| signal.number == *number);
        let signal = at.and_then(|at| self.signals.remove(at)).ok_or("there is no such signal")?;
        let frame = self.frame(path)?;
        // Until it was told what listeners take, a signal that came before its listener was taken at once.
        if let Phase::Listening(listening) = &mut frame.phase {
            let value = data.clone().unwrap_or(signal.data);
            listening.met.extend(filter);
            listening.keys.extend(keys.clone());
            listening.closed |= *closes;
            if !*ends {
                if listening.foreach {
                    listening.queue.push_back(value.clone());
                }
                listening.taken.push(value);
            }
        }
        self.refresh(path);
        Ok(())
    }

    pub(super) fn frame(&mut self, path: &str) -> Result<&mut Frame, Misfit> {
        self.frames.get_mut(path).ok_or_else(|| format!("there is no active task at `{path}`"))
    }

    pub(super) fn set_phase(&mut self, path: &str, phase: Phase) -> Result<(), Misfit> {
        self.frame(path)?.phase = phase;
        self.refresh(path);
        Ok(())
    }

    /// Puts a task on the agenda if the engine has to go on with it, and takes it off if not.
    pub(super) fn refresh(&mut self, path: &str) {
        let Some(frame) = self.frames.get(path) else { return };
        let ready = match &frame.phase {
            Phase::Begun | Phase::Returned { .. } => true,
            Phase::Inside | Phase::Waiting { .. } => false,
            Phase::Listening(listening) => {
                listening.current.is_none() && (listening.closed || !listening.queue.is_empty())
            }
            Phase::Loop { items, parallel, next, active, .. } => {
                let count = items.as_array().map_or(0, Vec::len) as u64;
                let room = *active < u64::from(parallel.unwrap_or(1));
                if *next < count { room } else { *active == 0 }
            }
            Phase::Fork { branches, compete, opened, outputs } => {
                let decided = *compete && !outputs.is_empty();
                decided || opened < branches || outputs.len() as u64 == *branches
            }
            Phase::Try { stage, .. } => match stage {
                Stage::Ready | Stage::Caught { .. } | Stage::Done { .. } => true,
                Stage::Trying | Stage::Backoff { .. } | Stage::Catching { .. } => false,
            },
            Phase::Call { call } => self.calls.get(call).is_some_and(|call| call.waiting.is_none()),
            Phase::Unwinding { calls, unsettled, .. } => *unsettled == 0 && self.can_undo(calls.last()),
        };
        let work = Work::Task(path.to_owned());
        let listed = self.agenda.contains(&work);
        if ready && !listed {
            self.agenda.push_back(work);
        } else if !ready && listed {
            self.agenda.retain(|other| *other != work);
        }
    }

    fn can_undo(&self, last: Option<&u64>) -> bool {
        let undo = last.and_then(|number| self.calls.get(number)).and_then(|call| call.undo.as_ref());
        undo.is_none_or(|undo| undo.waiting.is_none() && undo.retry_at.is_none() && !undo.stuck)
    }

    /// Hands what a part of a task gave to the task.
    pub(super) fn hand_over(
        &mut self,
        owner: &str,
        part: Part,
        output: Data,
        then: Option<String>,
    ) -> Result<(), Misfit> {
        let frame = self.frame(owner)?;
        match (&mut frame.phase, part) {
            (Phase::Loop { active, data, outputs, parallel, .. }, Part::Iteration(index)) => {
                *active = active.saturating_sub(1);
                if parallel.is_some() {
                    outputs.insert(index, output);
                } else {
                    *data = output;
                }
            }
            (Phase::Fork { outputs, .. }, Part::Branch(index)) => {
                outputs.insert(index, output);
            }
            (Phase::Try { stage, .. }, Part::Body) => *stage = Stage::Done { output, caught: false },
            (Phase::Try { stage, .. }, Part::Catch) => *stage = Stage::Done { output, caught: true },
            (phase @ Phase::Inside, Part::Body) => *phase = Phase::Returned { output, then },
            (Phase::Listening(listening), Part::Iteration(_)) => {
                listening.outputs.push(output);
                listening.current = None;
            }
            _ => return Err(format!("the task at `{owner}` does not wait for its tasks")),
        }
        self.refresh(owner);
        Ok(())
    }
}
