//! Workflow definitions, actions and connectors of PromptSales.
//!
//! A definition says what is to be done, in the language that its users write; an action is what one of its tasks
//! calls; a connector is a way to the outside.

pub mod actions;
pub mod connectors;
mod samples;

pub use samples::{CAMPAIGNS, LEADS, Samples, samples};

/// The product's own workflow definitions: name and YAML text of every file in `definitions`, by name.
pub fn definitions() -> &'static [(&'static str, &'static str)] {
    include!(concat!(env!("OUT_DIR"), "/definitions.rs"))
}

#[cfg(test)]
mod examples;
#[cfg(test)]
mod tests;
