//! Given, when, then.

use super::*;
use crate::testkit::{Subject, act, commands_are_described, diagram, events_are_listed, ways};

fn eco() -> Value {
    json!({
        "externalKey": "CLI-001", "email": "contacto@tiendaeco.cr", "name": "Tienda Eco",
        "company": "Tienda Eco S.A.", "phone": "+506 7010-2020", "attributes": { "since": 2024 },
    })
}

#[test]
fn the_registry_is_complete() {
    events_are_listed::<Client>();
    commands_are_described::<Client>();
}

#[test]
fn a_client_is_registered_once_and_corrected() {
    let mut client = Subject::<Client>::new();
    assert_eq!(client.code("register", json!({ "name": "Eco", "phone": "+5061111111" })), "phone_invalid");
    assert_eq!(client.events("register", eco()), ["registered"]);
    assert_eq!(client.events("register", eco()), Vec::<String>::new());
    assert_eq!(client.code("register", json!({ "name": "Eco" })), "client_already_registered");
    let patch = json!({ "name": "Eco", "email": null, "attributes": { "since": null, "size": 3 } });
    assert_eq!(client.events("update", patch.clone()), ["updated"]);
    assert_eq!(client.events("update", patch), Vec::<String>::new());
    let view = client.view();
    assert_eq!((&view["name"], view.get("email")), (&json!("Eco"), None));
    assert_eq!((&view["phone"], &view["attributes"]), (&json!("+50670102020"), &json!({ "size": 3 })));
}

#[test]
fn subscriptions_are_listed_once_and_bounded() {
    let mut client = Subject::<Client>::new();
    client.events("register", eco());
    let id = |number| json!({ "subscription": Subject::<subscription::Subscription>::numbered(number).id() });
    assert_eq!(client.events("add-subscription", id(1)), ["subscription-added"]);
    assert_eq!(client.events("add-subscription", id(1)), Vec::<String>::new());
    for number in 2..=100 {
        client.events("add-subscription", id(number));
    }
    assert_eq!(client.code("add-subscription", id(101)), "too_many_subscriptions");
    assert_eq!(client.events("remove-subscription", id(1)), ["subscription-removed"]);
    client.events("close", json!({ "reason": "x" }));
    assert_eq!(client.code("add-subscription", id(1)), "client_wrong_state");
}

#[test]
fn the_diagram_shows_every_way() {
    let reason = || json!({ "reason": "x" });
    let acts = [act("suspend", reason()), act("close", reason()), act("reactivate", reason())];
    let status = |view: &Value| view["status"].as_str().unwrap_or_default().to_owned();
    let found = ways::<Client>(&[vec![act("register", eco())]], &acts, status);
    assert_eq!(found, diagram(include_str!("mod.rs"), None));
}
