//! Workflows: definitions in the Open Workflow Specification's language, and runs of them.

pub mod action;
pub mod check;
pub mod definition;
pub mod expression;
pub mod registration;
pub mod versions;

#[cfg(test)]
mod fixtures;
