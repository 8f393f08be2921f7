//! Reports: what the sandbox was asked and what it did, for tests and for people; from another process too.

use std::collections::BTreeMap;
use std::path::Path;

use promptsales_engine::effect::EffectKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{SandboxError, file};

/// What the sandbox was asked and what it did, as counts since its file was begun.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SandboxReport {
    /// The calls that came in, those that failed or were refused included.
    pub requests: u64,
    /// The distinct keys executed.
    pub executed: u64,
    /// The executions; more than `executed` only if a key was executed more than once.
    pub executions: u64,
    /// The keys executed more than once: empty, or something is broken.
    pub repeated: Vec<EffectKey>,
    /// The counts of each operation, by `connector.operation`.
    pub by_operation: BTreeMap<String, OperationCount>,
}

/// The counts of one operation.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OperationCount {
    /// The calls that came in.
    pub requests: u64,
    /// The executions.
    pub executed: u64,
}

impl SandboxReport {
    /// Reads the report of a sandbox's file, while it is in use too.
    ///
    /// # Errors
    ///
    /// The file is not there or is not a sandbox's.
    pub fn read(path: &Path) -> Result<Self, SandboxError> {
        Ok(file::read(path)?.report())
    }
}

/// Reads the world of a sandbox's file, while it is in use too; see [`super::Sandbox::world`].
///
/// # Errors
///
/// The file is not there or is not a sandbox's.
pub fn world_of(path: &Path) -> Result<Value, SandboxError> {
    Ok(file::read(path)?.world())
}
