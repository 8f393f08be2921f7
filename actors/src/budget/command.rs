//! What a budget can be told to do, and what can have happened to it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::campaign::{self, Allocation};
use crate::value::{Channel, ExternalKey, Money, ReservationId, Text};

/// What is known of a budget when it is opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct Details {
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
    /// The part of each channel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allocations: Vec<Allocation>,
}

/// What a budget can be told to do.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Command {
    /// Opens a budget with a cap.
    Open(Box<Details>),
    /// Gives a channel its part of it, or another one.
    Allocate {
        /// The channel.
        channel: Channel,
        /// Its part.
        amount: Money,
    },
    /// Sets money aside that is going to be spent; the same id again reserves nothing more.
    Reserve {
        /// The caller's own id of the reservation.
        reservation: ReservationId,
        /// On which channel.
        channel: Channel,
        /// How much at most.
        amount: Money,
    },
    /// Notes how much of a reservation was spent; the rest is free again.
    RecordSpent {
        /// The reservation.
        reservation: ReservationId,
        /// How much was spent.
        amount: Money,
    },
    /// Gives a reservation back.
    Release {
        /// The reservation.
        reservation: ReservationId,
    },
    /// Asks for a higher cap, which a person has to approve.
    RequestRaise {
        /// The cap that is wanted.
        amount: Money,
        /// Why.
        reason: Text<500>,
    },
    /// Approves the raise that waits; only a person can.
    ApproveRaise {
        /// The cap that is approved: the one that was asked for.
        amount: Money,
    },
    /// Refuses the raise that waits.
    RejectRaise {
        /// Why.
        reason: Text<500>,
    },
    /// Lowers the cap, down to what is divided over channels.
    Lower {
        /// The new cap.
        amount: Money,
        /// Why.
        reason: Text<500>,
    },
    /// Has no more money reserved.
    Close {
        /// Why.
        reason: Text<500>,
    },
    /// Has money reserved again.
    Reopen {
        /// Why.
        reason: Text<500>,
    },
}

/// What can have happened to a budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Event {
    /// It was opened.
    Opened(Box<Details>),
    /// A channel has its part.
    Allocated {
        /// The channel.
        channel: Channel,
        /// Its part.
        amount: Money,
    },
    /// Money was set aside.
    Reserved {
        /// The reservation.
        reservation: ReservationId,
        /// On which channel.
        channel: Channel,
        /// How much.
        amount: Money,
    },
    /// A reservation was spent.
    Spent {
        /// The reservation.
        reservation: ReservationId,
        /// How much of it.
        amount: Money,
    },
    /// A reservation was given back.
    Released {
        /// The reservation.
        reservation: ReservationId,
    },
    /// A higher cap was asked for.
    RaiseRequested {
        /// The cap.
        amount: Money,
        /// Who asked for it.
        by: String,
        /// Why.
        reason: Text<500>,
    },
    /// The higher cap was approved.
    RaiseApproved {
        /// The cap.
        amount: Money,
        /// Who approved it.
        by: String,
    },
    /// The higher cap was refused.
    RaiseRejected {
        /// Who refused it.
        by: String,
        /// Why.
        reason: Text<500>,
    },
    /// The cap was lowered.
    Lowered {
        /// The cap.
        amount: Money,
        /// Who lowered it.
        by: String,
        /// Why.
        reason: Text<500>,
    },
    /// No more money is reserved.
    Closed {
        /// Why.
        reason: Text<500>,
    },
    /// Money is reserved again.
    Reopened {
        /// Why.
        reason: Text<500>,
    },
}

/// Every event's wire name with the current version of its shape.
pub(super) const EVENTS: &[(&str, u16)] = &[
    ("opened", 1),
    ("allocated", 1),
    ("reserved", 1),
    ("spent", 1),
    ("released", 1),
    ("raise-requested", 1),
    ("raise-approved", 1),
    ("raise-rejected", 1),
    ("lowered", 1),
    ("closed", 1),
    ("reopened", 1),
];
