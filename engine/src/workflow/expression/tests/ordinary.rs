//! Expressions as workflows use them.

use serde_json::{Value, json};

use super::*;

fn check(cases: &[(&str, Value, Value)]) {
    for (source, input, expected) in cases {
        let result = run(source, input);
        assert_eq!(result.as_ref(), Ok(expected), "{source} on {input}");
        let exact = result.map(|value| value.to_string());
        assert_eq!(
            exact,
            Ok(expected.to_string()),
            "{source} on {input} differs in order or in kind of number"
        );
    }
}

#[test]
fn paths_and_objects() {
    check(&[
        (".", json!({"a": 1}), json!({"a": 1})),
        (".a.b", json!({"a": {"b": 3}}), json!(3)),
        (".a.b", json!(null), json!(null)),
        (".a[0].b", json!({"a": [{"b": "x"}]}), json!("x")),
        (".a[-1]", json!({"a": [1, 2]}), json!(2)),
        (".a[1:]", json!({"a": [1, 2, 3]}), json!([2, 3])),
        (".[2:4]", json!("häßlich"), json!("ßl")),
        (".\"a b\"", json!({"a b": 1}), json!(1)),
        (".a?", json!(1), json!(null)),
        (".pets | map(.name)", json!({"pets": [{"name": "a"}, {"name": "b"}]}), json!(["a", "b"])),
        (
            "[.pets[] | select(.age > 2) | .name]",
            json!({"pets": [{"name": "a", "age": 1}, {"name": "b", "age": 3}]}),
            json!(["b"]),
        ),
        (
            "{a: .b, \"c d\": 1, (.k): 2, b}",
            json!({"b": 1, "k": "z"}),
            json!({"a": 1, "c d": 1, "z": 2, "b": 1}),
        ),
        ("{z: 1, a: 2}", json!(null), json!({"z": 1, "a": 2})),
        (". * {a: {c: 2}}", json!({"a": {"b": 1}}), json!({"a": {"b": 1, "c": 2}})),
        (". + {a: 2}", json!({"a": 1, "b": 1}), json!({"a": 2, "b": 1})),
        (".a = 1 | .b.c = 2 | .d[2] = 3", json!(null), json!({"a": 1, "b": {"c": 2}, "d": [null, null, 3]})),
        (".a += 1 | .b |= ascii_upcase", json!({"a": 1, "b": "x"}), json!({"a": 2, "b": "X"})),
        (".[] += 1", json!([1, 2]), json!([2, 3])),
        ("del(.a, .b[0])", json!({"a": 1, "b": [1, 2]}), json!({"b": [2]})),
        ("del(.[0, 2])", json!([1, 2, 3]), json!([2])),
        ("del(.a.b, .c[0].d, .e)", json!({"c": [{"d": 1, "f": 2}]}), json!({"c": [{"f": 2}]})),
        ("del(.[1:3])", json!([1, 2, 3, 4]), json!([1, 4])),
        ("del(.[] | select(. > 2))", json!([1, 3, 2, 4]), json!([1, 2])),
        ("[leaf_paths]", json!({"a": [1]}), json!([["a", 0]])),
        ("map_values(. + 1)", json!({"a": 1}), json!({"a": 2})),
        ("map_values(empty)", json!({"a": 1}), json!({})),
        ("walk(if type == \"number\" then . + 1 else . end)", json!([1, {"a": 2}]), json!([2, {"a": 3}])),
        ("[paths]", json!({"a": [1]}), json!([["a"], ["a", 0]])),
        ("getpath([\"a\", 0])", json!({"a": [1]}), json!(1)),
        ("setpath([\"a\", 0]; 1)", json!(null), json!({"a": [1]})),
        ("[path(.a[].b?)]", json!({"a": [{"b": 1}]}), json!([["a", 0, "b"]])),
        ("pick(.a.b)", json!({"a": {"b": 1, "c": 2}}), json!({"a": {"b": 1}})),
        ("[.. | numbers]", json!([1, [2]]), json!([1, 2])),
        ("[limit(3; repeat(. * 2))]", json!(1), json!([1, 2, 4])),
        ("first(range(10; 0; -3)), 1", json!(null), json!(10)),
        ("[recurse(if . < 3 then . + 1 else empty end)]", json!(0), json!([0, 1, 2, 3])),
        ("[while(. < 10; . * 2)]", json!(1), json!([1, 2, 4, 8])),
        ("until(. > 100; . * 2)", json!(1), json!(128)),
        (".a[1:3] = [9]", json!({"a": [1, 2, 3, 4]}), json!({"a": [1, 9, 4]})),
        ("empty", json!(1), json!(null)),
        ("def f(x): x * 2; f(.a)", json!({"a": 2}), json!(4)),
        ("def f($x): $x + 1; f(1)", json!(null), json!(2)),
        ("# a comment\n1", json!(null), json!(1)),
        ("label $out | 1, break $out, 2", json!(null), json!(1)),
    ]);
}

#[test]
fn numbers() {
    check(&[
        (".", json!(3), json!(3)),
        (".", json!(3.0), json!(3.0)),
        (".a + 1", json!({"a": 9_007_199_254_740_993_i64}), json!(9_007_199_254_740_994_i64)),
        (".[0] + .[1]", json!([i64::MAX - 1, 1]), json!(i64::MAX)),
        (". * 1", json!(u64::MAX), json!(u64::MAX)),
        (".", json!(u64::MAX), json!(u64::MAX)),
        ("-.", json!(i64::MIN), json!(9_223_372_036_854_775_808_u64)),
        ("9223372036854775807 + 0", json!(null), json!(i64::MAX)),
        ("6 / 2", json!(null), json!(3)),
        ("7 / 2", json!(null), json!(3.5)),
        ("1.5 * 2", json!(null), json!(3)),
        ("0.1 + 0.2", json!(null), json!(0.1 + 0.2)),
        ("1e3", json!(null), json!(1000)),
        ("[7 % 3, -7 % 3, 7 % -3, 5.9 % 2]", json!(null), json!([1, -1, 1, 1])),
        ("map(floor)", json!([1.7, -1.2, 3]), json!([1, -2, 3])),
        ("map(ceil, round)", json!([1.5]), json!([2, 2])),
        ("[sqrt, pow(.; 2), log2, fabs]", json!(4), json!([2, 16, 2, 4])),
        ("nan", json!(null), json!(null)),
        ("infinite", json!(null), json!(f64::MAX)),
        ("[nan, 1, null] | sort | map(isnan? // false)", json!(null), json!([false, true, false])),
        ("nan == nan", json!(null), json!(false)),
        (
            "map(tonumber)",
            json!(["1", "1.50", "-2e1", "9007199254740993"]),
            json!([1, 1.5, -20, 9_007_199_254_740_993_i64]),
        ),
        (
            "map(tostring)",
            json!([1, "a", 2.5, [1, 2], null, {"b": 1}]),
            json!(["1", "a", "2.5", "[1,2]", "null", "{\"b\":1}"]),
        ),
        (
            "[1 < 1.5, 1 == 1.0, 9007199254740993 == 9007199254740992]",
            json!(null),
            json!([true, true, false]),
        ),
        ("abs", json!(-5), json!(5)),
        ("now", json!(null), json!(1_700_000_000.5)),
        ("[10, 3, 4] | (add / length * 100 | round) / 100", json!(null), json!(5.67)),
    ]);
}

#[test]
fn logic() {
    check(&[
        ("if . > 1 then \"a\" elif . == 1 then \"b\" else \"c\" end", json!(1), json!("b")),
        ("if . then 1 end", json!(false), json!(false)),
        (".a // \"none\"", json!({}), json!("none")),
        (".a // empty // 1", json!({"a": false}), json!(1)),
        ("try error(\"x\") catch .", json!(null), json!("x")),
        ("try error({a: 1}) catch .a", json!(null), json!(1)),
        ("(.a.b.c)? // \"no\"", json!({"a": 1}), json!("no")),
        (". and (not | not)", json!(true), json!(true)),
        ("[true, false | not]", json!(null), json!([false, true])),
        ("any(.[]; . > 2)", json!([1, 3]), json!(true)),
        ("all(. > 0)", json!([1, 3]), json!(true)),
        ("[any, all]", json!([true, false]), json!([true, false])),
        (
            "map(type)",
            json!([null, true, 1, "", [], {}]),
            json!(["null", "boolean", "number", "string", "array", "object"]),
        ),
        (". as [$a, {b: $c}] | $a + $c", json!([1, {"b": 2}]), json!(3)),
        ("reduce .[] as $x (0; . + $x)", json!([1, 2, 3]), json!(6)),
        ("[foreach .[] as $x (0; . + $x; [$x, .])]", json!([1, 2]), json!([[1, 1], [2, 3]])),
        ("isvalid(error)", json!(1), json!(false)),
        ("[.[] | tojson | fromjson]", json!([1, "a", {"b": [null]}]), json!([1, "a", {"b": [null]}])),
        ("isempty(empty)", json!(null), json!(true)),
        ("\"true\" | toboolean", json!(null), json!(true)),
    ]);
}

#[test]
fn collections() {
    check(&[
        ("map(length)", json!([null, "äb", [1], {"a": 1}, -3]), json!([0, 2, 1, 1, 3])),
        ("add", json!([1, 2]), json!(3)),
        ("add", json!(["a", "b"]), json!("ab")),
        ("add", json!([]), json!(null)),
        ("add(.[].a)", json!([{"a": 1}, {"a": 2}]), json!(3)),
        ("keys", json!({"b": 1, "a": 2}), json!(["a", "b"])),
        ("keys_unsorted", json!({"b": 1, "a": 2}), json!(["b", "a"])),
        ("[has(\"a\"), has(\"b\")]", json!({"a": null}), json!([true, false])),
        ("[has(0), has(1)]", json!([1]), json!([true, false])),
        ("to_entries", json!({"b": 1}), json!([{"key": "b", "value": 1}])),
        (
            "from_entries",
            json!([{"key": "a", "value": 1}, {"name": "b", "value": false}, {"k": 1, "v": 2}]),
            json!({"a": 1, "b": false, "1": 2}),
        ),
        ("with_entries(.value += 1)", json!({"b": 1, "a": 2}), json!({"b": 2, "a": 3})),
        ("group_by(.a) | map(length)", json!([{"a": 2}, {"a": 1}, {"a": 2}]), json!([1, 2])),
        (
            "sort_by(.a, .b) | map(.b)",
            json!([{"a": 2, "b": 1}, {"a": 1, "b": 3}, {"a": 1, "b": 2}]),
            json!([2, 3, 1]),
        ),
        ("sort", json!([{}, [], "a", 1, true, false, null]), json!([null, false, true, 1, "a", [], {}])),
        ("unique", json!([2, 1, 2]), json!([1, 2])),
        ("unique_by(.a)", json!([{"a": 1, "b": 1}, {"a": 1, "b": 2}]), json!([{"a": 1, "b": 1}])),
        ("[min, max]", json!([2, 1, 3]), json!([1, 3])),
        ("[min_by(.a).a, max_by(.a).a]", json!([{"a": 2}, {"a": 1}]), json!([1, 2])),
        ("min", json!([]), json!(null)),
        ("reverse", json!([1, 2]), json!([2, 1])),
        ("flatten", json!([1, [2, [3]]]), json!([1, 2, 3])),
        ("flatten(1)", json!([1, [2, [3]]]), json!([1, 2, [3]])),
        ("[first, last, nth(1)]", json!([1, 2, 3]), json!([1, 3, 2])),
        ("[first(.[]), last(.[]), nth(1; .[])]", json!([1, 2, 3]), json!([1, 3, 2])),
        ("contains({a: [\"b\"]})", json!({"a": ["abc"], "c": 1}), json!(true)),
        ("inside([1, 2])", json!([1]), json!(true)),
        ("[indices(1), index(1), rindex(1)]", json!([1, 2, 1]), json!([[0, 2], 0, 2])),
        ("indices(\"aa\")", json!("aaa"), json!([0, 1])),
        ("transpose", json!([[1, 2], [3]]), json!([[1, 3], [2, null]])),
        ("[combinations]", json!([[1, 2], [3, 4]]), json!([[1, 3], [1, 4], [2, 3], [2, 4]])),
        (". - [1]", json!([1, 2, 1]), json!([2])),
        ("[range(3)], [range(1; 7; 3)]", json!(null), json!([0, 1, 2])),
        ("[range(1; 7; 3)]", json!(null), json!([1, 4])),
        ("bsearch(2)", json!([1, 2]), json!(1)),
        ("[.[] | arrays, scalars]", json!([[1], 2]), json!([[1], 2])),
        ("tojson", json!({"b": [1, 2.5, "x"], "a": null}), json!("{\"b\":[1,2.5,\"x\"],\"a\":null}")),
        ("[limit(2; .[])], [skip(1; .[])]", json!([1, 2, 3]), json!([1, 2])),
    ]);
}

#[test]
fn text() {
    check(&[
        (
            "\"Dear \\(.name), you are \\(.age)\"",
            json!({"name": "Ann", "age": 3}),
            json!("Dear Ann, you are 3"),
        ),
        ("ascii_downcase, 1", json!("AbC"), json!("abc")),
        ("[startswith(\"a\"), endswith(\"b\")]", json!("ab"), json!([true, true])),
        (
            "[ltrimstr(\"a\"), rtrimstr(\"c\"), trimstr(\"x\"), (1 | ltrimstr(\"a\"))]",
            json!("abc"),
            json!(["bc", "ab", "abc", 1]),
        ),
        ("[trim, ltrim, rtrim]", json!(" a "), json!(["a", "a ", " a"])),
        ("split(\", \")", json!("a, b"), json!(["a", "b"])),
        ("split(\"\")", json!("äb"), json!(["ä", "b"])),
        ("join(\"-\")", json!(["a", 1, null, true]), json!("a-1--true")),
        (". * 2", json!("ab"), json!("abab")),
        (". * 0", json!("ab"), json!(null)),
        ("explode | implode", json!("aß😀"), json!("aß😀")),
        ("@uri \"?q=\\(.q)\"", json!({"q": "a b&ü"}), json!("?q=a%20b%26%C3%BC")),
        ("@base64, 1", json!("Hellö"), json!("SGVsbMO2")),
        (
            "map(@base64 | @base64d)",
            json!(["", "a", "ab", "abc", "abcd"]),
            json!(["", "a", "ab", "abc", "abcd"]),
        ),
        ("@html", json!("<a href='x'>&"), json!("&lt;a href=&#39;x&#39;&gt;&amp;")),
        ("@csv", json!(["a\"b", 1, null, true]), json!("\"a\"\"b\",1,,true")),
        ("@tsv", json!(["a\tb", 1]), json!("a\\tb\t1")),
        ("@sh", json!(["it's", 1]), json!("'it'\\''s' 1")),
        ("@json", json!([1, "a"]), json!("[1,\"a\"]")),
        ("@text", json!([1]), json!("[1]")),
        ("\"a%20b\" | @urid", json!(null), json!("a b")),
        ("test(\"^[a-z]+@[a-z.]+$\")", json!("ann@example.org"), json!(true)),
        ("test(\"ANN\"; \"i\")", json!("ann"), json!(true)),
        (
            "[match(\"(?<x>a)|(b)\"; \"g\")] | map(.offset, .captures[0].name)",
            json!("äab"),
            json!([1, "x", 2, "x"]),
        ),
        (
            "match(\"(b)(c)?\")",
            json!("ab"),
            json!({"offset": 1, "length": 1, "string": "b", "captures": [
            {"offset": 1, "length": 1, "string": "b", "name": null},
            {"offset": -1, "length": 0, "string": null, "name": null}]}),
        ),
        (
            "capture(\"(?<user>[^@]+)@(?<host>.+)\")",
            json!("ann@example.org"),
            json!({"user": "ann", "host": "example.org"}),
        ),
        ("[scan(\"[0-9]+\")]", json!("a1b22"), json!(["1", "22"])),
        ("[scan(\"([a-z])([0-9])\")]", json!("a1b2"), json!([["a", "1"], ["b", "2"]])),
        ("split(\", *\"; null)", json!("a, b,c"), json!(["a", "b", "c"])),
        ("[splits(\"[,;]\")]", json!("a,b;c"), json!(["a", "b", "c"])),
        ("sub(\"(?<x>[0-9])\"; \"<\\(.x)>\")", json!("a1b2"), json!("a<1>b2")),
        ("gsub(\"(?<x>[0-9])\"; \"<\\(.x)>\")", json!("a1b2"), json!("a<1>b<2>")),
        ("gsub(\"\\\\s+\"; \" \")", json!("a  b\t\nc"), json!("a b c")),
        ("gsub(\"\"; \"-\")", json!("ab"), json!("-a-b-")),
        ("[.[2:], .[:-1], .[-1:]]", json!("abc"), json!(["c", "ab", "c"])),
        ("ascii", json!(65), json!("A")),
        ("utf8bytelength", json!("ä"), json!(2)),
        ("contains(\"bc\")", json!("abcd"), json!(true)),
        ("\"a\\nb\\u00e9\\\"\"", json!(null), json!("a\nbé\"")),
        ("tojson", json!("a\"\n"), json!("\"a\\\"\\n\"")),
    ]);
}

#[test]
fn times() {
    check(&[
        ("todate", json!(1_425_599_507), json!("2015-03-05T23:51:47Z")),
        ("fromdate", json!("2015-03-05T23:51:47Z"), json!(1_425_599_507)),
        ("fromdate", json!("2015-03-06T00:51:47+01:00"), json!(1_425_599_507)),
        ("strftime(\"%A, %d %B %Y\")", json!(1_425_599_507), json!("Thursday, 05 March 2015")),
        ("gmtime", json!(1_425_599_507), json!([2015, 2, 5, 23, 51, 47, 4, 63])),
        ("gmtime | mktime", json!(1_425_599_507), json!(1_425_599_507)),
        ("strptime(\"%Y-%m-%dT%H:%M:%SZ\") | mktime", json!("2015-03-05T23:51:47Z"), json!(1_425_599_507)),
        ("now | todate", json!(null), json!("2023-11-14T22:13:20Z")),
        ("now | strftime(\"%s\") | tonumber", json!(null), json!(1_700_000_000)),
        ("(now - 86400 | todate) < (now | todate)", json!(null), json!(true)),
    ]);
}

#[test]
fn variables() {
    let expression =
        Expression::compile("$context.x + $n | {value: ., $n}", &["context", "unused", "n"]).unwrap();
    let (context, unused, n) = (json!({"x": 1}), json!("?"), json!(2));
    let value = expression.evaluate(&json!(null), &[&context, &unused, &n], 0, &Limits::default());
    assert_eq!(value, Ok(json!({"value": 3, "n": 2})));
    let value = expression.evaluate(&json!(null), &[&context], 0, &Limits::default());
    assert_eq!(value, Err(EvalError::Variables { expected: 3, given: 1 }));

    let path = Expression::compile("$context.x", &["context"]).unwrap();
    assert_eq!(path.evaluate(&json!(null), &[&context], 0, &Limits::default()), Ok(json!(1)));
    assert_eq!(path.source(), "$context.x");
}

#[test]
fn several_outputs() {
    let expression = Expression::compile("1, 2, 3", &[]).unwrap();
    let limits = Limits { max_outputs: 3, ..Limits::default() };
    assert_eq!(expression.evaluate_all(&json!(0), &[], 0, &limits), Ok(vec![json!(1), json!(2), json!(3)]));
    assert_eq!(expression.evaluate(&json!(0), &[], 0, &Limits::default()), Ok(json!(1)));
    let refused = expression.evaluate_all(&json!(0), &[], 0, &Limits::default());
    assert_eq!(refused, Err(EvalError::Outputs { limit: 1 }));
}

#[test]
fn messages() {
    let failures = [
        ("error(\"no stock\")", json!(null), "expression failed: no stock"),
        (".a.b", json!({"a": 1}), "expression failed: cannot index 1 with \"b\""),
        (".a + 1", json!({"a": "x"}), "expression failed: cannot calculate \"x\" + 1"),
        ("1 / .", json!(0), "expression failed: cannot divide 1 by zero"),
        ("error", json!({"code": 1}), "expression failed: {\"code\":1}"),
        (".a |", json!(0), "compile: expression has an error at byte 4: expected term"),
        ("frob(1)", json!(0), "compile: expression uses the unknown function \"frob\" at byte 0"),
        (
            "1 | map",
            json!(0),
            "compile: expression uses the unknown function \"map\" at byte 4: it takes [1] arguments, not 0",
        ),
        ("1 + $x", json!(0), "compile: expression uses the unknown variable \"$x\" at byte 4"),
        (
            "test(\"(\")",
            json!("a"),
            "expression failed: \"(\" is no regular expression: a group is not closed",
        ),
    ];
    for (source, input, message) in failures {
        assert_eq!(run(source, &input), Err(message.to_owned()), "{source}");
    }
}

#[test]
fn runtime_expressions() {
    assert_eq!(unwrap_expression("${ .a }"), Some(".a"));
    assert_eq!(unwrap_expression("  ${.a} "), Some(".a"));
    assert_eq!(unwrap_expression("${ {a: 1} }"), Some("{a: 1}"));
    for text in ["", "$", "${", "a ${ .b }", "{ .a }", "${ .a } b", "}"] {
        assert_eq!(unwrap_expression(text), None, "{text}");
    }
}

#[test]
fn templates() {
    let value = json!({
        "to": "${ .lead.email }", "n": 1, "list": ["${ $count + 1 }", "plain", {"deep": "${ .none }"}],
        "same": {"a": ["b", 1.0]}
    });
    let template = Template::compile(&value, &["count"]).unwrap();
    assert!(!template.is_literal());
    let (input, count) = (json!({"lead": {"email": "a@b.c"}}), json!(1));
    let filled = template.evaluate(&input, &[&count], 0, &Limits::default());
    let expected = json!({
        "to": "a@b.c", "n": 1, "list": [2, "plain", {"deep": null}], "same": {"a": ["b", 1.0]}
    });
    assert_eq!(filled, Ok(expected));

    let literal = Template::compile(&json!([1, {"a": "b"}]), &[]).unwrap();
    assert_eq!(literal.literal(), Some(&json!([1, {"a": "b"}])));

    let wrong = Template::compile(&json!({"a/b": [0, "${ .a + }"]}), &[]).unwrap_err();
    assert!(matches!(&wrong, CompileError::InTemplate { pointer, .. } if pointer == "/a~1b/1"), "{wrong:?}");

    let greedy = Template::compile(&json!(vec!["${ [range(60000)] | length }"; 20]), &[]).unwrap();
    let stopped = greedy.evaluate(&json!(null), &[], 0, &Limits::default());
    assert_eq!(
        stopped,
        Err(EvalError::Fuel { limit: 1_000_000 }),
        "all expressions of a template share its fuel"
    );
}

#[test]
fn expressions_cross_threads() {
    fn crosses<T: Send + Sync + Clone>() {}
    crosses::<Expression>();
    crosses::<Template>();
}
