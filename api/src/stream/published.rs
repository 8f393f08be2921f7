//! What is published: one function for each family of events, from what the journal holds to a CloudEvent.
//!
//! What tasks take in and put out is not in it: that is read from the run, by whoever may.

use promptsales_engine::clock::Timestamp;
use promptsales_engine::id::{Prefix, StreamId};
use promptsales_engine::journal::Event;
use promptsales_engine::supervise::{Child, Notice};
use promptsales_engine::workflow::machine::reference;
use serde_json::{Map, Value, json};

use crate::app::App;

/// The families: the prefix of a stream's id, and what says what is published of its events. A new one comes here.
const FAMILIES: &[(Prefix, Family)] =
    &[(Prefix::new("run"), run), (Prefix::new("dead"), dead_letter), (Prefix::new("quar"), quarantine)];

/// Every type, with when it is sent.
pub const PUBLISHED: &[(&str, &str)] = &[
    ("io.promptsales.run.started.v1", "a run began, pinned to a version"),
    ("io.promptsales.run.paused.v1", "a person paused a run"),
    ("io.promptsales.run.resumed.v1", "a person let a run go on"),
    ("io.promptsales.run.signal-received.v1", "a signal came"),
    ("io.promptsales.run.cancel-requested.v1", "somebody asked for a run's end"),
    ("io.promptsales.run.unwinding-started.v1", "what a run did is being undone, last first"),
    ("io.promptsales.run.needs-attention.v1", "something could not be undone: a person must see to it"),
    ("io.promptsales.run.completed.v1", "a run ended well"),
    ("io.promptsales.run.faulted.v1", "a run ended in an error"),
    ("io.promptsales.run.compensated.v1", "a run ended in an error, and what it did is undone"),
    ("io.promptsales.run.cancelled.v1", "a run was cancelled, and what it did is undone"),
    ("io.promptsales.task.started.v1", "a task began"),
    ("io.promptsales.task.skipped.v1", "a task's condition did not hold"),
    ("io.promptsales.task.waiting.v1", "a task waits for a time"),
    ("io.promptsales.task.listening.v1", "a task waits for a signal"),
    ("io.promptsales.task.calling.v1", "a task calls an action"),
    ("io.promptsales.task.retry-scheduled.v1", "a task failed and will be tried again"),
    ("io.promptsales.task.retried.v1", "a task is tried again"),
    ("io.promptsales.task.completed.v1", "a task completed"),
    ("io.promptsales.task.faulted.v1", "a task ended in an error"),
    ("io.promptsales.dead-letter.recorded.v1", "a command was set aside that brings its entity down"),
    ("io.promptsales.dead-letter.retry-asked.v1", "an operator had it sent again"),
    ("io.promptsales.dead-letter.retried.v1", "it was answered"),
    ("io.promptsales.dead-letter.discarded.v1", "an operator let it go"),
    ("io.promptsales.quarantine.quarantined.v1", "an entity or run was set aside that keeps failing"),
    ("io.promptsales.quarantine.released.v1", "an operator released it"),
    ("io.promptsales.service.restarted.v1", "a service was restarted; not journalled"),
    ("io.promptsales.partition.restarted.v1", "a partition's supervisor was restarted; not journalled"),
    ("io.promptsales.entity.restarted.v1", "an entity or run was restarted; not journalled"),
    ("io.promptsales.supervision.missed.v1", "restarts were missed, as the client is slow; not journalled"),
];

/// What a family makes of an event: the rest of its type, and its data; `None` where it is not published.
type Family = fn(&str, &Value) -> Option<(&'static str, Value)>;

/// An event as it is published.
#[derive(Debug, Clone)]
pub struct Published {
    /// Its type.
    pub kind: &'static str,
    /// What it is about; `None` for what is no entity.
    pub about: Option<StreamId>,
    /// The plural of that one's kind, or `services` or `partitions`.
    pub of: &'static str,
    /// The whole event in the JSON format.
    pub json: Value,
}

/// What a client wants to see.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Beginnings of types; any where there are none.
    pub types: Vec<String>,
    /// What is about this run.
    pub run: Option<StreamId>,
    /// What is about entities of this kind, by its plural, or `services` or `partitions`.
    pub kind: Option<String>,
}

impl Filter {
    /// True if a published event is wanted.
    pub fn wants(&self, event: &Published) -> bool {
        self.wants_type(event.kind)
            && self.run.is_none_or(|run| event.about == Some(run))
            && self.kind.as_deref().is_none_or(|kind| kind == event.of)
    }

    /// True if an event of a stream may be wanted, before it is looked at.
    pub fn may_want(&self, stream: &StreamId) -> bool {
        let is_run = stream.prefix() == Prefix::new("run");
        let is_published = FAMILIES.iter().any(|(prefix, _)| *prefix == stream.prefix());
        is_published && self.run.is_none_or(|run| !is_run || run == *stream)
    }

    fn wants_type(&self, kind: &str) -> bool {
        self.types.is_empty() || self.types.iter().any(|wanted| kind.starts_with(wanted.as_str()))
    }
}

/// What is published of a journalled event; `None` where nothing is.
pub(super) async fn of_event(app: &App, event: &Event) -> Option<Published> {
    let prefix = event.stream.id.prefix();
    let (_, family) = FAMILIES.iter().find(|(of, _)| *of == prefix)?;
    let (name, version) = (event.body.name.as_ref(), event.body.version);
    let shapes = &app.node().catalog().by_prefix(prefix)?.shapes;
    let text = shapes.upcast_event(name, version, &event.body.data).ok()?;
    let held: Value = serde_json::from_str(&text).ok()?;
    let (kind, mut data) = family(name, &held)?;
    let about = match (held["target"].as_str(), held["id"].as_str()) {
        _ if prefix == Prefix::new("run") => Some(event.stream.id),
        (Some(target), _) => parsed(app, target),
        (None, Some(id)) if prefix == Prefix::new("quar") => parsed(app, id),
        (None, _) => target_of(app, event).await,
    };
    if let (Some(about), Value::Object(data)) = (about, &mut data)
        && prefix != Prefix::new("run")
    {
        data.insert("target".to_owned(), json!(about));
    }
    let partition = app.node().info().partition_of(&event.stream);
    let mut json = envelope(app, kind, format!("{partition}:{}", event.position), event.at);
    let origin = &event.body.origin;
    json["subject"] = json!(event.stream.id);
    json["sequence"] = json!(format!("{:020}", event.seq));
    json["causationid"] = json!(origin.causation);
    json["correlationid"] = json!(origin.correlation);
    json["principal"] = json!(origin.principal);
    if let Some(trace) = &origin.trace {
        json["traceparent"] = json!(trace);
    }
    json["data"] = data;
    let of = about.map_or("", |about| plural(app, &about));
    Some(Published { kind, about, of, json })
}

/// What is published of a restart.
pub(super) fn of_notice(app: &App, notice: &Notice) -> Published {
    let fault = json!({ "restarts": notice.restarts, "lastFault": notice.fault });
    let with = |more: Value| {
        let mut data = fault.clone();
        data.as_object_mut().into_iter().for_each(|data| data.extend(object(more.clone())));
        data
    };
    let (kind, about, of, subject, data) = match &notice.child {
        Child::Service { partition, id } => {
            let data = with(json!({ "service": id, "partition": partition }));
            ("io.promptsales.service.restarted.v1", None, "services", id.clone(), data)
        }
        Child::Partition(partition) => {
            let data = with(json!({ "partition": partition }));
            ("io.promptsales.partition.restarted.v1", None, "partitions", partition.to_string(), data)
        }
        Child::Entity(stream) => {
            let id = stream.id;
            let data = with(json!({ "target": id }));
            ("io.promptsales.entity.restarted.v1", Some(id), plural(app, &id), id.to_string(), data)
        }
    };
    let mut json = unjournalled(app, kind, notice.at);
    json["subject"] = subject.into();
    json["data"] = data;
    Published { kind, about, of, json }
}

/// What is published where a client was too slow for restarts.
pub(super) fn of_missed(app: &App, missed: u64) -> Published {
    let kind = "io.promptsales.supervision.missed.v1";
    let mut json = unjournalled(app, kind, app.node().cx().now());
    json["data"] = json!({ "missed": missed });
    Published { kind, about: None, of: "services", json }
}

fn run(name: &str, held: &Value) -> Option<(&'static str, Value)> {
    let pick = |fields: &[&str]| picked(held, fields);
    let task = |fields: &[&str]| {
        let mut data = picked(held, fields);
        let path = held["path"].as_str().unwrap_or_default();
        data["task"] = reference(path).into();
        data["path"] = path.into();
        data
    };
    let is_for_a_person = || held["retryAt"].is_null();
    Some(match name {
        "started" => ("io.promptsales.run.started.v1", pick(&["workflow", "version", "cause"])),
        "paused" => ("io.promptsales.run.paused.v1", json!({})),
        "resumed" => ("io.promptsales.run.resumed.v1", json!({})),
        "signal-received" => ("io.promptsales.run.signal-received.v1", pick(&["name", "number"])),
        "cancel-requested" => ("io.promptsales.run.cancel-requested.v1", pick(&["reason"])),
        "unwinding-started" => ("io.promptsales.run.unwinding-started.v1", task(&["calls"])),
        "compensation-failed" if is_for_a_person() => {
            ("io.promptsales.run.needs-attention.v1", pick(&["call", "attempt", "error"]))
        }
        "completed" => ("io.promptsales.run.completed.v1", json!({})),
        "faulted" => ("io.promptsales.run.faulted.v1", pick(&["error"])),
        "compensated" => ("io.promptsales.run.compensated.v1", pick(&["error"])),
        "cancelled" => ("io.promptsales.run.cancelled.v1", pick(&["reason"])),
        "task-started" => ("io.promptsales.task.started.v1", task(&["type", "deadline"])),
        "task-skipped" => ("io.promptsales.task.skipped.v1", task(&["type"])),
        "wait-started" => ("io.promptsales.task.waiting.v1", task(&["until"])),
        "listen-started" => ("io.promptsales.task.listening.v1", task(&["signal"])),
        "call-started" => ("io.promptsales.task.calling.v1", task(&["action", "call"])),
        "retry-scheduled" => ("io.promptsales.task.retry-scheduled.v1", task(&["attempt", "at", "error"])),
        "retry-started" => ("io.promptsales.task.retried.v1", task(&["attempt"])),
        "task-completed" => ("io.promptsales.task.completed.v1", task(&[])),
        "task-faulted" => ("io.promptsales.task.faulted.v1", task(&["error"])),
        // Steps of calls, loops, and turns are the engine's own book-keeping.
        _ => return None,
    })
}

fn dead_letter(name: &str, held: &Value) -> Option<(&'static str, Value)> {
    let pick = |fields: &[&str]| picked(held, fields);
    Some(match name {
        "recorded" => ("io.promptsales.dead-letter.recorded.v1", pick(&["input", "cause", "strikes"])),
        "retry-asked" => ("io.promptsales.dead-letter.retry-asked.v1", pick(&["by", "why"])),
        "retried" => ("io.promptsales.dead-letter.retried.v1", pick(&["rejected", "message"])),
        "discarded" => ("io.promptsales.dead-letter.discarded.v1", pick(&["by", "why"])),
        _ => return None,
    })
}

fn quarantine(name: &str, held: &Value) -> Option<(&'static str, Value)> {
    Some(match name {
        "quarantined" => ("io.promptsales.quarantine.quarantined.v1", picked(held, &["cause", "restarts"])),
        "released" => ("io.promptsales.quarantine.released.v1", picked(held, &["why"])),
        _ => return None,
    })
}

/// The target of a dead letter, of which only its first event tells.
async fn target_of(app: &App, event: &Event) -> Option<StreamId> {
    let first = app.node().events(&event.stream, 0, 1).await.ok()?;
    parsed(app, first.first()?.body.data.value()["target"].as_str()?)
}

fn parsed(app: &App, id: &str) -> Option<StreamId> {
    let kinds = app.node().catalog().kinds();
    kinds.iter().find_map(|kind| StreamId::parse(id, kind.kind.prefix).ok())
}

fn plural(app: &App, id: &StreamId) -> &'static str {
    app.node().catalog().by_prefix(id.prefix()).map_or("", |kind| kind.kind.plural)
}

fn picked(held: &Value, fields: &[&str]) -> Value {
    let there = fields.iter().filter(|field| !held[**field].is_null());
    Value::Object(there.map(|field| ((*field).to_owned(), held[*field].clone())).collect())
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// What every event has; the source and the id together are unique to it.
fn envelope(app: &App, kind: &str, id: String, at: Timestamp) -> Value {
    let source = format!("urn:promptsales:history:{}", app.node().info().history);
    json!({
        "specversion": "1.0", "id": id, "source": source, "type": kind, "time": at,
        "datacontenttype": "application/json",
    })
}

fn unjournalled(app: &App, kind: &str, at: Timestamp) -> Value {
    envelope(app, kind, app.node().cx().uuid().to_string(), at)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_type_that_can_be_sent_is_listed_once() {
        let listed: BTreeSet<_> = PUBLISHED.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(listed.len(), PUBLISHED.len());
        let runs =
            promptsales_engine::workflow::machine::EVENTS.iter().map(|(name, _)| (*name, run as Family));
        let letters = ["recorded", "retry-asked", "retried", "discarded"].map(|n| (n, dead_letter as Family));
        let registers = ["quarantined", "released"].map(|n| (n, quarantine as Family));
        let all = runs.chain(letters).chain(registers);
        let sent: BTreeSet<_> = all.filter_map(|(n, family)| Some(family(n, &json!({}))?.0)).collect();
        assert_eq!(sent.len(), 26);
        assert!(sent.is_subset(&listed), "{:?}", sent.difference(&listed));
    }

    #[test]
    fn what_tasks_take_in_and_put_out_is_not_published() {
        let held = json!({ "path": "/do/3/pieces", "input": "secret", "output": "secret", "type": "call" });
        for name in ["started", "completed", "task-started", "task-completed"] {
            let (_, data) = run(name, &held).unwrap();
            assert!(!data.to_string().contains("secret"), "{name}: {data}");
        }
        assert_eq!(run("task-started", &held).unwrap().1["task"], json!("/do/3/pieces"));
    }

    #[test]
    fn a_filter_takes_types_by_their_beginning() {
        let filter = Filter { types: vec!["io.promptsales.run.".to_owned()], ..Filter::default() };
        assert!(filter.wants_type("io.promptsales.run.started.v1"));
        assert!(!filter.wants_type("io.promptsales.task.started.v1"));
        assert!(Filter::default().wants_type("anything"));
    }
}
