//! Helpers of the tests: an entity behind its machine, as the engine holds it.

use std::collections::BTreeSet;
use std::sync::Arc;

use promptsales_engine::clock::Timestamp;
use promptsales_engine::entity::{Entity, Input, Machine, StepCx, Typed};
use promptsales_engine::id::{Slot, StreamId, StreamKey, TenantId, uuid_v7};
use promptsales_engine::journal::{Event, Json, Origin, Rejected, Snapshot, TimerOp};
use serde_json::Value;

/// What a command did.
#[derive(Debug)]
pub(crate) struct Done {
    /// The names of the events.
    pub(crate) events: Vec<String>,
    /// The answer.
    pub(crate) reply: Value,
    /// The timers set and cleared.
    pub(crate) timers: Vec<TimerOp>,
    /// The commands of the messages sent.
    pub(crate) sent: Vec<String>,
}

/// An entity under test, beside a second one that knows it from its stored events only.
pub(crate) struct Subject<E: Entity> {
    live: Typed<E>,
    folded: Typed<E>,
    key: StreamKey,
    seq: u64,
    /// The time of the next command.
    pub(crate) now: Timestamp,
    /// Who sends the next command.
    pub(crate) principal: String,
    /// The key that the entity is addressed by.
    pub(crate) external_key: Option<String>,
}

impl<E: Entity> Subject<E> {
    pub(crate) fn new() -> Self {
        let now = Timestamp::from_ms(1_767_225_600_000);
        let id = StreamId::new(E::KIND.prefix, uuid_v7(1_767_225_600_000, Slot::new(7), 7));
        let key = StreamKey::new(TenantId::default_tenant(), id);
        let (live, folded) = (Typed::new(), Typed::new());
        Self { live, folded, key, seq: 0, now, principal: "key:ana".to_owned(), external_key: None }
    }

    /// Sends a command; whatever comes of it, the live state and the folded one must agree.
    pub(crate) fn tell(&mut self, name: &'static str, body: Value) -> Result<Done, Rejected> {
        let external_key = self.external_key.clone();
        self.step(&Input::Command { name: name.into(), body: Json::from(&body), external_key })
    }

    /// Lets a timer fire.
    pub(crate) fn fire(&mut self, name: &str) -> Result<Done, Rejected> {
        self.step(&Input::Timer { name: name.to_owned(), due: self.now })
    }

    /// The names of the events that a command leads to.
    pub(crate) fn events(&mut self, name: &'static str, body: Value) -> Vec<String> {
        self.tell(name, body).unwrap_or_else(|r| panic!("`{name}` is rejected: {}", r.message)).events
    }

    /// The code that a command is rejected with.
    pub(crate) fn code(&mut self, name: &'static str, body: Value) -> String {
        let done = self.tell(name, body);
        done.err().map_or_else(|| panic!("`{name}` is accepted"), |rejected| rejected.code.into_owned())
    }

    pub(crate) fn view(&self) -> Value {
        self.live.view().unwrap_or(Value::Null)
    }

    fn step(&mut self, input: &Input) -> Result<Done, Rejected> {
        let before = self.live.snapshot();
        let origin = Arc::new(Origin::root("test", &self.principal));
        let cx = StepCx { stream: &self.key, now: self.now, seq: self.seq, origin: &origin };
        let step = self.live.step(input, &cx);
        if step.is_err() {
            assert_eq!(self.live.snapshot(), before, "a rejection changes nothing");
        }
        let step = step?;
        let mut events = Vec::new();
        for body in step.events {
            self.seq += 1;
            events.push(body.name.to_string());
            let (stream, at) = (self.key.clone(), self.now);
            let event = Event { position: self.seq, stream, seq: self.seq, at, body };
            self.folded.apply(&event).unwrap();
        }
        self.check();
        let reply = step.reply.map_or(Value::Null, |reply| reply.value());
        let sent = step.messages.iter().map(|message| message.command.to_string()).collect();
        Ok(Done { events, reply, timers: step.timers, sent })
    }

    /// The folded state and a restored one are the live one.
    fn check(&self) {
        let live = self.live.snapshot();
        assert_eq!(text(live.as_ref()), text(self.folded.snapshot().as_ref()));
        if let Some((version, data)) = live {
            let mut restored = Typed::<E>::new();
            let snapshot = Snapshot { seq: self.seq, version, data: data.clone() };
            assert!(restored.restore(&snapshot).unwrap());
            assert_eq!(restored.snapshot(), Some((version, data)));
        }
    }
}

fn text(snapshot: Option<&(u16, Json)>) -> Option<&str> {
    snapshot.map(|(_, data)| data.text())
}

/// Asserts that the listed events are those that there are.
pub(crate) fn events_are_listed<E: Entity>() {
    let schema = Typed::<E>::info().event_schema;
    let variants = schema["oneOf"].as_array().unwrap().iter();
    let known: BTreeSet<String> =
        variants.flat_map(|v| v["properties"].as_object().unwrap().keys().cloned()).collect();
    let listed: BTreeSet<String> = E::EVENTS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(known, listed);
}

/// Asserts that every command has a name, a summary and an object for its body.
pub(crate) fn commands_are_described<E: Entity>() {
    let info = Typed::<E>::info();
    assert!(info.commands.iter().any(|command| command.name == E::CREATE));
    for command in info.commands {
        assert!(command.summary.ends_with('.') || command.summary.contains(';'), "{}", command.name);
        assert_eq!(command.schema["type"], "object", "{}: {}", command.name, command.schema);
        assert_eq!(command.schema["additionalProperties"], false, "{}", command.name);
    }
}
