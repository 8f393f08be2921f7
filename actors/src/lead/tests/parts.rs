//! Score, owner, corrections and consent.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::*;
use super::{activity, ana};
use crate::testkit::Subject;

const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn a_score_has_a_part_that_stays_and_one_that_fades() {
    let mut lead = Subject::<Lead>::new();
    lead.events("record-activity", activity(80));
    lead.principal = "rule:fit".to_owned();
    let fit = json!({ "points": 30, "reasons": ["in the region"] });
    assert_eq!(lead.events("score-fit", fit.clone()), ["fit-scored"]);
    assert_eq!(lead.events("score-fit", fit), Vec::<String>::new());
    lead.pass(30 * DAY);
    let more = json!({ "points": 5, "change": "add", "reasons": ["a large shop"] });
    assert_eq!(lead.events("score-fit", more), ["fit-scored"]);
    let view = lead.view();
    assert_eq!((&view["score"], &view["fit"], &view["engagement"]), (&json!(75), &json!(35), &json!(40)));
    assert_eq!(view["scoreAsOf"], json!(lead.now));
    assert_eq!(view["fitReasons"], json!(["a large shop"]));
    lead.pass(30 * DAY);
    assert_eq!(lead.view()["score"], json!(75), "what is shown is as of the last event");
    lead.events("record-activity", activity(0));
    assert_eq!(lead.view()["score"], json!(55));
}

#[test]
fn a_fit_has_bounds_and_reasons() {
    let mut lead = Subject::<Lead>::new();
    lead.events("register", ana());
    let fit = |points: i64, change: &str| json!({ "points": points, "change": change, "reasons": ["x"] });
    assert_eq!(lead.code("score-fit", json!({ "points": 5, "reasons": [] })), "fit_reasons_needed");
    assert_eq!(
        lead.code("score-fit", json!({ "points": 5, "reasons": vec!["x"; 11] })),
        "fit_reasons_needed"
    );
    assert_eq!(lead.code("score-fit", fit(-1, "set")), "fit_out_of_bounds");
    assert_eq!(lead.code("score-fit", fit(MAX_FIT + 1, "set")), "fit_out_of_bounds");
    assert_eq!(lead.code("score-fit", fit(i64::from(i32::MIN), "add")), "fit_out_of_bounds");
    for _ in 0..2 {
        lead.events("score-fit", fit(MAX_FIT, "add"));
    }
    assert_eq!(lead.view()["fit"], json!(MAX_FIT));
    lead.events("score-fit", fit(-MAX_FIT, "add"));
    assert_eq!(lead.view()["fit"], json!(0));
}

#[test]
fn an_owner_is_given_and_taken_with_who_and_why() {
    let mut lead = Subject::<Lead>::new();
    lead.events("register", ana());
    assert_eq!(lead.events("unassign", json!({})), Vec::<String>::new());
    let to_eva = json!({ "owner": "eva", "reason": "her region" });
    assert_eq!(lead.events("assign", to_eva.clone()), ["assigned"]);
    assert_eq!(lead.events("assign", to_eva), Vec::<String>::new());
    let view = lead.view();
    assert_eq!((&view["owner"], &view["owners"][0]["by"]), (&json!("eva"), &json!("key:ana")));
    assert_eq!(lead.events("assign", json!({ "owner": "leo" })), ["assigned"]);
    assert_eq!(lead.events("unassign", json!({ "reason": "on leave" })), ["unassigned"]);
    let view = lead.view();
    assert_eq!((view.get("owner"), view["owners"].as_array().unwrap().len()), (None, 3));
}

#[test]
fn a_correction_changes_what_it_names_and_nothing_else() {
    let mut lead = Subject::<Lead>::new();
    lead.events("register", ana());
    let patch =
        json!({ "email": "ana@otra.example", "phone": null, "attributes": { "crm": null, "size": 3 } });
    assert_eq!(lead.events("update", patch.clone()), ["updated"]);
    assert_eq!(lead.events("update", patch), Vec::<String>::new());
    assert_eq!(lead.events("update", json!({})), Vec::<String>::new());
    let view = lead.view();
    assert_eq!((&view["email"], view.get("phone")), (&json!("ana@otra.example"), None));
    assert_eq!((&view["attributes"], &view["locale"]), (&json!({ "size": 3 }), &json!("es-CR")));
    assert_eq!((&view["name"], &view["provenance"]["channel"]), (&json!("Ana Ñandú"), &json!("instagram")));
    assert_eq!(lead.code("update", json!({ "email": null })), "lead_without_identity");
    assert_eq!(lead.code("update", json!({ "phone": "+5061111111" })), "phone_invalid");
    assert_eq!(lead.code("update", json!({ "email": "nobody" })), "invalid_command");
    let many = |from: usize| (from..from + 60).map(|i| (format!("k{i}"), json!(i))).collect::<Value>();
    lead.events("update", json!({ "attributes": many(0) }));
    assert_eq!(lead.code("update", json!({ "attributes": many(60) })), "attributes_too_large");
    assert_eq!(
        lead.events("update", json!({ "attributes": null, "timeZone": "Europe/Madrid" })),
        ["updated"]
    );
    assert_eq!(lead.view().get("attributes"), None);
}

#[test]
fn a_later_provenance_is_a_touch_when_it_comes_by_registration_too() {
    let mut lead = Subject::<Lead>::new();
    lead.events("record-activity", activity(1));
    lead.events("attach-tracking", json!({ "provenance": { "channel": "google" } }));
    lead.events("register", ana());
    let view = lead.view();
    assert_eq!(
        (&view["provenance"]["channel"], &view["touches"][0]["provenance"]["channel"]),
        (&json!("google"), &json!("instagram"))
    );
}

fn say(lead: &mut Subject<Lead>, channel: &str, topic: Option<&str>, status: &str) {
    let consent = json!({ "channel": channel, "topic": topic, "status": status });
    lead.events("record-consent", json!({ "consent": consent }));
}

fn why_not(lead: &mut Subject<Lead>, channel: &str, topic: Option<&str>) -> Value {
    let answer = lead.tell("may-contact", json!({ "channel": channel, "topic": topic })).unwrap();
    assert_eq!(answer.events, Vec::<String>::new());
    let reason = answer.reply["reason"].clone();
    assert_eq!(answer.reply["allowed"], json!(reason.is_null()));
    reason
}

#[test]
fn whether_a_person_may_be_contacted_is_answered_with_the_reason() {
    let mut lead = Subject::<Lead>::new();
    lead.events("register", json!({ "email": "ana@example.com" }));
    assert_eq!(why_not(&mut lead, "email", Some("offers")), "not_granted");
    say(&mut lead, "email", Some("offers"), "granted");
    assert_eq!(why_not(&mut lead, "email", Some("offers")), Value::Null);
    assert_eq!(why_not(&mut lead, "email", Some("news")), "not_granted");
    assert_eq!(why_not(&mut lead, "email", None), "not_granted");
    say(&mut lead, "email", None, "granted");
    assert_eq!(why_not(&mut lead, "email", Some("news")), Value::Null);
    say(&mut lead, "email", Some("news"), "denied");
    assert_eq!(why_not(&mut lead, "email", Some("news")), "topic_denied");
    assert_eq!(why_not(&mut lead, "email", None), Value::Null);
    say(&mut lead, "email", Some("news"), "withdrawn");
    assert_eq!(why_not(&mut lead, "email", Some("news")), "topic_withdrawn");
    say(&mut lead, "email", None, "withdrawn");
    assert_eq!(why_not(&mut lead, "email", Some("offers")), "channel_withdrawn");
    say(&mut lead, "email", None, "denied");
    say(&mut lead, "email", Some("offers"), "granted");
    assert_eq!(why_not(&mut lead, "email", Some("offers")), "channel_denied", "a topic beats no channel");
    say(&mut lead, "sms", None, "granted");
    assert_eq!(why_not(&mut lead, "sms", None), "no_address");
    say(&mut lead, "instagram", None, "granted");
    assert_eq!(why_not(&mut lead, "instagram", None), Value::Null);
}

#[test]
fn a_word_has_a_time_and_what_shows_it_and_an_older_one_changes_nothing() {
    let mut lead = Subject::<Lead>::new();
    let said = |status: &str, at: &str| json!({ "consent": { "channel": "email", "status": status, "at": at, "source": "shop", "evidence": "form 7" } });
    lead.events("register", ana());
    assert_eq!(lead.code("record-consent", said("denied", "2027-01-01T00:00:00Z")), "consent_in_future");
    assert_eq!(lead.code("record-consent", said("denied", "2025-01-01T00:00:00Z")), "consent_outdated");
    lead.pass(DAY);
    let denied = said("denied", "2026-01-01T06:00:00Z");
    assert_eq!(lead.events("record-consent", denied.clone()), ["consent-recorded"]);
    assert_eq!(lead.events("record-consent", denied), Vec::<String>::new());
    let word = lead.view()["consent"][0].clone();
    assert_eq!((&word["at"], &word["evidence"]), (&json!("2026-01-01T06:00:00.000Z"), &json!("form 7")));
}

#[test]
fn a_no_to_a_whole_channel_always_has_room() {
    let mut lead = Subject::<Lead>::new();
    lead.events("register", json!({ "email": "ana@example.com" }));
    for topic in 0..100 {
        say(&mut lead, "email", Some(&format!("t{topic}")), "granted");
    }
    let more = json!({ "consent": { "channel": "email", "topic": "more", "status": "denied" } });
    assert_eq!(lead.code("record-consent", more), "too_many_consents");
    say(&mut lead, "email", None, "denied");
    assert_eq!(why_not(&mut lead, "email", Some("t7")), "channel_denied");
}

#[test]
fn a_change_of_stage_keeps_what_it_rests_on() {
    let mut lead = Subject::<Lead>::new();
    lead.events("register", ana());
    lead.principal = "rule:scoring".to_owned();
    let evidence = json!({ "kind": "event", "id": "lead_1/7" });
    lead.events("qualify", json!({ "reason": "score 80", "evidence": evidence }));
    let change = lead.view()["stageChanges"][0].clone();
    assert_eq!((&change["by"], &change["causation"]), (&json!("rule:scoring"), &json!("test")));
    assert_eq!((&change["evidence"], &change["seq"]), (&evidence, &json!(2)));
}
