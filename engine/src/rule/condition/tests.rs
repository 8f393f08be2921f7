use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::rule::reader::Reader;
use crate::workflow::definition::Problem;

fn parse(source: &str) -> Result<Condition, Vec<Problem>> {
    Reader::read(source, |reader, value| Condition::read(reader, value, ""))
}

fn condition(value: &Value) -> Condition {
    parse(&value.to_string()).unwrap_or_else(|problems| panic!("{value}: {problems:?}"))
}

fn clause(field: &str, op: &str, value: Value) -> Condition {
    condition(&json!({ "field": field, "op": op, "value": value }))
}

fn facts() -> Value {
    json!({
        "event": {
            "type": "com.example.order.placed", "subject": "order_1",
            "data": { "total": 100, "name": "Ann", "a.b": [1, { "c": true }], "none": null },
        },
        "entity": { "score": 12, "tags": ["warm", "new"], "ratio": 0.5, "huge": u64::MAX },
    })
}

fn miss(condition: &Condition, facts: &Value) -> Miss {
    match condition.check(facts) {
        Verdict::No(miss) => miss,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_operation_holds_where_it_should() {
    let total = "event.data.total";
    let cases = [
        (total, "eq", json!(100), json!(99)),
        (total, "eq", json!(100.0), json!("100")),
        (total, "ne", json!("100"), json!(100)),
        (total, "gt", json!(99.5), json!(100)),
        (total, "gte", json!(100), json!(100.5)),
        (total, "lt", json!(101), json!(100)),
        (total, "lte", json!(100), json!(99)),
        (total, "in", json!([1, 100.0]), json!(["100"])),
        (total, "exists", json!(true), json!(false)),
        ("event.data.name", "eq", json!("Ann"), json!("ann")),
        ("event.data.name", "gt", json!("Amy"), json!("Bob")),
        ("event.data.name", "lte", json!("Ann"), json!("Amy")),
        ("event.data.name", "contains", json!("nn"), json!("N")),
        ("event.data.name", "startsWith", json!("A"), json!("nn")),
        ("event.data.name", "endsWith", json!("nn"), json!("A")),
        ("event.data.name", "in", json!(["Ann", "Bob"]), json!(["Bob"])),
        ("entity.tags", "contains", json!("warm"), json!("war")),
        ("entity.tags", "eq", json!(["warm", "new"]), json!(["new", "warm"])),
        ("entity.tags.1", "eq", json!("new"), json!("warm")),
        ("event.data.\"a.b\"", "contains", json!({ "c": true }), json!({ "c": false })),
        ("event.data.\"a.b\".0", "eq", json!(1), json!([1])),
        ("event.data.\"a.b\"", "eq", json!([1.0, { "c": true }]), json!([1.0])),
        ("entity.huge", "gt", json!(u64::MAX - 1), json!(u64::MAX)),
        ("entity.huge", "eq", json!(u64::MAX), json!(u64::MAX - 1)),
        ("entity.absent", "ne", json!(1), json!(null)),
        ("entity.absent", "exists", json!(false), json!(true)),
        ("event.data.none", "exists", json!(false), json!(true)),
    ];
    for (field, op, holds, misses) in cases {
        assert_eq!(clause(field, op, holds.clone()).check(&facts()), Verdict::Yes, "{field} {op} {holds}");
        if !misses.is_null() {
            let verdict = clause(field, op, misses.clone()).check(&facts());
            assert!(matches!(verdict, Verdict::No(_)), "{field} {op} {misses}");
        }
    }
    assert_eq!(condition(&json!({ "field": "entity.score", "op": "exists" })).check(&facts()), Verdict::Yes);
}

#[test]
fn what_is_missing_or_of_another_type_fits_nothing() {
    let values = [
        ("eq", json!(1)),
        ("gt", json!(1)),
        ("gte", json!("a")),
        ("lt", json!(1)),
        ("lte", json!("a")),
        ("in", json!([1, "a"])),
        ("contains", json!("a")),
        ("startsWith", json!("a")),
        ("endsWith", json!("a")),
        ("exists", json!(true)),
    ];
    for (op, value) in values {
        for field in ["entity.absent", "event.data.none", "event.data.name.deeper"] {
            let miss = miss(&clause(field, op, value.clone()), &facts());
            assert_eq!(miss.found, None);
            assert!(miss.text.contains("is missing, and should"), "{}", miss.text);
        }
    }
    for (field, op, value) in [
        ("event.data.name", "gt", json!(1)),
        ("event.data.total", "lt", json!("200")),
        ("entity.tags", "gte", json!("a")),
        ("event.data.total", "contains", json!("1")),
        ("event.data.total", "startsWith", json!("1")),
        ("entity", "contains", json!("score")),
    ] {
        let miss = miss(&clause(field, op, value), &facts());
        assert!(miss.text.contains(", which is "), "{}", miss.text);
    }
    let nothing = json!({ "event": {}, "entity": null });
    assert_eq!(miss(&clause("entity.score", "gte", json!(1)), &nothing).found, None);
}

#[test]
fn a_no_names_the_clause_and_the_value() {
    let score = |value: u32| json!({ "field": "entity.score", "op": "gte", "value": value });
    let cases = [
        (score(50), "", "`entity.score` is 12, and should be at least 50", json!(12)),
        (
            json!({ "all": [score(1), { "not": { "field": "entity.tags", "op": "contains", "value": "warm" } }] }),
            "/all/1/not",
            "`entity.tags` is [\"warm\",\"new\"], and should not contain \"warm\"",
            json!(["warm", "new"]),
        ),
        (
            json!({ "any": [score(50), score(60)] }),
            "/any/1",
            "none of 2 clauses holds; the last: `entity.score` is 12, and should be at least 60",
            json!(12),
        ),
        (
            json!({ "not": { "any": [score(50), score(10)] } }),
            "/not/any/1",
            "`entity.score` is 12, and should not be at least 10",
            json!(12),
        ),
        (
            json!({ "not": { "all": [score(1), score(10)] } }),
            "/not/all/1",
            "each of 2 clauses holds, and one should not; the last: `entity.score` is 12, and should not be at least 10",
            json!(12),
        ),
        (
            json!({ "not": { "field": "entity.score", "op": "ne", "value": 13 } }),
            "/not",
            "`entity.score` is 12, and should be 13",
            json!(12),
        ),
        (
            json!({ "field": "entity.score", "op": "exists", "value": false }),
            "",
            "`entity.score` is 12, and should not be there",
            json!(12),
        ),
        (
            json!({ "field": "entity.score", "op": "startsWith", "value": "1" }),
            "",
            "`entity.score` is 12, which is a number, and should begin with \"1\"",
            json!(12),
        ),
        (
            json!({ "all": ["${ .event.data.total > 100 }"] }),
            "/all/0",
            "`${ .event.data.total > 100 }` is false, and should be true",
            json!(null),
        ),
    ];
    for (value, at, text, found) in cases {
        let found = (!found.is_null()).then_some(found);
        let expected = Miss { clause: at.to_owned(), text: text.to_owned(), found };
        assert_eq!(miss(&condition(&value), &facts()), expected, "{value}");
    }
}

#[test]
fn what_was_found_is_kept_short() {
    let facts = json!({ "event": { "data": { "text": "\"é".repeat(10_000) } }, "entity": null });
    let miss = miss(&clause("event.data.text", "eq", json!("z".repeat(10_000))), &facts);
    assert!(serde_json::to_string(&miss.found).unwrap().len() <= 256);
    assert!(miss.text.len() < 300, "{}", miss.text);
    let again: Miss = serde_json::from_value(serde_json::to_value(&miss).unwrap()).unwrap();
    assert_eq!(again, miss);
}

#[test]
fn an_expression_that_gives_no_answer_is_broken_unless_it_does_not_matter() {
    let (yes, no) = (json!("${ true }"), json!("${ false }"));
    for (broken, why) in [
        ("${ .event.data.total + \"x\" }", "/when"),
        ("${ .event.data.total }", "gives true or false, not 100"),
        ("${ empty }", "not null"),
        ("${ .entity.absent }", "not null"),
        ("${ [range(1e9)] == [] }", "/when"),
    ] {
        let Verdict::Broken(told) = condition(&json!(broken)).check(&facts()) else { panic!("{broken}") };
        assert!(told.contains(why), "{broken}: {told}");
        let broken = json!(broken);
        for (value, decided) in [
            (json!({ "not": broken }), None),
            (json!({ "all": [broken, yes] }), None),
            (json!({ "all": [broken, no] }), Some(false)),
            (json!({ "all": [no, broken] }), Some(false)),
            (json!({ "any": [broken, no] }), None),
            (json!({ "any": [broken, yes] }), Some(true)),
            (json!({ "any": [yes, broken] }), Some(true)),
        ] {
            let verdict = condition(&value).check(&facts());
            assert_eq!(answer(&verdict), decided, "{value}: {verdict:?}");
        }
    }
}

#[test]
fn whether_the_entity_is_read_is_known() {
    for (value, reads) in [
        (json!({ "field": "entity.score", "op": "exists" }), true),
        (json!({ "field": "event.data.entity", "op": "exists" }), false),
        (json!({ "any": [{ "not": { "field": "entity", "op": "exists" } }] }), true),
        (json!("${ .entity.score > .event.data.total }"), true),
        (json!({ "all": ["${ .event.data.total > 1 }"] }), false),
    ] {
        assert_eq!(condition(&value).reads_entity(), reads, "{value}");
    }
}

#[test]
fn what_is_no_condition_is_refused_with_its_place_and_what_to_do() {
    let cases = [
        ("yes", "", "no expression", "`${ }`"),
        ("5", "", "found a number", "write a clause"),
        ("[]", "", "all or any", "`all: [...]`"),
        ("{}", "", "is empty", "write a clause"),
        ("all: []", "/all", "is empty", "list of clauses"),
        ("anny: []", "/anny", "not a field", "did you mean `any`?"),
        ("{ field: entity.x, op: eq }", "", "`value` is missing", "constant"),
        ("{ field: entity.x, value: 1 }", "", "`op` is missing", "add `op`"),
        ("{ op: eq, value: 1 }", "", "`field` is missing", "add `field`"),
        ("{ field: 5, op: eq, value: 1 }", "/field", "found a number", "in quotes"),
        ("{ field: entiy.x, op: eq, value: 1 }", "/field", "neither", "did you mean `entity`?"),
        ("{ field: 'event.a[0]', op: eq, value: 1 }", "/field", "is no path", "`entity.tags.0`"),
        ("{ field: entity.x, op: gteq, value: 1 }", "/op", "no operation", "did you mean `gte`?"),
        ("{ field: entity.x, op: '>', value: 1 }", "/op", "no operation", "`startsWith`"),
        ("{ field: entity.x, op: eq, value: null }", "/value", "with nothing", "`exists`"),
        ("{ field: entity.x, op: gt, value: [1] }", "/value", "with a list", "a number or a text"),
        ("{ field: entity.x, op: in, value: a }", "/value", "with text", "a list"),
        ("{ field: entity.x, op: in, value: [] }", "/value", "with a list", "a list of values"),
        ("{ field: entity.x, op: endsWith, value: 1 }", "/value", "with a number", "a text"),
        ("{ field: entity.x, op: exists, value: 1 }", "/value", "with a number", "`true`"),
        ("{ field: entity.x, op: in, value: ['${ .event.id }'] }", "/value", "a constant", "expression"),
        ("{ field: entity.x, op: eq, value: 1, valeu: 2 }", "/valeu", "not a field", ""),
        ("{ not: { field: entity.x, op: exists }, any: ['${ true }'] }", "", "is one of", "under `all`"),
        ("${ .event. + }", "", "does not compile", "`.event` and `.entity`"),
        ("{ not: '${ input }' }", "/not", "does not compile", ""),
    ];
    for (source, pointer, message, fix) in cases {
        let problems = parse(source).expect_err(source);
        let [problem] = problems.as_slice() else { panic!("{source}: {problems:?}") };
        assert_eq!(problem.pointer, pointer, "{source}: {problem}");
        assert!(problem.message.contains(message) && problem.fix.contains(fix), "{source}: {problem}");
    }
    let problems = parse("all:\n  - { field: x, op: y }\n  - $\n  - ${ nix }\n").unwrap_err();
    let places: Vec<_> = problems.iter().map(|p| (p.line, p.pointer.as_str())).collect();
    assert_eq!(places, [(2, "/all/0/field"), (2, "/all/0/op"), (3, "/all/1"), (4, "/all/2")]);
}

#[test]
fn there_is_an_end_to_the_number_of_clauses_and_expressions() {
    let clause = json!({ "field": "entity.score", "op": "exists" });
    let problems = parse(&json!({ "all": vec![clause; 1_000] }).to_string()).unwrap_err();
    assert!(problems[0].message.contains("more than 1000"), "{problems:?}");
    let problems = parse(&json!({ "all": vec!["${ true }"; 17] }).to_string()).unwrap_err();
    assert!(problems[0].message.contains("more than 16 conditions"), "{problems:?}");
}

fn answer(verdict: &Verdict) -> Option<bool> {
    match verdict {
        Verdict::Yes => Some(true),
        Verdict::No(_) => Some(false),
        Verdict::Broken(_) => None,
    }
}

/// Conditions as documents, over facts of a few small fields.
fn any_condition() -> impl Strategy<Value = Value> {
    let field =
        prop::sample::select(vec!["entity.a", "entity.b", "event.data.a", "event.data.c.0", "entity"]);
    let constant = prop_oneof![(0..3i64).prop_map(Value::from), "[ab]{0,2}".prop_map(Value::from)];
    let clause =
        (field, prop::sample::select(&Operation::ALL[..]), constant).prop_map(|(field, op, constant)| {
            let value = match op.1 {
                Operation::Exists => json!(constant == json!(0)),
                Operation::In => json!([constant, 1]),
                Operation::StartsWith | Operation::EndsWith => json!(constant.as_str().unwrap_or("a")),
                _ => constant,
            };
            json!({ "field": field, "op": op.0, "value": value })
        });
    let expression =
        prop::sample::select(vec!["${ true }", "${ false }", "${ .event.data.a }", "${ error }"]);
    let leaf = prop_oneof![4 => clause, 1 => expression.prop_map(Value::from)];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|all| json!({ "all": all })),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|any| json!({ "any": any })),
            inner.prop_map(|not| json!({ "not": not })),
        ]
    })
}

fn any_facts() -> impl Strategy<Value = Value> {
    let value = || {
        prop_oneof![
            Just(json!(null)),
            (0..3i64).prop_map(Value::from),
            "[ab]{0,2}".prop_map(Value::from),
            Just(json!(["a", 1])),
            any::<bool>().prop_map(Value::from),
        ]
    };
    (value(), value(), value(), value(), any::<bool>()).prop_map(|(a, b, c, d, known)| {
        let entity = if known { json!({ "a": a, "b": b }) } else { json!(null) };
        json!({ "event": { "data": { "a": c, "c": [d] } }, "entity": entity })
    })
}

/// What a condition says by the logic of three values; only leaves are asked.
fn logic(document: &Value, facts: &Value) -> Option<bool> {
    let inside = |list: &Value| -> Vec<Option<bool>> {
        list.as_array().unwrap().iter().map(|inner| logic(inner, facts)).collect()
    };
    let decided = |list: Vec<Option<bool>>, by: bool| match list.contains(&Some(by)) {
        true => Some(by),
        false if list.contains(&None) => None,
        false => Some(!by),
    };
    match document.as_object().and_then(|map| map.iter().next().filter(|_| map.len() == 1)) {
        Some((name, list)) if name == "all" => decided(inside(list), false),
        Some((name, list)) if name == "any" => decided(inside(list), true),
        Some((_, inner)) => logic(inner, facts).map(|holds| !holds),
        None => answer(&condition(document).check(facts)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn conditions_are_logic(document in any_condition(), facts in any_facts()) {
        let verdict = condition(&document).check(&facts);
        prop_assert_eq!(answer(&verdict), logic(&document, &facts));
        let negated = json!({ "not": document });
        prop_assert_eq!(answer(&condition(&negated).check(&facts)), answer(&verdict).map(|holds| !holds));
        if let Verdict::No(miss) = verdict {
            prop_assert!(document.pointer(&miss.clause).is_some(), "{} is no place", miss.clause);
            prop_assert!(miss.text.contains("should"), "{}", miss.text);
        }
    }

    #[test]
    fn an_operation_and_its_opposite_part_what_fits(a in 0..4i64, b in 0..4i64) {
        let facts = json!({ "event": {}, "entity": { "a": a } });
        let holds = |op: &str| clause("entity.a", op, json!(b)).check(&facts) == Verdict::Yes;
        prop_assert_ne!(holds("eq"), holds("ne"));
        prop_assert_ne!(holds("gt"), holds("lte"));
        prop_assert_ne!(holds("lt"), holds("gte"));
        prop_assert_eq!(holds("lte"), holds("lt") || holds("eq"));
    }
}
