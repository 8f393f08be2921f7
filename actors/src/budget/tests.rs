//! Given, when, then.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testkit::{Subject, act, commands_are_described, diagram, events_are_listed, ways};

fn usd(amount: i64) -> Value {
    json!({ "amountMinor": amount, "currency": "USD" })
}

fn summer() -> Value {
    json!({
        "name": "Verano", "amount": usd(1_000), "allocations": [{ "channel": "google", "amount": usd(600) }],
    })
}

fn open() -> Subject<Budget> {
    let mut budget = Subject::new();
    assert_eq!(budget.events("open", summer()), ["opened"]);
    budget
}

fn part(channel: &str, amount: i64) -> Value {
    json!({ "channel": channel, "amount": usd(amount) })
}

fn reserve(id: &str, amount: i64) -> Value {
    json!({ "reservation": id, "channel": "google", "amount": usd(amount) })
}

#[test]
fn the_registry_is_complete() {
    events_are_listed::<Budget>();
    commands_are_described::<Budget>();
}

#[test]
fn parts_are_within_the_whole_and_of_its_currency() {
    let mut budget = open();
    assert_eq!(budget.events("open", summer()), Vec::<String>::new());
    assert_eq!(budget.events("allocate", part("facebook", 400)), ["allocated"]);
    assert_eq!(budget.events("allocate", part("facebook", 400)), Vec::<String>::new());
    assert_eq!(budget.code("allocate", part("tiktok", 1)), "budget_exceeded");
    let euros = json!({ "channel": "tiktok", "amount": { "amountMinor": 1, "currency": "EUR" } });
    assert_eq!(budget.code("allocate", euros), "currency_mismatch");
    let mut twice = summer();
    twice["allocations"] = json!([part("google", 1), part("google", 2)]);
    assert_eq!(Subject::<Budget>::new().code("open", twice), "channel_twice");
    let mut nothing = summer();
    nothing["amount"] = usd(0);
    assert_eq!(Subject::<Budget>::new().code("open", nothing), "amount_needed");
    assert_eq!(budget.view()["unallocated"], usd(0));
}

#[test]
fn money_is_reserved_once_and_spent_once_within_the_part() {
    let mut budget = open();
    let done = budget.tell("reserve", reserve("a", 500)).unwrap();
    assert_eq!((done.events, &done.reply["remaining"]), (vec!["reserved".to_owned()], &usd(100)));
    assert_eq!(budget.events("reserve", reserve("a", 500)), Vec::<String>::new());
    assert_eq!(budget.code("reserve", reserve("a", 501)), "reservation_conflict");
    assert_eq!(budget.code("reserve", reserve("b", 101)), "allocation_used_up");
    let unknown = json!({ "reservation": "b", "channel": "web", "amount": usd(1) });
    assert_eq!(budget.code("reserve", unknown), "allocation_used_up");
    assert_eq!(budget.code("allocate", part("google", 499)), "allocation_below_bound");
    let spend = |amount| json!({ "reservation": "a", "amount": usd(amount) });
    assert_eq!(budget.code("record-spent", spend(501)), "more_than_reserved");
    assert_eq!(budget.events("record-spent", spend(450)), ["spent"]);
    assert_eq!(budget.events("record-spent", spend(450)), Vec::<String>::new());
    assert_eq!(budget.code("record-spent", spend(451)), "reservation_ended");
    assert_eq!(budget.code("release", json!({ "reservation": "a" })), "reservation_ended");
    assert_eq!(budget.events("reserve", reserve("a", 500)), Vec::<String>::new(), "it was made once");
    let view = budget.view();
    assert_eq!((&view["spent"], &view["allocations"][0]["remaining"]), (&usd(450), &usd(150)));
    budget.events("close", json!({ "reason": "x" }));
    assert_eq!(budget.code("reserve", reserve("b", 1)), "budget_closed");
}

#[test]
fn a_raise_needs_a_person() {
    let mut budget = open();
    budget.principal = "rule:pace".to_owned();
    let raise = |amount| json!({ "amount": usd(amount), "reason": "it goes well" });
    assert_eq!(budget.code("request-raise", raise(1_000)), "raise_is_none");
    assert_eq!(budget.events("request-raise", raise(2_000)), ["raise-requested"]);
    assert_eq!(budget.events("request-raise", raise(2_000)), Vec::<String>::new());
    assert_eq!(budget.code("request-raise", raise(3_000)), "raise_waits");
    assert_eq!(budget.code("allocate", part("web", 401)), "budget_exceeded", "the old cap holds");
    assert_eq!(budget.code("approve-raise", json!({ "amount": usd(2_000) })), "approval_only_by_person");
    budget.principal = "key:ana".to_owned();
    assert_eq!(budget.code("approve-raise", json!({ "amount": usd(3_000) })), "no_raise_waits");
    assert_eq!(budget.events("approve-raise", json!({ "amount": usd(2_000) })), ["raise-approved"]);
    assert_eq!(budget.events("approve-raise", json!({ "amount": usd(2_000) })), Vec::<String>::new());
    assert_eq!(budget.events("allocate", part("web", 1_400)), ["allocated"]);
    assert_eq!(budget.code("lower", raise(1_999)), "budget_exceeded");
    assert_eq!(budget.code("lower", raise(2_001)), "raise_is_none");
    assert_eq!(budget.events("reject-raise", json!({ "reason": "x" })), Vec::<String>::new());
}

#[test]
fn the_diagram_shows_every_way() {
    let acts = [act("close", json!({ "reason": "x" })), act("reopen", json!({ "reason": "x" }))];
    let status = |view: &Value| view["status"].as_str().unwrap_or_default().to_owned();
    let found = ways::<Budget>(&[vec![act("open", summer())]], &acts, status);
    assert_eq!(found, diagram(include_str!("mod.rs"), None));
}

fn any_command() -> impl Strategy<Value = (&'static str, Value)> {
    let id = || proptest::sample::select(vec!["a", "b", "c"]);
    let amount = || 0..700_i64;
    prop_oneof![
        3 => (id(), amount()).prop_map(|(id, amount)| ("reserve", reserve(id, amount))),
        2 => (id(), amount())
            .prop_map(|(id, amount)| ("record-spent", json!({ "reservation": id, "amount": usd(amount) }))),
        1 => id().prop_map(|id| ("release", json!({ "reservation": id }))),
        2 => (proptest::sample::select(vec!["google", "web"]), amount())
            .prop_map(|(channel, amount)| ("allocate", part(channel, amount))),
        1 => (700..1_500_i64).prop_map(|amount| ("lower", json!({ "amount": usd(amount), "reason": "x" }))),
        1 => (700..1_500_i64)
            .prop_map(|amount| ("request-raise", json!({ "amount": usd(amount), "reason": "x" }))),
        1 => (700..1_500_i64).prop_map(|amount| ("approve-raise", json!({ "amount": usd(amount) }))),
    ]
}

proptest! {
    #[test]
    fn no_cap_is_ever_passed(commands in proptest::collection::vec(any_command(), 1..60)) {
        let mut budget = open();
        for (name, body) in commands {
            let _ = budget.tell(name, body);
            let view = budget.view();
            let minor = |value: &Value| value["amountMinor"].as_i64().unwrap();
            let mut whole = 0;
            for part in view["allocations"].as_array().unwrap() {
                let bound = minor(&part["reserved"]) + minor(&part["spent"]);
                prop_assert_eq!(bound + minor(&part["remaining"]), minor(&part["amount"]));
                whole += minor(&part["amount"]);
            }
            prop_assert_eq!(whole + minor(&view["unallocated"]), minor(&view["amount"]));
        }
    }
}
