//! The engine of PromptSales: durable, supervised, event-sourced actors and workflows over one journal.

pub mod clock;
pub mod codec;
pub mod effect;
pub mod entity;
mod hashing;
pub mod id;
pub mod journal;
pub mod partition;
pub mod personal;
pub mod projection;
pub mod rule;
pub mod runtime;
pub mod supervise;
pub mod telemetry;
pub mod testkit;
pub mod timer;
pub mod workflow;
