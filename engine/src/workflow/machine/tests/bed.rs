//! A run on a test bed: a journal in memory, a clock that is set by hand, and an outside that does what it is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::{Limits, RunEvent, TaskList};
use crate::clock::Timestamp;
use crate::codec;
use crate::effect::{EffectFailure, EffectKey, EffectOutcome, EffectState};
use crate::entity::{Input, Machine, Step, StepCx};
use crate::id::{IdKind, Slot, StreamId, StreamKey, TenantId, uuid_v7};
use crate::journal::{
    Accepted, Event, Json, MessageId, NewEvent, Origin, Outcome, Rejected, RejectionKind, Snapshot, TimerOp,
};
use crate::workflow::check::check;
use crate::workflow::fixtures::actions;
use crate::workflow::run::{Run, RunMachine, Runs};
use crate::workflow::versions::Definitions;

/// What the run asked of the outside and was not answered.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) id: Id,
    pub(super) name: String,
    pub(super) to: String,
    pub(super) body: Value,
    /// True if it is an effect that is said to have been called, perhaps.
    pub(super) doubt: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Id {
    Message(MessageId),
    Effect(EffectKey),
}

pub(super) struct Bed {
    runs: Runs,
    /// The runs with their definition, while it is missing.
    hidden: Option<Runs>,
    machine: RunMachine,
    stream: StreamKey,
    pub(super) now: Timestamp,
    pub(super) events: Vec<Event>,
    pub(super) timers: BTreeMap<String, Timestamp>,
    pub(super) sent: Vec<Sent>,
    /// The names of everything that was ever sent.
    pub(super) history: Vec<String>,
    /// The commands that were accepted, each with its stream.
    done: Vec<(String, String)>,
}

impl Bed {
    pub(super) fn new(source: &str) -> Self {
        Self::with(source, Limits::default())
    }

    pub(super) fn with(source: &str, limits: Limits) -> Self {
        let checked = check(source, &actions()).unwrap_or_else(|e| panic!("{:#?}", e.problems));
        let definitions = Definitions::new();
        let tenant = TenantId::default_tenant();
        definitions.insert(&tenant, Arc::new(checked.definition)).unwrap();
        let runs = Runs::new(Arc::new(definitions), Arc::new(actions()), limits);
        let id = StreamId::new(Run::PREFIX, uuid_v7(1_763_796_000_000, Slot::new(7), 42));
        let stream = StreamKey::new(tenant, id);
        let machine = runs.machine(&stream);
        Self {
            runs,
            hidden: None,
            machine,
            stream,
            now: Timestamp::from_ms(1_763_796_000_000),
            events: Vec::new(),
            timers: BTreeMap::new(),
            sent: Vec::new(),
            history: Vec::new(),
            done: Vec::new(),
        }
    }

    pub(super) fn started(source: &str, input: Value) -> Self {
        let mut bed = Self::new(source);
        bed.start(input);
        bed
    }

    pub(super) fn start(&mut self, input: Value) {
        self.command("start", json!({ "workflow": "example", "input": input })).unwrap();
    }

    pub(super) fn command(&mut self, name: &str, body: Value) -> Result<Value, Rejected> {
        let (name, body) = (name.to_owned().into(), Json::from(&body));
        let step = self.input(&Input::Command { name, body, external_key: None })?;
        Ok(step.reply.map_or(Value::Null, |reply| reply.value()))
    }

    /// Gives the run an input, and checks what must hold after each.
    pub(super) fn input(&mut self, input: &Input) -> Result<Step, Rejected> {
        let before = self.machine.snapshot();
        let seq = self.events.len() as u64;
        let origin = Arc::new(Origin::root("test", "tester"));
        let (now, stream) = (self.now, self.stream.clone());
        let cx = StepCx { stream: &stream, now, seq, origin: &origin };
        let stepped = self.machine.step(input, &cx);
        let again = self.restored(before.clone()).step(input, &cx);
        match stepped {
            Err(rejected) => {
                assert_eq!(text(&self.machine.snapshot()), text(&before), "a rejection changes nothing");
                assert_eq!(again.unwrap_err(), rejected);
                Err(rejected)
            }
            Ok(step) => {
                assert_eq!(shown(&again.unwrap()), shown(&step), "the same input gives the same step");
                self.commit(&step);
                self.check();
                Ok(step)
            }
        }
    }

    /// The definition is not loaded any more.
    pub(super) fn lose_definition(&mut self) {
        let empty = Runs::new(Arc::new(Definitions::new()), Arc::new(actions()), Limits::default());
        self.hidden = Some(std::mem::replace(&mut self.runs, empty));
        self.machine = self.restored(self.machine.snapshot());
    }

    /// The definition is there again.
    pub(super) fn find_definition(&mut self) {
        self.runs = self.hidden.take().unwrap();
        self.machine = self.restored(self.machine.snapshot());
    }

    fn restored(&self, snapshot: Option<(u16, Json)>) -> RunMachine {
        let mut machine = self.runs.machine(&self.stream);
        if let Some((version, data)) = snapshot {
            assert!(machine.restore(&Snapshot { seq: 0, version, data }).unwrap());
        }
        machine
    }

    fn commit(&mut self, step: &Step) {
        for body in &step.events {
            let at = self.events.len() as u64 + 1;
            // What is read back is what was written, not what was in memory.
            let data = Json::from_text(body.data.text().to_owned()).unwrap();
            let body = NewEvent { data, ..body.clone() };
            self.events.push(Event {
                position: at,
                stream: self.stream.clone(),
                seq: at,
                at: self.now,
                body,
            });
        }
        for op in &step.timers {
            match op {
                TimerOp::Set { name, due } => drop(self.timers.insert(name.clone(), *due)),
                TimerOp::Clear { name } | TimerOp::Fired { name, .. } => drop(self.timers.remove(name)),
            }
        }
        for message in &step.messages {
            let (name, to) = (message.command.to_string(), message.to.to_string());
            let (id, body) = (Id::Message(message.id), message.body.value());
            self.send(Sent { id, name, to, body, doubt: false });
        }
        for effect in &step.effects {
            let (name, to) = (effect.operation.to_string(), effect.connector.to_string());
            let (id, body) = (Id::Effect(effect.key), effect.request.value());
            let doubt = matches!(effect.state, EffectState::Dispatched { .. });
            self.send(Sent { id, name, to, body, doubt });
        }
    }

    fn send(&mut self, sent: Sent) {
        let twice = self.sent.iter().any(|other| other.id == sent.id);
        assert!(!twice, "`{}` is sent twice at once under one key", sent.name);
        self.history.push(sent.name.clone());
        self.sent.push(sent);
    }

    /// Fold equals live; a snapshot gives the state back; nobody is stuck; the timers are those that are wanted.
    fn check(&self) {
        let mut folded = self.runs.machine(&self.stream);
        let mut tasks = TaskList::new();
        for event in &self.events {
            folded.apply(event).unwrap();
            let read = codec::read_named::<RunEvent>(&event.body.name, event.body.data.text()).unwrap();
            tasks.apply(&read, event.at);
        }
        let live = self.machine.snapshot();
        assert_eq!(text(&folded.snapshot()), text(&live), "fold equals live");
        assert_eq!(folded.view(), self.machine.view());
        let restored = self.restored(live.clone());
        assert_eq!(text(&restored.snapshot()), text(&live), "a snapshot gives the state back");
        let Some(state) = self.machine.state().filter(|_| self.hidden.is_none()) else { return };
        assert_eq!(state.wanted_timers(), self.timers, "timers are those that are wanted");
        if state.end.is_some() {
            super::history::agrees_in_parts(&self.events);
            assert!(state.waiting_for().is_empty());
            return;
        }
        let moving = state.agenda.is_empty() || state.paused.is_some() || self.timers.contains_key("yield");
        assert!(moving, "work is left on the agenda: {:?}", state.agenda);
        assert!(!state.waiting_for().is_empty(), "the run waits for nothing: {:#?}", self.machine.view());
        for id in state.pending.keys() {
            let known = self.sent.iter().any(|sent| sent.id.to_string() == *id);
            assert!(known, "the run waits for an answer to `{id}` that nobody was asked for");
        }
    }

    pub(super) fn view(&self) -> Value {
        self.machine.view().unwrap()
    }

    pub(super) fn status(&self) -> String {
        self.view()["status"].as_str().unwrap().to_owned()
    }

    pub(super) fn output(&self) -> Value {
        let view = self.view();
        assert_eq!(view["status"], "completed", "{view:#}");
        view["output"].clone()
    }

    pub(super) fn error(&self) -> Value {
        self.view()["error"].clone()
    }

    /// The kinds of things that the run waits for, each with its task.
    pub(super) fn waits(&self) -> Vec<String> {
        let view = self.view();
        let waits = view["waitingFor"].as_array().unwrap();
        let one =
            |wait: &Value| format!("{} {}", wait["kind"].as_str().unwrap(), wait["path"].as_str().unwrap());
        waits.iter().map(one).collect()
    }

    /// The names of what was sent and not answered.
    pub(super) fn open(&self) -> Vec<&str> {
        self.sent.iter().map(|sent| sent.name.as_str()).collect()
    }

    pub(super) fn tasks(&self) -> Vec<(String, String)> {
        let mut tasks = TaskList::new();
        for event in &self.events {
            let read = codec::read_named::<RunEvent>(&event.body.name, event.body.data.text()).unwrap();
            tasks.apply(&read, event.at);
        }
        let status = |item: &super::super::TaskItem| serde_json::to_value(item.status).unwrap();
        let one = |item: &super::super::TaskItem| {
            (item.path.clone(), format!("{} {}", status(item).as_str().unwrap(), item.attempts))
        };
        tasks.items().iter().map(one).collect()
    }

    pub(super) fn names(&self) -> Vec<&str> {
        self.events.iter().map(|event| event.body.name.as_ref()).collect()
    }

    /// What was opened or reserved, as far as known to the outside, and not closed or released again.
    pub(super) fn balance(&self) -> Vec<String> {
        let mut open: Vec<String> = Vec::new();
        for (kind, to) in &self.done {
            match kind.as_str() {
                "open" | "reserve" => open.push(to.clone()),
                "close" | "release" => open.retain(|other| other != to),
                _ => {}
            }
        }
        open
    }

    /// Takes the first thing sent under a name off the list of what is open.
    pub(super) fn take(&mut self, name: &str) -> Sent {
        let at = self.sent.iter().position(|sent| sent.name == name);
        self.sent.remove(at.unwrap_or_else(|| panic!("`{name}` is not open: {:?}", self.open())))
    }

    pub(super) fn answer(&mut self, sent: &Sent, ending: &Ending) {
        if matches!((sent.id, ending), (Id::Message(_), Ending::Ok(_))) {
            let done = (sent.name.clone(), sent.to.clone());
            if self.done.last() != Some(&done) {
                self.done.push(done);
            }
        }
        let input = match sent.id {
            Id::Message(id) => Input::Reply { id, outcome: ending.outcome() },
            Id::Effect(key) => Input::Effect { key, outcome: ending.effect() },
        };
        self.input(&input).unwrap();
    }

    /// Answers the first thing sent under a name.
    pub(super) fn end(&mut self, name: &str, ending: Ending) -> Sent {
        let sent = self.take(name);
        self.answer(&sent, &ending);
        sent
    }

    pub(super) fn ok(&mut self, name: &str) -> Sent {
        self.end(name, Ending::Ok(json!({ "did": name })))
    }

    pub(super) fn no(&mut self, name: &str) -> Sent {
        self.end(name, Ending::No("no_way"))
    }

    pub(super) fn unknown(&mut self, name: &str) -> Sent {
        self.end(name, Ending::Unknown)
    }

    /// Lets time pass until the next timer is due, and fires it. Gives its name.
    pub(super) fn tick(&mut self) -> String {
        let next = self.timers.iter().min_by_key(|(name, due)| (**due, (*name).clone()));
        let (name, due) = next.map(|(name, due)| (name.clone(), *due)).expect("a timer is set");
        self.now = self.now.max(due);
        self.fire(&name, due);
        name
    }

    pub(super) fn fire(&mut self, name: &str, due: Timestamp) {
        // The host takes a timer that has fired away, unless it was set anew.
        if self.now >= due && self.timers.get(name) == Some(&due) {
            self.timers.remove(name);
        }
        self.input(&Input::Timer { name: name.to_owned(), due }).unwrap();
    }

    /// Milliseconds until a timer is due.
    pub(super) fn due_in(&self, name: &str) -> i64 {
        let due = self.timers.get(name).unwrap_or_else(|| panic!("`{name}` is not set: {:?}", self.timers));
        due.ms() - self.now.ms()
    }
}

/// How something sent ends.
#[derive(Debug, Clone)]
pub(super) enum Ending {
    Ok(Value),
    No(&'static str),
    Failed,
    Unknown,
}

impl Ending {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Ok(reply) => {
                Outcome::Accepted(Accepted { seq: 1, events: Vec::new(), reply: Json::from(reply) })
            }
            Self::No(code) => Outcome::Rejected(Rejected {
                kind: RejectionKind::Conflict,
                code: (*code).into(),
                message: "not now".to_owned(),
                detail: Json::null(),
            }),
            Self::Failed | Self::Unknown => Outcome::Rejected(Rejected {
                kind: RejectionKind::DeadLettered,
                code: "dead_lettered".into(),
                message: "set aside".to_owned(),
                detail: Json::null(),
            }),
        }
    }

    fn effect(&self) -> EffectOutcome {
        let failure = |code: &'static str| EffectFailure { code: code.into(), message: "outside".to_owned() };
        match self {
            Self::Ok(answer) => EffectOutcome::Confirmed(Json::from(answer)),
            Self::No(code) => EffectOutcome::Refused(failure(code)),
            Self::Failed => EffectOutcome::Failed(failure("unreachable")),
            Self::Unknown => EffectOutcome::Unknown(failure("deadline")),
        }
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Message(id) => id.fmt(f),
            Self::Effect(key) => key.fmt(f),
        }
    }
}

fn text(snapshot: &Option<(u16, Json)>) -> Option<&str> {
    snapshot.as_ref().map(|(_, data)| data.text())
}

fn shown(step: &Step) -> String {
    let events: Vec<_> = step.events.iter().map(|e| (e.name.clone(), e.data.text().to_owned())).collect();
    let messages: Vec<_> = step.messages.iter().map(|m| (m.id, m.to, m.body.text().to_owned())).collect();
    let effects: Vec<_> = step.effects.iter().map(|e| (e.key, e.request.text().to_owned())).collect();
    format!("{events:?} {messages:?} {effects:?} {:?} {:?}", step.timers, step.reply.as_ref().map(Json::text))
}
