//! The workflows whose runs wait, and the one that does very much.

use serde_json::{Value, json};

use super::request::BRIEF;

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

/// The name of the workflow of many tasks.
pub(super) const MANY: &str = "bench-many";

/// Rounds of steps; in each step an action, and a wait of no time, so that each step is a commit of its own.
pub(super) fn many() -> String {
    let step = json!([
        { "check": {
            "call": "brief.check",
            "with": { "brief": "${ $workflow.input.brief }" },
            "output": { "as": "{ approval }" },
        } },
        { "pause": { "wait": { "milliseconds": 0 } } },
    ]);
    let items = |field| format!("${{ [range(0; $workflow.input.{field})] }}");
    let round = json!([{ "steps": { "for": { "each": "step", "in": items("steps") }, "do": step } }]);
    let rounds = json!([{ "rounds": { "for": { "each": "round", "in": items("rounds") }, "do": round } }]);
    source(MANY, &rounds)
}

/// The input of a run of many tasks.
pub(super) fn many_input(rounds: u32, steps: u32) -> Value {
    let brief: Value = serde_json::from_str(BRIEF).expect("the brief is JSON");
    json!({ "rounds": rounds, "steps": steps, "brief": brief })
}
