//! Effects: the only way in which anything outside the process is touched.
//!
//! An effect is a row in the same commit as the event that caused it, with a stable key that goes to the outside
//! as its idempotency key. Its life: `intended -> dispatched -> confirmed | refused | failed | unknown`. We claim
//! at-least-once with idempotent effects, and count every ambiguity.

mod breaker;
mod connector;
mod dispatcher;
mod doors;
mod ledger;

pub use breaker::{Breaker, CircuitId, Leave};
pub use connector::{Call, CallError, Connector, OnUnknown, Policy, Verified};
pub(crate) use dispatcher::{Circuits, is_held_back};
pub use dispatcher::{Connectors, Dispatcher, DuplicateConnector};
pub use ledger::{Effect, EffectFailure, EffectKey, EffectOp, EffectOutcome, EffectState};
