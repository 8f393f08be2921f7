//! A lead: a person, or the trace of one, who may become a customer.
//!
//! ```text
//!   new -> contacted -> engaged -> qualified -> opportunity -> customer
//!     forward by a rule or a person, back by a person with a reason
//!   exits, with a reason: unqualified, recycled, lost; a person may bring a lead back from them
//! ```
//!
//! `record-activity` is the busiest command of the product: its event is small, and folding it costs the same
//! however much the lead has done.

mod command;
mod decide;
mod event;
mod rejection;
mod state;

use std::collections::{BTreeMap, VecDeque};

use promptsales_engine::entity::{self, DecideCx, Decision, Entity, EventCx};
use promptsales_engine::id::{IdKind, Prefix};
use serde_json::{Value, json};

pub use command::Command;
pub use event::Event;
pub use rejection::Rejection;
pub use state::{Activity, Consent, ConsentStatus, Details, Lead, Stage, StageChange, Tag, Touch};

use state::{MAX_SCORE, keep};

/// The kind of a lead's id.
pub struct Kind;

impl IdKind for Kind {
    const PREFIX: Prefix = Prefix::new("lead");
}

/// The id of a lead.
pub type Id = promptsales_engine::id::Id<Kind>;

impl Entity for Lead {
    const KIND: entity::Kind = entity::Kind { name: "lead", plural: "leads", prefix: Kind::PREFIX };
    const CREATE: &'static str = "register";
    const EVENTS: &'static [(&'static str, u16)] = event::EVENTS;

    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn creates(command: &Command) -> bool {
        matches!(command, Command::Register(_) | Command::RecordActivity { .. })
    }

    fn decide(
        state: Option<&Self>,
        command: Command,
        cx: &DecideCx<'_>,
    ) -> Result<Decision<Event>, Rejection> {
        match state {
            Some(lead) => lead.decide_on(command, cx),
            None => decide::create(command, cx),
        }
    }

    fn begin(event: &Event, cx: &EventCx) -> Option<Self> {
        if !matches!(event, Event::Registered(_) | Event::ActivityRecorded { .. }) {
            return None;
        }
        let mut lead = Self {
            stage: Stage::New,
            score: 0,
            activity_count: 0,
            recent_activities: VecDeque::new(),
            details: Details::default(),
            touches: VecDeque::new(),
            stage_changes: VecDeque::new(),
            stage_counts: BTreeMap::new(),
            created_at: cx.at,
            updated_at: cx.at,
        };
        lead.apply(event, cx);
        Some(lead)
    }

    fn apply(&mut self, event: &Event, cx: &EventCx) {
        self.updated_at = cx.at;
        match event {
            Event::ActivityRecorded { activity, score, tag, external_key } => {
                self.activity_count += 1;
                self.score = (self.score + i64::from(*score)).clamp(-MAX_SCORE, MAX_SCORE);
                let (activity, score, at) = (activity.clone(), *score, cx.at);
                keep(&mut self.recent_activities, Activity { activity, score, at });
                if let Some(tag) = tag {
                    self.details.tags.insert(tag.clone());
                }
                if external_key.is_some() {
                    self.details.external_key.clone_from(external_key);
                }
            }
            Event::Registered(details) => self.fill_in(details),
            Event::StageMoved { from, to, by, reason } => {
                self.stage = *to;
                *self.stage_counts.entry(to.as_str().to_owned()).or_default() += 1;
                let (by, reason) = (by.clone(), reason.clone());
                let change = StageChange { from: *from, to: *to, by, reason, seq: cx.seq, at: cx.at };
                keep(&mut self.stage_changes, change);
            }
            Event::TrackingAttached { provenance } => match &self.details.provenance {
                None => self.details.provenance = Some((**provenance).clone()),
                Some(_) => keep(&mut self.touches, Touch { provenance: (**provenance).clone(), at: cx.at }),
            },
            Event::Tagged { tag } => {
                self.details.tags.insert(tag.clone());
            }
            Event::Untagged { tag } => {
                self.details.tags.remove(tag);
            }
            Event::ConsentRecorded { consent } => self.consent(consent),
        }
    }

    fn view(&self) -> Value {
        let mut view = serde_json::to_value(self).unwrap_or(Value::Null);
        let details = view.as_object_mut().and_then(|view| view.remove("details"));
        if let (Some(Value::Object(details)), Some(view)) = (details, view.as_object_mut()) {
            view.extend(details);
        }
        view["identity"] = json!(if self.is_anonymous() { "anonymous" } else { "known" });
        view
    }
}

impl Lead {
    /// True if nothing tells who the person is but a key.
    pub fn is_anonymous(&self) -> bool {
        self.details.email.is_none() && self.details.phone.is_none() && self.details.name.is_none()
    }

    /// Takes registered details over; what was noted before them stays: the first provenance, tags, consent.
    fn fill_in(&mut self, details: &Details) {
        let before = std::mem::replace(&mut self.details, details.clone());
        self.details.tags.extend(before.tags);
        if before.provenance.is_some() {
            self.details.provenance = before.provenance;
        }
        if self.details.external_key.is_none() {
            self.details.external_key = before.external_key;
        }
        self.details.consent.clear();
        for consent in before.consent.iter().chain(&details.consent) {
            self.consent(consent);
        }
    }

    /// The newest word on a channel and topic counts.
    fn consent(&mut self, consent: &Consent) {
        let known = &mut self.details.consent;
        known.retain(|other| other.channel != consent.channel || other.topic != consent.topic);
        known.push(consent.clone());
    }
}

#[cfg(test)]
mod tests;
