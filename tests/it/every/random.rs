//! For each registered kind: whatever it is told, it does not panic, a rejection changes nothing, and the state that lives,
//! the one folded from what was written, and the one restored from what was kept are the same.
//!
//! The commands are made by chance: of the kinds' schemas, and of what the scripts tell them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use promptsales_api::app::Registry;
use promptsales_engine::clock::Timestamp;
use promptsales_engine::entity::{Input, KindInfo, Machine, StepCx};
use promptsales_engine::id::{Slot, StreamId, StreamKey, TenantId, uuid_v7};
use promptsales_engine::journal::{
    Accepted, Event, Json, MessageId, Origin, Outcome, Rejected, RejectionKind, Snapshot, TimerOp,
};
use promptsales_engine::testkit::EPOCH;
use promptsales_tests::Dice;
use serde_json::{Map, Value, json};

use super::scripts::{self, Step};

/// Lives of each kind, and inputs in each life.
const LIVES: u64 = 40;
const INPUTS: u64 = 60;

const PRINCIPALS: &[&str] = &["ana", "rule:scoring", "run:run_1", "timer", "lead_01h455vb4pex5vsknk084sn02q"];

/// Texts that some fields take, and some that none does.
const TEXTS: &[&str] = &[
    "ana",
    "ñandú",
    "es-CR",
    "en",
    "America/Costa_Rica",
    "ana@example.com",
    "+50670102020",
    "x",
    "instagram",
    "USD",
    "https://tienda.example/verano",
    "2026-01-03T00:00:00Z",
    "a",
    "",
    " ",
    "\u{0}",
    "~",
    "0",
];

const TIMES: &[&str] = &[
    "2025-01-01T00:00:00Z",
    "2026-01-01T00:00:05Z",
    "2026-01-31T23:59:59.999Z",
    "9999-12-31T23:59:59Z",
    "soon",
];

/// A stream of one kind, alive, and beside it what is folded from its events.
struct Subject<'k> {
    kind: &'k KindInfo,
    key: StreamKey,
    live: Box<dyn Machine>,
    folded: Box<dyn Machine>,
    seq: u64,
    now: Timestamp,
    timers: BTreeSet<String>,
    accepted: u64,
}

impl<'k> Subject<'k> {
    fn new(kind: &'k KindInfo, number: u64) -> Self {
        let id = StreamId::new(kind.kind.prefix, uuid_v7(1, Slot::new(7), number));
        let key = StreamKey::new(TenantId::default_tenant(), id);
        let (live, folded) = ((kind.machine)(&key), (kind.machine)(&key));
        Self { kind, key, live, folded, seq: 0, now: EPOCH, timers: BTreeSet::new(), accepted: 0 }
    }

    fn take(&mut self, input: &Input, principal: &str) {
        let before = (text(&*self.live), self.live.view());
        let origin = Arc::new(Origin::root("req_1", principal));
        let cx = StepCx { stream: &self.key, now: self.now, seq: self.seq, origin: &origin };
        let Ok(step) = self.live.step(input, &cx) else {
            assert_eq!((text(&*self.live), self.live.view()), before, "a rejection changed {}", self.key);
            return;
        };
        self.accepted += 1;
        for body in step.events {
            self.seq += 1;
            let (stream, at) = (self.key.clone(), self.now);
            let event = Event { position: self.seq, stream, seq: self.seq, at, body };
            self.folded.apply(&event).unwrap_or_else(|e| panic!("{}: {e}", self.key));
        }
        self.timers.extend(
            step.timers
                .iter()
                .filter(|timer| matches!(timer, TimerOp::Set { .. }))
                .map(|timer| timer.name().to_owned()),
        );
        assert_eq!(text(&*self.live), text(&*self.folded), "{} lives otherwise than it folds", self.key);
        assert_eq!(self.live.view(), self.folded.view());
        if let Some((version, data)) = self.live.snapshot() {
            let mut restored = (self.kind.machine)(&self.key);
            let kept = Snapshot { seq: self.seq, version, data };
            assert!(restored.restore(&kept).unwrap_or_else(|e| panic!("{}: {e}", self.key)));
            assert_eq!(
                text(&*restored),
                text(&*self.live),
                "{} is restored otherwise than it lives",
                self.key
            );
            assert_eq!(restored.view(), self.live.view());
        }
    }
}

fn text(machine: &dyn Machine) -> Option<(u16, String)> {
    machine.snapshot().map(|(version, data)| (version, data.text().to_owned()))
}

#[test]
fn whatever_comes_every_kind_keeps_its_state() {
    let catalog = Registry::new().expect("nothing is there twice").catalog;
    let mut dice = Dice::new("whatever_comes_every_kind_keeps_its_state", 11);
    for kind in catalog.kinds().iter().filter(|kind| kind.public) {
        let known = told(kind);
        let mut accepted = 0;
        for number in 0..LIVES {
            let mut dice = dice.fork();
            let mut subject = Subject::new(kind, number);
            for _ in 0..INPUTS {
                subject.now = subject.now.plus(Duration::from_secs(dice.roll(200_000)));
                let input = input(kind, &known, &subject.timers, &mut dice);
                let principal = dice.pick::<&str>(PRINCIPALS);
                subject.take(&input, principal);
            }
            accepted += subject.accepted;
        }
        assert!(accepted > LIVES * 5, "{}: only {accepted} inputs were accepted", kind.kind.name);
    }
}

/// What the scripts tell a kind.
fn told(kind: &KindInfo) -> Vec<(&'static str, Value)> {
    let of_kind = scripts::scripts().into_iter().filter(|script| script.id.prefix() == kind.kind.prefix);
    let steps = of_kind.flat_map(|script| script.steps);
    let told = steps.filter_map(|step| match step {
        Step::Tell(name, body) => Some((name, body)),
        Step::Sleep(_) => None,
    });
    told.collect()
}

fn input(
    kind: &KindInfo,
    known: &[(&'static str, Value)],
    timers: &BTreeSet<String>,
    dice: &mut Dice,
) -> Input {
    match dice.roll(10) {
        0 if !timers.is_empty() => {
            let timers: Vec<&String> = timers.iter().collect();
            Input::Timer { name: (*dice.pick(&timers)).clone(), due: EPOCH }
        }
        1 => Input::Reply { id: MessageId::derive(&["random"]), outcome: outcome(dice) },
        _ => {
            let (name, body) = command(kind, known, dice);
            let external_key = (dice.roll(8) == 0).then(|| "crm-1".to_owned());
            Input::Command { name: name.into(), body: Json::from(&body), external_key }
        }
    }
}

fn outcome(dice: &mut Dice) -> Outcome {
    match dice.roll(3) {
        0 => Outcome::Accepted(Accepted { seq: 1, events: Vec::new(), reply: Json::null() }),
        1 => Outcome::Accepted(Accepted {
            seq: 1,
            events: Vec::new(),
            reply: Json::from(&json!({ "n": [1] })),
        }),
        _ => Outcome::Rejected(Rejected {
            kind: RejectionKind::Conflict,
            code: "no".into(),
            message: "no".to_owned(),
            detail: Json::null(),
        }),
    }
}

/// A command that a script tells, with a field or two changed, or one that follows from its schema alone.
fn command(kind: &KindInfo, known: &[(&'static str, Value)], dice: &mut Dice) -> (String, Value) {
    if !known.is_empty() && dice.roll(3) > 0 {
        let (name, mut body) = dice.pick(known).clone();
        let info = kind.commands.iter().find(|command| command.name == name);
        let fields = info.and_then(|command| command.schema["properties"].as_object());
        let fields: Vec<(&String, &Value)> = fields.into_iter().flatten().collect();
        if let (false, Some(given)) = (fields.is_empty() || dice.roll(2) == 0, body.as_object_mut()) {
            let (field, schema) = *dice.pick(&fields);
            match dice.roll(4) {
                0 => drop(given.remove(field)),
                _ => drop(given.insert(field.clone(), value(schema, dice))),
            }
        }
        return (name.to_owned(), body);
    }
    let command = dice.pick(&kind.commands);
    (command.name.clone(), value(&command.schema, dice))
}

/// A value that a schema describes, now and then one that it does not.
fn value(schema: &Value, dice: &mut Dice) -> Value {
    if dice.roll(60) == 0 {
        return dice.pick(&[json!(null), json!(-1), json!("?"), json!([[]]), json!({ "?": 1 })]).clone();
    }
    if let Some(constant) = schema.get("const") {
        return constant.clone();
    }
    if let Some(values) = schema["enum"].as_array() {
        return dice.pick(values).clone();
    }
    let ways = ["anyOf", "oneOf"].into_iter().find_map(|name| schema[name].as_array());
    if let Some(ways) = ways {
        return value(dice.pick(ways), dice);
    }
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.clone(),
        one => vec![one.clone()],
    };
    match dice.pick(&kinds).as_str() {
        Some("object") => object(schema, dice),
        Some("array") => {
            let count = dice.roll(4) + schema["minItems"].as_u64().unwrap_or(0);
            (0..count).map(|_| value(&schema["items"], dice)).collect()
        }
        Some("integer" | "number") => {
            let bounds = [&schema["minimum"], &schema["maximum"]].map(|bound| bound.as_i64());
            let (low, high) = (bounds[0].unwrap_or(-3), bounds[1].unwrap_or(i64::MAX));
            json!(*dice.pick(&[low, high, low.saturating_add(1), 1, 7, 1_000, low.saturating_sub(1)]))
        }
        Some("boolean") => json!(dice.roll(2) == 0),
        Some("string") => string(schema, dice),
        Some(_) | None => Value::Null,
    }
}

fn object(schema: &Value, dice: &mut Dice) -> Value {
    let needed: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut fields = Map::new();
    for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
        if needed.contains(&field.as_str()) || dice.roll(3) == 0 {
            fields.insert(field.clone(), value(schema, dice));
        }
    }
    if schema["additionalProperties"].is_object() {
        for _ in 0..dice.roll(4) {
            let name = (*dice.pick(TEXTS)).to_owned();
            fields.insert(name, value(&schema["additionalProperties"], dice));
        }
    }
    Value::Object(fields)
}

fn string(schema: &Value, dice: &mut Dice) -> Value {
    let pattern = schema["pattern"].as_str().unwrap_or_default();
    let prefix = pattern.strip_prefix('^').and_then(|rest| rest.split_once('_')).map(|(prefix, _)| prefix);
    if let Some(Ok(prefix)) = prefix.map(str::parse) {
        return json!(StreamId::new(prefix, uuid_v7(1, Slot::new(7), dice.roll(4))));
    }
    match schema["format"].as_str() {
        Some("date-time") => json!(dice.pick(TIMES)),
        Some("idn-email") => json!(dice.pick(&["ana@example.com", "eva@tienda.cr", "nobody"])),
        _ if dice.roll(40) == 0 => json!("long ".repeat(2_000)),
        _ => json!(dice.pick(TEXTS)),
    }
}
