//! Tests of the machine, in given/when/then. Each input is checked for what must always hold (`bed.rs`).

mod acts;
mod attributes;
mod bed;
mod calls;
mod commands;
mod events;
mod flow;
mod frozen;
mod history;
mod language;
mod lifecycle;
mod limits;
mod migrate;
mod random;
mod retries;
mod sagas;
mod subflows;
mod waits;
mod world;

use serde_json::{Value, json};

use super::super::fixtures::{definition, saga};
use bed::Bed;
