//! For each registered action: done and undone it leaves everything as before, however often the process dies.

use promptsales_engine::id::{Prefix, StreamId, digest, uuid_v8};
use promptsales_engine::journal::memory::CrashPoint;
use promptsales_engine::workflow::action::{ActionInfo, Actions};
use promptsales_engine::workflow::check::check;
use serde_json::{Value, json};

use super::stage::{Life, POINTS, Stage, brief, campaign};

fn actions() -> Actions {
    promptsales_workflows::actions::register().expect("no action is there twice")
}

/// The functions of the specification, which call services: they change nothing here, and have tests of their own.
const PROTOCOLS: [&str; 4] = ["a2a", "http", "mcp", "openapi"];

/// The product's own actions.
fn own(actions: &Actions) -> impl Iterator<Item = &std::sync::Arc<ActionInfo>> {
    actions.iter().filter(|action| !PROTOCOLS.contains(&action.name))
}

fn run() -> StreamId {
    StreamId::new(Prefix::new("run"), uuid_v8(digest("every action", &[]), Some(campaign().slot())))
}

/// A brief that asks for one piece.
fn small() -> Value {
    let mut small = brief();
    small["channels"] = json!(["instagram"]);
    small["locales"] = json!(["es-CR"]);
    small["contentKinds"] = json!(["text"]);
    small
}

fn allocation() -> Value {
    json!({ "channel": "instagram", "amount": small()["budget"] })
}

fn made() -> Value {
    let piece = json!({
        "contentId": "c-1", "kind": "text", "channel": "instagram", "locale": "es-CR", "text": "Hola",
    });
    json!({ "jobId": "job_01h455vb4pex5vsknk084sn02q", "piece": piece })
}

fn job() -> StreamId {
    let id = serde_json::from_value(made()["jobId"].clone());
    id.expect("it is an id")
}

/// How far a campaign is when an action is tried on it: each stage has what those before it have.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Far {
    Drafted,
    Begun,
    Approved,
    Planned,
    Reserved,
    Switched,
    Written,
}

/// A sample for each action: how far the campaign must be, and the input.
fn sample(name: &str) -> (Far, Value) {
    let id = campaign();
    match name {
        "ads.activate" => (
            Far::Reserved,
            json!({
                "campaignId": id, "allocation": allocation(), "content": [made()],
                "landingUrl": small()["landingUrl"],
            }),
        ),
        "approval.record" => (Far::Begun, json!({ "campaignId": id, "approved": true, "by": "ana" })),
        "approval.request" => (Far::Begun, json!({ "campaignId": id })),
        "brief.check" => (Far::Drafted, json!({ "brief": small() })),
        "budget.reserve" => (Far::Planned, json!({ "campaignId": id, "amount": small()["budget"] })),
        "campaign.activate" => (Far::Switched, json!({ "campaignId": id })),
        "campaign.begin" => (Far::Drafted, json!({ "campaignId": id, "brief": small() })),
        "campaign.plan" => (Far::Begun, json!({ "campaignId": id, "brief": small() })),
        "campaign.record-content" => (Far::Begun, json!({ "campaignId": id, "content": [made()] })),
        "content.approve" => (Far::Written, json!({ "content": [made()], "by": "ana" })),
        "content.check" => (Far::Drafted, json!({ "brief": small(), "content": [made()] })),
        "content.create" => {
            let piece = json!({ "channel": "instagram", "locale": "es-CR", "kind": "text" });
            (Far::Begun, json!({ "campaignId": id, "brief": small(), "piece": piece }))
        }
        "runs.act" => (Far::Drafted, json!({ "act": "pause", "filter": { "workflow": "done-and-undone" } })),
        "tracking.set-up" => {
            (Far::Approved, json!({ "campaignId": id, "channels": ["instagram"], "landingUrl": null }))
        }
        other => panic!("add a sample input of `{other}`"),
    }
}

/// Brings the campaign as far as said; what has been done already is accepted again.
async fn prepare(life: &Life, far: Far) {
    let steps = [
        (Far::Drafted, "draft", small()),
        (Far::Begun, "begin-launch", json!({ "runId": run() })),
        (Far::Approved, "approve", json!({ "by": "ana" })),
        (Far::Planned, "plan", json!({ "allocations": [allocation()] })),
        (Far::Reserved, "reserve-budget", json!({ "amount": small()["budget"] })),
        (Far::Switched, "record-activation", json!({ "channel": "instagram", "externalId": "ad-1" })),
    ];
    for (_, command, body) in steps.into_iter().filter(|(at, ..)| *at <= far) {
        life.once(campaign(), command, &body).await;
    }
    if far == Far::Written {
        let brief = json!({
            "channel": "instagram", "locale": "es-CR", "kind": "text", "name": "Verano", "message": "Refrescate",
        });
        life.once(job(), "brief", &brief).await;
        life.once(job(), "record-generated", &json!({ "piece": made()["piece"] })).await;
    }
}

/// A saga of one task, which fails after it.
fn definition(action: &str, input: &Value) -> String {
    let error = json!({ "type": "urn:test:boom", "status": 500, "title": "boom" });
    let document = json!({
        "dsl": "1.0.3", "namespace": "test", "name": "done-and-undone", "version": "1.0.0",
        "metadata": { "saga": true },
    });
    let tasks = json!([
        { "step": { "call": action, "with": input } },
        { "boom": { "raise": { "error": error } } },
    ]);
    json!({ "document": document, "do": tasks }).to_string()
}

/// The campaign without its history: why it is as it is differs, and what began its launch.
async fn campaign_now(life: &Life) -> Value {
    let mut state = super::stage::plain(&life.state(campaign()).await);
    let fields = state.as_object_mut().expect("there is a campaign");
    fields.remove("reasons");
    state
}

fn stage(action: &str) -> Stage {
    let mut stage = Stage::new(&json!([]));
    stage.definitions.push(definition(action, &sample(action).1));
    stage
}

/// Lets the saga run to its end, and gives what is then.
async fn undone(life: &Life) -> Value {
    life.once(run(), "start", &json!({ "workflow": "done-and-undone" })).await;
    life.through(run()).await;
    life.outcome().await
}

#[test]
fn done_and_undone_leaves_everything_as_before() {
    for action in own(&actions()) {
        stage(action.name).whole(async |life: &Life| {
            prepare(life, sample(action.name).0).await;
            let before = (campaign_now(life).await, life.world());
            let outcome = undone(life).await;
            let state = life.state(run()).await;
            assert_eq!(state["status"], "compensated", "{}: {state}", action.name);
            assert_eq!(state["error"]["type"], "urn:test:boom", "{}: {state}", action.name);
            let (mut campaign, world) = (campaign_now(life).await, life.world());
            assert_eq!(world, before.1, "{}: the outside", action.name);
            if action.name == "campaign.begin" {
                assert_eq!(campaign["launch"]["phase"], "failed", "{campaign}");
                campaign["launch"] = before.0["launch"].clone();
                campaign["effective"] = before.0["effective"].clone();
            }
            assert_eq!(campaign, before.0, "{}: the campaign", action.name);
            let states = outcome["states"].as_object().expect("there are states");
            for (id, job) in states.iter().filter(|(id, _)| id.starts_with("job_")) {
                let status = if action.name == "content.approve" { "generated" } else { "archived" };
                assert_eq!(job["status"], status, "{}: {id}", action.name);
            }
        });
    }
}

/// Lets the process die at each append of doing and undoing an action, and compares what comes of it.
fn crash_at_each(point: CrashPoint) {
    for action in own(&actions()) {
        let far = sample(action.name).0;
        let prepared = || {
            let mut stage = stage(action.name);
            stage.whole(async |life: &Life| prepare(life, far).await);
            stage
        };
        let mut whole = prepared();
        let before = whole.store.appends();
        let expected = whole.whole(undone);
        for append in 0..whole.store.appends() - before {
            let mut stage = prepared();
            stage.store.crash_after(append, point);
            assert!(stage.live(undone).is_none(), "{}: append {append} was not reached", action.name);
            let outcome = stage.whole(undone);
            assert_eq!(outcome, expected, "{} after a crash at append {append}, {point:?}", action.name);
        }
    }
}

#[test]
fn a_crash_before_each_commit_of_doing_and_undoing_changes_nothing() {
    crash_at_each(POINTS[0]);
}

#[test]
fn a_crash_after_each_commit_of_doing_and_undoing_changes_nothing() {
    crash_at_each(POINTS[1]);
}

#[test]
fn unknown_arguments_are_refused_at_registration() {
    let actions = actions();
    for action in own(&actions) {
        let mut input = sample(action.name).1;
        check(&definition(action.name, &input), &actions).unwrap_or_else(|e| panic!("{}: {e}", action.name));
        input["colour"] = json!("red");
        let refused = check(&definition(action.name, &input), &actions);
        let refused = refused.err().unwrap_or_else(|| panic!("{} takes anything", action.name));
        let told = serde_json::to_string(&refused.problems).expect("problems can be written");
        assert!(
            told.contains("colour") && told.contains("/do/0/step/with/colour"),
            "{}: {told}",
            action.name
        );
    }
}
