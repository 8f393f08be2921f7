//! `raise`: an error on purpose.

use serde_json::Value;

use super::turn::Turn;
use crate::workflow::action::WorkflowError;
use crate::workflow::definition::Kind;

impl Turn<'_> {
    pub(super) fn raise(&mut self, at: &str) {
        let Kind::Raise { error } = &self.node(at).kind else { return };
        let raised = self.evaluate(error, &self.input(at), &self.scene(at));
        self.fault(at, raised.map_or_else(|e| e, |value| error_of(&value)));
    }
}

/// Reads an error whose members may have come out of expressions.
fn error_of(value: &Value) -> WorkflowError {
    let text = |name: &str| match &value[name] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let status = match &value["status"] {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64().and_then(|status| u16::try_from(status).ok()),
    };
    WorkflowError {
        kind: text("type").unwrap_or_else(|| "about:blank".to_owned()),
        status: status.unwrap_or(500),
        title: text("title"),
        detail: text("detail"),
        instance: text("instance"),
    }
}
