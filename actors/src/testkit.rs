//! Helpers of the tests: an entity behind its machine, as the engine holds it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use promptsales_engine::clock::Timestamp;
use promptsales_engine::entity::{Entity, Input, Machine, StepCx, Typed};
use promptsales_engine::id::{Slot, StreamId, StreamKey, TenantId, uuid_v7};
use promptsales_engine::journal::{
    Accepted, Event, Json, MessageId, Origin, Outcome, Rejected, RejectionKind, Snapshot, TimerOp,
};
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
    /// Their bodies.
    pub(crate) bodies: Vec<Value>,
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
        Self::numbered(7)
    }

    /// One of several of a kind.
    pub(crate) fn numbered(number: u64) -> Self {
        let now = Timestamp::from_ms(1_767_225_600_000);
        let id = StreamId::new(E::KIND.prefix, uuid_v7(1_767_225_600_000, Slot::new(7), number));
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

    /// Takes the answer to a message in.
    pub(crate) fn answer(&mut self, outcome: Outcome) -> Done {
        let id = MessageId::derive(&["test"]);
        self.step(&Input::Reply { id, outcome })
            .unwrap_or_else(|r| panic!("a reply is rejected: {}", r.message))
    }

    pub(crate) fn id(&self) -> StreamId {
        self.key.id
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, duration: std::time::Duration) {
        self.now = self.now.plus(duration);
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
        let bodies = step.messages.iter().map(|message| message.body.value()).collect();
        Ok(Done { events, reply, timers: step.timers, sent, bodies })
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

/// What the receiver of a message answers.
pub(crate) fn outcome(done: Result<Done, Rejected>) -> Outcome {
    match done {
        Ok(done) => {
            Outcome::Accepted(Accepted { seq: 1, events: Vec::new(), reply: Json::from(&done.reply) })
        }
        Err(rejected) => Outcome::Rejected(rejected),
    }
}

/// An answer that refuses.
pub(crate) fn refusal(code: &'static str) -> Outcome {
    let (kind, message) = (RejectionKind::Conflict, "no".to_owned());
    Outcome::Rejected(Rejected { kind, code: code.into(), message, detail: Json::null() })
}

/// Ways from state to state.
pub(crate) type Ways = BTreeSet<(String, String)>;

/// Reads the state diagram in the documentation at the head of a module; lines whose label holds `without` are left out.
///
/// Its lines are `A, B -> C -> D: label`: each state leads to each one behind the next arrow. `A => B => C` leads from
/// each state to all that follow it.
pub(crate) fn diagram(source: &str, without: Option<&str>) -> Ways {
    let doc = source.lines().map_while(|line| line.strip_prefix("//!"));
    let inside =
        doc.skip_while(|line| line.trim() != "```text").skip(1).take_while(|line| line.trim() != "```");
    let mut ways = Ways::new();
    for line in inside {
        let (line, label) = line.split_once(':').unwrap_or((line, ""));
        if without.is_some_and(|without| label.contains(without)) {
            continue;
        }
        let arrow = if line.contains("=>") { "=>" } else { "->" };
        let stops: Vec<Vec<&str>> =
            line.split(arrow).map(|stop| stop.split(',').map(str::trim).collect()).collect();
        for (at, from) in stops.iter().enumerate() {
            let next = if arrow == "=>" { stops.len() } else { stops.len().min(at + 2) };
            for to in stops[at + 1..next].iter().flatten() {
                let ways_from = from.iter().filter(|from| *from != to);
                ways.extend(ways_from.map(|from| ((*from).to_owned(), (*to).to_owned())));
            }
        }
    }
    assert!(!ways.is_empty(), "there is no diagram");
    ways
}

/// Something that can be done to a subject: `false` where it was refused.
pub(crate) type Act<E> = Box<dyn Fn(&mut Subject<E>) -> bool>;

/// A command, as something that can be done.
pub(crate) fn act<E: Entity>(name: &'static str, body: Value) -> Act<E> {
    Box::new(move |subject| subject.tell(name, body.clone()).is_ok())
}

/// In how many shapes a state is gone on from.
const SHAPES: usize = 6;

/// Finds every way that acts lead from state to state: what is reached is gone on from with every act, in several shapes
/// where an act changes more than the state.
pub(crate) fn ways<E: Entity>(
    begin: &[Vec<Act<E>>],
    acts: &[Act<E>],
    state: impl Fn(&Value) -> String,
) -> Ways {
    let begun = |path: &(usize, Vec<usize>)| {
        let mut subject = Subject::<E>::new();
        for act in &begin[path.0] {
            assert!(act(&mut subject), "a beginning is refused");
        }
        for step in &path.1 {
            acts[*step](&mut subject);
        }
        subject
    };
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut is_new = |subject: &Subject<E>| {
        let view = subject.view();
        let known = seen.entry(state(&view)).or_default();
        known.len() < SHAPES && known.insert(shape(&view))
    };
    let mut open: VecDeque<(usize, Vec<usize>)> =
        (0..begin.len()).map(|number| (number, Vec::new())).collect();
    let mut ways = Ways::new();
    while let Some(path) = open.pop_front() {
        let from = state(&begun(&path).view());
        for (step, act) in acts.iter().enumerate() {
            let mut subject = begun(&path);
            act(&mut subject);
            let to = state(&subject.view());
            if from != to {
                ways.insert((from.clone(), to));
            }
            if is_new(&subject) {
                open.push_back((path.0, path.1.iter().copied().chain([step]).collect()));
            }
        }
    }
    ways
}

/// What a view looks like, without its times and numbers.
fn shape(view: &Value) -> String {
    match view {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| format!("{name}:{},", shape(value))).collect()
        }
        Value::Array(items) => format!("[{}]", items.len().min(2)),
        Value::String(text) if text.parse::<Timestamp>().is_err() => text.clone(),
        Value::String(_) | Value::Number(_) => "_".to_owned(),
        Value::Null | Value::Bool(_) => view.to_string(),
    }
}
