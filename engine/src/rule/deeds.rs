//! What a rule does: commands for streams, with the ids by which they count once.

use std::time::Duration;

use serde_json::{Value, json};

use super::Rendered;
use super::facts;
use super::gate::{Kept, Trigger, gate_id};
use super::registry::{Live, Rules};
use super::told::{Deed, Outcome, Seen, Told};
use super::weigh::Weighed;
use crate::clock::Timestamp;
use crate::entity::Catalog;
use crate::id::{IdKind as _, Slot, StreamId, TenantId, digest, uuid_v8};
use crate::journal::{Event, Info, MessageId, Origin};
use crate::workflow::run::Run;

/// Where an event stands that a rule fires for.
pub(super) struct Place<'a> {
    pub(super) partition: u32,
    pub(super) event: &'a Event,
    pub(super) part: u32,
    /// How many rules have fired before it.
    pub(super) hops: u8,
}

/// What makes deeds.
pub(super) struct Maker<'a> {
    pub(super) rules: &'a Rules,
    pub(super) catalog: &'a Catalog,
    pub(super) info: &'a Info,
    pub(super) tenant: &'a TenantId,
    pub(super) now: Timestamp,
}

/// What became of an event by a rule, and what is done.
pub(super) struct Made {
    pub(super) told: Told,
    pub(super) deeds: Vec<Deed>,
    pub(super) emitted: Vec<Value>,
    pub(super) bytes: usize,
}

impl Maker<'_> {
    /// Makes what a rule does, if it does anything.
    pub(super) fn made(&self, live: &Live, place: &Place<'_>, event: Seen, weighed: Weighed) -> Made {
        let Weighed { outcome, miss, detail, key, actions } = weighed;
        let mut told = Told {
            rule: live.id,
            version: live.version,
            event,
            outcome,
            miss,
            detail,
            key,
            gate: None,
            messages: Vec::new(),
        };
        let (mut deeds, mut emitted) = (Vec::new(), Vec::new());
        for (number, action) in (0..).zip(actions) {
            if let Err(reason) = self.action(live, place, number, action, (&mut deeds, &mut emitted)) {
                (told.outcome, told.detail) = (Outcome::Broken, Some(reason));
                return Made { told, deeds: Vec::new(), emitted: Vec::new(), bytes: 0 };
            }
        }
        let bytes = deeds.iter().map(|deed| deed.body.to_string().len()).sum::<usize>();
        let bytes = bytes + emitted.iter().map(|event| event.to_string().len()).sum::<usize>();
        let (Some(key), Some(limits)) = (told.key.clone(), live.rule.limits.as_ref()) else {
            told.messages = deeds.iter().map(|deed| deed.id).collect();
            return Made { told, deeds, emitted, bytes };
        };
        let gate = gate_id(self.tenant, live.id, &key);
        let ms = |span: Option<Duration>| span.map(|span| span.as_millis() as u64);
        let limits =
            Kept { once: limits.once, cooldown_ms: ms(limits.cooldown), debounce_ms: ms(limits.debounce) };
        let (event, version) = (told.event.clone(), live.version);
        let trigger = Trigger { event, version, limits, deeds, emitted };
        let body = json!({ "rule": live.id, "key": key, "trigger": trigger });
        let asked = self.deed(live, place, "gate", gate, "trigger", body);
        (told.gate, told.messages) = (Some(gate), vec![asked.id]);
        Made { told, deeds: vec![asked], emitted: Vec::new(), bytes }
    }

    fn action(
        &self,
        live: &Live,
        place: &Place<'_>,
        number: u32,
        action: Rendered,
        (deeds, emitted): (&mut Vec<Deed>, &mut Vec<Value>),
    ) -> Result<(), String> {
        let which = number.to_string();
        match action {
            Rendered::Start { workflow, version, input, key } => {
                let run = self.id_of(Run::PREFIX, live, place, &which);
                let cause = format!("rule {}", live.rule.name);
                let body = json!({
                    "workflow": workflow, "version": version, "input": input, "cause": cause, "key": key,
                });
                deeds.push(self.deed(live, place, &which, run, "start", body));
            }
            Rendered::Command { to, command, body } => {
                let to = facts::resolve(&to, self.tenant, self.info, self.catalog)?.id;
                let kind = self.catalog.by_prefix(to.prefix());
                let kind = kind.filter(|kind| kind.public || kind.kind.prefix == Run::PREFIX);
                let kind = kind.ok_or_else(|| format!("`{to}` takes no commands of rules"))?;
                if !kind.commands.iter().any(|known| known.name == command) {
                    return Err(format!("a {} has no command `{command}`", kind.kind.name));
                }
                deeds.push(self.deed(live, place, &which, to, &command, body));
            }
            Rendered::Emit { event } => {
                let event = self.completed(live, place, &which, event);
                for topic in self.rules.topics(self.tenant, &event) {
                    let which = format!("{which} {topic}");
                    deeds.push(self.deed(live, place, &which, topic, "offer", json!({ "event": event })));
                }
                emitted.push(event);
            }
        }
        Ok(())
    }

    fn parts(&self, live: &Live, place: &Place<'_>, which: &str) -> [String; 5] {
        let Place { partition, event, part, .. } = place;
        [
            live.id.to_string(),
            partition.to_string(),
            event.position.to_string(),
            part.to_string(),
            which.to_owned(),
        ]
    }

    /// An id that follows from the rule and the event, in the slot of what the event is about.
    fn id_of(&self, prefix: crate::id::Prefix, live: &Live, place: &Place<'_>, which: &str) -> StreamId {
        let parts = self.parts(live, place, which);
        let bits = digest("made by a rule", &parts.each_ref().map(String::as_str));
        let slot: Slot = place.event.stream.id.slot();
        StreamId::new(prefix, uuid_v8(bits, Some(slot)))
    }

    fn deed(
        &self,
        live: &Live,
        place: &Place<'_>,
        which: &str,
        to: StreamId,
        command: &str,
        body: Value,
    ) -> Deed {
        let parts = self.parts(live, place, which);
        let id = MessageId::derive(&["rule", &parts[0], &parts[1], &parts[2], &parts[3], &parts[4]]);
        let from = &place.event.body.origin;
        let caused = from.caused(&id.to_string(), &format!("rule:{}", live.rule.name));
        let origin = Origin { hops: place.hops.saturating_add(1), ..caused };
        Deed { id, to, command: command.to_owned(), body, origin }
    }

    /// Adds the attributes that a rule leaves to the engine (CloudEvents 1.0, section 3.1).
    fn completed(&self, live: &Live, place: &Place<'_>, which: &str, mut event: Value) -> Value {
        let id = self.id_of(Run::PREFIX, live, place, which).uuid().to_string();
        for (name, value) in [
            ("specversion", json!("1.0")),
            ("id", json!(id)),
            ("source", json!(format!("/rules/{}", live.rule.name))),
            ("time", json!(self.now)),
            (facts::HOPS, json!(place.hops.saturating_add(1))),
        ] {
            event[name] = value;
        }
        event
    }
}
