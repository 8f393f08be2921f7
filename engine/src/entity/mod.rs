//! Entities: long-lived, event-sourced state machines, each hosted by one supervised actor.
//!
//! An [`Entity`] is pure and synchronous: it decides what a command leads to and folds events into its state. A
//! [`Machine`] is the same behind one face for entities of every kind and for workflow runs; the host, the
//! journal and supervision know machines only.

mod admission;
mod batch;
mod burial;
mod catalog;
mod definition;
mod deletion;
mod directory;
mod hand;
mod host;
mod intake;
mod live;
mod loaded;
mod machine;
mod outbox;
mod overload;
mod passivation;
mod quarantine;
mod settled;
mod stalled;
mod trim;
mod typed;
mod view;

pub(crate) use admission::Admission;
pub use catalog::{
    Catalog, CatalogError, CommandInfo, FieldsOf, KindInfo, MachineFactory, ShortestRetention,
};
pub use definition::{DecideCx, Decision, Entity, EventCx, Kind, Outgoing, Reason};
pub use directory::Directory;
pub(crate) use directory::Shared;
pub(crate) use host::{Host, HostFault, HostRef, HostSeed};
pub use intake::{Answer, Dedup, Fault};
pub(crate) use intake::{Cell as IntakeCell, Phase};
pub use live::LiveStatus;
pub(crate) use loaded::restored;
pub use machine::{Corruption, Input, Machine, Step, StepCx, invalid, not_found};
pub use outbox::Outbox;
pub(crate) use outbox::again;
pub use overload::Overload;
pub(crate) use trim::{Kept, Trim};
pub use typed::Typed;
pub(crate) use typed::{commands, schema};
pub use view::View;
