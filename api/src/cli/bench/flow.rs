//! The workflows whose runs wait.

use serde_json::{Value, json};

/// A workflow whose runs wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// Sleeps for a day or listens for an event of its own: by its key, which is even or odd.
    Parked,
    /// Waits until a moment, in milliseconds since 1970.
    Due { ms: i64 },
}

impl Flow {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Parked => "bench-parked",
            Self::Due { .. } => "bench-due",
        }
    }

    /// The text that it is registered with.
    pub(super) fn source(self) -> String {
        let tasks = match self {
            Self::Parked => json!([
                { "choose": { "switch": [
                    { "even": { "when": "${ (.key[-1:] | tonumber) % 2 == 0 }", "then": "sleep" } },
                    { "odd": { "then": "hear" } },
                ] } },
                { "sleep": { "wait": "P1D", "then": "end" } },
                { "hear": { "listen": { "to": { "one": {
                    "with": { "type": "bench.answered" },
                    "correlate": { "key": { "from": ".data.key", "expect": "${ .key }" } },
                } } } } },
            ]),
            Self::Due { .. } => json!([{ "pause": {
                "wait": r#"${ "PT\((.due - $workflow.startedAt.epoch.milliseconds) / 1000)S" }"#,
            } }]),
        };
        source(self.name(), &tasks)
    }

    /// The input of the run of a key.
    pub(super) fn input(self, key: &str) -> String {
        match self {
            Self::Parked => json!({ "key": key }),
            Self::Due { ms } => json!({ "due": ms, "key": key }),
        }
        .to_string()
    }
}

/// The text of a workflow.
pub(super) fn source(name: &str, tasks: &Value) -> String {
    let document = json!({ "dsl": "1.0.3", "namespace": "bench", "name": name, "version": "1.0.0" });
    json!({ "document": document, "do": tasks }).to_string()
}
