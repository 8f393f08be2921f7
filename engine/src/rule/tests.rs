//! Whole rules: what they are read as, what is refused, and what they make of an event.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::workflow::definition::Problem;

const WHOLE: &str = "
name: thank-for-big-orders
title: Thanks whoever orders much
description: Once a week at most.
on:
  - exact: { type: com.example.order.placed }
  - not: { prefix: { source: /tests/ } }
entity: ${ .event.data.customer }
when: { field: entity.score, op: gte, value: 50 }
then:
  - start: { workflow: thank, version: '1.0.0', input: { order: '${ .event.subject }' }, key: '${ .event.id }' }
  - command: { to: '${ .event.data.customer }', command: tag, body: { tag: big, of: ['${ .event.data.total }'] } }
  - emit:
      type: com.example.order.big
      subject: ${ .event.subject }
      region: ${ .event.data.region }
      data: { score: '${ .entity.score }' }
limits: { per: '${ .event.data.customer }', cooldown: PT24H, debounce: { minutes: 10 } }
";

const CUSTOMER: &str = "cust_01h455vb4pex5vsknk084sn02q";

fn rule(source: &str) -> Rule {
    Rule::parse(source).unwrap_or_else(|problems| panic!("{source}: {problems:?}"))
}

fn refused(source: &str) -> Vec<Problem> {
    Rule::parse(source).err().unwrap_or_else(|| panic!("{source} is taken"))
}

/// A rule with one part of its own.
fn with(part: &str) -> String {
    let mut parts = vec!["name: a", "on: { exact: { type: t } }", "then: [{ start: { workflow: w } }]"];
    let name = part.split(':').next().unwrap();
    parts.retain(|known| known.split(':').next() != Some(name));
    parts.push(part);
    parts.join("\n")
}

fn facts() -> Value {
    json!({
        "event": {
            "specversion": "1.0", "type": "com.example.order.placed", "source": "/shop", "id": "e-1",
            "subject": "order_7", "data": { "customer": CUSTOMER, "total": 120 },
        },
        "entity": { "score": 55 },
    })
}

#[test]
fn a_whole_rule_is_read_and_renders_what_is_to_be_done() {
    let rule = rule(WHOLE);
    assert_eq!(
        (rule.name.as_str(), rule.title.as_deref()),
        ("thank-for-big-orders", Some("Thanks whoever orders much"))
    );
    assert_eq!(rule.description.as_deref(), Some("Once a week at most."));
    let facts = facts();
    assert_eq!(rule.on.passes(&facts["event"]), Ok(()));
    assert_eq!(rule.on.types().exact, ["com.example.order.placed"]);
    assert_eq!(rule.entity_of(&facts["event"]), Ok(Some(CUSTOMER.to_owned())));
    assert!(rule.reads_entity());
    assert_eq!(rule.when.as_ref().unwrap().check(&facts), Verdict::Yes);
    let limits = rule.limits.as_ref().unwrap();
    assert_eq!(limits.key(&facts).as_deref(), Ok(CUSTOMER));
    let seconds = [limits.cooldown, limits.debounce].map(|span| span.unwrap().as_secs());
    assert_eq!((limits.once, seconds), (false, [86_400, 600]));
    let rendered: Vec<Rendered> = rule.then.iter().map(|then| then.render(&facts).unwrap()).collect();
    let expected = [
        Rendered::Start {
            workflow: "thank".to_owned(),
            version: Some("1.0.0".to_owned()),
            input: json!({ "order": "order_7" }),
            key: Some("e-1".to_owned()),
        },
        Rendered::Command {
            to: CUSTOMER.to_owned(),
            command: "tag".to_owned(),
            body: json!({ "tag": "big", "of": [120] }),
        },
        // An attribute that is null is none.
        Rendered::Emit {
            event: json!({ "type": "com.example.order.big", "subject": "order_7", "data": { "score": 55 } }),
        },
    ];
    assert_eq!(rendered, expected);
}

#[test]
fn yaml_and_json_are_the_same_rule() {
    let yaml: Value = serde_yaml_ng::from_str(WHOLE).unwrap();
    assert_eq!(rule(&serde_json::to_string_pretty(&yaml).unwrap()), rule(WHOLE));
}

#[test]
fn the_least_rule_has_its_defaults() {
    let rule = rule(
        "name: a\non: { suffix: { type: .x } }\nthen: [{ command: { to: '${ .event.subject }', command: go } }]",
    );
    assert_eq!((&rule.entity, &rule.when, &rule.limits), (&None, &None, &None));
    assert!(!rule.reads_entity());
    assert_eq!(rule.entity_of(&json!({ "subject": "order_7" })), Ok(Some("order_7".to_owned())));
    assert_eq!(rule.entity_of(&json!({ "id": "1" })), Ok(None));
    let facts = json!({ "event": { "subject": CUSTOMER }, "entity": null });
    let Ok(Rendered::Command { body, .. }) = rule.then[0].render(&facts) else { panic!() };
    assert_eq!(body, json!({}));
}

#[test]
fn every_part_that_is_wrong_is_told_with_its_place_and_what_to_do() {
    let sixty_five = format!("name: {}", "a".repeat(65));
    let many = format!("then: [{}]", vec!["{ start: { workflow: w } }"; 17].join(", "));
    let cases = [
        ("name: Big_Orders", "/name", "is no name", "lower-case"),
        ("name: a--b", "/name", "is no name", "single hyphens"),
        ("name: 7", "/name", "found a number", "in quotes"),
        (sixty_five.as_str(), "/name", "is no name", "1 to 64"),
        ("title: 7", "/title", "found a number", "in quotes"),
        ("on: { sql: x }", "/on/sql", "not supported", "`when`"),
        ("on: x", "/on", "found text", "write a filter"),
        ("whem: {}", "/whem", "not a field", "did you mean `when`?"),
        ("when: { field: event.x, op: gte }", "/when", "`value` is missing", ""),
        ("entity: order", "/entity", "is not an id", "an expression"),
        ("entity: 5", "/entity", "found a number", "in quotes"),
        ("entity: ${ input }", "/entity", "does not compile", ""),
        ("then: []", "/then", "is empty", "list of actions"),
        ("then: { start: { workflow: w } }", "/then", "found a mapping", "list of actions"),
        (many.as_str(), "/then", "17 actions; 16", "a workflow"),
        ("then: [{}]", "/then/0", "is empty", "`start`"),
        ("then: [{ strat: {} }]", "/then/0/strat", "not a field", "did you mean `start`?"),
        ("then: [{ start: { workflow: w }, emit: { type: x } }]", "/then/0", "is one of", "an item"),
        ("then: [{ start: {} }]", "/then/0/start", "`workflow` is missing", ""),
        ("then: [{ start: { workflow: a b } }]", "/then/0/start/workflow", "is no name", "letters"),
        ("then: [{ start: { workflow: '${ .event.id }' } }]", "/then/0/start/workflow", "is no name", ""),
        ("then: [{ start: { workflow: w, version: '1' } }]", "/then/0/start/version", "no version", "1.0.0"),
        ("then: [{ start: { workflow: w, version: 1.0 } }]", "/then/0/start/version", "a number", "quotes"),
        ("then: [{ start: { workflow: w, inptu: 1 } }]", "/then/0/start/inptu", "not a field", "`input`"),
        (
            "then: [{ start: { workflow: w, input: { a: ['${ x }'] } } }]",
            "/then/0/start/input/a/0",
            "not compile",
            "",
        ),
        ("then: [{ start: { workflow: w, key: [] } }]", "/then/0/start/key", "found a list", ""),
        ("then: [{ command: { to: order_7, command: go } }]", "/then/0/command/to", "is not an id", ""),
        ("then: [{ command: { to: '${ . }', command: Go } }]", "/then/0/command/command", "is no name", ""),
        ("then: [{ emit: { subject: x } }]", "/then/0/emit", "`type` is missing", ""),
        ("then: [{ emit: { type: '${ .event.type }' } }]", "/then/0/emit/type", "a constant", ""),
        ("then: [{ emit: { type: '' } }]", "/then/0/emit/type", "no type", "write one"),
        ("then: [{ emit: { type: x, id: '1' } }]", "/then/0/emit/id", "is given", "remove it"),
        ("then: [{ emit: { type: x, myAttribute: '1' } }]", "/then/0/emit/myAttribute", "no name", ""),
        ("then: [{ emit: { type: x, tags: [a] } }]", "/then/0/emit/tags", "not a list", "`data`"),
        ("then: [{ emit: { type: x, ratio: 0.5 } }]", "/then/0/emit/ratio", "is whole", ""),
        ("limits: { per: '${ .event.id }' }", "/limits", "nothing is limited", "`once: true`"),
        ("limits: { once: true, cooldown: PT1H }", "/limits/cooldown", "once for ever", "remove"),
        ("limits: { cooldown: P1M }", "/limits/cooldown", "months", "PT1H30M"),
        ("limits: { debounce: PT0.5S }", "/limits/debounce", "out of bounds", "one second"),
        ("limits: { cooldown: P367D }", "/limits/cooldown", "out of bounds", "366 days"),
        ("limits: { once: 1 }", "/limits/once", "true or false", ""),
        ("limits: { once: true, pre: x }", "/limits/pre", "not a field", "did you mean `per`?"),
        ("limits: { once: true, per: 1 }", "/limits/per", "found a number", ""),
    ];
    for (part, pointer, message, fix) in cases {
        let problems = refused(&with(part));
        let problem = problems.iter().find(|problem| problem.pointer == pointer);
        let problem = problem.unwrap_or_else(|| panic!("{part}: {problems:?}"));
        assert!(problem.message.contains(message) && problem.fix.contains(fix), "{part}: {problem}");
        assert!(problem.line > 0 && problem.column > 0, "{part}: {problem}");
    }
    let bounds = ["limits: { cooldown: PT1S }", "limits: { cooldown: P366D }", "name: a1-b"];
    bounds.iter().for_each(|part| drop(rule(&with(part))));
}

#[test]
fn all_problems_are_told_at_once_in_the_order_of_the_text() {
    let source = "name: A\non:\n  - exact: { type: 5 }\nwhen: maybe\nthen:\n  - start: { workflow: w, key: '${ ) }' }\nlimits: {}\n";
    let found = refused(source);
    let places: Vec<_> = found.iter().map(|p| (p.line, p.column, p.pointer.as_str())).collect();
    let expected = [
        (1, 1, "/name"),
        (3, 14, "/on/0/exact/type"),
        (4, 1, "/when"),
        (6, 27, "/then/0/start/key"),
        (7, 1, "/limits"),
    ];
    assert_eq!(places, expected);
    let missing: Vec<_> = refused("title: x").iter().map(|p| p.message.clone()).collect();
    assert_eq!(missing, ["`name` is missing", "`on` is missing", "`then` is missing"]);
    for source in ["", "- a", "a: 1\na: 2", "{", "x: [", &"x".repeat(300_000)] {
        assert_eq!(refused(source).len(), 1, "{}", source.chars().take(20).collect::<String>());
    }
}

#[test]
fn what_an_action_gives_must_fit() {
    let cases = [
        ("command: { to: '${ .event.subject }', command: go }", "`to` is no id: `order_7`"),
        ("command: { to: '${ .event.data.total }', command: go }", "`to` gave 120"),
        ("start: { workflow: w, key: '${ .event.absent }' }", "`key` gave null"),
        ("start: { workflow: w, key: '${ \"\" }' }", "0 bytes"),
        ("start: { workflow: w, key: '${ \"x\" * 257 }' }", "257 bytes"),
        ("start: { workflow: w, input: '${ .event.data.total + \"x\" }' }", "expression failed"),
        ("start: { workflow: w, input: '${ \"x\" * 262143 }' }", "more than 262144 bytes"),
        (
            "command: { to: '${ .event.data.customer }', command: go, body: ['${ \"x\" * 262143 }'] }",
            "262144",
        ),
        ("emit: { type: x, data: '${ \"x\" * 262143 }' }", "262144"),
        ("emit: { type: x, subject: '${ .event.data.total }' }", "`subject` gave 120"),
        ("emit: { type: x, subject: '${ \"\" }' }", "`subject` gave \"\""),
        ("emit: { type: x, note: '${ .event.data }' }", "`note` gave {"),
        ("emit: { type: x, note: '${ 1.5 }' }", "a whole number"),
    ];
    for (action, why) in cases {
        let rule = rule(&with(&format!("then: [{{ {action} }}]")));
        let failed = rule.then[0].render(&facts()).unwrap_err();
        assert!(failed.contains(why), "{action}: {failed}");
    }
    let nothing = rule(&with("then: [{ emit: { type: x, note: '${ null }', data: '${ null }' } }]"));
    let event = json!({ "type": "x", "data": null });
    assert_eq!(nothing.then[0].render(&facts()), Ok(Rendered::Emit { event }), "data may be null");
    for (action, key) in [("${ 7 }", "7"), ("${ true }", "true"), ("plain", "plain")] {
        let rule = rule(&with(&format!("then: [{{ start: {{ workflow: w, key: '{action}' }} }}]")));
        let Ok(Rendered::Start { key: found, input, .. }) = rule.then[0].render(&facts()) else { panic!() };
        assert_eq!((found.as_deref(), input), (Some(key), json!({})));
    }
}

#[test]
fn whose_state_and_which_key_are_told_or_why_not() {
    let event = facts()["event"].clone();
    for (entity, expected) in [
        (CUSTOMER, Ok(Some(CUSTOMER))),
        ("${ .event.data.customer }", Ok(Some(CUSTOMER))),
        ("${ .event.data.nobody }", Ok(None)),
        ("${ .entity.id }", Ok(None)),
        ("${ .event.data.total }", Err("`entity` gave 120")),
        ("${ .event.data + 1 }", Err("expression failed")),
    ] {
        match (rule(&with(&format!("entity: {entity}"))).entity_of(&event), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found.as_deref(), expected, "{entity}"),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{entity}: {found}"),
            (found, expected) => panic!("{entity}: {found:?} {expected:?}"),
        }
    }
    for (per, expected) in [
        ("", Ok("order_7")),
        ("per: all, ", Ok("all")),
        ("per: '${ .event.data.total }', ", Ok("120")),
        ("per: '${ .entity.score > 5 }', ", Ok("true")),
        ("per: '${ .event.data }', ", Err("`per` gave {")),
        ("per: '${ .event.absent }', ", Err("`per` gave null")),
        ("per: '${ \"é\" * 129 }', ", Err("258 bytes")),
    ] {
        let rule = rule(&with(&format!("limits: {{ {per}once: true }}")));
        match (rule.limits.unwrap().key(&facts()), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{per}: {found}"),
            (found, expected) => panic!("{per}: {found:?} {expected:?}"),
        }
    }
    let limits = rule(&with("limits: { once: true }")).limits.unwrap();
    assert!(limits.key(&json!({ "event": { "id": "1" } })).unwrap_err().contains("no subject"));
}

#[test]
fn the_entity_is_read_where_a_part_says_so() {
    let parts = [
        ("when: { field: entity.score, op: exists }", true),
        ("when: { field: event.data.score, op: exists }", false),
        ("then: [{ emit: { type: x, data: '${ .entity }' } }]", true),
        ("then: [{ start: { workflow: w, input: '${ . }' } }]", true),
        ("then: [{ start: { workflow: w, input: '${ .event }' } }]", false),
        ("limits: { once: true, per: '${ .entity.owner }' }", true),
        ("limits: { once: true }", false),
        ("entity: ${ .event.data.customer }", false),
    ];
    for (part, reads) in parts {
        assert_eq!(rule(&with(part)).reads_entity(), reads, "{part}");
    }
}

#[test]
fn what_is_nested_as_deep_as_may_be_is_read_and_asked() {
    let nested = |levels: usize, inner: &str| {
        format!("{}{inner}{}", "{\"all\":[{\"not\":".repeat(levels), "}]}".repeat(levels))
    };
    let deep_jq = format!("{}.event.data.total{}", "[".repeat(60), "]".repeat(60));
    let source = |levels: usize| {
        let on = nested(levels, r#"{"exact":{"type":"t"}}"#);
        let when = nested(levels, &json!(format!("${{ {deep_jq} == [] }}")).to_string());
        format!(r#"{{"name":"a","on":{on},"when":{when},"then":[{{"start":{{"workflow":"w"}}}}]}}"#)
    };
    let rule = rule(&source(30));
    assert!(rule.on.passes(&json!({ "type": "t" })).is_ok());
    assert!(rule.on.passes(&json!({ "type": "x" })).unwrap_err().starts_with("/all/0/not"));
    assert!(matches!(rule.when.unwrap().check(&facts()), Verdict::No(miss) if miss.clause.len() == 30 * 10));
    assert!(refused(&source(40))[0].message.contains("nested more than 96 deep"));
    assert_eq!(refused(&source(8_000)).len(), 1);
}

/// Trees that look a little like rules.
fn any_document() -> impl Strategy<Value = Value> {
    let words = vec![
        "name", "on", "when", "then", "limits", "entity", "start", "command", "emit", "workflow", "input",
        "to", "type", "exact", "prefix", "not", "all", "any", "field", "op", "value", "per", "once",
        "cooldown", "data", "sql",
    ];
    let text = prop_oneof![
        prop::sample::select(words.clone()).prop_map(str::to_owned),
        "\\$\\{ [.a-z+()\"|0-9]{0,12} \\}",
        Just("PT1H".to_owned()),
        Just("entity.score".to_owned()),
        ".{0,8}",
    ];
    let leaf = prop_oneof![
        text.prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        let key = prop::sample::select(words.clone());
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..6).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_document_is_read_or_refused(document in any_document(), indent in any::<bool>()) {
        let text = match indent {
            true => serde_yaml_ng::to_string(&document).unwrap(),
            false => document.to_string(),
        };
        let found = Rule::parse(&text);
        prop_assert_eq!(&found, &Rule::parse(&text));
        if let Err(problems) = found {
            prop_assert!(!problems.is_empty());
            let told = |p: &Problem| p.line > 0 && p.column > 0 && !p.message.is_empty() && !p.fix.is_empty();
            prop_assert!(problems.iter().all(told), "{:?}", problems);
        }
    }

    #[test]
    fn any_part_of_a_rule_may_be_anything(part in any_document(), place in 0..10usize) {
        let mut document: Value = serde_yaml_ng::from_str(WHOLE).unwrap();
        let places = [
            "/on", "/on/0", "/on/0/exact", "/entity", "/when", "/when/value", "/then", "/then/0", "/then/2/emit", "/limits",
        ];
        *document.pointer_mut(places[place]).unwrap() = part;
        if let Ok(rule) = Rule::parse(&document.to_string()) {
            let facts = facts();
            let _ = rule.on.passes(&facts["event"]);
            let _ = rule.entity_of(&facts["event"]);
            let _ = rule.when.map(|when| when.check(&facts));
            let _ = rule.limits.map(|limits| limits.key(&facts));
            rule.then.iter().for_each(|then| drop(then.render(&facts)));
        }
    }

    #[test]
    fn text_never_panics(text in "[a-z:{}\\[\\]$.\"'#&*|>\n -]{0,80}") {
        let _ = Rule::parse(&text);
    }

    #[test]
    fn expressions_end(source in "[.|,;:?+*/%=<>!$\"'(){}\\[\\] a-e0-3-]{0,40}") {
        let rule = with(&format!("when: {}", json!(format!("${{ {source} }}"))));
        if let Ok(rule) = Rule::parse(&rule) {
            let _ = rule.when.unwrap().check(&facts());
        }
    }
}
