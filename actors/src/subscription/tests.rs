//! Given, when, then.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testkit::{Act, Subject, act, commands_are_described, diagram, events_are_listed, ways};

const DAY: Duration = Duration::from_secs(86_400);

fn plan() -> Value {
    json!({
        "planId": "PLAN-EMPRENDE", "planName": "Plan Emprendedor", "paymentStatus": "paid",
        "usageTracking": {
            "generacion_contenido": { "used": 35, "limit": 100, "resetDate": "2026-01-31T00:00:00Z" },
            "imagenes_ia": { "limit": 40 },
        },
    })
}

fn open() -> Subject<Subscription> {
    let mut subscription = Subject::new();
    assert_eq!(subscription.events("open", plan()), ["opened"]);
    subscription
}

fn reserve(id: &str, amount: u64) -> Value {
    json!({ "reservation": id, "meter": "generacion_contenido", "amount": amount })
}

fn meter(subscription: &Subject<Subscription>) -> [u64; 3] {
    let meter = &subscription.view()["usageTracking"]["generacion_contenido"];
    ["used", "reserved", "remaining"].map(|field| meter[field].as_u64().unwrap())
}

#[test]
fn the_registry_is_complete() {
    events_are_listed::<Subscription>();
    commands_are_described::<Subscription>();
}

#[test]
fn a_reservation_is_made_once_and_used_or_given_back_once() {
    let mut subscription = open();
    assert_eq!(subscription.events("open", plan()), Vec::<String>::new());
    let done = subscription.tell("reserve", reserve("a", 60)).unwrap();
    assert_eq!((done.events, &done.reply["remaining"]), (vec!["reserved".to_owned()], &json!(5)));
    assert_eq!(subscription.events("reserve", reserve("a", 60)), Vec::<String>::new());
    assert_eq!(subscription.code("reserve", reserve("a", 61)), "reservation_conflict");
    assert_eq!(subscription.code("reserve", reserve("b", 6)), "usage_limit_reached");
    assert_eq!(subscription.events("reserve", reserve("b", 5)), ["reserved"]);
    assert_eq!(meter(&subscription), [35, 65, 0]);
    assert_eq!(subscription.code("settle", json!({ "reservation": "a", "used": 61 })), "more_than_reserved");
    let used = json!({ "reservation": "a", "used": 10 });
    assert_eq!(subscription.events("settle", used.clone()), ["settled"]);
    assert_eq!(subscription.events("settle", used), Vec::<String>::new());
    assert_eq!(subscription.code("settle", json!({ "reservation": "a", "used": 11 })), "reservation_ended");
    assert_eq!(subscription.code("release", json!({ "reservation": "a" })), "reservation_ended");
    assert_eq!(subscription.events("reserve", reserve("a", 60)), Vec::<String>::new(), "it was made once");
    assert_eq!(subscription.events("release", json!({ "reservation": "b" })), ["released"]);
    assert_eq!(subscription.events("release", json!({ "reservation": "b" })), Vec::<String>::new());
    assert_eq!(subscription.code("settle", json!({ "reservation": "b" })), "reservation_ended");
    assert_eq!(meter(&subscription), [45, 0, 55]);
    assert_eq!(subscription.code("release", json!({ "reservation": "c" })), "reservation_unknown");
    let unknown = json!({ "reservation": "d", "meter": "videos", "amount": 1 });
    assert_eq!(subscription.code("reserve", unknown), "meter_unknown");
    assert_eq!(subscription.code("reserve", reserve("d", 0)), "amount_out_of_bounds");
    assert_eq!(subscription.code("reserve", reserve("d", u64::MAX)), "amount_out_of_bounds");
}

#[test]
fn a_reservation_that_nobody_settles_ends_by_itself() {
    let mut subscription = open();
    let done = subscription.tell("reserve", reserve("a", 65)).unwrap();
    assert_eq!(done.timers.len(), 1);
    subscription.pass(Duration::from_secs(900));
    assert_eq!(subscription.fire("due").unwrap().events, ["reservation-expired"]);
    assert_eq!(subscription.fire("due").unwrap().events, Vec::<String>::new());
    assert_eq!(meter(&subscription), [35, 0, 65]);
    assert_eq!(subscription.code("settle", json!({ "reservation": "a" })), "reservation_ended");
    let mut shortly = reserve("b", 65);
    shortly["expiresInSeconds"] = json!(1);
    subscription.events("reserve", shortly);
    subscription.pass(Duration::from_secs(2));
    let instead = subscription.events("reserve", reserve("c", 65));
    assert_eq!(instead, ["reservation-expired", "reserved"], "a late timer keeps nobody waiting");
}

#[test]
fn a_meter_begins_anew_at_its_date_by_the_timer_or_before_a_command() {
    let mut subscription = open();
    subscription.events("reserve", json!({ "reservation": "a", "meter": "imagenes_ia", "amount": 40 }));
    subscription.pass(30 * DAY);
    let fired = subscription.fire("due").unwrap();
    assert_eq!(fired.events, ["reservation-expired", "usage-reset"]);
    assert_eq!(meter(&subscription), [0, 0, 100]);
    let view = subscription.view();
    let tracked = &view["usageTracking"];
    assert_eq!(tracked["generacion_contenido"]["resetDate"], "2026-02-28T00:00:00.000Z");
    assert_eq!(tracked["imagenes_ia"].get("resetDate"), None);
    subscription.events("reserve", reserve("b", 100));
    subscription.events("settle", json!({ "reservation": "b" }));
    subscription.pass(400 * DAY);
    assert_eq!(subscription.events("reserve", reserve("c", 100)), ["usage-reset", "reserved"]);
}

#[test]
fn what_is_reserved_over_a_reset_counts_for_the_new_period() {
    let mut subscription = open();
    let mut long = reserve("a", 65);
    long["expiresInSeconds"] = json!(2_592_000);
    subscription.pass(20 * DAY);
    subscription.events("reserve", long);
    subscription.pass(11 * DAY);
    subscription.fire("due").unwrap();
    assert_eq!(meter(&subscription), [0, 65, 35]);
    subscription.events("settle", json!({ "reservation": "a" }));
    assert_eq!(meter(&subscription), [65, 0, 35]);
}

#[test]
fn a_plan_changes_its_limits_and_keeps_what_is_used() {
    let mut subscription = open();
    let smaller = json!({ "planId": "PLAN-MINI", "limits": { "generacion_contenido": 30, "videos": 2 } });
    assert_eq!(subscription.events("change-plan", smaller.clone()), ["plan-changed"]);
    assert_eq!(subscription.events("change-plan", smaller), Vec::<String>::new());
    assert_eq!(meter(&subscription), [35, 0, 0]);
    assert_eq!(subscription.code("reserve", reserve("a", 1)), "usage_limit_reached");
    let many: Value = (0..50).map(|i| (format!("m{i}"), json!(1))).collect();
    assert_eq!(subscription.code("change-plan", json!({ "planId": "X", "limits": many })), "too_many_meters");
}

#[test]
fn one_that_is_over_can_be_settled_and_nothing_else() {
    let mut subscription = open();
    subscription.events("reserve", reserve("a", 10));
    let cancelled = subscription.tell("cancel", json!({ "reason": "moved away" })).unwrap();
    assert_eq!(cancelled.timers.len(), 1, "the reservation still ends by itself");
    assert_eq!(subscription.code("reserve", reserve("b", 1)), "subscription_wrong_state");
    assert_eq!(subscription.code("resume", json!({})), "subscription_wrong_state");
    let settled = subscription.tell("settle", json!({ "reservation": "a" })).unwrap();
    assert!(matches!(settled.timers[..], [promptsales_engine::journal::TimerOp::Clear { .. }]));
    let payment = json!({ "status": "refunded" });
    assert_eq!(subscription.events("record-payment", payment.clone()), ["payment-recorded"]);
    assert_eq!(subscription.events("record-payment", payment), Vec::<String>::new());
    let mut ends_early = plan();
    ends_early["endDate"] = json!("2025-01-01T00:00:00Z");
    assert_eq!(Subject::<Subscription>::new().code("open", ends_early), "end_before_start");
}

#[test]
fn the_diagram_shows_every_way() {
    let mut ending = plan();
    ending["endDate"] = json!("2026-06-01T00:00:00Z");
    let end: Act<Subscription> = Box::new(|subscription| {
        subscription.pass(200 * DAY);
        subscription.fire("due").is_ok()
    });
    let acts = [
        act("suspend", json!({ "reason": "x" })),
        act("resume", json!({})),
        act("cancel", json!({ "reason": "x" })),
        act("reserve", reserve("a", 1)),
        end,
    ];
    let status = |view: &Value| view["status"].as_str().unwrap_or_default().to_owned();
    let found = ways(&[vec![act("open", ending)]], &acts, status);
    assert_eq!(found, diagram(include_str!("mod.rs"), None));
}

fn any_command() -> impl Strategy<Value = (&'static str, Value, u64)> {
    let id = || proptest::sample::select(vec!["a", "b", "c", "d"]);
    let command = prop_oneof![
        3 => (id(), 1..80_u64, 1..2_000_000_u32).prop_map(|(id, amount, seconds)| {
            let mut body = reserve(id, amount);
            body["expiresInSeconds"] = json!(seconds);
            ("reserve", body)
        }),
        2 => (id(), proptest::option::of(0..80_u64))
            .prop_map(|(id, used)| ("settle", json!({ "reservation": id, "used": used }))),
        1 => id().prop_map(|id| ("release", json!({ "reservation": id }))),
        1 => proptest::sample::select(vec!["suspend", "resume"])
            .prop_map(|name| (name, if name == "resume" { json!({}) } else { json!({ "reason": "x" }) })),
    ];
    (command, 0..1_000_000_u64).prop_map(|((name, body), seconds)| (name, body, seconds))
}

proptest! {
    #[test]
    fn used_and_reserved_never_pass_the_limit(commands in proptest::collection::vec(any_command(), 1..60)) {
        let mut subscription = open();
        for (name, body, seconds) in commands {
            subscription.pass(Duration::from_secs(seconds));
            if seconds % 3 == 0 {
                let _ = subscription.fire("due");
            }
            let _ = subscription.tell(name, body);
            let [used, reserved, remaining] = meter(&subscription);
            prop_assert!(used + reserved <= 100, "{used} used, {reserved} reserved");
            prop_assert_eq!(used + reserved + remaining, 100);
        }
    }
}
