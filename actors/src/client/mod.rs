//! A client: the organisation that marketing is done for, with its subscriptions.
//!
//! ```text
//!   active -> suspended -> active: suspend, reactivate
//!   active, suspended -> closed -> active: close, reactivate
//! ```

mod command;
mod decide;
mod details;
mod rejection;

use std::collections::BTreeSet;

use promptsales_engine::clock::Timestamp;
use promptsales_engine::entity::{self, DecideCx, Decision, Entity, EventCx};
use promptsales_engine::id::{IdKind, Prefix};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::subscription;
use crate::value::Text;

pub use command::{Command, Event};
pub use details::{Details, Patch};
pub use rejection::Rejection;

/// The kind of a client's id.
pub struct Kind;

impl IdKind for Kind {
    const PREFIX: Prefix = Prefix::new("client");
}

/// The id of a client.
pub type Id = promptsales_engine::id::Id<Kind>;

/// Where a client stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Status {
    /// Work is done for it.
    Active,
    /// Nothing is done for it for now.
    Suspended,
    /// Nothing is done for it any more.
    Closed,
}

impl Status {
    /// The wire name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Closed => "closed",
        }
    }
}

/// A client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Client {
    /// Where it stands.
    pub status: Status,
    /// Why, if somebody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text<500>>,
    /// What is known of it.
    pub details: Details,
    /// Its subscriptions.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub subscriptions: BTreeSet<subscription::Id>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When something last happened to it.
    pub updated_at: Timestamp,
}

impl Entity for Client {
    const KIND: entity::Kind = entity::Kind { name: "client", plural: "clients", prefix: Kind::PREFIX };
    const CREATE: &'static str = "register";
    const EVENTS: &'static [(&'static str, u16)] = &[
        ("registered", 1),
        ("updated", 1),
        ("subscription-added", 1),
        ("subscription-removed", 1),
        ("suspended", 1),
        ("closed", 1),
        ("reactivated", 1),
    ];

    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn creates(command: &Command) -> bool {
        matches!(command, Command::Register(_))
    }

    fn decide(
        state: Option<&Self>,
        command: Command,
        cx: &DecideCx<'_>,
    ) -> Result<Decision<Event>, Rejection> {
        match (state, command) {
            (Some(client), command) => client.decide_on(command, cx),
            (None, Command::Register(details)) => {
                Ok(Decision::event(Event::Registered(decide::keyed(details, cx)?)))
            }
            (None, _) => unreachable!("only `register` creates, and the engine asks first"),
        }
    }

    fn begin(event: &Event, cx: &EventCx) -> Option<Self> {
        let Event::Registered(details) = event else { return None };
        let (details, subscriptions) = ((**details).clone(), BTreeSet::new());
        let (status, reason) = (Status::Active, None);
        Some(Self { status, reason, details, subscriptions, created_at: cx.at, updated_at: cx.at })
    }

    fn apply(&mut self, event: &Event, cx: &EventCx) {
        self.updated_at = cx.at;
        match event {
            Event::Registered(details) => self.details = (**details).clone(),
            Event::Updated(patch) => self.details = patch.apply(&self.details),
            Event::SubscriptionAdded { subscription } => {
                self.subscriptions.insert(*subscription);
            }
            Event::SubscriptionRemoved { subscription } => {
                self.subscriptions.remove(subscription);
            }
            Event::Suspended { reason } => {
                (self.status, self.reason) = (Status::Suspended, Some(reason.clone()));
            }
            Event::Closed { reason } => (self.status, self.reason) = (Status::Closed, Some(reason.clone())),
            Event::Reactivated { reason } => (self.status, self.reason) = (Status::Active, reason.clone()),
        }
    }

    fn view(&self) -> Value {
        let mut view = json!(self);
        let details = view.as_object_mut().and_then(|view| view.remove("details"));
        if let (Some(Value::Object(details)), Some(view)) = (details, view.as_object_mut()) {
            view.extend(details);
        }
        view
    }
}

#[cfg(test)]
mod tests;
