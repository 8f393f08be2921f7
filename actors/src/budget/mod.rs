//! A budget: money with a cap, divided over channels, reserved before it is spent.
//!
//! ```text
//!   open -> closed: close
//!   closed -> open: reopen
//! ```
//!
//! All amounts are of one currency. The parts of the channels add up to the budget at most; what is reserved and what is
//! spent on a channel add up to its part at most. A reservation is known by its id, so that asking twice reserves once.
//! A raise waits for a person's approval: until then the old cap holds.

mod command;
mod decide;
mod rejection;

use std::collections::BTreeMap;

use promptsales_engine::clock::Timestamp;
use promptsales_engine::entity::{self, DecideCx, Decision, Entity, EventCx};
use promptsales_engine::id::{IdKind, Prefix};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::campaign;
use crate::value::reservations::{Ending, Reservation, Reservations};
use crate::value::{Channel, Currency, ExternalKey, Money, Text};

pub use command::{Command, Details, Event};
pub use rejection::Rejection;

/// The kind of a budget's id.
pub struct Kind;

impl IdKind for Kind {
    const PREFIX: Prefix = Prefix::new("budget");
}

/// The id of a budget.
pub type Id = promptsales_engine::id::Id<Kind>;

/// Whether money can be taken from a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Status {
    /// Yes.
    Open,
    /// No; what is reserved can still be spent.
    Closed,
}

/// A higher cap that somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Raise {
    /// The cap that was asked for.
    pub amount: Money,
    /// Who asked for it.
    pub by: String,
    /// Why.
    pub reason: Text<500>,
    /// When.
    pub at: Timestamp,
}

/// A budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Budget {
    /// Whether money can be taken from it.
    pub status: Status,
    /// Its name.
    pub name: Text<200>,
    /// The campaign that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<campaign::Id>,
    /// The caller's own key for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_key: Option<ExternalKey>,
    /// The cap.
    pub amount: Money,
    /// The part of each channel, in minor units.
    #[serde(default)]
    pub parts: BTreeMap<Channel, u64>,
    /// What is spent on each channel, in minor units.
    #[serde(default)]
    pub spent: BTreeMap<Channel, u64>,
    /// What is set aside.
    pub reservations: Reservations<Channel>,
    /// The raise that waits for an approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raise: Option<Raise>,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When something last happened to it.
    pub updated_at: Timestamp,
}

impl Entity for Budget {
    const KIND: entity::Kind = entity::Kind { name: "budget", plural: "budgets", prefix: Kind::PREFIX };
    const CREATE: &'static str = "open";
    const EVENTS: &'static [(&'static str, u16)] = command::EVENTS;

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
            (Some(budget), command) => budget.decide_on(command, cx),
            (None, Command::Open(details)) => {
                Ok(Decision::event(Event::Opened(decide::checked(details, cx)?)))
            }
            (None, _) => unreachable!("only `open` creates, and the engine asks first"),
        }
    }

    fn begin(event: &Event, cx: &EventCx) -> Option<Self> {
        let Event::Opened(details) = event else { return None };
        let parts = details.allocations.iter();
        let parts = parts.map(|part| (part.channel, minor(part.amount))).collect();
        Some(Self {
            status: Status::Open,
            name: details.name.clone(),
            campaign: details.campaign,
            external_key: details.external_key.clone(),
            amount: details.amount,
            parts,
            spent: BTreeMap::new(),
            reservations: Reservations::default(),
            raise: None,
            created_at: cx.at,
            updated_at: cx.at,
        })
    }

    fn apply(&mut self, event: &Event, cx: &EventCx) {
        self.updated_at = cx.at;
        match event {
            // It is opened once, at its beginning.
            Event::Opened(_) => {}
            Event::Allocated { channel, amount } => {
                self.parts.insert(*channel, minor(*amount));
            }
            Event::Reserved { reservation, channel, amount } => {
                let taken = Reservation { key: *channel, amount: minor(*amount), expires_at: None };
                self.reservations.take(reservation.clone(), taken);
            }
            Event::Spent { reservation, amount } => {
                let ended = self.reservations.end(reservation, minor(*amount), Ending::Settled);
                if let Some(channel) = ended.map(|ended| ended.key) {
                    let spent = self.spent.entry(channel).or_default();
                    *spent = spent.saturating_add(minor(*amount));
                }
            }
            Event::Released { reservation } => {
                self.reservations.end(reservation, 0, Ending::Released);
            }
            Event::RaiseRequested { amount, by, reason } => {
                let (by, reason) = (by.clone(), reason.clone());
                self.raise = Some(Raise { amount: *amount, by, reason, at: cx.at });
            }
            Event::RaiseApproved { amount, .. } => (self.amount, self.raise) = (*amount, None),
            Event::RaiseRejected { .. } => self.raise = None,
            Event::Lowered { amount, .. } => self.amount = *amount,
            Event::Closed { .. } => self.status = Status::Closed,
            Event::Reopened { .. } => self.status = Status::Open,
        }
    }

    fn view(&self) -> Value {
        let mut view = json!(self);
        let money = |amount: u64| json!({ "amountMinor": amount, "currency": self.currency() });
        let channels = self.parts.keys().map(|channel| {
            json!({
                "channel": channel,
                "amount": money(self.parts[channel]),
                "reserved": money(self.reservations.reserved(channel)),
                "spent": money(self.spent_on(*channel)),
                "remaining": money(self.remaining(*channel)),
            })
        });
        view["allocations"] = channels.collect();
        view["reservations"] = json!(self.reservations.open);
        view["spent"] = money(self.spent.values().fold(0, |sum, amount| sum.saturating_add(*amount)));
        view["unallocated"] = money(minor(self.amount).saturating_sub(self.allocated()));
        if let Some(fields) = view.as_object_mut() {
            fields.remove("parts");
        }
        view
    }
}

impl Budget {
    /// The currency of all its amounts.
    pub fn currency(&self) -> Currency {
        self.amount.currency()
    }

    /// What is divided over channels, in minor units.
    fn allocated(&self) -> u64 {
        self.parts.values().fold(0, |sum, part| sum.saturating_add(*part))
    }

    fn spent_on(&self, channel: Channel) -> u64 {
        self.spent.get(&channel).copied().unwrap_or(0)
    }

    /// What of a channel is reserved or spent, in minor units.
    fn bound(&self, channel: Channel) -> u64 {
        self.spent_on(channel).saturating_add(self.reservations.reserved(&channel))
    }

    /// What can still be reserved on a channel, in minor units.
    fn remaining(&self, channel: Channel) -> u64 {
        self.parts.get(&channel).map_or(0, |part| part.saturating_sub(self.bound(channel)))
    }
}

/// Minor units; money is never below zero.
fn minor(money: Money) -> u64 {
    u64::try_from(money.amount_minor()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
