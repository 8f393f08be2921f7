//! Two leads that are one person, and are not.

use promptsales_engine::id::StreamId;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::*;
use super::{activity, ana};
use crate::testkit::{Act, Subject, act, diagram, outcome, refusal, ways};

/// Hands a message on to the lead that it is for, as the engine does.
fn carry(from: &StreamId, to: &mut Subject<Lead>, name: &'static str, body: Value) -> Outcome {
    let before = std::mem::replace(&mut to.principal, from.to_string());
    let done = to.tell(name, body);
    to.principal = before;
    outcome(done)
}

fn merge(lead: &mut Subject<Lead>, survivor: &mut Subject<Lead>) -> Outcome {
    let told = lead.tell("merge-into", json!({ "survivor": survivor.id(), "reason": "the same" })).unwrap();
    assert_eq!((told.events, told.sent), (vec!["merge-begun".to_owned()], vec!["absorb".to_owned()]));
    let answer = carry(&lead.id(), survivor, "absorb", told.bodies[0].clone());
    lead.answer(answer.clone());
    answer
}

fn undo(lead: &mut Subject<Lead>, survivor: &mut Subject<Lead>) {
    let told = lead.tell("undo-merge", json!({ "reason": "not the same" })).unwrap();
    assert_eq!((told.events, told.sent), (vec!["undo-begun".to_owned()], vec!["release".to_owned()]));
    let answer = carry(&lead.id(), survivor, "release", told.bodies[0].clone());
    assert_eq!(lead.answer(answer).events, ["merge-undone"]);
}

fn allowed(lead: &mut Subject<Lead>, channel: &str) -> bool {
    lead.tell("may-contact", json!({ "channel": channel })).unwrap().reply["allowed"] == true
}

fn consent(lead: &mut Subject<Lead>, channel: &str, status: &str) {
    lead.events("record-consent", json!({ "consent": { "channel": channel, "status": status } }));
}

fn two() -> (Subject<Lead>, Subject<Lead>) {
    let (mut one, mut other) = (Subject::numbered(1), Subject::numbered(2));
    one.events("register", ana());
    one.events("record-activity", activity(7));
    other.events("register", json!({ "phone": "+506 7010-2021", "tags": ["web"] }));
    (one, other)
}

#[test]
fn the_survivor_stands_in_the_place_of_the_other() {
    let (mut lead, mut survivor) = two();
    merge(&mut lead, &mut survivor);
    assert_eq!(lead.view()["identity"], "merged");
    assert_eq!(lead.code("record-activity", activity(1)), "lead_merged");
    let refused = lead.tell("tag", json!({ "tag": "x" })).unwrap_err();
    assert_eq!(refused.detail.value()["survivor"], json!(survivor.id()));
    assert!(refused.message.contains(&survivor.id().to_string()));
    assert!(!allowed(&mut lead, "email"));
    let again = json!({ "survivor": survivor.id() });
    assert_eq!(lead.events("merge-into", again), Vec::<String>::new());
    let elsewhere = json!({ "survivor": Subject::<Lead>::numbered(9).id() });
    assert_eq!(lead.code("merge-into", elsewhere), "lead_merged");
    let view = survivor.view();
    assert_eq!((&view["email"], &view["phone"]), (&json!("ana@example.com"), &json!("+50670102021")));
    assert_eq!((&view["tags"], &view["score"]), (&json!(["vip", "web"]), &json!(7)));
    assert!(!allowed(&mut survivor, "email"), "what was granted to the other is not granted to the survivor");
}

#[test]
fn what_is_denied_to_either_stays_denied_and_undoing_gives_both_back_what_they_had() {
    let (mut lead, mut survivor) = two();
    consent(&mut lead, "sms", "denied");
    consent(&mut survivor, "sms", "granted");
    consent(&mut survivor, "whatsapp", "granted");
    let before = [lead.view(), survivor.view()];
    merge(&mut lead, &mut survivor);
    assert!(!allowed(&mut survivor, "sms"));
    assert!(allowed(&mut survivor, "whatsapp"));
    consent(&mut survivor, "sms", "granted");
    assert!(!allowed(&mut survivor, "sms"), "the other's word stays");
    undo(&mut lead, &mut survivor);
    let mut after = [lead.view(), survivor.view()];
    for (before, after) in before.into_iter().zip(&mut after) {
        for varying in ["updatedAt", "scoreAsOf", "consent"] {
            after[varying] = before[varying].clone();
        }
        assert_eq!(*after, before);
    }
    assert!(allowed(&mut lead, "email") && allowed(&mut survivor, "sms"));
    assert_eq!(lead.events("record-activity", activity(1)), ["activity-recorded"]);
}

#[test]
fn what_the_survivor_was_denied_meanwhile_stays_denied_to_both() {
    let (mut lead, mut survivor) = two();
    assert!(allowed(&mut lead, "email"));
    merge(&mut lead, &mut survivor);
    consent(&mut survivor, "email", "withdrawn");
    undo(&mut lead, &mut survivor);
    assert!(!allowed(&mut lead, "email") && !allowed(&mut survivor, "email"));
}

#[test]
fn messages_count_once_and_come_from_the_lead_alone() {
    let (mut lead, mut survivor) = two();
    let told = lead.tell("merge-into", json!({ "survivor": survivor.id() })).unwrap();
    let share = told.bodies[0].clone();
    assert_eq!(survivor.code("absorb", share.clone()), "only_by_merged_lead");
    assert_eq!(lead.code("undo-merge", json!({ "reason": "x" })), "merge_under_way");
    for _ in 0..3 {
        let answer = carry(&lead.id(), &mut survivor, "absorb", share.clone());
        lead.answer(answer);
    }
    assert_eq!(survivor.view()["absorbed"].as_array().unwrap().len(), 1);
    assert_eq!(lead.view()["merge"]["phase"], "merged");
    let told = lead.tell("undo-merge", json!({ "reason": "x" })).unwrap();
    assert_eq!(survivor.code("release", told.bodies[0].clone()), "only_by_merged_lead");
    for _ in 0..3 {
        let answer = carry(&lead.id(), &mut survivor, "release", told.bodies[0].clone());
        lead.answer(answer);
    }
    assert_eq!((lead.view().get("merge"), survivor.view().get("absorbed")), (None, None));
    assert_eq!(lead.events("undo-merge", json!({ "reason": "x" })), Vec::<String>::new());
}

#[test]
fn who_cannot_stand_in_for_another_gives_it_back_at_once() {
    let (mut lead, mut survivor) = two();
    assert_eq!(lead.code("merge-into", json!({ "survivor": lead.id() })), "merge_into_itself");
    lead.tell("merge-into", json!({ "survivor": survivor.id() })).unwrap();
    assert_eq!(lead.answer(refusal("not_found")).events, ["merge-refused"]);
    assert_eq!(lead.view()["identity"], "known");
    // Each into the other at once: both are refused, and both go on.
    let one = lead.tell("merge-into", json!({ "survivor": survivor.id() })).unwrap();
    let other = survivor.tell("merge-into", json!({ "survivor": lead.id() })).unwrap();
    let to_other = carry(&lead.id(), &mut survivor, "absorb", one.bodies[0].clone());
    let to_one = carry(&survivor.id(), &mut lead, "absorb", other.bodies[0].clone());
    assert_eq!(lead.answer(to_other).events, ["merge-refused"]);
    assert_eq!(survivor.answer(to_one).events, ["merge-refused"]);
    merge(&mut lead, &mut survivor);
    let third = Subject::<Lead>::numbered(3);
    let onward = json!({ "survivor": third.id() });
    assert_eq!(survivor.code("merge-into", onward), "lead_survivor_of_others");
}

#[test]
fn a_survivor_stands_in_for_so_many() {
    let mut survivor = Subject::<Lead>::numbered(1);
    survivor.events("register", ana());
    for number in 2..=18 {
        let mut lead = Subject::<Lead>::numbered(number);
        lead.events("record-activity", activity(1));
        merge(&mut lead, &mut survivor);
        assert_eq!(lead.view()["identity"], if number <= 17 { "merged" } else { "anonymous" });
    }
    assert_eq!(survivor.view()["score"], 16);
}

#[test]
fn the_diagram_shows_every_way() {
    let yes = |reply: Value| -> Act<Lead> {
        Box::new(move |lead| {
            let done = crate::testkit::Done {
                events: Vec::new(),
                reply: reply.clone(),
                timers: Vec::new(),
                sent: Vec::new(),
                bodies: Vec::new(),
            };
            !lead.answer(outcome(Ok(done))).events.is_empty()
        })
    };
    let no: Act<Lead> = Box::new(|lead| !lead.answer(refusal("no")).events.is_empty());
    let acts = [
        act("merge-into", json!({ "survivor": Subject::<Lead>::numbered(2).id() })),
        act("undo-merge", json!({ "reason": "x" })),
        yes(json!({ "denied": [] })),
        no,
    ];
    let phase = |view: &Value| view["merge"]["phase"].as_str().unwrap_or("apart").to_owned();
    let found = ways(&[vec![act("register", ana())]], &acts, phase);
    assert_eq!(found, diagram(include_str!("../merge.rs"), None));
}

proptest! {
    /// Whatever is said before, meanwhile and afterwards: no merge and no undoing allows what was not allowed before.
    #[test]
    fn a_merge_never_widens_consent(
        words in proptest::collection::vec((0..3_usize, 0..2_usize, 0..3_usize), 0..12),
        rounds in 1..4_usize,
    ) {
        const CHANNELS: [&str; 3] = ["instagram", "web", "google"];
        let (mut lead, mut survivor) = two();
        for (number, (channel, who, status)) in words.iter().enumerate() {
            let status = ["granted", "denied", "withdrawn"][*status];
            let told = if who % 2 == 0 && number % 2 == 0 { &mut lead } else { &mut survivor };
            consent(told, CHANNELS[*channel], status);
        }
        for _ in 0..rounds {
            let before = CHANNELS.map(|channel| (allowed(&mut lead, channel), allowed(&mut survivor, channel)));
            merge(&mut lead, &mut survivor);
            for (channel, (_, to_survivor)) in CHANNELS.into_iter().zip(before) {
                prop_assert!(to_survivor || !allowed(&mut survivor, channel));
            }
            undo(&mut lead, &mut survivor);
            let after = CHANNELS.map(|channel| (allowed(&mut lead, channel), allowed(&mut survivor, channel)));
            prop_assert_eq!(before, after);
        }
    }
}
