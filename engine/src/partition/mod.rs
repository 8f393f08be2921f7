//! Partitions: which node may append for a slot, and the lanes that do it.

mod feed;
mod lane;
mod ownership;
mod pump;

pub use feed::{Backlog, Feeds, TimerFeed};
pub use lane::{Lane, LaneError, LaneHandle, lane};
pub use ownership::{Beat, Member, Owner, Ownership, Standing};
pub use pump::{Carried, Carrier, Pump};
