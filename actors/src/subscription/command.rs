//! What a subscription can be told to do.

use std::collections::BTreeMap;

use promptsales_engine::clock::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MeterName, PaymentStatus};
use crate::client;
use crate::value::{Attributes, ExternalKey, Period, ReservationId, Text};

/// How much of something may be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct Limit {
    /// How much may be used.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_u64))]
    pub limit: u64,
    /// How much is used already.
    #[serde(default)]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_u64))]
    pub used: u64,
    /// When it begins anew; never if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_date: Option<Timestamp>,
    /// How often it begins anew from then on.
    #[serde(default)]
    pub every: Period,
}

/// What is known of a subscription when it is opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct Details {
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
    #[serde(default)]
    pub payment_status: PaymentStatus,
    /// Since when; from now on if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_date: Option<Timestamp>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_date: Option<Timestamp>,
    /// When it is to be paid again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal_date: Option<Timestamp>,
    /// What is measured, with its limits.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub usage_tracking: BTreeMap<MeterName, Limit>,
    /// What the caller wants kept beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Attributes>,
}

/// What a subscription can be told to do.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Command {
    /// Opens a subscription to a plan.
    Open(Box<Details>),
    /// Changes the plan; meters that are not named stay as they are.
    ChangePlan {
        /// The plan.
        plan_id: Text<128>,
        /// Its name.
        #[serde(default)]
        plan_name: Option<Text<200>>,
        /// The limits that it changes.
        #[serde(default)]
        limits: BTreeMap<MeterName, u64>,
    },
    /// Sets an amount aside that is going to be used; the same id again reserves nothing more.
    Reserve {
        /// The caller's own id of the reservation.
        reservation: ReservationId,
        /// Of which meter.
        meter: MeterName,
        /// How much.
        #[schemars(range(min = 1))]
        amount: u64,
        /// After how many seconds it ends by itself; 900 if nothing is said.
        #[serde(default)]
        #[schemars(range(min = 1, max = 2_592_000))]
        expires_in_seconds: Option<u32>,
    },
    /// Notes how much of a reservation was used; the rest is given back.
    Settle {
        /// The reservation.
        reservation: ReservationId,
        /// How much was used; all of it if nothing is said.
        #[serde(default)]
        used: Option<u64>,
    },
    /// Gives a reservation back.
    Release {
        /// The reservation.
        reservation: ReservationId,
    },
    /// Notes whether it is paid.
    RecordPayment {
        /// Whether it is.
        status: PaymentStatus,
        /// When it is to be paid again.
        #[serde(default)]
        renewal_date: Option<Timestamp>,
    },
    /// Halts it: nothing can be reserved.
    Suspend {
        /// Why.
        reason: Text<500>,
    },
    /// Lets it go on.
    Resume {},
    /// Ends it.
    Cancel {
        /// Why.
        reason: Text<500>,
    },
    /// Does what is due; the timer stands for it, and nobody can send it.
    #[serde(skip)]
    CatchUp {},
}
