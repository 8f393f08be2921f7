//! Given, when, then.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testkit::{Subject, act, commands_are_described, diagram, events_are_listed, ways};

fn brief() -> Value {
    json!({ "channel": "sms", "locale": "es-CR", "kind": "text", "name": "Verano", "message": "Refrescate" })
}

fn piece(text: &str) -> Value {
    let piece = json!({
        "contentId": "CNT-1", "kind": "text", "channel": "sms", "locale": "es-CR", "text": text,
    });
    json!({ "piece": piece })
}

fn way() -> Vec<(&'static str, Value)> {
    vec![
        ("brief", brief()),
        ("queue", json!({})),
        ("submit", json!({ "providerJob": "p-1" })),
        ("start-generating", json!({ "providerJob": "p-1" })),
        ("record-generated", piece("Hola")),
        ("submit-for-review", json!({})),
        ("approve", json!({ "by": "ana" })),
    ]
}

#[test]
fn the_registry_is_complete() {
    events_are_listed::<ContentJob>();
    commands_are_described::<ContentJob>();
}

#[test]
fn the_way_is_gone_once_however_often_each_step_comes() {
    let mut job = Subject::<ContentJob>::new();
    for (name, body) in way() {
        assert_eq!(job.events(name, body.clone()).len(), 1, "{name}");
        for (name, body) in
            way().into_iter().take_while(|(earlier, _)| *earlier != name).chain([(name, body)])
        {
            assert_eq!(job.events(name, body), Vec::<String>::new(), "{name}");
        }
    }
    assert_eq!(job.view()["status"], "approved");
    assert_eq!(job.view()["phase"]["piece"]["text"], "Hola");
}

#[test]
fn a_provider_may_answer_at_once() {
    let mut job = Subject::<ContentJob>::new();
    job.events("brief", brief());
    assert_eq!(job.code("approve", json!({ "by": "ana" })), "content_job_wrong_state");
    assert_eq!(job.events("record-generated", piece("Hola")), ["generated"]);
    assert_eq!(job.code("record-generated", piece("Adiós")), "content_job_wrong_state");
}

#[test]
fn changes_lead_to_another_piece() {
    let mut job = Subject::<ContentJob>::new();
    job.events("brief", brief());
    job.events("record-generated", piece("Hola"));
    job.events("submit-for-review", json!({}));
    job.events("request-changes", json!({ "by": "ana", "reason": "más corto" }));
    assert_eq!(job.code("approve", json!({ "by": "ana" })), "content_job_wrong_state");
    assert_eq!(job.events("record-generated", piece("Hey")), ["generated"]);
    assert_eq!(job.view()["phase"]["piece"]["text"], "Hey");
}

#[test]
fn an_approval_can_be_taken_back_and_given_again() {
    let mut job = Subject::<ContentJob>::new();
    job.events("brief", brief());
    job.events("record-generated", piece("Hola"));
    assert_eq!(job.events("withdraw-approval", json!({})), Vec::<String>::new());
    assert_eq!(job.events("approve", json!({ "by": "ana" })), ["approved"]);
    assert_eq!(job.events("withdraw-approval", json!({})), ["approval-withdrawn"]);
    assert_eq!(job.view()["status"], "generated");
    assert_eq!(job.events("approve", json!({ "by": "ana" })), ["approved"]);
}

#[test]
fn a_piece_for_something_else_is_refused() {
    let mut job = Subject::<ContentJob>::new();
    job.events("brief", brief());
    let mut other = piece("Hola");
    other["piece"]["locale"] = json!("en");
    assert_eq!(job.code("record-generated", other), "content_job_wrong_piece");
}

#[test]
fn everything_can_be_archived_and_exits_are_final() {
    for steps in 1..=way().len() {
        let mut job = Subject::<ContentJob>::new();
        for (name, body) in way().into_iter().take(steps) {
            job.events(name, body);
        }
        assert_eq!(job.events("archive", json!({ "reason": "x" })), ["archived"]);
        assert_eq!(job.events("archive", json!({ "reason": "y" })), Vec::<String>::new());
        assert_eq!(job.code("queue", json!({})), "content_job_wrong_state");
        let has_piece = job.view()["phase"].get("piece").is_some();
        assert_eq!(has_piece, steps >= 5, "the piece is kept");
    }
}

#[test]
fn the_diagram_shows_every_way() {
    let acts = way().into_iter().chain(others()).map(|(name, body)| act(name, body));
    let status = |view: &Value| view["status"].as_str().unwrap_or_default().to_owned();
    let found = ways::<ContentJob>(&[vec![act("brief", brief())]], &acts.collect::<Vec<_>>(), status);
    assert_eq!(found, diagram(include_str!("mod.rs"), None));
}

fn others() -> Vec<(&'static str, Value)> {
    vec![
        ("record-generated", piece("Adiós")),
        ("request-changes", json!({ "by": "ana", "reason": "x" })),
        ("reject-by-policy", json!({ "code": "c", "message": "m" })),
        ("fail", json!({ "code": "c", "message": "m" })),
        ("withdraw-approval", json!({})),
        ("expire", json!({})),
        ("cancel", json!({ "reason": "x" })),
        ("supersede", json!({ "by": "job_01h455vb4pex5vsknk084sn02q" })),
        ("archive", json!({ "reason": "x" })),
    ]
}

fn any_command() -> impl Strategy<Value = (&'static str, Value)> {
    proptest::sample::select(way().into_iter().chain(others()).collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn whatever_comes_the_fold_is_the_state(commands in proptest::collection::vec(any_command(), 1..30)) {
        let mut job = Subject::<ContentJob>::new();
        for (name, body) in commands {
            let _ = job.tell(name, body);
        }
    }
}
