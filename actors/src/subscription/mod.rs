//! A subscription: what a client may use of a plan, and how much of it is used.
//!
//! ```text
//!   active -> suspended -> active: suspend, resume
//!   active, suspended -> cancelled: cancel
//!   active, suspended -> ended: its end date came
//! ```
//!
//! Each meter has `used`, a `limit` and a `resetDate`. What will be used is reserved first and settled or released
//! afterwards: used and reserved together never pass the limit. A reservation is known by its id, so that asking twice
//! reserves once; one that nobody settles ends by itself. At `resetDate` a meter begins anew, by a timer; a command that
//! comes before its timer finds it begun anew too. What is still reserved then counts for the new period.

mod command;
mod decide;
mod event;
mod rejection;

use std::collections::BTreeMap;

use promptsales_engine::clock::Timestamp;
use promptsales_engine::entity::{self, DecideCx, Decision, Entity, EventCx};
use promptsales_engine::id::{IdKind, Prefix};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client;
use crate::value::reservations::{Ending, Reservations};
use crate::value::{Attributes, ExternalKey, Period, Text};

pub use command::{Command, Details, Limit};
pub use event::Event;
pub use rejection::Rejection;

/// The kind of a subscription's id.
pub struct Kind;

impl IdKind for Kind {
    const PREFIX: Prefix = Prefix::new("sub");
}

/// The id of a subscription.
pub type Id = promptsales_engine::id::Id<Kind>;

/// What is measured: `generacion_contenido`, `imagenes_ia`.
pub type MeterName = Text<64>;

/// The timer of what comes next: a meter begins anew, a reservation ends, the end date comes.
const DUE: &str = "due";

/// Where a subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Status {
    /// It can be used.
    Active,
    /// It cannot be used for now.
    Suspended,
    /// Somebody ended it.
    Cancelled,
    /// Its end date came.
    Ended,
}

impl Status {
    /// The wire name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Cancelled => "cancelled",
            Self::Ended => "ended",
        }
    }

    /// True if nothing more happens to it.
    pub const fn is_over(self) -> bool {
        match self {
            Self::Active | Self::Suspended => false,
            Self::Cancelled | Self::Ended => true,
        }
    }
}

/// Whether it is paid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum PaymentStatus {
    /// Not yet.
    #[default]
    Pending,
    /// Yes.
    Paid,
    /// It was tried, and did not work.
    Failed,
    /// The money went back.
    Refunded,
}

/// How much of something is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meter {
    /// How much is used since it began anew.
    pub used: u64,
    /// How much may be used.
    pub limit: u64,
    /// How often it begins anew.
    pub every: Period,
    /// The first time that it begins anew, from which the others are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<Timestamp>,
    /// The next time; never if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_date: Option<Timestamp>,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Where it stands.
    pub status: Status,
    /// Why, if somebody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text<500>>,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<client::Id>,
    /// The caller's own key for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_key: Option<ExternalKey>,
    /// The plan.
    pub plan_id: Text<128>,
    /// The plan's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_name: Option<Text<200>>,
    /// Whether it is paid.
    pub payment_status: PaymentStatus,
    /// Since when.
    pub start_date: Timestamp,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_date: Option<Timestamp>,
    /// When it is to be paid again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal_date: Option<Timestamp>,
    /// What is measured.
    pub meters: BTreeMap<MeterName, Meter>,
    /// What is set aside.
    pub reservations: Reservations<MeterName>,
    /// What the caller wants kept beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Attributes>,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When something last happened to it.
    pub updated_at: Timestamp,
}

impl Entity for Subscription {
    const KIND: entity::Kind =
        entity::Kind { name: "subscription", plural: "subscriptions", prefix: Kind::PREFIX };
    const CREATE: &'static str = "open";
    const EVENTS: &'static [(&'static str, u16)] = event::EVENTS;

    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn creates(command: &Command) -> bool {
        matches!(command, Command::Open(_))
    }

    fn decide(
        state: Option<&Self>,
        command: Command,
        cx: &DecideCx<'_>,
    ) -> Result<Decision<Event>, Rejection> {
        match (state, command) {
            (Some(subscription), command) => subscription.decide_on(command, cx),
            (None, Command::Open(details)) => decide::create(details, cx),
            (None, _) => unreachable!("only `open` creates, and the engine asks first"),
        }
    }

    fn begin(event: &Event, cx: &EventCx) -> Option<Self> {
        let Event::Opened(details) = event else { return None };
        Some(Self::opened(details, cx.at))
    }

    fn apply(&mut self, event: &Event, cx: &EventCx) {
        self.updated_at = cx.at;
        self.fold(event);
    }

    fn on_timer(&self, name: &str) -> Option<Command> {
        (name == DUE).then_some(Command::CatchUp {})
    }

    fn view(&self) -> Value {
        let mut view = serde_json::to_value(self).unwrap_or(Value::Null);
        let mut tracked = serde_json::Map::new();
        for (name, meter) in &self.meters {
            let mut shown = json!(meter);
            shown["reserved"] = json!(self.reservations.reserved(name));
            shown["remaining"] = json!(self.remaining(name, meter));
            tracked.insert(name.to_string(), shown);
        }
        view["usageTracking"] = Value::Object(tracked);
        view["reservations"] = json!(self.reservations.open);
        if let Some(fields) = view.as_object_mut() {
            fields.remove("meters");
        }
        view
    }
}

impl Subscription {
    /// How much of something can still be reserved.
    pub fn remaining(&self, name: &MeterName, meter: &Meter) -> u64 {
        meter.limit.saturating_sub(meter.used).saturating_sub(self.reservations.reserved(name))
    }

    /// Notes how a reservation ended, and what of it was used.
    fn close(&mut self, id: &crate::value::ReservationId, used: u64, ending: Ending) {
        let Some(name) = self.reservations.end(id, used, ending).map(|ended| ended.key.clone()) else {
            return;
        };
        if let Some(meter) = self.meters.get_mut(&name) {
            meter.used = meter.used.saturating_add(used);
        }
    }
}

#[cfg(test)]
mod tests;
