//! What rules see of an event: a CloudEvent in the JSON format, made of what the journal holds.

use serde_json::{Value, json};
use uuid::Uuid;

use super::desk::DESK;
use super::gate::GATE;
use crate::entity::Catalog;
use crate::id::{StreamId, StreamKey, TenantId};
use crate::journal::{Event, Info, PartitionId};
use crate::runtime::INLET;

/// The kinds of the engine itself whose events rules do not see.
const UNSEEN: [&str; 8] =
    ["rule-desk", "rule-gate", "topic", "schedule", "dead-letter", "quarantine", "history", "rule"];

/// The type of the CloudEvent that an entity's event is.
pub fn event_type(kind: &str, event: &str, version: u16) -> String {
    format!("io.promptsales.{kind}.{event}.v{version}")
}

/// The type of a journalled event as rules see it; none where they do not.
///
/// An event that came in from outside has its own type, and so has one that a run emitted.
pub(super) fn type_of(event: &Event, catalog: &Catalog) -> Option<String> {
    let prefix = event.stream.id.prefix();
    if prefix == INLET {
        return Some(event.body.name.to_string());
    }
    let kind = catalog.by_prefix(prefix)?;
    if UNSEEN.contains(&kind.kind.name) {
        return None;
    }
    if kind.kind.name == "run" && event.body.name == EMITTED {
        return emitted(event)["type"].as_str().map(str::to_owned);
    }
    let (name, version) = kind.events.iter().find(|(name, _)| *name == event.body.name)?;
    Some(event_type(kind.kind.name, name, *version))
}

/// The attribute that says how many rules fired before an event which a rule emitted.
pub(super) const HOPS: &str = "rulehops";

/// An event as rules see it.
pub(super) struct Emitted {
    /// Its type.
    pub(super) kind: String,
    /// The event.
    pub(super) event: Value,
    /// How many rules fired before it.
    pub(super) hops: u8,
}

/// The events that rules have emitted with an event of a desk or a gate.
pub(super) fn emitted_by_rules(event: &Event) -> Vec<Emitted> {
    let (prefix, name) = (event.stream.id.prefix(), event.body.name.as_ref());
    let may_hold = (prefix == DESK && name == "advanced") || (prefix == GATE && name == "fired");
    if !may_hold || !event.body.data.text().contains("\"emitted\"") {
        return Vec::new();
    }
    let Value::Array(events) = event.body.data.value()["emitted"].take() else { return Vec::new() };
    let made = |event: Value| {
        let kind = event["type"].as_str().unwrap_or_default().to_owned();
        let hops = event[HOPS].as_u64().and_then(|hops| hops.try_into().ok()).unwrap_or(u8::MAX);
        Emitted { kind, event, hops }
    };
    events.into_iter().map(made).collect()
}

/// The stream that a text names: an id, `PLURAL/ID`, or `PLURAL/~KEY` by an external key.
pub(super) fn resolve(
    text: &str,
    tenant: &TenantId,
    info: &Info,
    catalog: &Catalog,
) -> Result<StreamKey, String> {
    let unknown =
        || format!("`{text}` is no entity: use an id, or `PLURAL/~KEY` with the plural of its kind");
    let (plural, rest) = text.split_once('/').map_or((None, text), |(plural, rest)| (Some(plural), rest));
    let kind = plural.map(|plural| catalog.by_plural(plural).ok_or_else(unknown)).transpose()?;
    if let (Some(kind), Some(key)) = (kind, rest.strip_prefix('~')) {
        let parts = [tenant.as_str(), kind.kind.name, key];
        let id = info.secret.derive(kind.kind.prefix, None, "external key", &parts);
        return Ok(StreamKey::new(tenant.clone(), id));
    }
    let id: StreamId = rest.parse().map_err(|_| unknown())?;
    let known = catalog.by_prefix(id.prefix()).ok_or_else(unknown)?;
    match kind.is_none_or(|kind| kind.kind.prefix == known.kind.prefix) {
        true => Ok(StreamKey::new(tenant.clone(), id)),
        false => Err(unknown()),
    }
}

/// The event of a run that holds an event which it emitted.
const EMITTED: &str = "event-emitted";

fn emitted(event: &Event) -> Value {
    event.body.data.value()["event"].take()
}

/// The CloudEvent that a journalled event is to rules.
///
/// # Errors
///
/// Why it cannot be read.
pub(super) fn cloud_event(
    event: &Event,
    kind: &str,
    (history, partition): (Uuid, PartitionId),
    catalog: &Catalog,
) -> Result<Value, String> {
    if event.stream.id.prefix() == INLET {
        return Ok(event.body.data.value());
    }
    if event.body.name == EMITTED && event.stream.id.prefix().as_str() == "run" {
        return Ok(emitted(event));
    }
    let shapes = catalog.by_prefix(event.stream.id.prefix()).map(|kind| &kind.shapes);
    let shapes = shapes.ok_or("there is no such kind")?;
    let text = shapes.upcast_event(&event.body.name, event.body.version, &event.body.data);
    let text = text.map_err(|e| e.to_string())?;
    let data: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    let origin = &event.body.origin;
    let mut made = json!({
        "specversion": "1.0", "id": format!("{partition}:{}", event.position),
        "source": format!("urn:promptsales:history:{history}"), "type": kind, "time": event.at,
        "datacontenttype": "application/json", "subject": event.stream.id,
        "sequence": format!("{:020}", event.seq), "causationid": origin.causation,
        "correlationid": origin.correlation, "principal": origin.principal, "data": data,
    });
    if let Some(trace) = &origin.trace {
        made["traceparent"] = json!(trace);
    }
    Ok(made)
}
