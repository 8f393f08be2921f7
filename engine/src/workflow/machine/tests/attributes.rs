//! Search attributes: what a run is found by.

use super::*;
use crate::workflow::found::fields;

#[test]
fn definitions_and_tasks_set_what_a_run_is_found_by() {
    let source = "
document: { dsl: '1.0.3', namespace: test, name: example, version: '1.0.0', metadata: { attributes: { region: '${ .region }', gone: true } } }
do:
  - a: { set: { score: 12 }, metadata: { attributes: { score: '${ .score }', tags: [x, y], gone: null } } }
  - b: { set: { n: 1 }, metadata: { attributes: { score: '${ $output.n + 11 }' } } }
  - l: { listen: { to: { one: { with: { type: go } } } } }";
    let bed = Bed::started(source, json!({ "region": "CR" }));
    let view = bed.view();
    assert_eq!(view["attributes"], json!({ "region": "CR", "score": 12, "tags": ["x", "y"] }));
    assert_eq!(
        bed.names().iter().filter(|name| **name == "attributes-set").count(),
        2,
        "the same is not set anew"
    );
    let found = fields(Some(&view));
    assert_eq!(found.iter().filter(|(name, _)| name == "attr.tags").count(), 2);
}

#[test]
fn what_cannot_be_an_attribute_is_an_error_of_the_task() {
    for (value, said) in [("{ a: { b: 1 } }", "`a`"), ("{ a: '${ [[1]] }' }", "`a`")] {
        let body = format!("do: [{{ s: {{ set: {{ n: 1 }}, metadata: {{ attributes: {value} }} }} }}]");
        let bed = Bed::started(&definition(&body), json!({}));
        assert_eq!(bed.status(), "faulted", "{value}");
        assert!(bed.error()["detail"].as_str().unwrap().contains(said), "{}", bed.error());
        assert_eq!(bed.error()["instance"], "/do/0/s");
    }
    let much = "do: [{ s: { set: { n: 1 }, metadata: { attributes: { a: '${ \"x\" * 20000 }' } } } }]";
    assert!(Bed::started(&definition(much), json!({})).error()["detail"].as_str().unwrap().contains("16384"));
}
