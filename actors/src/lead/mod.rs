//! A lead: a person, or the trace of one, who may become a customer.
//!
//! ```text
//!   new => contacted => engaged => qualified => opportunity => customer: by whoever, stages may be left out
//!   new, contacted, engaged, qualified, opportunity, customer -> unqualified, recycled, lost: with a reason
//!   customer => opportunity => qualified => engaged => contacted => new: back, by a person with a reason
//!   unqualified, recycled, lost -> new, contacted, engaged, qualified, opportunity, customer: by a person with a reason
//!   unqualified => recycled => lost => unqualified => recycled: by a person with a reason
//! ```
//!
//! Each change of stage keeps what it rests on: who, why, the request that brought it, and a reference to what shows it. A
//! [`Score`] has two parts, of which one fades. What the person allows is answered by [`Lead::may_contact`]. A lead that
//! is another one twice can be merged into it, and the merge undone: see the module `merge`.
//!
//! `record-activity` is the busiest command of the product: its event is small, and folding it costs the same
//! however much the lead has done.

mod apply;
mod command;
mod consent;
mod decide;
mod event;
mod merge;
mod patch;
mod rejection;
mod score;
mod stage;
mod state;

use promptsales_engine::entity::{self, DecideCx, Decision, Entity, EventCx};
use promptsales_engine::id::{IdKind, Prefix};
use promptsales_engine::journal::{MessageId, Outcome};
use serde_json::{Value, json};

pub use command::Command;
pub use consent::{Consent, ConsentStatus, Topic, WhyNot, Word};
pub use event::Event;
pub use merge::{Absorbed, Merge, MergePhase, Share};
pub use patch::Patch;
pub use rejection::Rejection;
pub use score::{Engagement, FitChange, HALF_LIFE_DAYS, MAX_ENGAGEMENT, MAX_FIT, Score};
pub use stage::{Evidence, EvidenceKind, Stage, StageChange};
pub use state::{Activity, Details, Fit, Lead, Owner, Tag, Touch};

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
    /// 2: the score has two parts, of which one fades, so that it has to be folded anew from the activities' times.
    const STATE_VERSION: u16 = 2;

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
        let mut lead = Self::blank(cx);
        lead.fold(event, cx);
        Some(lead)
    }

    fn apply(&mut self, event: &Event, cx: &EventCx) {
        self.fold(event, cx);
    }

    fn on_reply(&self, _: MessageId, outcome: &Outcome) -> Option<Command> {
        Some(Command::Answered(outcome.clone()))
    }

    fn view(&self) -> Value {
        let mut view = serde_json::to_value(self).unwrap_or(Value::Null);
        let score = self.score(self.updated_at);
        view["score"] = json!(score.total);
        view["engagement"] = json!(score.engagement);
        view["fit"] = json!(score.fit);
        view["scoreAsOf"] = json!(score.as_of);
        if let Some(fit) = &self.fit {
            view["fitReasons"] = json!(fit.reasons);
        }
        let details = view.as_object_mut().and_then(|view| view.remove("details"));
        if let (Some(Value::Object(details)), Some(view)) = (details, view.as_object_mut()) {
            view.extend(details);
        }
        let people =
            [("email", json!(self.email())), ("phone", json!(self.phone())), ("name", json!(self.name()))];
        let others = [("owner", json!(self.owner())), ("tags", json!(self.tags()))];
        for (field, value) in people.into_iter().chain(others) {
            if !value.is_null() && value != json!([]) {
                view[field] = value;
            }
        }
        view["identity"] = json!(self.identity());
        view
    }
}

impl Lead {
    /// How much is known of who the person is: `anonymous`, `known` or `merged`.
    pub fn identity(&self) -> &'static str {
        match (&self.merge, self.is_anonymous()) {
            (Some(_), _) => "merged",
            (None, true) => "anonymous",
            (None, false) => "known",
        }
    }
}

#[cfg(test)]
mod tests;
