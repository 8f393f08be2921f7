//! `launch-campaign`: crashes while it is undone, and a failure of each step. See [`super::crash`] for those before.

use promptsales_engine::effect::EffectKey;
use promptsales_engine::journal::memory::CrashPoint;
use promptsales_tests::{Dice, long_runs};
use serde_json::{Value, json};

use super::stage::{Life, POINTS, Stage, brief, campaign};

/// What an undisturbed launch comes to, and the appends that it takes.
fn undisturbed(rules: &Value) -> (Value, u64) {
    let mut stage = Stage::new(rules);
    let outcome = stage.whole(through);
    (outcome, stage.store.appends())
}

async fn through(life: &Life) -> Value {
    life.launch(&brief()).await;
    life.outcome().await
}

/// Lets the process die at an append, starts it again, and compares what comes of it.
fn crash_at(append: u64, point: CrashPoint, rules: &Value, expected: &Value) {
    let mut stage = Stage::new(rules);
    stage.store.crash_after(append, point);
    let died = stage.live(through).is_none();
    assert!(died, "append {append} was not reached");
    let outcome = stage.whole(through);
    assert_eq!(&outcome, expected, "after a crash at append {append}, {point:?}");
}

#[test]
fn a_launch_comes_to_an_active_campaign() {
    let (outcome, appends) = undisturbed(&json!([]));
    let campaign = &outcome["states"][campaign().to_string()];
    assert_eq!(campaign["effective"], "serving", "{campaign}");
    assert_eq!(outcome["world"]["ads"].as_array().map(Vec::len), Some(2));
    assert_eq!(outcome["executed"], json!(8 + 2 + 1));
    assert!(appends > 20, "{appends}");
}

#[test]
fn two_crashes_change_nothing() {
    let mut dice = Dice::new("two_crashes_change_nothing", 1);
    let (expected, appends) = undisturbed(&json!([]));
    for _ in 0..if long_runs() { 500 } else { 15 } {
        let mut stage = Stage::new(&json!([]));
        let crashes: Vec<_> = (0..2).map(|_| (dice.roll(appends), POINTS[dice.roll(2) as usize])).collect();
        for (append, point) in &crashes {
            stage.store.crash_after(*append, *point);
            stage.live(through);
        }
        assert_eq!(stage.whole(through), expected, "after {crashes:?}");
    }
}

/// An effect of a launch, by the rule of the sandbox that hits it alone.
struct Target {
    connector: String,
    operation: String,
    contains: Option<String>,
}

impl Target {
    fn rule(&self, behaviour: &Value) -> Value {
        let Self { connector, operation, contains } = self;
        json!({ "connector": connector, "operation": operation, "contains": contains, "behaviour": behaviour })
    }
}

/// Every effect that an undisturbed launch asks for.
fn effects() -> Vec<Target> {
    Stage::new(&json!([])).whole(async |life: &Life| {
        let run = life.launch(&brief()).await;
        let mut effects = Vec::new();
        for event in life.events(run).await {
            let data = event.body.data.value();
            let id = data["id"].as_str().and_then(|id| id.strip_prefix("eff_"));
            let Some(id) = id.filter(|_| event.body.name == "step-requested") else { continue };
            let key: EffectKey = serde_json::from_value(json!(id)).expect("the key is a UUID");
            let effect = life.journal.find_effect(&key).await.expect("the ledger can be read");
            let request = effect.expect("the effect stands in the ledger").request.value();
            let known = ["reference", "channel"].into_iter().find(|field| request[*field].is_string());
            effects.push(Target {
                connector: data["target"].as_str().expect("it names its connector").to_owned(),
                operation: data["name"].as_str().expect("it names its operation").to_owned(),
                contains: known.map(|field| format!("\"{field}\":{}", request[field])),
            });
        }
        effects
    })
}

/// Checks that a launch that failed has left nothing behind but a campaign that says why.
fn check_clean_slate(outcome: &Value, code: &str) {
    let states = outcome["states"].as_object().expect("there are states");
    let of = |prefix: &str| -> Vec<&Value> {
        states.iter().filter(|(id, _)| id.starts_with(prefix)).map(|(_, state)| state).collect()
    };
    let run = of("run_")[0];
    assert_eq!(run["status"], "compensated", "{run}");
    assert_eq!(run["error"]["type"], json!(format!("urn:promptsales:error:{code}")), "{run}");
    let campaign = &states[&campaign().to_string()];
    assert_eq!(campaign["effective"], "misconfigured", "{campaign}");
    assert_eq!(campaign["reasons"][0]["code"], json!(code), "{campaign}");
    for field in ["content", "plan", "reserved", "activations", "tracking"] {
        assert!(campaign.get(field).is_none(), "`{field}` is left: {campaign}");
    }
    for job in of("job_") {
        assert_eq!(job["status"], "archived", "{job}");
    }
    let clean = Stage::new(&json!([])).sandbox.world();
    assert_eq!(outcome["world"], clean, "the outside is as before");
}

#[test]
fn a_failure_of_each_effect_leaves_a_clean_slate() {
    let effects = effects();
    assert_eq!(effects.len(), 8 + 2 + 1);
    let ways = [
        (json!({ "refuse": { "code": "account_suspended", "message": "no" } }), "account_suspended"),
        (json!({ "fail": { "times": 1_000 } }), "unavailable"),
        (json!({ "acceptThenTimeout": { "times": 1_000 } }), "deadline"),
    ];
    for effect in &effects {
        for (behaviour, code) in &ways {
            let rules = json!([effect.rule(behaviour)]);
            let (outcome, _) = undisturbed(&rules);
            check_clean_slate(&outcome, code);
        }
    }
}

#[test]
fn a_failure_within_the_retries_changes_nothing_but_the_time() {
    let (expected, _) = undisturbed(&json!([]));
    for effect in effects() {
        for way in ["fail", "unreachable", "acceptThenTimeout"] {
            let rules = json!([effect.rule(&json!({ way: { "times": 2 } }))]);
            assert_eq!(undisturbed(&rules).0, expected, "{rules}");
        }
    }
}

#[test]
fn a_crash_at_each_append_of_an_undoing_changes_nothing() {
    let refusal = json!({ "refuse": { "code": "account_suspended", "message": "no" } });
    let silence = json!({ "acceptThenTimeout": { "times": 1_000 } });
    let effects = effects();
    let last = |connector: &str| effects.iter().rfind(|effect| effect.connector == connector);
    let cases = [("ads", &refusal, 1), ("tracking", &silence, 3), ("content", &refusal, 3)];
    for (connector, behaviour, stride) in cases {
        let rules = json!([last(connector).expect("it is called").rule(behaviour)]);
        let (expected, appends) = undisturbed(&rules);
        let stride = if long_runs() { 1 } else { stride };
        for append in (0..appends).step_by(stride) {
            let points = if long_runs() { &POINTS[..] } else { &POINTS[append as usize % 2..][..1] };
            points.iter().for_each(|point| crash_at(append, *point, &rules, &expected));
        }
    }
}

#[test]
fn an_undoing_that_cannot_be_known_needs_attention_and_says_why() {
    let refused = json!({ "refuse": { "code": "account_suspended", "message": "no" } });
    let silent = json!({ "acceptThenTimeout": { "times": 1_000 } });
    let rules = json!([
        { "connector": "tracking", "operation": "create_form", "behaviour": refused },
        { "connector": "ads", "operation": "deactivate", "behaviour": silent },
    ]);
    Stage::new(&rules).whole(async |life: &Life| {
        let run = life.launch(&brief()).await;
        let state = life.state(run).await;
        assert_eq!(state["status"], "needs-attention", "{state}");
        let what = state["waitingFor"][0]["what"].as_str().expect("it says what it waits for");
        assert!(what.contains("ads.activate") && what.contains("failed 5 times"), "{what}");
        let campaign = life.state(campaign()).await;
        assert_eq!(
            campaign["effective"], "preparing",
            "it is not called failed before it is undone: {campaign}"
        );
    });
}
