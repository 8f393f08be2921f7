//! Given, when, then.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::state::{KEPT, MAX_TAGS};
use super::*;
use crate::testkit::{Subject, act, commands_are_described, diagram, events_are_listed, ways};

mod merging;
mod parts;

fn ana() -> Value {
    json!({
        "email": "ana@example.com", "phone": "+506 7010-2020", "name": "Ana Ñandú", "locale": "es-CR",
        "timeZone": "America/Costa_Rica", "tags": ["vip"], "attributes": { "crm": 7 },
        "provenance": { "channel": "instagram", "utm": { "source": "instagram" } },
        "consent": [{ "channel": "email", "status": "granted" }],
    })
}

fn activity(score: i64) -> Value {
    json!({ "activity": "abrió el correo", "score": score })
}

#[test]
fn the_registry_is_complete() {
    events_are_listed::<Lead>();
    commands_are_described::<Lead>();
}

#[test]
fn a_person_is_registered_by_what_tells_who_it_is() {
    let mut lead = Subject::<Lead>::new();
    assert_eq!(lead.code("register", json!({ "name": "Ana" })), "lead_without_identity");
    assert_eq!(lead.code("register", json!({ "phone": "+5061111111" })), "phone_invalid");
    assert_eq!(lead.events("register", ana()), ["registered"]);
    assert_eq!(lead.events("register", ana()), Vec::<String>::new());
    assert_eq!(lead.code("register", json!({ "email": "eva@example.com" })), "lead_already_registered");
    let view = lead.view();
    assert_eq!((&view["phone"], &view["stage"]), (&json!("+50670102020"), &json!("new")));
    assert_eq!(view["identity"], "known");
}

#[test]
fn a_key_that_a_lead_is_addressed_by_is_kept() {
    let mut lead = Subject::<Lead>::new();
    lead.external_key = Some("crm-4711".to_owned());
    assert_eq!(lead.code("register", json!({ "externalKey": "crm-1" })), "external_key_conflict");
    assert_eq!(lead.events("record-activity", activity(5)), ["activity-recorded"]);
    assert_eq!(lead.view()["externalKey"], "crm-4711");
    assert_eq!(lead.view()["identity"], "anonymous");
    assert_eq!(lead.events("register", ana()), ["registered"]);
    let view = lead.view();
    assert_eq!((&view["externalKey"], &view["score"]), (&json!("crm-4711"), &json!(5)));
}

#[test]
fn activities_are_counted_and_only_the_newest_kept() {
    let mut lead = Subject::<Lead>::new();
    for score in 1..=25 {
        lead.events("record-activity", activity(score));
    }
    let view = lead.view();
    assert_eq!((&view["activityCount"], &view["score"]), (&json!(25), &json!(325)));
    let recent = view["recentActivities"].as_array().unwrap();
    assert_eq!((recent.len(), &recent[KEPT - 1]["score"]), (KEPT, &json!(25)));
    lead.events("record-activity", activity(1_000_000));
    assert_eq!(lead.view()["score"], 1_000_000);
    assert_eq!(lead.code("record-activity", activity(1_000_001)), "score_out_of_bounds");
    for i in 0..MAX_TAGS {
        lead.events("tag", json!({ "tag": format!("t{i}") }));
    }
    assert_eq!(lead.code("tag", json!({ "tag": "one more" })), "too_many_tags");
    assert_eq!(lead.events("tag", json!({ "tag": "t1" })), Vec::<String>::new());
    let tagged = json!({ "activity": "x", "score": 0, "tag": "one more" });
    assert_eq!(lead.code("record-activity", tagged), "too_many_tags");
}

#[test]
fn the_event_of_an_activity_is_small() {
    let event = Event::ActivityRecorded {
        activity: "clic".parse().unwrap(),
        score: 5,
        tag: None,
        external_key: None,
    };
    let text = serde_json::to_string(&event).unwrap();
    assert_eq!(text, r#"{"activity-recorded":{"activity":"clic","score":5}}"#);
}

#[test]
fn stages_go_forward_freely_and_back_by_a_person_with_a_reason() {
    let mut lead = Subject::<Lead>::new();
    lead.events("register", ana());
    lead.principal = "rule:scoring".to_owned();
    assert_eq!(lead.events("qualify", json!({ "reason": "score 80" })), ["stage-moved"]);
    assert_eq!(lead.events("qualify", json!({})), Vec::<String>::new());
    let back = json!({ "to": "contacted", "reason": "no presupuesto" });
    assert_eq!(lead.code("move-stage", back.clone()), "stage_back_only_by_person");
    lead.principal = "run_01h455vb4pex5vsknk084sn02q".to_owned();
    assert_eq!(lead.code("move-stage", back.clone()), "stage_back_only_by_person");
    assert_eq!(lead.code("move-stage", json!({ "to": "lost" })), "stage_reason_needed");
    lead.principal = "key:ana".to_owned();
    assert_eq!(lead.code("move-stage", json!({ "to": "new" })), "stage_reason_needed");
    assert_eq!(lead.events("move-stage", back), ["stage-moved"]);
    assert_eq!(lead.events("move-stage", json!({ "to": "lost", "reason": "x" })), ["stage-moved"]);
    lead.principal = "timer".to_owned();
    let again = json!({ "to": "new", "reason": "x" });
    assert_eq!(lead.code("move-stage", again), "stage_back_only_by_person");
    let changes = lead.view()["stageChanges"].clone();
    assert_eq!((&changes[0]["by"], &changes[0]["reason"]), (&json!("rule:scoring"), &json!("score 80")));
}

#[test]
fn the_first_provenance_stays_the_first() {
    let mut lead = Subject::<Lead>::new();
    lead.events("register", ana());
    let google = json!({ "provenance": { "channel": "google" } });
    assert_eq!(lead.events("attach-tracking", google.clone()), ["tracking-attached"]);
    assert_eq!(lead.events("attach-tracking", google), Vec::<String>::new());
    let view = lead.view();
    assert_eq!(view["provenance"]["channel"], "instagram");
    assert_eq!(view["touches"][0]["provenance"]["channel"], "google");
}

#[test]
fn the_newest_word_on_a_channel_counts() {
    let mut lead = Subject::<Lead>::new();
    lead.events("register", ana());
    let denied = json!({ "consent": { "channel": "email", "status": "denied" } });
    assert_eq!(lead.events("record-consent", denied.clone()), ["consent-recorded"]);
    assert_eq!(lead.events("record-consent", denied), Vec::<String>::new());
    let consent = lead.view()["consent"].clone();
    assert_eq!((consent.as_array().unwrap().len(), &consent[0]["status"]), (1, &json!("denied")));
}

#[test]
fn personal_fields_are_not_printed() {
    let details: Details = serde_json::from_value(ana()).unwrap();
    let printed = format!("{details:?}");
    for secret in ["ana@", "7010", "Ñandú", "crm"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[test]
fn the_diagram_shows_every_way() {
    let moves = |principal: &'static str| {
        let stages = diagram(include_str!("mod.rs"), None).into_iter().map(|(_, to)| to);
        let stages: std::collections::BTreeSet<String> = stages.collect();
        let all = stages.into_iter().map(|to| {
            let told = act::<Lead>("move-stage", json!({ "to": to, "reason": "x" }));
            let moved: crate::testkit::Act<Lead> = Box::new(move |lead| {
                lead.principal = principal.to_owned();
                told(lead)
            });
            moved
        });
        ways(&[vec![act("register", ana())]], &all.collect::<Vec<_>>(), stage)
    };
    assert_eq!(moves("key:ana"), diagram(include_str!("mod.rs"), None));
    assert_eq!(moves("rule:scoring"), diagram(include_str!("mod.rs"), Some("by a person")));
}

fn stage(view: &Value) -> String {
    view["stage"].as_str().unwrap_or_default().to_owned()
}

fn any_command() -> impl Strategy<Value = (&'static str, Value)> {
    let text = "[a-zñ ]{0,12}";
    prop_oneof![
        Just(("register", ana())),
        Just(("register", json!({ "externalKey": "k" }))),
        (text, -2_000_000..2_000_000_i64, proptest::option::of(text)).prop_map(|(activity, score, tag)| {
            ("record-activity", json!({ "activity": activity, "score": score, "tag": tag }))
        }),
        text.prop_map(|tag| ("tag", json!({ "tag": tag }))),
        text.prop_map(|tag| ("untag", json!({ "tag": tag }))),
        Just(("qualify", json!({}))),
        proptest::sample::select(vec!["new", "engaged", "customer", "lost", "recycled"])
            .prop_map(|to| ("move-stage", json!({ "to": to, "reason": "x" }))),
        proptest::sample::select(vec!["web", "google"])
            .prop_map(|channel| ("attach-tracking", json!({ "provenance": { "channel": channel } }))),
        Just(("record-consent", json!({ "consent": { "channel": "sms", "status": "granted" } }))),
    ]
}

proptest! {
    #[test]
    fn whatever_comes_the_fold_is_the_state(commands in proptest::collection::vec(any_command(), 1..60)) {
        let mut lead = Subject::<Lead>::new();
        for (name, body) in commands {
            let _ = lead.tell(name, body);
        }
        let state = lead.view();
        let lists = ["recentActivities", "touches", "stageChanges"];
        prop_assert!(lists.iter().all(|list| state[list].as_array().is_none_or(|list| list.len() <= KEPT)));
    }
}
