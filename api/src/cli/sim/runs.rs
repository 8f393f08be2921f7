//! Runs of a simulation: plain workflows with waits, signals, retries, loops, forks and sagas, and what each must
//! come to.

use promptsales_engine::testkit::simulation::{Broken, Chance, invariant};
use rand::Rng;
use serde_json::{Value, json};

/// The workflows that are only simulated.
pub(super) const DEFINITIONS: [&str; 5] = [
    include_str!("definitions/loop.yaml"),
    include_str!("definitions/listen.yaml"),
    include_str!("definitions/retry.yaml"),
    include_str!("definitions/fork.yaml"),
    include_str!("definitions/saga.yaml"),
];

/// Makes up what starts a run of one of them.
pub(super) fn start(chance: &mut Chance, campaign: &str, brief: impl FnOnce() -> Value) -> Value {
    let (workflow, input) = match chance.random_range(0..12) {
        0..3 => {
            let pause = format!("PT{}S", chance.random_range(1..90));
            ("sim-loop", json!({ "count": chance.random_range(0..6), "pause": pause }))
        }
        3..6 => ("sim-listen", json!({})),
        6..8 => ("sim-retry", json!({})),
        8..10 => ("sim-fork", json!({})),
        10 => ("sim-saga", json!({ "campaignId": campaign, "brief": brief() })),
        _ => return json!({ "workflow": "no-such-workflow", "input": {} }),
    };
    json!({ "workflow": workflow, "version": "1.0.0", "input": input })
}

/// Makes up a command for a run.
pub(super) fn command(chance: &mut Chance) -> (&'static str, Value) {
    match chance.random_range(0..12) {
        0..5 => ("signal", json!({ "name": "go", "data": { "n": chance.random_range(0..9) } })),
        5 => ("signal", json!({ "name": "approval", "data": { "approved": true, "by": "ana" } })),
        6 => (
            "signal",
            json!({ "name": "approval", "data": { "approved": false, "by": "ana", "reason": "no" } }),
        ),
        7 => ("cancel", json!({ "reason": "simulated" })),
        8 => ("pause", json!({})),
        9 => ("resume", json!({})),
        10 => ("retry", json!({})),
        _ => ("skip", json!({})),
    }
}

/// Checks what a run has come to: it has ended, or a person must see to it, and a completed one has the right output.
pub(super) fn check(id: &str, run: &Value) -> Result<(), Broken> {
    let broken = |what: &str| Err(Broken::new(invariant::RUN, format!("{id} {what}: {run}")));
    let waits = run["waitingFor"].as_array().is_some_and(|waits| !waits.is_empty());
    if run["endedAt"].is_null() {
        return match run["status"].as_str() {
            Some("needs-attention") if waits => Ok(()),
            _ if !waits => broken("has not ended and waits for nothing"),
            _ => broken("has not come to an end"),
        };
    }
    let (status, output) = (run["status"].as_str().unwrap_or_default(), &run["output"]);
    let count = run["input"]["count"].as_u64().unwrap_or_default();
    let right = match (run["workflow"].as_str().unwrap_or_default(), status) {
        ("sim-loop", "completed") => *output == json!({ "sum": (0..count).sum::<u64>() * 2 }),
        ("sim-retry", "completed") => *output == json!({ "failed": true }),
        ("sim-fork", "completed") => *output == json!([{ "n": 1 }, { "n": 2 }]),
        ("sim-listen", "completed") => output["got"].is_u64(),
        ("sim-listen", "faulted") => run["error"]["status"] == 408,
        ("sim-saga", "compensated") => run["error"]["status"] == 409,
        (_, "cancelled") => true,
        ("sim-saga", "faulted") => true,
        (name, _) => !name.starts_with("sim-"),
    };
    if right { Ok(()) } else { broken("has come to what it should not") }
}
