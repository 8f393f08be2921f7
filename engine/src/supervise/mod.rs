//! Supervision: who restarts what, how often, and what happens when it does not help.
//!
//! The node's root supervises services and partitions; a partition's supervisor its hosts. A child that faults is
//! restarted at once the first time, then with exponential, jittered back-off. Beyond the restart intensity a
//! host is quarantined, and a service's fault goes upward: the process ends, so that the platform restarts it.
//!
//! A panic with a guilty command counts against the command: after three it is a [`DeadLetter`], and its entity goes
//! on. What fails without one is quarantined, and that is journalled in a register ([`Quarantine`]), so that it does
//! not bring node after node down. Operators retry or discard the one and release the other.

mod asides;
mod dead_letter;
mod host_supervisor;
mod policy;
mod quarantine;
mod redelivery;
mod root;
mod service;

pub(crate) use asides::{Asides, Taken, with_quarantined};
pub use dead_letter::{
    DeadLetter, DeadLetterCommand, DeadLetterEvent, DeadLetterRejection, LetterAct, LetterStatus,
    RetryAnswer, Sender,
};
pub(crate) use host_supervisor::{HostSupervisorHandle, spawn_host_supervisor};
pub use policy::{Intensity, Verdict};
pub use quarantine::{Quarantine, QuarantineCommand, QuarantineEvent, QuarantineRejection, Quarantined};
pub use redelivery::What;
pub(crate) use redelivery::{kept, redelivered};
pub use root::{Root, ServiceSpec, ServiceStatus};
pub use service::{Service, ServiceFault};
