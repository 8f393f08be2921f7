//! A run in virtual time: each thing that comes to it comes at its moment, and nothing in between.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::answer::{Answer, Script};
use super::hear::hears;
use super::log::{Called, Log};
use super::script::{Scenario, ScriptedSignal, Verb};
use super::{Failure, iso, stand_in};
use crate::clock::Timestamp;
use crate::codec;
use crate::effect::{Effect, EffectKey, EffectOutcome};
use crate::entity::{Input, Machine, Step, StepCx};
use crate::id::{IdKind, Slot, StreamId, StreamKey, TenantId, uuid_v7};
use crate::journal::{Json, MessageId, Origin, Outcome, Rejected, TimerOp};
use crate::workflow::action::{Actions, WorkflowError};
use crate::workflow::definition::{CallSpec, Compensate, Definition, Kind, RunSpec};
use crate::workflow::machine::{Limits, RunEvent, WaitKind, reference};
use crate::workflow::run::{Run, RunMachine, Runs};
use crate::workflow::versions::Definitions;

/// How much may happen in a scenario; a run that needs more goes round in circles.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// The most things that come to the run.
    pub(super) transitions: usize,
    /// The most events of the run.
    pub(super) events: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { transitions: 5_000, events: 50_000 }
    }
}

/// How a scenario ended.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) status: String,
    pub(super) output: Value,
    pub(super) error: Value,
    pub(super) lasted: Duration,
    pub(super) log: Log,
    /// Why it could not be played as it is written.
    pub(super) failures: Vec<Failure>,
    /// True if it broke off, so that what came of it means nothing.
    pub(super) broken: bool,
}

/// Something that comes to the run.
#[derive(Debug)]
pub(super) enum Coming {
    Command { name: &'static str, body: Value, what: String },
    Answer { key: EffectKey, outcome: EffectOutcome },
    Started { id: MessageId, outcome: Outcome },
    ChildEnded { child: StreamId, ending: Value },
}

/// What comes first of things that come at the same moment: people, then answers, then timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Person,
    Answer,
}

/// A scenario under way.
pub(super) struct Play<'a> {
    definition: &'a Arc<Definition>,
    scenario: &'a Scenario,
    bounds: Bounds,
    pub(super) script: Script<'a>,
    machine: RunMachine,
    stream: StreamKey,
    origin: Arc<Origin>,
    pub(super) now: Timestamp,
    pub(super) coming: BTreeMap<(Timestamp, Rank, usize), Coming>,
    timers: BTreeMap<String, Timestamp>,
    /// The signals that wait for a listener.
    unheard: Vec<&'a ScriptedSignal>,
    /// The runs whose end is waited for, by what they run.
    pub(super) children: BTreeMap<StreamId, String>,
    pub(super) log: Log,
    pub(super) failures: Vec<Failure>,
    transitions: usize,
    scheduled: usize,
    pub(super) broken: bool,
}

impl<'a> Play<'a> {
    pub(super) fn new(
        definition: &'a Arc<Definition>,
        actions: &'a Actions,
        scenario: &'a Scenario,
        bounds: Bounds,
    ) -> Self {
        let tenant = TenantId::default_tenant();
        let definitions = Definitions::new();
        definitions.insert(&tenant, definition.clone()).expect("a registry without definitions has room");
        let runs = Runs::new(Arc::new(definitions), Arc::new(stand_in::of(actions)), Limits::default());
        let start = scenario.starts_at;
        let ms = u64::try_from(start.ms()).unwrap_or(0);
        let stream = StreamKey::new(tenant, StreamId::new(Run::PREFIX, uuid_v7(ms, Slot::new(0), 1)));
        Self {
            definition,
            scenario,
            bounds,
            script: Script::new(scenario, actions),
            machine: runs.machine(&stream),
            stream,
            origin: Arc::new(Origin::root("scenario", "scenario")),
            now: start,
            coming: BTreeMap::new(),
            timers: BTreeMap::new(),
            unheard: scenario.signals.iter().filter(|signal| signal.at.is_none()).collect(),
            children: BTreeMap::new(),
            log: Log::new(start),
            failures: Vec::new(),
            transitions: 0,
            scheduled: 0,
            broken: false,
        }
    }

    /// Plays to the end: of the run, or of what there is to come.
    pub(super) fn play(mut self) -> Ending {
        self.schedule_people();
        let start = json!({
            "workflow": self.definition.name, "version": self.definition.version, "input": self.scenario.input,
        });
        let (name, body) = ("start".into(), Json::from(&start));
        if let Err(rejected) = self.input(&Input::Command { name, body, external_key: None }) {
            return self.refused(&rejected);
        }
        while !self.has_ended() && !self.broken && !self.goes_in_circles() {
            self.send_awaited_signal();
            let Some(coming) = self.next() else { break };
            self.take(coming);
        }
        self.end()
    }

    /// Puts signals and commands at their times.
    fn schedule_people(&mut self) {
        let start = self.now;
        for signal in &self.scenario.signals {
            let Some(at) = signal.at else { continue };
            self.schedule(start.plus(at.0), Rank::Person, signalled(signal));
        }
        for command in &self.scenario.commands {
            let mut body = json!({});
            if let (Some(reason), Verb::Cancel) = (&command.reason, command.command) {
                body["reason"] = json!(reason);
            }
            let name = command.command.name();
            let coming = Coming::Command { name, body, what: format!("command `{name}`") };
            self.schedule(start.plus(command.at.0), Rank::Person, coming);
        }
    }

    pub(super) fn schedule(&mut self, at: Timestamp, rank: Rank, coming: Coming) {
        self.scheduled += 1;
        self.coming.insert((at, rank, self.scheduled), coming);
    }

    /// Sends the first of the signals without a time that a task listens to by now.
    fn send_awaited_signal(&mut self) {
        let waits = self.machine.state().map(|state| state.waiting_for()).unwrap_or_default();
        let listening: Vec<_> = waits.iter().filter(|wait| wait.kind == WaitKind::Signal).collect();
        let heard = |signal: &&ScriptedSignal| {
            listening.iter().any(|wait| match self.definition.node(&wait.task).map(|node| &node.kind) {
                Some(Kind::Listen(spec)) => hears(&spec.to, self.log.met.get(&wait.path), signal, self.now),
                _ => false,
            })
        };
        if let Some(index) = self.unheard.iter().position(heard) {
            let signal = self.unheard.remove(index);
            self.schedule(self.now, Rank::Person, signalled(signal));
        }
    }

    /// Jumps to what comes next, and gives it.
    fn next(&mut self) -> Option<Next> {
        let timer = self.timers.iter().min_by_key(|(name, due)| (**due, (*name).clone()));
        let timer = timer.map(|(name, due)| (name.clone(), *due));
        let first = self.coming.first_entry();
        match (first, timer) {
            (Some(first), timer) if timer.as_ref().is_none_or(|(_, due)| first.key().0 <= *due) => {
                let ((at, ..), coming) = first.remove_entry();
                self.now = self.now.max(at);
                Some(Next::Coming(coming))
            }
            (_, Some((name, due))) => {
                self.now = self.now.max(due);
                self.timers.remove(&name);
                Some(Next::Timer(name, due))
            }
            (_, None) => None,
        }
    }

    pub(super) fn take(&mut self, next: Next) {
        let (input, what) = match next {
            Next::Timer(name, due) => (Input::Timer { name, due }, String::new()),
            Next::Coming(Coming::Answer { key, outcome }) => (Input::Effect { key, outcome }, String::new()),
            Next::Coming(Coming::Started { id, outcome }) => (Input::Reply { id, outcome }, String::new()),
            Next::Coming(Coming::ChildEnded { child, ending }) => {
                let (name, body) =
                    ("child-ended".into(), Json::from(&json!({ "child": child, "ending": ending })));
                (Input::Command { name, body, external_key: None }, format!("the end of `{child}`"))
            }
            Next::Coming(Coming::Command { name, body, what }) => {
                let body = Json::from(&body);
                (Input::Command { name: name.into(), body, external_key: None }, what)
            }
        };
        if let Err(Rejected { code, message, .. }) = self.input(&input) {
            let what = format!("{what} at {}", iso(self.now.since(self.scenario.starts_at)));
            let (expected, actual) = ("is taken".to_owned(), format!("is refused, {code}: {message}"));
            self.failures.push(Failure { what, expected, actual });
        }
    }

    /// Gives the run an input, and takes in what it decides.
    fn input(&mut self, input: &Input) -> Result<(), Rejected> {
        self.transitions += 1;
        let seq = self.log.events as u64;
        let cx = StepCx { stream: &self.stream, now: self.now, seq, origin: &self.origin };
        let step = self.machine.step(input, &cx)?;
        self.commit(&step);
        Ok(())
    }

    fn commit(&mut self, step: &Step) {
        for event in &step.events {
            let read = codec::read_named::<RunEvent>(&event.name, event.data.text());
            let read = read.expect("an event is read as it was written");
            self.log.event(self.now, &read);
            let RunEvent::StepRequested { call, undo, id, .. } = &read else { continue };
            if let Some(effect) = step.effects.iter().find(|effect| effect.key.to_string() == *id) {
                self.answer(*call, *undo, effect);
            }
            // No stand-in sends a message: it is another run that is to start.
            if let Some(start) = step.messages.iter().find(|message| message.id.to_string() == *id) {
                self.start_child(*call, start);
            }
        }
        for message in step.messages.iter().filter(|message| message.command == "cancel") {
            self.cancel_child(message);
        }
        for op in &step.timers {
            match op {
                TimerOp::Set { name, due } => drop(self.timers.insert(name.clone(), *due)),
                TimerOp::Clear { name } | TimerOp::Fired { name, .. } => drop(self.timers.remove(name)),
            }
        }
    }

    /// Answers a step of a stand-in: a call, or its undoing.
    fn answer(&mut self, call: u64, undo: bool, effect: &Effect) {
        let Some(called) = self.log.call(call).cloned() else { return };
        let undoing = if undo { self.override_of(&called, effect) } else { None };
        let answer = match (undo, undoing) {
            (true, None) => Ok(self.script.undo(&called)),
            (_, Some(undoing)) => self.call(undoing, Some(&called)),
            (false, None) => self.call(called, None),
        };
        match answer {
            Ok(answer) => {
                let coming = Coming::Answer { key: effect.key, outcome: answer.outcome };
                self.schedule(self.now.plus(answer.takes), Rank::Answer, coming);
            }
            Err(failure) => self.break_off(failure),
        }
    }

    fn call(&mut self, called: Called, undone: Option<&Called>) -> Result<Answer, Failure> {
        let answer = self.script.call(&called, undone, self.stream.id, self.now);
        if let Ok(answer) = &answer {
            self.log.note(self.now, "calls", &format!("{}: {}", called.action, answer.told));
        }
        self.log.calls.push(called);
        answer
    }

    /// The call by which a task says that its own is undone.
    fn override_of(&self, called: &Called, effect: &Effect) -> Option<Called> {
        let node = self.definition.node(&reference(&called.path))?;
        let (Kind::Call(CallSpec { compensate: Compensate::By { action, .. }, .. })
        | Kind::Run(RunSpec { compensate: Compensate::By { action, .. }, .. })) = &node.kind
        else {
            return None;
        };
        let identity = format!("{}/compensate", called.identity);
        Some(Called {
            path: called.path.clone(),
            identity,
            action: action.clone(),
            arguments: effect.request.value(),
        })
    }

    fn has_ended(&self) -> bool {
        self.machine.state().is_some_and(|state| state.end.is_some())
    }

    fn goes_in_circles(&mut self) -> bool {
        let at_limit = self.transitions >= self.bounds.transitions || self.log.events >= self.bounds.events;
        if at_limit {
            let last: Vec<&str> = self.log.tasks.iter().rev().take(5).rev().map(String::as_str).collect();
            let actual = format!(
                "still at work after {} transitions and {} events, at {}; the last tasks are {}",
                self.transitions,
                self.log.events,
                iso(self.now.since(self.scenario.starts_at)),
                last.join(", "),
            );
            let (what, expected) = ("the run".to_owned(), "an end; is there a loop without one?".to_owned());
            self.break_off(Failure { what, expected, actual });
        }
        at_limit
    }

    fn end(mut self) -> Ending {
        if self.has_ended() {
            self.settle_starts();
        }
        if !self.broken {
            self.miss_what_is_left();
        }
        for wait in self.machine.state().map(|state| state.waiting_for()).unwrap_or_default() {
            self.log.note(self.now, "waits for", &format!("{} {}", wait.path, wait.what));
        }
        let view = self.machine.view().unwrap_or_default();
        let ended = self.machine.state().and_then(|state| state.ended_at).unwrap_or(self.now);
        Ending {
            status: view["status"].as_str().unwrap_or_default().to_owned(),
            output: view["output"].clone(),
            error: view["error"].clone(),
            lasted: ended.since(self.scenario.starts_at),
            log: self.log,
            failures: self.failures,
            broken: self.broken,
        }
    }

    /// What was to come to the run and came too late, or never.
    fn miss_what_is_left(&mut self) {
        for ((at, ..), coming) in &self.coming {
            let Coming::Command { what, .. } = coming else { continue };
            let what = format!("{what} at {}", iso(at.since(self.scenario.starts_at)));
            let (expected, actual) = ("is taken".to_owned(), "the run has ended before".to_owned());
            self.failures.push(Failure { what, expected, actual });
        }
        for signal in &self.unheard {
            let what = format!("signal `{}`", signal.name);
            let (expected, actual) = ("is listened to".to_owned(), "no task comes to it".to_owned());
            self.failures.push(Failure { what, expected, actual });
        }
    }

    fn refused(self, rejected: &Rejected) -> Ending {
        let error = WorkflowError::action(&rejected.code, 422, &rejected.message);
        Ending {
            status: "refused".to_owned(),
            output: Value::Null,
            error: json!(error),
            lasted: Duration::ZERO,
            log: self.log,
            failures: self.failures,
            broken: false,
        }
    }
}

/// What comes next to a run.
pub(super) enum Next {
    Coming(Coming),
    Timer(String, Timestamp),
}

fn signalled(signal: &ScriptedSignal) -> Coming {
    let body = json!({ "name": signal.name, "data": signal.data });
    Coming::Command { name: "signal", body, what: format!("signal `{}`", signal.name) }
}
