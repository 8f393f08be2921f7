//! Supervision: who restarts what, how often, and what happens when it does not help.
//!
//! The node's root supervises services and partitions; a partition's supervisor its hosts. A child that faults is
//! restarted at once the first time, then with exponential, jittered back-off. Beyond the restart intensity a
//! host is quarantined, and a service's fault goes upward: the process ends, so that the platform restarts it.

mod dead_letter;
mod host_supervisor;
mod policy;
mod root;
mod service;

pub use dead_letter::{DeadLetter, DeadLetterCommand, DeadLetterEvent, DeadLetterRejection};
pub(crate) use host_supervisor::{HostSupervisorHandle, spawn_host_supervisor};
pub use policy::{Intensity, Verdict};
pub use root::{Root, ServiceSpec, ServiceStatus};
pub use service::{Service, ServiceFault};
