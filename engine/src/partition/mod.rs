//! Partitions: which node may append for a slot, and the lanes that do it.

mod commits;
mod feed;
mod holdings;
mod lane;
mod owned;
mod ownership;
mod pump;
mod timers;

pub use commits::CommitTimes;
pub use feed::{Backlog, Feeds};
pub use holdings::{Holdings, NotOwner};
pub use lane::{Lane, LaneError, LaneHandle, LaneLimits, lane};
pub(crate) use owned::share_of_backlog;
pub use owned::{Owned, Serving, WhileOwned};
pub use ownership::{Beat, Member, Owner, Ownership, Standing, unwanted, wanted};
pub use pump::{Carried, Carrier, Pump, Seat};
pub use timers::TimerFeed;
