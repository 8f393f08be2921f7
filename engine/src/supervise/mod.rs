//! Supervision: who restarts what, how often, and what happens when it does not help.
//!
//! ```text
//! node's root ----- services: lanes, upkeep, retention, ownership
//!             \---- a supervisor per partition ----- services: timers, outbox, effects, index, rules
//!                                              \---- a host per live entity and run
//! ```
//!
//! A child that faults is restarted at once the first time, then with exponential, jittered back-off ([`Policy`]). It
//! takes no sibling with it. Beyond the restart intensity a host is quarantined, and a service's fault goes upward: a
//! partition that cannot keep one running is restarted with all that is below it, and where that does not help, or a
//! service of the node itself is concerned, the process ends, so that the platform restarts it. Whoever is restarted
//! goes on from the journal.
//!
//! A service that must make progress has a [`Pulse`]: at one piece of work for too long it is wedged, which is a fault
//! like any other; one that cannot even be ended ends the process.
//!
//! A panic with a guilty command counts against the command: after three it is a [`DeadLetter`], and its entity goes
//! on. What fails without one is quarantined, and that is journalled in a register ([`Quarantine`]), so that it does
//! not bring node after node down. Operators retry or discard the one and release the other.

mod asides;
mod board;
mod dead_letter;
mod notice;
mod nursery;
mod partition;
mod policy;
mod pulse;
mod quarantine;
mod redelivery;
mod root;
mod service;

pub(crate) use asides::{Asides, Taken, with_quarantined};
pub use board::{LastFault, PartitionStatus, ServiceStatus};
pub use dead_letter::{
    DeadLetter, DeadLetterCommand, DeadLetterEvent, DeadLetterRejection, LetterAct, LetterStatus,
    RetryAnswer, Sender,
};
pub(crate) use notice::Notices;
pub use notice::{Child, Notice};
pub(crate) use partition::{HostSupervisorHandle, PartitionSeed};
pub use policy::{Intensity, Policy, Verdict};
pub use pulse::{Beat, Pulse};
pub use quarantine::{Quarantine, QuarantineCommand, QuarantineEvent, QuarantineRejection, Quarantined};
pub use redelivery::What;
pub(crate) use redelivery::{kept, redelivered};
pub use root::Root;
pub use service::{Service, ServiceFault, ServiceSpec};
