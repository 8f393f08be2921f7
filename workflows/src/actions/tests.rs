//! What holds for every action.

use promptsales_engine::workflow::action::Steps;
use serde_json::json;

use super::testkit::cx;

/// The functions of the specification: what they take is checked with the definition.
const PROTOCOLS: [&str; 4] = ["a2a", "http", "mcp", "openapi"];

/// The product's own actions.
fn own() -> Vec<std::sync::Arc<promptsales_engine::workflow::action::ActionInfo>> {
    let all = super::register().unwrap();
    let own: Vec<_> = all.iter().filter(|action| !PROTOCOLS.contains(&action.name)).cloned().collect();
    assert_eq!(all.iter().count(), own.len() + PROTOCOLS.len());
    own
}

#[test]
fn unknown_fields_are_refused() {
    for action in own() {
        assert_eq!(action.input["type"], "object", "{}", action.name);
        assert_eq!(action.input["additionalProperties"], false, "{}", action.name);
        let error = action.next(&json!({ "colour": "red" }), Steps(&[]), &cx()).unwrap_err();
        assert_eq!(error.status, 400, "{}", action.name);
        assert!(error.detail.unwrap().contains("colour"), "{}", action.name);
    }
}

#[test]
fn names_and_summaries_are_well_formed() {
    for action in own() {
        let (area, verb) = action.name.split_once('.').unwrap();
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        assert!(plain(area) && plain(verb), "{}", action.name);
        assert!(action.summary.ends_with('.'), "{}", action.name);
    }
}
