//! One transition: emits events, folds each at once, and collects what they ask of the outside.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::event::{EVENTS, RunEvent};
use super::state::{Phase, RunState, Work};
use super::terms::TaskType;
use super::{Limits, path};
use crate::clock::Timestamp;
use crate::codec;
use crate::entity::{Step, StepCx};
use crate::id::StreamId;
use crate::journal::{NewEvent, Origin, TimerOp};
use crate::workflow::action::{Actions, WorkflowError};
use crate::workflow::definition::{Definition, Node, Then};
use crate::workflow::expression::{self, spent};
use crate::workflow::topic::Interests;

/// The soonest that a timer is due: a timer that has just fired and one that is set anew must not be the same.
pub(super) const SOONEST: Duration = Duration::from_millis(1);

/// How many times the operations after which a transition ends its last tick may take.
const TICK_SHARE: u64 = 4;

/// What a transition works with beside the state.
#[derive(Clone, Copy)]
pub(in crate::workflow) struct Bench<'a> {
    pub(in crate::workflow) definition: &'a Arc<Definition>,
    pub(in crate::workflow) actions: &'a Actions,
    pub(in crate::workflow) limits: &'a Limits,
    pub(in crate::workflow) interests: &'a Interests,
    /// The bytes of the state when it was last written as a whole.
    pub(in crate::workflow) size: usize,
    pub(in crate::workflow) cx: StepCx<'a>,
}

/// A transition under way.
pub(in crate::workflow) struct Turn<'a> {
    pub(in crate::workflow) state: RunState,
    pub(super) definition: &'a Arc<Definition>,
    pub(super) actions: &'a Actions,
    pub(super) limits: &'a Limits,
    pub(super) interests: &'a Interests,
    size: usize,
    pub(super) cx: StepCx<'a>,
    pub(super) step: Step,
    /// The runs whose end has come in.
    pub(super) answered_children: BTreeSet<StreamId>,
    pub(super) descriptor: OnceCell<Value>,
    timers: BTreeMap<String, Timestamp>,
    topics: BTreeSet<StreamId>,
    children: BTreeMap<StreamId, bool>,
    /// True if the run had ended before.
    pub(super) had_ended: bool,
    bytes: usize,
    /// What expressions had taken when the tick under way began.
    tick_began: Option<u64>,
}

impl<'a> Turn<'a> {
    pub(in crate::workflow) fn new(state: RunState, bench: Bench<'a>) -> Self {
        let Bench { definition, actions, limits, interests, size, cx } = bench;
        Self {
            timers: state.wanted_timers(),
            topics: state.wanted_topics(),
            children: state.children(),
            had_ended: state.end.is_some(),
            state,
            definition,
            actions,
            limits,
            interests,
            size,
            cx,
            step: Step::default(),
            answered_children: BTreeSet::new(),
            descriptor: OnceCell::new(),
            bytes: 0,
            tick_began: None,
        }
    }

    /// The turn of a run's very first event.
    pub(super) fn begin(event: RunEvent, bench: Bench<'a>) -> Self {
        let state = RunState::begin(&event, bench.cx.now).expect("a run begins with its first event");
        let mut turn = Self::new(state, bench);
        turn.timers.clear();
        turn.record(&event);
        turn
    }

    pub(super) fn emit(&mut self, event: RunEvent) {
        self.record(&event);
        let folded = self.state.apply(&event, self.cx.now);
        folded.expect("what was decided can be folded");
    }

    fn record(&mut self, event: &RunEvent) {
        let event = written(event, self.cx.origin);
        self.bytes += event.data.text().len();
        self.step.events.push(event);
    }

    /// Goes on until the outside is needed, or this transition's share is used up.
    pub(in crate::workflow) fn run(&mut self) {
        if self.state.end.is_some() {
            return;
        }
        if self.state.timers.contains_key("yield") && self.state.paused.is_none() {
            self.emit(RunEvent::Continued {});
        }
        if self.state.paused.is_none() {
            self.deliver_signals();
        }
        let (mut ticks, began) = (0, spent());
        while self.state.end.is_none() && self.state.paused.is_none() {
            let Some(work) = self.state.agenda.front().cloned() else { return };
            let taken = spent().wrapping_sub(began);
            if ticks >= self.limits.ticks || self.bytes >= self.limits.bytes || taken >= self.limits.fuel {
                return self.emit(RunEvent::Yielded { at: self.cx.now.plus(SOONEST) });
            }
            ticks += 1;
            self.tick_began = Some(spent());
            let before = self.step.events.len();
            self.tick(&work);
            self.tick_began = None;
            if self.step.events.len() == before {
                let error = WorkflowError::standard("runtime", 500, "a task of the run cannot go on");
                if self.is_undoing("") {
                    return self.fail(error);
                }
                self.fault("", error);
            }
        }
    }

    /// The bounds of an expression: what is left of this tick's share counts too.
    pub(super) fn expression_limits(&self) -> expression::Limits {
        let limits = self.limits.expression.clone();
        let Some(began) = self.tick_began else { return limits };
        let share = self.limits.fuel.saturating_mul(TICK_SHARE);
        let left = share.saturating_sub(spent().wrapping_sub(began));
        expression::Limits { fuel: limits.fuel.min(left), ..limits }
    }

    /// Notes that a timer has fired: the host takes it away, so that it must be set anew where it is still wanted.
    pub(super) fn fired(&mut self, name: &str) {
        self.timers.remove(name);
    }

    /// Ends the transition: the state, and what was decided.
    pub(in crate::workflow) fn finish(mut self) -> (RunState, Step) {
        let wanted = self.state.wanted_timers();
        let set = wanted.iter().filter(|(name, due)| self.timers.get(*name) != Some(due));
        let set = set.map(|(name, due)| TimerOp::Set { name: name.clone(), due: *due });
        let clear = self.timers.keys().filter(|name| !wanted.contains_key(*name));
        let clear = clear.map(|name| TimerOp::Clear { name: name.clone() });
        self.step.timers.extend(clear.chain(set));
        let (topics, children) = (std::mem::take(&mut self.topics), std::mem::take(&mut self.children));
        self.tell_others(&topics, &children);
        (self.state, self.step)
    }

    fn tick(&mut self, work: &Work) {
        if let Some(detail) = self.beyond().filter(|_| !self.is_undoing("")) {
            return self.fault("", WorkflowError::standard("runtime", 500, detail));
        }
        match work {
            Work::List(list) => self.next_of_list(list),
            Work::Task(path) => self.go_on(path),
        }
    }

    /// The bound that the run as a whole has passed, if there is one.
    fn beyond(&self) -> Option<String> {
        let Limits { tasks, data, .. } = self.limits;
        if self.state.started_tasks > *tasks {
            return Some(format!("the run has begun {tasks} tasks, the most that are allowed"));
        }
        let size = self.size;
        (size > *data).then(|| {
            format!("the data of the run takes {size} bytes, and {data} are allowed: keep large data outside, and a reference to it in the run")
        })
    }

    fn go_on(&mut self, at: &str) {
        let Some(frame) = self.state.frames.get(at) else { return };
        match (&frame.phase, frame.kind) {
            (Phase::Begun, kind) => self.execute(at, kind),
            (Phase::Returned { output, then }, _) => {
                let (output, then) = (output.clone(), then.as_deref().map(Then::parse));
                if at.is_empty() {
                    self.complete_run(&output)
                } else {
                    self.returned(at, output, then.as_ref())
                }
            }
            (Phase::Listening(_), _) => self.go_listening(at),
            (Phase::Loop { .. }, _) => self.go_round(at),
            (Phase::Fork { .. }, _) => self.go_apart(at),
            (Phase::Try { stage, .. }, _) => {
                let stage = stage.clone();
                self.try_catch(at, stage);
            }
            (Phase::Call { call }, _) => {
                let call = *call;
                self.advance_call(at, call);
            }
            (Phase::Unwinding { calls, then, .. }, _) => {
                let (last, then) = (calls.last().copied(), then.clone());
                self.unwind(at, last, then);
            }
            (Phase::Inside | Phase::Waiting { .. }, _) => {}
        }
    }

    fn execute(&mut self, at: &str, kind: TaskType) {
        match kind {
            TaskType::Do => self.first_of_body(at, "do"),
            TaskType::Set => self.set(at),
            TaskType::Switch => self.switch(at),
            TaskType::For => self.begin_loop(at),
            TaskType::Fork => self.begin_fork(at),
            TaskType::Call => self.begin_call(at),
            TaskType::Wait => self.wait(at),
            TaskType::Emit => self.emit_event(at),
            TaskType::Listen => self.listen(at),
            TaskType::Run => self.begin_run(at),
            TaskType::Raise => self.raise(at),
            TaskType::Try => {}
        }
    }

    /// The task of the definition behind an instance path.
    pub(super) fn node(&self, at: &str) -> &'a Node {
        let node = self.definition.node(&path::reference(at));
        node.expect("an active task stands in the definition that the run is pinned to")
    }
}

/// Writes an event as it goes into the journal.
pub(in crate::workflow) fn written(event: &RunEvent, origin: &Arc<Origin>) -> NewEvent {
    let (name, data) = codec::write_named(event).expect("events are enums of struct variants");
    let declared = EVENTS.iter().find(|(known, _)| *known == name);
    let (name, version) = *declared.expect("every event is listed in EVENTS");
    NewEvent { name: name.into(), version, data, origin: origin.clone() }
}
