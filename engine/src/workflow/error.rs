//! The errors of workflows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An error as the Open Workflow Specification shapes it (RFC 9457 members).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowError {
    /// A URI that names the kind of error.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status, in the sense of HTTP.
    pub status: u16,
    /// A short name for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What happened this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The JSON pointer of the task that raised it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}

/// The common stem of the specification's own error types.
pub const ERROR_STEM: &str = "https://open-workflow-specification.org/spec/1.0.0/errors/";

/// The common stem of the errors that actions raise; behind it stands the code.
pub const ACTION_ERROR_STEM: &str = "urn:promptsales:error:";

impl WorkflowError {
    /// One of the specification's own errors: `validation`, `expression`, `timeout`, `communication`, `runtime`...
    pub fn standard(name: &str, status: u16, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("{ERROR_STEM}{name}"),
            status,
            title: Some(name.to_owned()),
            detail: Some(detail.into()),
            instance: None,
        }
    }

    /// An error of an action, by its stable code.
    pub fn action(code: &str, status: u16, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("{ACTION_ERROR_STEM}{code}"),
            status,
            title: Some(code.replace('_', " ")),
            detail: Some(detail.into()),
            instance: None,
        }
    }
}
