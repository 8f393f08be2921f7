//! Scripts: commands that take every kind through all that can happen to it.

use std::time::Duration;

use promptsales_engine::codec;
use promptsales_engine::id::{Prefix, Slot, StreamId, uuid_v7};
use promptsales_engine::journal::{Json, Outcome};
use promptsales_engine::supervise::{DeadLetterEvent, Sender, What};
use promptsales_engine::workflow::definition::digest;
use serde_json::{Value, json};

use super::automation;
use super::stage::{Life, Stage, brief};

mod leads;
mod organisations;

/// One step of a script.
pub(crate) enum Step {
    /// A command that is to be accepted.
    Tell(&'static str, Value),
    /// Time passes.
    Sleep(Duration),
}

use Step::{Sleep, Tell};

/// Commands for one stream.
pub(crate) struct Script {
    /// The stream.
    pub(crate) id: StreamId,
    /// What it is told.
    pub(crate) steps: Vec<Step>,
}

pub(super) fn id(prefix: &'static str, number: u64) -> StreamId {
    StreamId::new(Prefix::new(prefix), uuid_v7(1_767_225_600_000, Slot::new(7), number))
}

pub(super) fn tell(name: &'static str) -> Step {
    Tell(name, json!({}))
}

/// The definitions that the scripts of runs use.
pub(crate) fn definitions() -> Vec<String> {
    let head = |name: &str, saga: bool| {
        format!(
            "document: {{ dsl: '1.0.3', namespace: test, name: {name}, version: '1.0.0', metadata: {{ saga: {saga} }} }}"
        )
    };
    let boom = "{ raise: { error: { type: 'urn:test:boom', status: 500, title: boom } } }";
    let track = format!(
        "{{ call: tracking.set-up, with: {{ campaignId: {}, channels: [instagram], landingUrl: null }} }}",
        id("cmp", 90)
    );
    let listen = "{ listen: { to: { one: { with: { type: go } } } } }";
    let bodies = [
        (
            "ways",
            false,
            format!(
                "[{{ skipped: {{ if: 'false', set: {{ n: 1 }} }} }}, {{ branches: {{ fork: {{ branches: \
                 [{{ one: {{ set: {{ n: 1 }} }} }}, {{ two: {{ set: {{ n: 2 }} }} }}] }} }} }}, \
                 {{ loop: {{ for: {{ each: item, in: '[1]' }}, do: [{{ body: {{ set: {{ n: 3 }} }} }}] }} }}, \
                 {{ pause: {{ wait: PT1S }} }}, {{ hear: {listen} }}]"
            ),
        ),
        ("raising", false, format!("[{{ boom: {boom} }}]")),
        (
            "catching",
            false,
            format!(
                "[{{ tried: {{ try: [{{ boom: {boom} }}], catch: {{ retry: {{ delay: PT1S, limit: \
                 {{ attempt: {{ count: 1 }} }} }}, do: [{{ caught: {{ set: {{ n: 1 }} }} }}] }} }} }}]"
            ),
        ),
        ("hearing", false, format!("[{{ hear: {listen} }}]")),
        (
            "emitting",
            false,
            "[{ send: { emit: { event: { with: { type: sent, data: { n: 1 } } } }, \
             metadata: { attributes: { region: CR, score: 12 } } } }]"
                .to_owned(),
        ),
        ("acting", false, "[{ one: { wait: PT1H } }, { two: { wait: PT1H } }]".to_owned()),
        ("undoing", true, format!("[{{ track: {track} }}, {{ boom: {boom} }}]")),
        (
            "resuming",
            false,
            format!(
                "[{{ tried: {{ try: [{{ track: {track} }}], catch: {{ retry: {{ delay: PT1S, limit: \
                 {{ attempt: {{ count: 3 }} }} }} }} }} }}]"
            ),
        ),
    ];
    bodies.into_iter().map(|(name, saga, body)| format!("{}\ndo: {body}", head(name, saga))).collect()
}

/// What goes wrong outside while the scripts go on: answers do not come, of forms made and for long of forms removed.
fn rules() -> Value {
    json!([
        { "connector": "tracking", "operation": "create_form", "behaviour": { "acceptThenTimeout": { "times": 4 } } },
        { "connector": "tracking", "operation": "remove_form", "behaviour": { "acceptThenTimeout": { "times": 20 } } },
    ])
}

/// Every script.
pub(crate) fn scripts() -> Vec<Script> {
    let own = [campaigns(), jobs(), leads::scripts(), organisations::scripts()];
    let of_engine = [runs(), topics(), schedules(), workflows(), automation::scripts()];
    own.into_iter().chain(of_engine).flatten().collect()
}

fn launching(run: StreamId) -> Vec<Step> {
    vec![Tell("draft", brief()), Tell("begin-launch", json!({ "runId": run }))]
}

fn approved(run: StreamId) -> Vec<Step> {
    let parts = [("instagram", 50_001), ("facebook", 50_000)];
    let part = |(channel, minor)| json!({ "channel": channel, "amount": { "amountMinor": minor, "currency": "USD" } });
    let mut steps = launching(run);
    steps.extend([
        Tell("approve", json!({ "by": "ana" })),
        Tell("plan", json!({ "allocations": parts.map(part) })),
        Tell("reserve-budget", json!({ "amount": brief()["budget"] })),
        Tell("record-activation", json!({ "channel": "instagram", "externalId": "ad-1" })),
        Tell("record-activation", json!({ "channel": "facebook", "externalId": "ad-2" })),
    ]);
    steps
}

fn campaigns() -> Vec<Script> {
    let run = id("run", 1);
    let piece = json!({ "jobId": id("job", 1), "channel": "instagram", "locale": "en", "kind": "text" });
    let link = json!({ "channel": "instagram", "url": "https://tienda.example/verano?utm_source=instagram" });
    let mut revised = brief();
    revised["name"] = json!("Invierno 2026");
    let mut dated = brief();
    dated["startDate"] = json!("2026-01-03T00:00:00Z");
    dated["endDate"] = json!("2026-01-05T00:00:00Z");

    let mut whole = approved(run);
    whole.extend([tell("activate"), Tell("pause", json!({ "reason": "holiday" })), tell("resume")]);
    whole.extend([Tell("stop", json!({ "reason": "sold out" })), tell("archive")]);
    let mut undone = launching(run);
    undone.extend([
        Tell("record-content", json!({ "content": [piece] })),
        tell("submit-for-review"),
        tell("withdraw-approval"),
        tell("discard-content"),
    ]);
    undone.extend(approved(run).into_iter().skip(2));
    undone.extend([
        Tell("set-tracking", json!({ "formId": "form-1", "links": [link] })),
        tell("activate"),
        Tell("withdraw", json!({ "reason": "no" })),
        tell("remove-tracking"),
        Tell("record-deactivation", json!({ "channel": "facebook" })),
        Tell("release-budget", json!({ "reason": "no" })),
        tell("discard-plan"),
        tell("withdraw-approval"),
        Tell("fail-launch", json!({ "runId": run, "code": "boom", "message": "it did not work" })),
    ]);
    let mut refused = launching(run);
    refused.push(Tell("reject", json!({ "by": "ana", "reason": "too dear" })));
    let revising = vec![Tell("draft", brief()), Tell("revise", revised)];
    let mut scheduled = approved(run);
    scheduled[0] = Tell("draft", dated);
    scheduled.extend([tell("activate"), Sleep(Duration::from_secs(6 * 86_400))]);
    let all = [whole, undone, refused, revising, scheduled];
    (1..).zip(all).map(|(number, steps)| Script { id: id("cmp", number), steps }).collect()
}

fn jobs() -> Vec<Script> {
    let job = json!({
        "channel": "instagram", "locale": "es-CR", "kind": "text", "name": "Verano", "message": "Refrescate",
    });
    let piece = json!({
        "contentId": "c-1", "kind": "text", "channel": "instagram", "locale": "es-CR", "text": "Hola",
    });
    let provider = json!({ "providerJob": "p-1" });
    let reason = json!({ "reason": "not needed" });
    let failure = json!({ "code": "boom", "message": "it did not work" });
    let way = || {
        vec![
            Tell("brief", job.clone()),
            tell("queue"),
            Tell("submit", provider.clone()),
            Tell("start-generating", provider.clone()),
            Tell("record-generated", json!({ "piece": piece })),
            tell("submit-for-review"),
        ]
    };
    let mut approved = way();
    approved.extend([
        Tell("approve", json!({ "by": "ana" })),
        tell("withdraw-approval"),
        Tell("archive", reason.clone()),
    ]);
    let mut changed = way();
    changed.push(Tell("request-changes", json!({ "by": "ana", "reason": "shorter" })));
    let exits = [
        Tell("reject-by-policy", failure.clone()),
        Tell("fail", failure),
        tell("expire"),
        Tell("cancel", reason),
        Tell("supersede", json!({ "by": id("job", 99) })),
    ];
    let exits = exits.map(|exit| vec![Tell("brief", job.clone()), exit]);
    let all = [approved, changed].into_iter().chain(exits);
    (1..).zip(all).map(|(number, steps)| Script { id: id("job", number), steps }).collect()
}

fn runs() -> Vec<Script> {
    let start = |workflow: &str| Tell("start", json!({ "workflow": workflow }));
    let signal = || Tell("signal", json!({ "name": "go", "data": { "n": 1 } }));
    let second = || Sleep(Duration::from_secs(2));
    let long = || Sleep(Duration::from_secs(300));
    let all = [
        vec![start("ways"), second(), tell("pause"), tell("resume"), signal(), second()],
        vec![start("raising"), second()],
        vec![start("catching"), second()],
        vec![start("hearing"), Tell("cancel", json!({ "reason": "not needed" })), second()],
        vec![start("undoing"), long(), tell("retry"), long()],
        vec![start("resuming"), long()],
        vec![start("emitting"), second()],
        vec![
            start("acting"),
            Tell("patch", json!({ "context": { "a": 1 }, "reason": "a typo" })),
            Tell("skip", json!({ "task": "/do/0/one", "reason": "not needed" })),
            Tell("move", json!({ "to": "/do/0/one", "reason": "once more" })),
            Tell("migrate", json!({ "version": "1.0.0", "reason": "edited" })),
            Tell("terminate", json!({ "reason": "enough" })),
        ],
        vec![start("raising"), second(), Tell("retry", json!({ "reason": "again" })), second()],
    ];
    (1..).zip(all).map(|(number, steps)| Script { id: id("run", 100 + number), steps }).collect()
}

fn topics() -> Vec<Script> {
    let run = json!({ "run": id("run", 300) });
    let steps = vec![
        Tell("subscribe", json!({ "run": id("run", 300), "since": "2026-01-01T00:00:00.000Z" })),
        Tell(
            "offer",
            json!({ "event": { "type": "sent", "id": "1", "source": "/test", "data": { "n": 1 } } }),
        ),
        Tell("unsubscribe", run.clone()),
        Tell("forget", run),
    ];
    vec![Script { id: id("topic", 1), steps }]
}

fn schedules() -> Vec<Script> {
    let set = |workflow: &str, plan: Value| Tell("set", json!({ "workflow": workflow, "plan": plan }));
    let seconds = || Sleep(Duration::from_secs(5));
    let both = json!({ "on": { "all": [{ "with": { "type": "a" } }, { "with": { "type": "b" } }] } });
    let heard = json!({ "topic": id("topic", 2), "events": [{ "type": "a", "id": "1", "source": "/test" }] });
    let all = [
        vec![set("emitting", json!({ "everyMs": 2_000 })), seconds(), tell("clear")],
        vec![set("emitting", json!({ "afterMs": 60_000 })), seconds(), tell("clear")],
        vec![set("nothing", json!({ "everyMs": 60_000 })), Sleep(Duration::from_secs(70)), tell("clear")],
        vec![set("emitting", both), Tell("hear", heard)],
    ];
    (1..).zip(all).map(|(number, steps)| Script { id: id("sched", number), steps }).collect()
}

fn workflows() -> Vec<Script> {
    let register = |version: &str| {
        let head =
            format!("document: {{ dsl: '1.0.3', namespace: test, name: aging, version: '{version}' }}");
        let source = format!("{head}\ndo: [{{ one: {{ set: {{ n: 1 }} }} }}]");
        let digest = digest(&source);
        Tell("register", json!({ "name": "aging", "version": version, "digest": digest, "source": source }))
    };
    let change = |name: &'static str, version: &str| {
        let plans = json!({ "1.0.0": null, "2.0.0": null });
        let body = json!({ "version": version, "reason": "it is wrong", "schedule": id("sched", 9), "plans": plans });
        Tell(name, body)
    };
    let steps = vec![
        register("1.0.0"),
        register("2.0.0"),
        change("promote", "1.0.0"),
        change("deprecate", "2.0.0"),
        change("restore", "2.0.0"),
        change("retire", "2.0.0"),
        change("keep", "2.0.0"),
        change("retire", "2.0.0"),
        Tell("delete", json!({ "version": "2.0.0", "reason": "old", "open": 0, "retired": 8 })),
    ];
    vec![Script { id: id("wfd", 1), steps }]
}

/// A stage on which the scripts can be played.
pub(crate) fn stage() -> Stage {
    let mut stage = Stage::new(&rules());
    stage.definitions.extend(definitions());
    stage
}

/// What the scripts of runs work on.
pub(crate) async fn prepare(life: &Life) {
    let campaign = id("cmp", 90);
    for step in approved(id("run", 1)) {
        play_step(life, campaign, &step).await;
    }
}

/// Plays one step.
pub(crate) async fn play_step(life: &Life, id: StreamId, step: &Step) {
    match step {
        Sleep(duration) => life.node.cx().sleep(*duration).await,
        Tell(name, body) => match life.tell(id, name, body).await {
            Outcome::Accepted(_) => {}
            Outcome::Rejected(rejected) => panic!("`{name}` of {id}: {}", rejected.message),
        },
    }
}

/// An event as it is written down: name and fields.
pub(crate) type Written = (String, Value);

/// Events that no script leads to: what a panic leaves, and what a very long run writes.
pub(crate) fn rare(started: &Written) -> Vec<(StreamId, Vec<Written>)> {
    let recorded = DeadLetterEvent::Recorded {
        target: id("cmp", 1),
        input: "draft".to_owned(),
        body: Json::from(&json!({ "name": "Verano" })),
        cause: "it panicked".to_owned(),
        backtrace: String::new(),
        strikes: 3,
        sender: Some(Sender {
            what: What::Command,
            external_key: None,
            principal: "eva".to_owned(),
            correlation: "req_1".to_owned(),
        }),
    };
    let (name, data) = codec::write_named(&recorded).expect("events are enums of struct variants");
    let act = json!({ "by": "ana", "why": "the bug is mended" });
    let recorded = (name, data.value());
    let letter = vec![recorded.clone(), ("discarded".to_owned(), act.clone())];
    let retried = ("retried".to_owned(), json!({ "rejected": null, "message": null }));
    let retried = vec![recorded, ("retry-asked".to_owned(), act), retried];
    let aside = json!({ "tenant": "default", "id": id("cmp", 1), "cause": "it panicked", "restarts": 6 });
    let free = json!({ "tenant": "default", "id": id("cmp", 1), "why": "the bug is mended" });
    let quarantine = vec![("quarantined".to_owned(), aside), ("released".to_owned(), free)];
    let yielded = ("yielded".to_owned(), json!({ "at": "2026-01-01T00:00:00.000Z" }));
    let run = vec![started.clone(), yielded, ("continued".to_owned(), json!({}))];
    let ending = json!({ "child": id("run", 301), "ending": { "status": "completed", "output": 1 } });
    let early = vec![started.clone(), ("child-ended".to_owned(), ending)];
    let dropped = vec![started.clone(), ("signal-dropped".to_owned(), json!({ "number": 1 }))];
    let released = vec![("released".to_owned(), json!({ "why": "the platforms were looked at" }))];
    let named = |name: &str, data: Value| (name.to_owned(), data);
    let kept = vec![
        named("registered", json!({ "email": "eva@example.com" })),
        named("merge-begun", json!({ "survivor": id("lead", 2), "by": "ana" })),
        named("merged", json!({})),
        named("undo-begun", json!({ "by": "ana", "reason": "not the same" })),
        named("undo-refused", json!({ "code": "dead_lettered", "message": "it panicked" })),
    ];
    [
        (id("lead", 90), kept),
        (id("dead", 1), letter),
        (id("dead", 2), retried),
        (id("quar", 1), quarantine),
        (id("run", 200), run),
        (id("run", 201), early),
        (id("run", 202), dropped),
        (id("hist", 1), released),
    ]
    .into_iter()
    .chain(automation::rare())
    .collect()
}
