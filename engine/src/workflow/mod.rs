//! Workflows: definitions in the Open Workflow Specification's language, and runs of them.

pub mod action;
