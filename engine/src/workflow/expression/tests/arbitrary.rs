//! Expressions at random: whatever they are, they end, and nothing panics.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn holds(source: String, input: Value) -> Result<(), TestCaseError> {
    let shown = source.clone();
    let result = on_small_stack("random", move || run(&source, &input));
    let panicked = result.is_err_and(|message| message.contains("panic"));
    prop_assert!(!panicked, "{shown}");
    Ok(())
}

fn input() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-cä0-9 ]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-c]", inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn expression() -> impl Strategy<Value = String> {
    let names: Vec<&'static str> = vec![
        "length",
        "add",
        "keys",
        "tojson",
        "fromjson",
        "tostring",
        "tonumber",
        "sort",
        "unique",
        "reverse",
        "flatten",
        "to_entries",
        "from_entries",
        "explode",
        "implode",
        "min",
        "max",
        "floor",
        "todate",
        "fromdate",
        "gmtime",
        "mktime",
        "transpose",
        "any",
        "all",
        "not",
        "type",
        "values",
        "first",
        "last",
        "recurse",
        "paths",
        "combinations",
        "trim",
        "ascii_downcase",
        "utf8bytelength",
        "isnan",
        "abs",
        "sqrt",
        "error",
        "empty",
        "now",
        "nan",
        "infinite",
        "@csv",
        "@sh",
        "@html",
        "@uri",
        "@base64",
        "@base64d",
        "@tsv",
        "@json",
        "toarray",
        "tojson",
        "ascii",
    ];
    let calls: Vec<&'static str> = vec![
        "map",
        "select",
        "recurse",
        "repeat",
        "first",
        "last",
        "path",
        "del",
        "paths",
        "walk",
        "map_values",
        "sort_by",
        "group_by",
        "unique_by",
        "min_by",
        "any",
        "all",
        "isempty",
        "has",
        "contains",
        "inside",
        "in",
        "range",
        "split",
        "join",
        "indices",
        "test",
        "match",
        "scan",
        "splits",
        "capture",
        "getpath",
        "delpaths",
        "pick",
        "ltrimstr",
        "startswith",
        "error",
        "with_entries",
        "flatten",
        "nth",
        "combinations",
        "bsearch",
        "strftime",
        "strptime",
        "add",
        "isvalid",
    ];
    let pairs: Vec<&'static str> = vec![
        "limit", "skip", "until", "while", "recurse", "range", "sub", "gsub", "setpath", "any", "pow", "nth",
        "test",
    ];
    let operators: Vec<&'static str> = vec![
        "+", "-", "*", "/", "%", "|", ",", "//", "==", "<", ">=", "and", "or", "=", "|=", "+=", "//=", "*=",
    ];
    let leaf = prop_oneof![
        Just(".".to_owned()),
        Just("..".to_owned()),
        Just(".a".to_owned()),
        Just(".[]".to_owned()),
        Just("$x".to_owned()),
        Just(".[]?".to_owned()),
        Just("null".to_owned()),
        "-?[0-9]{1,19}".prop_map(|number| format!("({number})")),
        "[0-9]{1,3}e[0-9]{1,3}",
        "\"[a-c(*|+.\\[]{0,4}\"",
        prop::sample::select(names).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(5, 24, 3, move |inner| {
        let (a, b, c) = (inner.clone(), inner.clone(), inner.clone());
        prop_oneof![
            (a.clone(), prop::sample::select(operators.clone()), b.clone())
                .prop_map(|(a, o, b)| format!("({a} {o} {b})")),
            (prop::sample::select(calls.clone()), a.clone()).prop_map(|(f, a)| format!("{f}({a})")),
            (prop::sample::select(pairs.clone()), a.clone(), b.clone())
                .prop_map(|(f, a, b)| format!("{f}({a}; {b})")),
            a.clone().prop_map(|a| format!("[{a}]")),
            (a.clone(), b.clone()).prop_map(|(a, b)| format!("{{({a}): {b}}}")),
            a.clone().prop_map(|a| format!("{{a: {a}, b: 1}}")),
            a.clone().prop_map(|a| format!("\"<\\({a})>\"")),
            (a.clone(), b.clone()).prop_map(|(a, b)| format!("({a})[{b}]")),
            (a.clone(), b.clone()).prop_map(|(a, b)| format!(".[{a}:{b}]")),
            (a.clone(), b.clone(), c).prop_map(|(a, b, c)| format!("if {a} then {b} else {c} end")),
            (a.clone(), b.clone()).prop_map(|(a, b)| format!("(try {a} catch {b})")),
            (a.clone(), b.clone()).prop_map(|(a, b)| format!("({a} as $x | {b})")),
            (a.clone(), b.clone()).prop_map(|(a, b)| format!("reduce {a} as $x (.; {b})")),
            (a.clone(), b.clone()).prop_map(|(a, b)| format!("[foreach ({a}) as $x (.; {b})]")),
            (a.clone(), b.clone()).prop_map(|(a, b)| format!("(label $l | {a} | {b}, break $l)")),
            (a, b).prop_map(|(a, b)| format!("(def f(g): {a} | g; f({b}))")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        holds(String::from_utf8_lossy(&bytes).into_owned(), json!({"a": 1}))?;
    }

    #[test]
    fn symbols_never_panic(source in "[.|,;:?+*/%=<>!$@#\"'(){}\\[\\]\\\\ a-e0-3\n-]{0,60}") {
        holds(source, json!({"a": [1, "b"]}))?;
    }

    #[test]
    fn words_never_panic(words in prop::collection::vec(prop::sample::select(vec![
        ".", "..", ".a", "|", ",", "+", "-", "//", "if", "then", "elif", "else", "end", "try", "catch", "def", "f", ":", ";",
        "reduce", "foreach", "as", "$x", "(", ")", "[", "]", "{", "}", "\"a\"", "\"\\(", ")\"", "1", "label", "break", "?",
        "and", "or", "not", "=", "|=", "..", "map", "empty", "import", "include", "@json", "#", "\n",
    ]), 0..40)) {
        holds(words.join(" "), json!({"a": [1, "b"]}))?;
    }

    #[test]
    fn expressions_end(source in expression(), input in input()) {
        holds(format!("1 as $x | {input} | {source}"), json!(null))?;
        holds(format!(". as $x | {source}"), input)?;
    }

    #[test]
    fn values_come_back_as_they_were(input in input()) {
        prop_assert_eq!(run("[.] | .[0]", &input), Ok(input.clone()));
        prop_assert_eq!(run(".", &input), Ok(input));
    }

    #[test]
    fn integers_are_exact(left in any::<i64>(), right in any::<i64>()) {
        let sum = i128::from(left) + i128::from(right);
        let result = run(".[0] + .[1]", &json!([left, right]));
        match i64::try_from(sum) {
            Ok(sum) => prop_assert_eq!(result, Ok(json!(sum))),
            Err(_) => prop_assert!(result.is_ok_and(|value| value.is_number())),
        }
    }

    #[test]
    fn patterns_never_panic(pattern in "[a-c.*+?|(){}\\[\\]^$\\\\dwsb0-3,:<>=!P-]{0,16}", text in "[a-cä\n ]{0,12}", flags in "[gnimslxp]{0,2}") {
        let source = "[test($x[0]; $x[1]), match($x[0]; $x[1]), splits($x[0]; $x[1])]";
        holds(format!(". as $x | .[2] | {source}"), json!([pattern, flags, text]))?;
    }
}
