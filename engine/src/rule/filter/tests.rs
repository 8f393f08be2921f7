use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn filters(value: Value) -> Filters {
    Filters::parse(&value.to_string()).unwrap_or_else(|problems| panic!("{value}: {problems:?}"))
}

fn event() -> Value {
    json!({
        "specversion": "1.0", "type": "com.example.order.placed", "source": "/shop", "id": "1",
        "subject": "order_7", "priority": 5, "express": true, "empty": null, "data": { "total": 12 },
    })
}

#[test]
fn each_dialect_passes_what_fits_and_says_where_it_does_not() {
    let cases = [
        (json!({ "exact": { "type": "com.example.order.placed" } }), Ok(())),
        (json!({ "exact": { "type": "com.example.order" } }), Err("/exact/type")),
        (json!({ "exact": { "type": "COM.EXAMPLE.ORDER.PLACED" } }), Err("/exact/type")),
        (json!({ "exact": { "source": "/shop", "subject": "order_8" } }), Err("/exact/subject")),
        (json!({ "prefix": { "type": "com.example.", "subject": "order_" } }), Ok(())),
        (json!({ "prefix": { "type": "com.other." } }), Err("/prefix/type")),
        (json!({ "suffix": { "type": ".placed" } }), Ok(())),
        (json!({ "suffix": { "type": ".paid" } }), Err("/suffix/type")),
        (json!({ "exact": { "priority": "5", "express": "true" } }), Ok(())),
        (json!({ "exact": { "absent": "x" } }), Err("/exact/absent")),
        (json!({ "exact": { "empty": "null" } }), Err("/exact/empty")),
        (json!({ "not": { "exact": { "absent": "x" } } }), Ok(())),
        (json!({ "not": { "prefix": { "source": "/" } } }), Err("/not")),
        (json!({ "any": [{ "exact": { "source": "/a" } }, { "exact": { "source": "/shop" } }] }), Ok(())),
        (json!({ "any": [{ "exact": { "source": "/a" } }] }), Err("/any")),
        (
            json!({ "all": [{ "exact": { "source": "/shop" } }, { "not": { "suffix": { "id": "1" } } }] }),
            Err("/all/1/not"),
        ),
        (json!([]), Ok(())),
        (json!([{ "exact": { "source": "/shop" } }, { "suffix": { "id": "2" } }]), Err("/1/suffix/id")),
    ];
    for (value, expected) in cases {
        assert_eq!(filters(value.clone()).passes(&event()), expected.map_err(str::to_owned), "{value}");
    }
}

#[test]
fn what_is_no_filter_is_refused_with_its_place_and_what_to_do() {
    let cases = [
        ("sql: \"type = 'x'\"", "/sql", "`sql` is not supported", "`exact`, `prefix`, `suffix`"),
        ("5", "", "found a number", "write a filter"),
        ("{}", "", "is empty", "write a filter"),
        ("exact: {}", "/exact", "no attribute", "name one"),
        ("exact: x", "/exact", "expected a mapping", "name: value"),
        ("exact: { type: '' }", "/exact/type", "is empty", "one character"),
        ("exact: { type: 5 }", "/exact/type", "found a number", "in quotes"),
        ("exact: { type: '${ .x }' }", "/exact/type", "constants", "`when`"),
        ("exact: { data: x }", "/exact/data", "do not look at data", "`when`"),
        ("exact: { Type: x }", "/exact/Type", "no name of an attribute", "lower-case"),
        ("exakt: { type: x }", "/exakt", "not a field", "did you mean `exact`?"),
        ("exact: { type: x }\nprefix: { type: x }", "", "one dialect", "a filter of its own"),
        ("any: []", "/any", "the list is empty", "a list of filters"),
        ("all: { exact: { type: x } }", "/all", "found a mapping", "a list of filters"),
        ("not: [{ exact: { type: x } }]", "/not", "expected a mapping", ""),
        ("- exact: { type: x }\n- 7", "/1", "found a number", ""),
    ];
    for (source, pointer, message, fix) in cases {
        let problems = Filters::parse(source).expect_err(source);
        let [problem] = problems.as_slice() else { panic!("{source}: {problems:?}") };
        assert_eq!(problem.pointer, pointer, "{source}: {problem}");
        assert!(problem.message.contains(message) && problem.fix.contains(fix), "{source}: {problem}");
    }
    let problems = Filters::parse("any:\n  - exact: { type: 5 }\n  - sql: x\n").unwrap_err();
    let places: Vec<_> = problems.iter().map(|p| (p.line, p.column, p.pointer.as_str())).collect();
    assert_eq!(places, [(2, 14, "/any/0/exact/type"), (3, 5, "/any/1/sql")]);
    assert_eq!(problems[1].kind.as_deref().map(|kind| kind.ends_with("configuration")), Some(true));
}

#[test]
fn there_is_an_end_to_the_number_of_filters() {
    let many: Vec<Value> = (0..1_001).map(|n| json!({ "exact": { "subject": n.to_string() } })).collect();
    let problems = Filters::parse(&json!({ "any": many }).to_string()).unwrap_err();
    assert!(problems[0].message.contains("more than 1000 filters"), "{problems:?}");
    assert_eq!(problems.len(), 1);
}

#[test]
fn types_are_as_narrow_as_is_simple() {
    let exact = |kind: &str| json!({ "exact": { "type": kind } });
    let prefix = |kind: &str| json!({ "prefix": { "type": kind } });
    let other = json!({ "exact": { "source": "/a" } });
    let cases = [
        (exact("a.b"), (vec!["a.b"], vec![], false)),
        (prefix("a."), (vec![], vec!["a."], false)),
        (json!([other, prefix("a."), exact("a.b")]), (vec!["a.b"], vec![], false)),
        (json!({ "all": [other, prefix("a.")] }), (vec![], vec!["a."], false)),
        (json!({ "any": [exact("b"), exact("a"), exact("b")] }), (vec!["a", "b"], vec![], false)),
        (
            json!({ "any": [prefix("a.b"), prefix("a."), exact("a.x"), exact("z")] }),
            (vec!["z"], vec!["a."], false),
        ),
        (json!({ "any": [exact("a"), other] }), (vec![], vec![], true)),
        (json!({ "not": exact("a") }), (vec![], vec![], true)),
        (json!({ "suffix": { "type": ".b" } }), (vec![], vec![], true)),
        (json!([]), (vec![], vec![], true)),
    ];
    for (value, (exact, prefix, any)) in cases {
        let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect();
        let expected = Types { exact: owned(exact), prefix: owned(prefix), any };
        assert_eq!(filters(value.clone()).types(), expected, "{value}");
    }
}

/// Filters as documents, over few attributes and values, so that many of them pass.
fn any_filter() -> impl Strategy<Value = Value> {
    let name = || prop::sample::select(vec!["type", "subject", "source", "flag"]);
    let leaf = (
        prop::sample::select(vec!["exact", "prefix", "suffix"]),
        prop::collection::btree_map(name(), "[ab.]{1,2}|true|1", 1..3),
    )
        .prop_map(|(dialect, attributes)| json!({ dialect: attributes }));
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|all| json!({ "all": all })),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|any| json!({ "any": any })),
            inner.prop_map(|not| json!({ "not": not })),
        ]
    })
}

fn any_event() -> impl Strategy<Value = Value> {
    let value = prop_oneof![
        "[ab.]{0,3}".prop_map(Value::from),
        Just(json!(true)),
        Just(json!(1)),
        Just(json!(null)),
        Just(json!(["a"])),
    ];
    let kind = prop::option::of("[ab.]{0,3}");
    (kind, prop::collection::btree_map(prop::sample::select(vec!["subject", "source", "flag"]), value, 0..4))
        .prop_map(|(kind, attributes)| {
            let mut event = json!(attributes);
            if let Some(kind) = kind {
                event["type"] = json!(kind);
            }
            event
        })
}

/// The specification once more, over the document itself.
fn oracle(filter: &Value, event: &Value) -> bool {
    let (dialect, inner) = filter.as_object().unwrap().iter().next().unwrap();
    let inside = || inner.as_array().unwrap().iter().map(|filter| oracle(filter, event));
    let text = |name: &str| match &event[name] {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(event[name].to_string()),
        _ => None,
    };
    let attributes = || inner.as_object().unwrap().iter().map(|(name, v)| (text(name), v.as_str().unwrap()));
    match dialect.as_str() {
        "exact" => attributes().all(|(text, wanted)| text.is_some_and(|text| text == wanted)),
        "prefix" => attributes().all(|(text, wanted)| text.is_some_and(|text| text.starts_with(wanted))),
        "suffix" => attributes().all(|(text, wanted)| text.is_some_and(|text| text.ends_with(wanted))),
        "all" => inside().all(|passes| passes),
        "any" => inside().any(|passes| passes),
        _ => !oracle(inner, event),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn filters_agree_with_the_specification(list in prop::collection::vec(any_filter(), 0..3), event in any_event()) {
        let compiled = filters(json!(list));
        let passed = compiled.passes(&event);
        prop_assert_eq!(passed.is_ok(), list.iter().all(|filter| oracle(filter, &event)));
        if let Err(pointer) = passed {
            prop_assert!(json!(list).pointer(&pointer).is_some(), "{} is no place", pointer);
        }
    }

    #[test]
    fn what_passes_is_of_the_types(filter in any_filter(), event in any_event()) {
        let compiled = filters(filter);
        let types = compiled.types();
        let kind = event["type"].as_str();
        if compiled.passes(&event).is_ok() {
            prop_assert!(kind.map_or(types.any, |kind| types.has(kind)), "{:?}", types);
        }
        // A type is found in one way at most.
        let kind = kind.unwrap_or_default();
        let ways = types.exact.iter().filter(|exact| *exact == kind).count()
            + types.prefix.iter().filter(|prefix| kind.starts_with(prefix.as_str())).count()
            + usize::from(types.any);
        prop_assert!(ways <= 1, "{:?}", types);
    }
}
