//! What a client can be told to do, and what can have happened to it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Details, Patch};
use crate::subscription;
use crate::value::Text;

/// What a client can be told to do.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Command {
    /// Registers a client.
    Register(Box<Details>),
    /// Corrects what is known of it: a field left out stays, `null` takes it away.
    Update(Box<Patch>),
    /// Notes a subscription of it.
    AddSubscription {
        /// The subscription.
        subscription: subscription::Id,
    },
    /// Takes a subscription off its list.
    RemoveSubscription {
        /// The subscription.
        subscription: subscription::Id,
    },
    /// Halts the work for it.
    Suspend {
        /// Why.
        reason: Text<500>,
    },
    /// Ends the work for it.
    Close {
        /// Why.
        reason: Text<500>,
    },
    /// Takes the work for it up again.
    Reactivate {
        /// Why.
        #[serde(default)]
        reason: Option<Text<500>>,
    },
}

/// What can have happened to a client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Event {
    /// It was registered.
    Registered(Box<Details>),
    /// What is known of it was corrected.
    Updated(Box<Patch>),
    /// It has a subscription.
    SubscriptionAdded {
        /// The subscription.
        subscription: subscription::Id,
    },
    /// It has a subscription no more.
    SubscriptionRemoved {
        /// The subscription.
        subscription: subscription::Id,
    },
    /// The work for it was halted.
    Suspended {
        /// Why.
        reason: Text<500>,
    },
    /// The work for it was ended.
    Closed {
        /// Why.
        reason: Text<500>,
    },
    /// The work for it was taken up again.
    Reactivated {
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Text<500>>,
    },
}
