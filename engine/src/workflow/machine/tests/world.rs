//! Runs and topics together, in memory: what one sends comes to the other, in any order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::entity::{Input, Machine, Step, StepCx, Typed};
use crate::id::{IdKind, Slot, StreamId, StreamKey, TenantId, uuid_v7};
use crate::journal::{Accepted, Event, Json, Message, NewEvent, Origin, Outcome, TimerOp};
use crate::workflow::check::check;
use crate::workflow::fixtures::actions;
use crate::workflow::machine::Limits;
use crate::workflow::run::{Run, Runs};
use crate::workflow::topic::{TOPIC, Topic};
use crate::workflow::versions::Definitions;

pub(super) struct World {
    runs: Runs,
    definitions: Arc<Definitions>,
    tenant: TenantId,
    machines: BTreeMap<StreamId, Box<dyn Machine>>,
    pub(super) events: BTreeMap<StreamId, Vec<NewEvent>>,
    /// The same events, each with its time.
    folded: BTreeMap<StreamId, Vec<(Timestamp, NewEvent)>>,
    outbox: VecDeque<Message>,
    /// Answers that are on their way, where messages go in a random order.
    replies: Vec<(StreamId, Input)>,
    timers: BTreeMap<(StreamId, String), Timestamp>,
    pub(super) now: Timestamp,
    started: u64,
    /// What effects were asked for, and are not answered.
    pub(super) effects: Vec<(StreamId, crate::effect::Effect)>,
    /// Messages go in a random order.
    chance: Option<rand_chacha::ChaCha8Rng>,
}

impl World {
    pub(super) fn new(sources: &[String]) -> Self {
        let definitions = Arc::new(Definitions::new());
        let tenant = TenantId::default_tenant();
        for source in sources {
            let checked = check(source, &actions()).unwrap_or_else(|e| panic!("{:#?}", e.problems));
            definitions.insert(&tenant, Arc::new(checked.definition)).unwrap();
        }
        Self {
            runs: Runs::new(definitions.clone(), Arc::new(actions()), Limits::default()),
            definitions,
            tenant,
            machines: BTreeMap::new(),
            events: BTreeMap::new(),
            folded: BTreeMap::new(),
            outbox: VecDeque::new(),
            replies: Vec::new(),
            timers: BTreeMap::new(),
            now: Timestamp::from_ms(1_763_796_000_000),
            started: 0,
            effects: Vec::new(),
            chance: None,
        }
    }

    pub(super) fn shuffled(mut self, seed: u64) -> Self {
        self.chance = Some(rand_chacha::ChaCha8Rng::seed_from_u64(seed));
        self
    }

    /// Starts a run, and lets everything happen that follows.
    pub(super) fn start(&mut self, workflow: &str, input: Value) -> StreamId {
        self.started += 1;
        let id = StreamId::new(Run::PREFIX, uuid_v7(self.now.ms() as u64, Slot::new(7), self.started));
        let body = json!({ "workflow": workflow, "input": input });
        self.command(id, "start", &body);
        self.settle();
        id
    }

    /// Starts a run of a version.
    pub(super) fn start_version(&mut self, workflow: &str, version: &str, input: Value) -> StreamId {
        self.started += 1;
        let id = StreamId::new(Run::PREFIX, uuid_v7(self.now.ms() as u64, Slot::new(7), self.started));
        self.command(id, "start", &json!({ "workflow": workflow, "version": version, "input": input }));
        self.settle();
        id
    }

    /// What would become of a run in another version of its workflow.
    pub(super) fn effect(&self, run: StreamId, version: &str) -> crate::workflow::difference::Effect {
        let kept = self.machines[&run].snapshot().unwrap().1;
        let state: crate::workflow::machine::RunState = serde_json::from_str(kept.text()).unwrap();
        let of = |version: &str| self.definitions.get(&self.tenant, &state.workflow, Some(version)).unwrap();
        state.effect_of(&of(&state.version), &of(version), &Default::default())
    }

    pub(super) fn command(&mut self, to: StreamId, name: &str, body: &Value) -> Outcome {
        let (name, body) = (name.to_owned().into(), Json::from(body));
        self.give(to, &Input::Command { name, body, external_key: None })
    }

    /// Sends an event from outside.
    pub(super) fn event(&mut self, event: &Value) {
        for topic in self.definitions.interests(&self.tenant).topics(&self.tenant, event) {
            self.command(topic, "offer", &json!({ "event": event }));
        }
        self.settle();
    }

    /// Delivers all messages.
    pub(super) fn settle(&mut self) {
        for _ in 0..10_000 {
            let last = self.outbox.len();
            let chosen = match &mut self.chance {
                Some(chance) if last > 0 => chance.random_range(0..last),
                _ => 0,
            };
            let answers = self.replies.len();
            let answer = self.chance.as_mut().filter(|_| answers > 0).and_then(|chance| {
                (last == 0 || chance.random_bool(0.5)).then(|| chance.random_range(0..answers))
            });
            if let Some(answer) = answer {
                let (to, input) = self.replies.swap_remove(answer);
                self.give(to, &input);
                continue;
            }
            let Some(message) = self.outbox.remove(chosen) else { return };
            let input = Input::Command {
                name: message.command.clone(),
                body: message.body.clone(),
                external_key: None,
            };
            let outcome = self.give(message.to, &input);
            let reply = (message.from.id, Input::Reply { id: message.id, outcome });
            match &mut self.chance {
                Some(_) => self.replies.push(reply),
                None => drop(self.give(reply.0, &reply.1)),
            }
        }
        panic!("messages never end");
    }

    /// Lets time pass until the next timer is due, and fires it.
    pub(super) fn tick(&mut self) {
        let next = self.timers.iter().min_by_key(|(name, due)| (**due, (*name).clone()));
        let ((stream, name), due) = next.map(|(key, due)| (key.clone(), *due)).expect("a timer is set");
        self.now = self.now.max(due);
        self.timers.remove(&(stream, name.clone()));
        self.give(stream, &Input::Timer { name, due });
        self.settle();
    }

    pub(super) fn view(&self, id: StreamId) -> Value {
        self.machines[&id].view().unwrap()
    }

    pub(super) fn status(&self, id: StreamId) -> String {
        self.view(id)["status"].as_str().unwrap().to_owned()
    }

    pub(super) fn output(&self, id: StreamId) -> Value {
        let view = self.view(id);
        assert_eq!(view["status"], "completed", "{view:#}");
        view["output"].clone()
    }

    /// The runs beside one.
    pub(super) fn others(&self, id: StreamId) -> Vec<StreamId> {
        self.machines.keys().filter(|other| other.prefix() == Run::PREFIX && **other != id).copied().collect()
    }

    pub(super) fn topics(&self) -> Vec<Value> {
        let topics = self.machines.iter().filter(|(id, _)| id.prefix() == TOPIC);
        topics.filter_map(|(_, machine)| machine.view()).collect()
    }

    pub(super) fn names(&self, id: StreamId) -> Vec<&str> {
        self.events[&id].iter().map(|event| event.name.as_ref()).collect()
    }

    pub(super) fn give(&mut self, to: StreamId, input: &Input) -> Outcome {
        let stream = StreamKey::new(self.tenant.clone(), to);
        let make = || -> Box<dyn Machine> {
            if to.prefix() == TOPIC {
                Box::new(Typed::<Topic>::new())
            } else {
                Box::new(self.runs.machine(&stream))
            }
        };
        let machine = self.machines.entry(to).or_insert_with(make);
        let origin = Arc::new(Origin::root("test", "tester"));
        let events = self.events.entry(to).or_default();
        let cx = StepCx { stream: &stream, now: self.now, seq: events.len() as u64, origin: &origin };
        match machine.step(input, &cx) {
            Err(rejected) => Outcome::Rejected(rejected),
            Ok(Step { events: new, reply, timers, messages, effects }) => {
                let names = new.iter().map(|event| event.name.clone()).collect();
                let folded = self.folded.entry(to).or_default();
                folded.extend(new.iter().map(|event| (self.now, event.clone())));
                events.extend(new);
                for op in timers {
                    match op {
                        TimerOp::Set { name, due } => {
                            self.timers.insert((to, name), due);
                        }
                        TimerOp::Clear { name } | TimerOp::Fired { name, .. } => {
                            self.timers.remove(&(to, name));
                        }
                    }
                }
                // A fold of the events, as they are stored, gives the same state.
                let mut folded: Box<dyn Machine> = match to.prefix() == TOPIC {
                    true => Box::new(Typed::<Topic>::new()),
                    false => Box::new(self.runs.machine(&stream)),
                };
                for (at, (time, body)) in (1..).zip(self.folded.entry(to).or_default().iter()) {
                    let (position, seq, at) = (at, at, *time);
                    let event = Event { position, stream: stream.clone(), seq, at, body: body.clone() };
                    folded.apply(&event).unwrap();
                }
                let kept = |machine: &dyn Machine| machine.snapshot().map(|(_, data)| data.text().to_owned());
                assert_eq!(kept(&*folded), kept(&**machine), "fold equals live");
                self.outbox.extend(messages);
                self.effects.extend(effects.into_iter().map(|effect| (to, effect)));
                let reply = reply.unwrap_or_else(Json::null);
                Outcome::Accepted(Accepted { seq: events.len() as u64, events: names, reply })
            }
        }
    }
}
