//! What holds for every action.

use promptsales_engine::workflow::action::Steps;
use serde_json::json;

use super::testkit::cx;

#[test]
fn unknown_fields_are_refused() {
    for action in super::register().unwrap().iter() {
        assert_eq!(action.input["type"], "object", "{}", action.name);
        assert_eq!(action.input["additionalProperties"], false, "{}", action.name);
        let error = action.next(&json!({ "colour": "red" }), Steps(&[]), &cx()).unwrap_err();
        assert_eq!(error.status, 400, "{}", action.name);
        assert!(error.detail.unwrap().contains("colour"), "{}", action.name);
    }
}

#[test]
fn names_and_summaries_are_well_formed() {
    for action in super::register().unwrap().iter() {
        let (area, verb) = action.name.split_once('.').unwrap();
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        assert!(plain(area) && plain(verb), "{}", action.name);
        assert!(action.summary.ends_with('.'), "{}", action.name);
    }
}
