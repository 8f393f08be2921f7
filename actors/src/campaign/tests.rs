//! Given, when, then.

use promptsales_engine::clock::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testkit::{Subject, commands_are_described, events_are_listed};
use crate::value::Money;

const RUN: &str = "run_01h455vb4pex5vsknk084sn02q";
const OTHER_RUN: &str = "run_01h455vb4pex5vsknk084sn02r";

fn brief() -> Value {
    json!({
        "name": "Verano", "targetAudience": "Jóvenes", "campaignMessage": "Refrescate",
        "channels": ["instagram", "facebook"], "budget": { "amountMinor": 1001, "currency": "USD" },
        "startDate": "2026-02-01T00:00:00Z", "endDate": "2026-03-01T00:00:00Z",
    })
}

fn cheaper() -> Value {
    let mut brief = brief();
    brief["budget"] = usd(7);
    brief
}

fn usd(amount: i64) -> Value {
    json!({ "amountMinor": amount, "currency": "USD" })
}

fn plan(instagram: i64, facebook: i64) -> Value {
    json!({ "allocations": [
        { "channel": "instagram", "amount": usd(instagram) },
        { "channel": "facebook", "amount": usd(facebook) },
    ] })
}

fn content() -> Value {
    let job = "job_01h455vb4pex5vsknk084sn02q";
    json!({ "content": [{ "jobId": job, "channel": "instagram", "locale": "es", "kind": "text" }] })
}

/// The commands of a launch, in their order.
fn launch() -> Vec<(&'static str, Value)> {
    vec![
        ("begin-launch", json!({ "runId": RUN, "brief": brief() })),
        ("record-content", content()),
        ("submit-for-review", json!({})),
        ("approve", json!({ "by": "ana" })),
        ("plan", plan(501, 500)),
        ("reserve-budget", json!({ "amount": usd(1001) })),
        ("record-activation", json!({ "channel": "instagram", "externalId": "ig-1" })),
        ("record-activation", json!({ "channel": "facebook", "externalId": "fb-1" })),
        ("set-tracking", json!({ "formId": "f-1", "links": [] })),
        ("activate", json!({})),
    ]
}

/// What takes a launch back, in its order.
fn unwind() -> Vec<(&'static str, Value)> {
    vec![
        ("withdraw", json!({ "reason": "x" })),
        ("remove-tracking", json!({})),
        ("record-deactivation", json!({ "channel": "facebook" })),
        ("record-deactivation", json!({ "channel": "instagram" })),
        ("release-budget", json!({ "reason": "x" })),
        ("discard-plan", json!({})),
        ("withdraw-approval", json!({})),
        ("discard-content", json!({})),
        ("fail-launch", json!({ "runId": RUN, "code": "ad_refused", "message": "instagram said no" })),
    ]
}

fn launched_up_to(steps: usize) -> Subject<Campaign> {
    let mut campaign = Subject::new();
    for (name, body) in launch().into_iter().take(steps) {
        campaign.events(name, body);
    }
    campaign
}

#[test]
fn the_registry_is_complete() {
    events_are_listed::<Campaign>();
    commands_are_described::<Campaign>();
}

#[test]
fn a_launch_goes_through_and_each_step_may_come_twice() {
    let mut campaign = Subject::<Campaign>::new();
    let mut seen = Vec::new();
    for (name, body) in launch() {
        assert!(!campaign.events(name, body.clone()).is_empty(), "{name} does something");
        assert_eq!(campaign.events(name, body), Vec::<String>::new(), "{name} once more does nothing");
        seen.push(campaign.view()["effective"].as_str().unwrap().to_owned());
    }
    let (preparing, eligible) = ("preparing", "eligible");
    let review = "in_review";
    let expected = [preparing, preparing, review, preparing, preparing, preparing, preparing, preparing];
    assert_eq!(seen[..8], expected);
    assert_eq!(seen[8..], [preparing, eligible]);
    let again = launch().swap_remove(0);
    let done = campaign.tell(again.0, again.1).unwrap();
    assert_eq!(done.reply["brief"]["name"], "Verano");
}

#[test]
fn from_every_step_a_launch_can_be_taken_back_twice() {
    for steps in 1..=launch().len() {
        let mut campaign = launched_up_to(steps);
        for (name, body) in unwind() {
            campaign.events(name, body.clone());
            assert_eq!(campaign.events(name, body), Vec::<String>::new(), "{name} after {steps}");
        }
        let view = campaign.view();
        assert_eq!((&view["configured"], &view["effective"]), (&json!("draft"), &json!("misconfigured")));
        assert_eq!(view["reasons"][0]["code"], "ad_refused");
        assert_eq!(view["reasons"][0]["message"], "instagram said no");
        for field in ["content", "plan", "reserved", "activations", "tracking"] {
            assert!(view.get(field).is_none(), "{field} after {steps}: {view}");
        }
        let again = campaign.events("begin-launch", json!({ "runId": OTHER_RUN }));
        assert_eq!(again, ["launch-begun"]);
    }
}

#[test]
fn start_and_end_dates_are_kept_by_timers() {
    let mut campaign = launched_up_to(9);
    let done = campaign.tell("activate", json!({})).unwrap();
    assert_eq!((done.events.as_slice(), done.timers.len()), (&["scheduled".to_owned()][..], 2));
    assert_eq!(campaign.code("start", json!({})), "command_not_due");
    campaign.now = "2026-02-01T00:00:00Z".parse().unwrap();
    assert_eq!(campaign.fire("start").unwrap().events, ["started"]);
    assert_eq!(campaign.view()["effective"], "serving");
    campaign.now = "2026-03-01T00:00:00Z".parse().unwrap();
    assert_eq!(campaign.fire("end").unwrap().events, ["ended"]);
    assert_eq!(campaign.fire("end").unwrap().events, Vec::<String>::new());
    assert_eq!(campaign.view()["reasons"][0]["code"], "end_date_came");
    assert_eq!(campaign.code("resume", json!({})), "campaign_wrong_state");
    assert_eq!(campaign.events("archive", json!({})), ["archived"]);
}

#[test]
fn a_pause_over_the_start_date_ends_in_an_active_campaign() {
    let mut campaign = launched_up_to(10);
    campaign.events("pause", json!({ "reason": "stock" }));
    assert_eq!(campaign.view()["reasons"][0]["message"], "stock");
    campaign.now = "2026-02-01T00:00:00Z".parse().unwrap();
    assert_eq!(campaign.fire("start").unwrap().events, Vec::<String>::new());
    assert_eq!(campaign.events("resume", json!({})), ["resumed"]);
    assert_eq!(campaign.view()["configured"], "active");
    let stopped = campaign.tell("stop", json!({})).unwrap();
    assert_eq!(stopped.timers.len(), 2);
    assert_eq!(campaign.view()["effective"], "ended");
}

#[test]
fn money_is_safe() {
    let mut campaign = launched_up_to(3);
    assert_eq!(campaign.code("reserve-budget", json!({ "amount": usd(1) })), "campaign_not_approved");
    campaign.events("approve", json!({ "by": "ana" }));
    assert_eq!(campaign.code("plan", plan(500, 500)), "plan_does_not_add_up");
    assert_eq!(campaign.code("reserve-budget", json!({ "amount": usd(1002) })), "budget_exceeded");
    let euro = json!({ "amount": { "amountMinor": 1, "currency": "EUR" } });
    assert_eq!(campaign.code("reserve-budget", euro), "currency_mismatch");
    let instagram = json!({ "channel": "instagram", "externalId": "ig-1" });
    assert_eq!(campaign.code("record-activation", instagram.clone()), "channel_not_planned");
    campaign.events("plan", plan(1, 1000));
    assert_eq!(campaign.code("record-activation", instagram.clone()), "budget_not_reserved");
    campaign.events("reserve-budget", json!({ "amount": usd(1001) }));
    assert_eq!(campaign.code("plan", plan(2, 999)), "budget_already_reserved");
    campaign.events("record-activation", instagram);
    let other = json!({ "channel": "instagram", "externalId": "ig-2" });
    assert_eq!(campaign.code("record-activation", other), "channel_already_activated");
    assert_eq!(campaign.code("activate", json!({})), "channel_not_activated");
}

#[test]
fn a_refusal_stays_the_reason() {
    let mut campaign = launched_up_to(3);
    campaign.events("reject", json!({ "by": "ana", "reason": "demasiado caro" }));
    let error = json!({ "runId": RUN, "code": "approval_rejected", "message": "x" });
    assert_eq!(campaign.events("fail-launch", error), ["launch-failed"]);
    let view = campaign.view();
    assert_eq!(view["effective"], "not_eligible");
    assert_eq!(view["reasons"][0]["message"], "refused by ana: demasiado caro");
}

#[test]
fn one_run_launches_at_a_time_with_the_brief_as_it_is() {
    let mut campaign = Subject::<Campaign>::new();
    campaign.external_key = Some("CMP-1".to_owned());
    assert_eq!(campaign.events("draft", brief()), ["drafted"]);
    assert_eq!(campaign.view()["externalKey"], "CMP-1");
    campaign.external_key = None;
    let mut other = brief();
    other["name"] = json!("Invierno");
    assert_eq!(campaign.code("draft", other.clone()), "campaign_already_drafted");
    let changed = json!({ "runId": RUN, "brief": other });
    assert_eq!(campaign.code("begin-launch", changed), "brief_changed");
    campaign.events("begin-launch", json!({ "runId": RUN, "brief": brief() }));
    assert_eq!(campaign.code("begin-launch", json!({ "runId": OTHER_RUN })), "launch_in_progress");
    assert_eq!(campaign.code("revise", other), "launch_in_progress");
    let late = json!({ "runId": OTHER_RUN, "code": "x", "message": "x" });
    assert_eq!(campaign.events("fail-launch", late), Vec::<String>::new());
}

#[test]
fn what_does_not_exist_is_not_commanded() {
    let mut campaign = Subject::<Campaign>::new();
    assert_eq!(campaign.code("pause", json!({})), "not_found");
    assert_eq!(campaign.code("begin-launch", json!({ "runId": RUN })), "not_found");
    assert_eq!(campaign.code("draft", json!({ "name": "x", "colour": "red" })), "invalid_command");
}

fn any_command() -> impl Strategy<Value = (&'static str, Value)> {
    let others = vec![
        ("draft", brief()),
        ("revise", cheaper()),
        ("reject", json!({ "by": "ana", "reason": "x" })),
        ("plan", plan(1000, 1)),
        ("reserve-budget", json!({ "amount": usd(7) })),
        ("begin-launch", json!({ "runId": OTHER_RUN })),
        ("pause", json!({})),
        ("resume", json!({})),
        ("stop", json!({})),
        ("start", json!({})),
        ("end", json!({})),
        ("archive", json!({})),
    ];
    let all: Vec<_> = launch().into_iter().chain(unwind()).chain(others).collect();
    proptest::sample::select(all)
}

proptest! {
    #[test]
    fn whatever_comes_money_is_safe_and_the_fold_is_the_state(
        prefix in 0..10_usize,
        commands in proptest::collection::vec((any_command(), 0..40_i64), 1..40),
    ) {
        let mut campaign = launched_up_to(prefix);
        for ((name, body), days) in commands {
            campaign.now = Timestamp::from_ms(campaign.now.ms() + days * 86_400_000);
            let _ = campaign.tell(name, body);
            let view = campaign.view();
            let Ok(state) = serde_json::from_value::<Campaign>(view) else { continue };
            let budget = state.brief.budget.unwrap();
            prop_assert!(state.reserved.is_none_or(|reserved| !reserved.exceeds(budget).unwrap()));
            let zero = Money::zero(budget.currency());
            let planned = state.plan.iter().try_fold(zero, |sum, part| sum.plus(part.amount)).unwrap();
            prop_assert!(state.plan.is_empty() || planned == budget);
        }
    }
}

#[test]
fn a_launch_that_failed_can_be_made_again_with_another_brief() {
    let mut subject = Subject::<Campaign>::new();
    let first = subject.tell("launch", brief()).unwrap().reply["runId"].clone();
    assert_eq!(subject.events("begin-launch", json!({ "runId": first })), ["launch-begun"]);
    assert_eq!(subject.tell("launch", brief()).unwrap().reply["runId"], first);
    assert_eq!(subject.code("launch", cheaper()), "campaign_already_drafted");
    subject.events("fail-launch", json!({ "runId": first, "code": "x", "message": "x" }));
    let told = subject.tell("launch", cheaper()).unwrap();
    let second = told.reply["runId"].clone();
    assert_ne!(second, first);
    assert_eq!(told.events, ["revised", "launch-begun"]);
    assert_eq!(subject.tell("launch", cheaper()).unwrap().reply["runId"], second);
    assert_eq!(
        subject.events("begin-launch", json!({ "runId": second, "brief": cheaper() })),
        Vec::<String>::new()
    );
    subject.events("fail-launch", json!({ "runId": second, "code": "x", "message": "x" }));
    assert_eq!(subject.events("launch", cheaper()), ["launch-begun"]);
}

#[test]
fn a_draft_can_be_launched() {
    let mut subject = Subject::<Campaign>::new();
    subject.events("draft", brief());
    let told = subject.tell("launch", brief()).unwrap();
    assert!(told.reply["runId"].as_str().unwrap().starts_with("run_"));
    assert_eq!(told.sent, ["start"], "the run is started though the draft stood already");
}

#[test]
fn a_launch_drafts_the_campaign_and_starts_its_run_once() {
    let mut subject = Subject::<Campaign>::new();
    let reply = subject.tell("launch", brief()).unwrap().reply;
    assert!(reply["runId"].as_str().unwrap().starts_with("run_"));
    assert_eq!(subject.tell("launch", brief()).unwrap().reply, reply, "the same again changes nothing");
    let mut other = Subject::<Campaign>::new();
    let mut incomplete = brief();
    incomplete.as_object_mut().unwrap().remove("budget");
    assert_eq!(other.code("launch", incomplete), "brief_incomplete");
}
