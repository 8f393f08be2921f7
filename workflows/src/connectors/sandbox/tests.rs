use std::io::Write as _;
use std::path::Path;

use promptsales_engine::effect::{CallError, Connector, EffectKey, Verified};
use promptsales_engine::id::{Prefix, StreamId, StreamKey, TenantId};
use promptsales_engine::journal::Origin;
use serde_json::json;
use tokio::time::{Duration, timeout};

use super::*;

const CLEAN: &str = r#"{"ads":[],"content":[],"forms":[]}"#;

fn key(name: &str) -> EffectKey {
    EffectKey::derive(&[name])
}

fn sandbox(rules: &Value) -> Arc<Sandbox> {
    open(None, rules)
}

fn open(path: Option<&Path>, rules: &Value) -> Arc<Sandbox> {
    let config = serde_json::from_value(json!({ "rules": rules })).unwrap();
    Sandbox::open(path, config).unwrap()
}

async fn call(
    sandbox: &Arc<Sandbox>,
    key: EffectKey,
    operation: &str,
    request: &Value,
) -> Result<Value, CallError> {
    let (connector, operation) = operation.split_once('.').unwrap();
    let connectors = super::super::all(Arc::clone(sandbox));
    let connector = connectors.iter().find(|known| known.name() == connector).unwrap();
    let (stream, origin) = (stream(key), Origin::root("test", "tester"));
    connector.call(Call { key, stream: &stream, origin: &origin, operation, request, attempt: 1 }).await
}

fn stream(key: EffectKey) -> StreamKey {
    StreamKey::new(TenantId::default_tenant(), StreamId::new(Prefix::new("run"), key.uuid()))
}

fn code(outcome: &Result<Value, CallError>) -> (&'static str, &str) {
    match outcome {
        Ok(_) => ("ok", ""),
        Err(CallError::Refused { code, .. }) => ("refused", code),
        Err(CallError::Failed { code, .. }) => ("failed", code),
        Err(CallError::Unknown { code, .. }) => ("unknown", code),
    }
}

fn activation() -> Value {
    json!({
        "campaignId": "cmp_1", "channel": "tiktok", "budget": { "amountMinor": 5_000, "currency": "CRC" },
        "creatives": [{ "jobId": "job-1", "locale": "es-CR", "text": "Refrescate." }],
    })
}

fn generation() -> Value {
    json!({
        "brief": { "name": "Campaña Verano", "campaignMessage": "Refrescate.", "channels": ["tiktok"] },
        "channel": "tiktok", "locale": "es-CR", "kind": "image", "maxLength": 100,
    })
}

fn form() -> Value {
    json!({ "campaignId": "cmp_1", "fields": ["email", { "name": "phone" }], "landingUrl": "https://a.example" })
}

#[tokio::test(start_paused = true)]
async fn one_key_executes_once() {
    let sandbox = sandbox(&json!([]));
    let first = call(&sandbox, key("a"), "ads.activate", &activation()).await.unwrap();
    assert_eq!(first["status"], "active");
    assert_eq!(call(&sandbox, key("a"), "ads.activate", &activation()).await.unwrap(), first);

    let mut other = activation();
    other["budget"]["amountMinor"] = json!(6_000);
    let conflict = call(&sandbox, key("a"), "ads.activate", &other).await;
    assert_eq!(code(&conflict), ("refused", "idempotency_conflict"));
    let conflict = call(&sandbox, key("a"), "tracking.create_form", &form()).await;
    assert_eq!(code(&conflict), ("refused", "idempotency_conflict"));

    let other = call(&sandbox, key("b"), "ads.activate", &activation()).await.unwrap();
    assert_ne!(other["externalId"], first["externalId"]);
    let report = sandbox.report();
    assert_eq!((report.requests, report.executed, report.executions), (5, 2, 2));
    assert!(report.repeated.is_empty());
    assert_eq!(report.by_operation["ads.activate"], OperationCount { requests: 4, executed: 2 });
    assert_eq!(report.by_operation["tracking.create_form"], OperationCount { requests: 1, executed: 0 });
}

#[tokio::test(start_paused = true)]
async fn calls_at_once_execute_once() {
    let sandbox = sandbox(&json!([]));
    let request = activation();
    let one = || call(&sandbox, key("a"), "ads.activate", &request);
    let (first, second, third) = tokio::join!(one(), one(), one());
    assert_eq!(first.as_ref().unwrap(), second.as_ref().unwrap());
    assert_eq!(first.as_ref().unwrap(), third.as_ref().unwrap());
    assert_eq!((sandbox.report().requests, sandbox.report().executions), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_file_is_read_again_and_shared() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/sandbox.jsonl");
    let first = open(Some(&path), &json!([]));
    let answer = call(&first, key("a"), "ads.activate", &activation()).await.unwrap();
    let form_answer = call(&first, key("f"), "tracking.create_form", &form()).await.unwrap();

    // A second one on the same file, while the first is open: two nodes, one outside world.
    let second = open(Some(&path), &json!([]));
    assert_eq!(call(&second, key("a"), "ads.activate", &activation()).await.unwrap(), answer);
    call(&second, key("b"), "content.generate", &generation()).await.unwrap();
    let again = call(&first, key("b"), "content.generate", &generation()).await;
    assert!(again.is_ok());
    assert_eq!(first.report(), second.report());
    assert_eq!(first.world(), second.world());
    drop((first, second));

    let third = open(Some(&path), &json!([]));
    assert_eq!(call(&third, key("f"), "tracking.create_form", &form()).await.unwrap(), form_answer);
    assert_eq!(third.report().executions, 3);
    assert_eq!(SandboxReport::read(&path).unwrap(), third.report());
    assert_eq!(world_of(&path).unwrap(), third.world());
    let ads =
        json!([{ "campaignId": "cmp_1", "channel": "tiktok", "amountMinor": 5_000, "currency": "CRC" }]);
    assert_eq!(third.world()["ads"], ads);
}

#[tokio::test(start_paused = true)]
async fn a_torn_line_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sandbox.jsonl");
    let sandbox = open(Some(&path), &json!([]));
    call(&sandbox, key("a"), "ads.activate", &activation()).await.unwrap();
    let report = sandbox.report();
    drop(sandbox);

    let whole = std::fs::read(&path).unwrap();
    let torn = |bytes: &[u8]| {
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(bytes).unwrap();
    };
    torn(br#"{"executed":{"operation":"ads.act"#);
    assert_eq!(SandboxReport::read(&path).unwrap(), report);
    let sandbox = open(Some(&path), &json!([]));
    assert_eq!(std::fs::read(&path).unwrap(), whole);
    assert_eq!(sandbox.report(), report);

    // One torn by another process while this one is open.
    torn(b"{");
    call(&sandbox, key("a"), "ads.activate", &activation()).await.unwrap();
    assert_eq!(SandboxReport::read(&path).unwrap().requests, 2);

    torn(b"no entry\n");
    let error = Sandbox::open(Some(&path), SandboxConfig::default()).unwrap_err();
    assert!(matches!(error, SandboxError::Corrupt { line: 4, .. }), "{error}");
    let outcome = call(&sandbox, key("b"), "ads.activate", &activation()).await;
    assert_eq!(code(&outcome), ("failed", "unavailable"));
}

#[tokio::test(start_paused = true)]
async fn rules_fail_as_often_as_they_say_for_each_key() {
    let sandbox = sandbox(&json!([
        { "connector": "ads", "operation": "activate", "behaviour": { "fail": { "times": 1 } } },
        { "connector": "ads", "operation": "activate", "contains": r#""channel":"tiktok""#,
          "behaviour": { "unreachable": { "times": 2 } } },
    ]));
    for name in ["a", "b"] {
        let mut codes = Vec::new();
        for _ in 0..4 {
            let outcome = call(&sandbox, key(name), "ads.activate", &activation()).await;
            codes.push(code(&outcome).1.to_owned());
        }
        assert_eq!(codes, ["unavailable", "unreachable", "unreachable", ""]);
    }
    let mut elsewhere = activation();
    elsewhere["channel"] = json!("facebook");
    assert!(call(&sandbox, key("c"), "ads.activate", &elsewhere).await.is_err());
    assert!(
        call(&sandbox, key("c"), "ads.activate", &elsewhere).await.is_ok(),
        "the second rule is not for it"
    );
    assert_eq!(sandbox.report().executions, 3);
}

#[tokio::test(start_paused = true)]
async fn counts_of_rules_outlive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sandbox.jsonl");
    let rule =
        json!({ "connector": "ads", "operation": "activate", "behaviour": { "fail": { "times": 1 } } });
    let slow =
        json!({ "connector": "content", "operation": "archive", "behaviour": { "slow": { "ms": 1 } } });
    let twice = json!([rule, rule]);
    let outcome = call(&open(Some(&path), &twice), key("a"), "ads.activate", &activation()).await;
    assert_eq!(code(&outcome).0, "failed");
    let outcome = call(&open(Some(&path), &twice), key("a"), "ads.activate", &activation()).await;
    assert_eq!(code(&outcome).0, "failed", "an equal rule counts by itself");
    let moved = open(Some(&path), &json!([slow, rule, rule]));
    assert!(call(&moved, key("a"), "ads.activate", &activation()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_was_accepted_is_done_though_the_answer_does_not_come() {
    let sandbox = sandbox(&json!([
        { "connector": "ads", "operation": "activate", "behaviour": { "acceptThenTimeout": { "times": 1 } } },
        { "connector": "ads", "operation": "activate",
          "behaviour": { "refuse": { "code": "suspended", "message": "the account is suspended" } } },
    ]));
    let request = activation();
    let late = timeout(Duration::from_secs(1), call(&sandbox, key("a"), "ads.activate", &request)).await;
    assert!(late.is_err(), "the caller's deadline comes first");
    assert_eq!(sandbox.world()["ads"].as_array().unwrap().len(), 1);
    assert!(call(&sandbox, key("a"), "ads.activate", &request).await.is_ok(), "the repeat gets the answer");
    let patient = call(&sandbox, key("b"), "ads.activate", &request).await;
    assert_eq!(code(&patient), ("unknown", "timeout"));
    assert_eq!(sandbox.report().executions, 2);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_does_nothing() {
    let sandbox = sandbox(&json!([{ "connector": "content", "operation": "generate", "contains": "Verano",
        "behaviour": { "refuse": { "code": "policy", "message": "no summer" } } }]));
    for _ in 0..3 {
        let outcome = call(&sandbox, key("a"), "content.generate", &generation()).await;
        assert_eq!(code(&outcome), ("refused", "policy"));
    }
    assert_eq!(sandbox.world().to_string(), CLEAN);
    assert_eq!(sandbox.report().executions, 0);
}

#[tokio::test(start_paused = true)]
async fn slow_calls_are_not_executed_when_nobody_waits() {
    let slow = json!([{ "connector": "tracking", "operation": "create_form", "behaviour": { "slow": { "ms": 2_000 } } }]);
    let sandbox = sandbox(&slow);
    let request = form();
    let late =
        timeout(Duration::from_secs(1), call(&sandbox, key("a"), "tracking.create_form", &request)).await;
    assert!(late.is_err());
    assert_eq!(sandbox.world().to_string(), CLEAN);
    let began = tokio::time::timeout(
        Duration::from_millis(2_100),
        call(&sandbox, key("a"), "tracking.create_form", &request),
    );
    assert!(began.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn undoing_everything_leaves_a_clean_world() {
    let sandbox = sandbox(&json!([]));
    assert_eq!(sandbox.world().to_string(), CLEAN);
    let piece = call(&sandbox, key("1"), "content.generate", &generation()).await.unwrap();
    let ad = call(&sandbox, key("2"), "ads.activate", &activation()).await.unwrap();
    call(&sandbox, key("3"), "ads.activate", &activation()).await.unwrap();
    let taken = call(&sandbox, key("4"), "tracking.create_form", &form()).await.unwrap();
    call(&sandbox, key("5"), "tracking.create_form", &form()).await.unwrap();
    let world = sandbox.world();
    assert_eq!(
        world["content"],
        json!([{ "channel": "tiktok", "locale": "es-CR", "kind": "image", "count": 1 }])
    );
    assert_eq!(world["forms"], json!([{ "campaignId": "cmp_1" }, { "campaignId": "cmp_1" }]));

    let undo = [
        ("content.archive", json!({ "jobId": piece["jobId"] })),
        ("content.archive", json!({ "jobId": "job-of-nobody" })),
        (
            "ads.deactivate",
            json!({ "campaignId": "other", "channel": "tiktok", "externalId": ad["externalId"] }),
        ),
        (
            "ads.deactivate",
            json!({ "campaignId": "cmp_1", "channel": "tiktok", "externalId": ad["externalId"] }),
        ),
        ("tracking.remove_form", json!({ "campaignId": "cmp_1", "formId": taken["formId"] })),
    ];
    for (operation, request) in &undo {
        assert!(call(&sandbox, key(&request.to_string()), operation, request).await.is_ok());
    }
    assert_eq!(sandbox.world()["ads"].as_array().unwrap().len(), 1, "the ad of the other key");
    assert_eq!(sandbox.world()["forms"].as_array().unwrap().len(), 1, "the form of the other key");
    let rest = json!({ "campaignId": "cmp_1", "channel": "tiktok" });
    let answer = call(&sandbox, key("6"), "ads.deactivate", &rest).await.unwrap();
    assert_eq!(answer, json!({ "status": "inactive" }));
    let answer = call(&sandbox, key("7"), "tracking.remove_form", &rest).await.unwrap();
    assert_eq!(answer, json!({ "removed": true }));
    assert_eq!(sandbox.world().to_string(), CLEAN);
}

#[tokio::test(start_paused = true)]
async fn content_has_the_shape_that_was_agreed() {
    let sandbox = sandbox(&json!([]));
    let piece = call(&sandbox, key("1"), "content.generate", &generation()).await.unwrap();
    let media = &piece["media"];
    assert_eq!(media["url"], format!("https://media.example/{}.webp", media["mediaId"].as_str().unwrap()));
    assert_eq!(media["format"], "webp");
    assert_eq!(media["altText"], "Imagen de la campaña Verano: Refrescate.");
    let text = piece["text"].as_str().unwrap();
    assert!(text.chars().count() <= 100);
    assert_eq!(piece["words"], text.split_whitespace().count());
    let mut copy = generation();
    copy["kind"] = json!("text");
    assert_eq!(call(&sandbox, key("2"), "content.generate", &copy).await.unwrap()["media"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn wrong_requests_are_refused_by_name() {
    let sandbox = sandbox(&json!([]));
    let long = "ñ".repeat(2_201);
    let cases = [
        ("ads.activate", "/budget/amountMinor", json!(99), "budget_too_low", "budget.amountMinor"),
        ("ads.activate", "/budget/amountMinor", json!(1.5), "invalid_request", "budget.amountMinor"),
        ("ads.activate", "/budget/currency", json!("colones"), "invalid_request", "budget.currency"),
        ("ads.activate", "/budget", Value::Null, "invalid_request", "budget"),
        ("ads.activate", "/channel", json!("fax"), "unknown_channel", "channel"),
        ("ads.activate", "/creatives", json!([]), "invalid_request", "creatives"),
        ("ads.activate", "/creatives/0/text", json!(long), "creative_too_long", "creatives[0].text"),
        ("ads.activate", "/creatives/0/locale", json!("fr-FR"), "unsupported_locale", "creatives[0].locale"),
        ("ads.activate", "", json!([]), "invalid_request", "request"),
        ("ads.start", "/channel", json!("tiktok"), "unknown_operation", "start"),
        ("content.generate", "/brief/name", json!(" "), "invalid_request", "brief.name"),
        ("content.generate", "/brief/campaignMessage", json!(7), "invalid_request", "brief.campaignMessage"),
        ("content.generate", "/locale", json!("pt"), "unsupported_locale", "locale"),
        ("content.generate", "/kind", json!("audio"), "unknown_kind", "kind"),
        ("content.generate", "/maxLength", json!(3), "invalid_request", "maxLength"),
        ("content.archive", "/channel", json!(1), "invalid_request", "jobId"),
        ("tracking.create_form", "/fields/0", json!({}), "invalid_request", "fields[0]"),
        ("tracking.create_form", "/landingUrl", json!("a.example"), "invalid_request", "landingUrl"),
        ("tracking.remove_form", "/campaignId", json!(1), "invalid_request", "campaignId"),
    ];
    for (place, (operation, pointer, value, wanted, field)) in cases.into_iter().enumerate() {
        let mut request = match operation.split_once('.').unwrap().0 {
            "ads" => activation(),
            "content" => generation(),
            _ => form(),
        };
        *request.pointer_mut(pointer).unwrap() = value;
        let outcome = call(&sandbox, key(&place.to_string()), operation, &request).await;
        assert_eq!(code(&outcome), ("refused", wanted), "{operation} {pointer}");
        let message = outcome.unwrap_err().to_string();
        assert!(message.contains(field), "{message}");
    }
    assert_eq!(sandbox.report().executions, 0);
}

#[tokio::test(start_paused = true)]
async fn an_earlier_call_can_be_verified() {
    let sandbox = sandbox(&json!([]));
    let ads = Ads::new(Arc::clone(&sandbox));
    let (key, request) = (key("a"), activation());
    let (stream, origin) = (stream(key), Origin::root("test", "tester"));
    let operation = "activate";
    let asked = Call { key, stream: &stream, origin: &origin, operation, request: &request, attempt: 2 };
    assert!(matches!(ads.verify(asked.clone()).await, Ok(Verified::NotDone)));
    let answer = ads.call(asked.clone()).await.unwrap();
    assert!(matches!(ads.verify(asked).await, Ok(Verified::Done(found)) if found == answer));
}

#[test]
fn configuration_is_checked() {
    let config: SandboxConfig = serde_json::from_value(json!({})).unwrap();
    assert_eq!(config, SandboxConfig::default());
    assert!(serde_json::from_value::<SandboxConfig>(json!({ "latency": 5 })).is_err());
    let rule = json!({ "connector": "ads", "operation": "stop", "behaviour": { "slow": { "ms": 1 } } });
    let config: SandboxConfig = serde_json::from_value(json!({ "latencyMs": 0, "rules": [rule] })).unwrap();
    assert_eq!(serde_json::to_value(&config).unwrap(), json!({ "latencyMs": 0, "rules": [rule] }));
    let error = Sandbox::open(None, config).unwrap_err();
    assert!(matches!(error, SandboxError::UnknownOperation { index: 0, .. }), "{error}");
}
