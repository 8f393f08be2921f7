//! Workflows: definitions in the Open Workflow Specification's language, and runs of them.
//!
//! A definition's text is compiled and checked ([`check`]), registered as an entity ([`registration`]), and kept
//! compiled in a registry ([`versions`]). A run ([`run`]) is pinned to a version; its machine ([`machine`]) is a pure
//! function that the host feeds with inputs and whose events it commits.

//!
#![doc = include_str!("profile.md")]

pub mod action;
pub mod check;
pub mod definition;
pub mod difference;
pub mod drawing;
mod error;
pub mod expression;
pub mod found;
mod ingress;
pub mod machine;
pub mod registration;
pub mod run;
pub mod scenario;
pub mod schedule;
mod subflow;
pub mod topic;
pub mod versions;

#[cfg(test)]
mod fixtures;

#[cfg(test)]
mod profile;
