//! Tests of the machine, in given/when/then. Each input is checked for what must always hold (`bed.rs`).

mod bed;
mod calls;
mod commands;
mod flow;
mod frozen;
mod limits;
mod random;
mod retries;
mod sagas;
mod waits;

use serde_json::json;

use super::super::fixtures::{definition, saga};
use bed::Bed;
