//! Planning: from entries to rows, without touching the store.
//!
//! A plan knows where the streams of the batch stand and, as far as it has been looked up, what else the store holds
//! that decides about an entry; entry by entry it decides whether to take it, gives out the next numbers, and writes
//! the rows. Several changes to one timer, effect, message or snapshot are folded into one row, so that each
//! statement touches a row once.
//!
//! What has not been looked up is taken to be free, and left to the store's own constraints: they are the second
//! line of defence, and where they refuse a batch the back end looks up what it needs and plans again.

mod batch;
mod effects;
mod heads;
mod origin;
mod rows;
mod timers;

pub(super) use batch::{Head, Known, Mark, Plan, Planned};
pub(super) use heads::Heads;
pub(super) use origin::{origin_text, read_origin};
pub(super) use rows::{EventRow, KeyRow, Rows, json_text, phase};
