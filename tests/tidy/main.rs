//! Tidy: the house rules that a machine can check, one failing assertion per rule.
//!
//! Every rule reads the repository as text and reports each violation as `file:line: what is wrong; what to do`.
//! Beside each rule stand samples that it must complain about, so that no rule can pass by seeing nothing. A rule
//! that admits exceptions has a list of [`finding::Allowed`] at its top: a path, a name and the reason. An exception
//! that no longer excepts anything is itself reported.
//!
//! - [`layers`]: which crate may depend on which, and where versions stand
//! - [`homes`]: which files may name an actor library, a driver, a clock, a spawn or a sleep
//! - [`nouns`]: the engine names no marketing noun
//! - [`budgets`]: lines in a file, in a `mod.rs` and in a function
//! - [`registration`]: what lies in a folder is registered beside it
//! - [`leftovers`]: nothing unfinished, nothing ignored, no loose serde shapes in what lasts
//! - [`layout`]: top-level entries, golden sample names, machine paths, registry hosts

mod budgets;
mod finding;
mod homes;
mod layers;
mod layout;
mod leftovers;
mod manifest;
mod nouns;
mod registration;
mod repo;
mod source;
