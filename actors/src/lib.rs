//! The marketing domain of PromptSales: campaigns, content jobs and leads as pure, synchronous state machines.
//!
//! Each entity decides what a command leads to and folds events into its state; the engine hosts, stores and
//! supervises it. Nothing here knows of time, randomness, storage or the network.

pub mod value;
