//! Durable, actor-based workflow engine.
pub mod clock;
pub mod codec;
pub mod effect;
pub mod entity;
pub mod id;
pub mod journal;
pub mod personal;
pub mod workflow;
