//! Expressions that try to get out: the regression suite of the cage.

use serde_json::json;

use super::super::meter;
use super::*;

/// Demands that each source fails, and neither by a panic nor by taking too long.
fn refused(sources: &[&str], input: &Value) {
    let mut through = Vec::new();
    for source in sources {
        let (code, input) = ((*source).to_owned(), input.clone());
        let result = on_small_stack(source, move || run(&code, &input));
        if !result.as_ref().is_err_and(|message| !message.contains("panic")) {
            through.push(format!("{source}: {}", format!("{result:?}").chars().take(80).collect::<String>()));
        }
    }
    assert!(through.is_empty(), "went through:\n{}", through.join("\n"));
}

/// Nests a number into arrays and objects in turn, without recursion.
fn nested(depth: usize) -> Value {
    (0..depth).fold(json!(1), |inner, level| match level % 2 {
        0 => Value::Array(vec![inner]),
        _ => Value::Object(std::iter::once(("a".to_owned(), inner)).collect()),
    })
}

#[test]
fn what_reaches_the_machine_is_refused() {
    for source in [
        "env",
        "$ENV",
        "$ENV.HOME",
        "env.HOME",
        "halt",
        "halt(1)",
        "halt_error",
        "halt_error(1)",
        "debug",
        "debug(1)",
        "stderr",
        "input",
        "inputs",
        "[inputs]",
        "input_filename",
        "input_line_number",
        "$__loc__",
        "$__prog_args",
        "import \"a\" as a; 1",
        "include \"a\"; 1",
        "module {}; 1",
        "import \"a\" as $a; 1",
        "a::b",
        "modulemeta",
        "get_search_list",
        "localtime",
        "strflocaltime(\"%Y\")",
        "error_empty(1)",
        "halt_error(null)",
        "@frob \"\"",
    ] {
        let error = Expression::compile(source, &[]).expect_err(source);
        let named = matches!(
            error,
            CompileError::Refused { .. } | CompileError::Unknown { .. } | CompileError::Syntax { .. }
        );
        assert!(named, "{source}: {error:?}");
    }
    assert!(matches!(Expression::compile("$ENV", &["ENV"]), Err(CompileError::Refused { .. })));
    assert!(matches!(Expression::compile("1", &["a b"]), Err(CompileError::VariableName { .. })));
    refused(&["strptime(\"%Q\")"], &json!("Europe/Berlin"));
}

#[test]
fn recursion_is_refused() {
    for source in [
        "def f: f; f",
        "def f: 1 + f; f",
        "def f: def g: f; g; f",
        "def f(x): f(x + 1); f(1)",
        "def f($x): if $x > 0 then f($x - 1) else 0 end; f(1)",
        "def f: \"\\(f)\"; f",
        "def f: {a: f}; f",
        "def f: .[f]; f",
        "def f: . as {a: $x, (f): $y} | 1; f",
        "def f: reduce f as $x (0; 1); f",
        "def f: try f catch f; f",
        "def f: @f \"\\(.)\"; def @f: f; 1 | def g: g; g",
    ] {
        let error = Expression::compile(source, &[]).expect_err(source);
        assert!(
            matches!(error, CompileError::Recursive { .. } | CompileError::Unknown { .. }),
            "{source}: {error:?}"
        );
    }
    // Not recursive: another arity, an argument of the same name, and the definition that is shadowed.
    for source in
        ["def f(x): 1; def f: f(1); f", "def f(f): f; f(1)", "def f: 1; def f: f; f", "def map(f): 1; map(1)"]
    {
        assert_eq!(run(source, &json!(null)).is_ok(), source != "def f: 1; def f: f; f", "{source}");
    }
}

#[test]
fn endless_loops_end() {
    refused(
        &[
            "last(range(1e9))",
            "last(range(1e12))",
            "[range(1e9)]",
            "last(range(0; 1; 0))",
            "[limit(1e9; repeat(1))]",
            "last(repeat(1))",
            "last(repeat(.))",
            "while(true; .)|empty",
            "[while(true; .)]",
            "until(false; .)",
            "last(recurse(.))",
            "last(recurse(., .))",
            "[recurse]|recurse(.)|empty",
            "last(recurse(1; true))",
            "reduce range(1e9) as $i (0; . + 1)",
            "[foreach range(1e9) as $i (0; . + 1)]",
            "first(range(1e9) | empty)",
            "reduce repeat(1) as $i (0; .)",
            "reduce range(1e9) as $i (0; ., .)",
            "all(repeat(true); . != 1)",
            "false | any(repeat(.); .)",
            "skip(1e9; repeat(1))",
            "nth(1e9; repeat(1))",
            "label $f | repeat(1) | empty",
            "try last(repeat(1)) catch 1",
            "(last(repeat(1)))? // 1",
            "[.[]?, last(repeat(1))?] | length",
            "last(repeat(1) // 2)",
            "until(false; ., .)",
            "path(last(repeat(.)))",
            "[paths(repeat(false))]|last(repeat(1))",
            "first(while(true; .) | select(false))",
            "def f: range(1000); [f | f | f]",
            "last((1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2))",
            "[range(100)] | last(combinations(9))",
            "last([[range(99)], [range(99)], [range(99)], [range(99)]] | combinations)",
            "combinations(1e9)",
            "[range(60000)] | last(sort_by(repeat(1)))",
            "last(range(1e9) as $x | $x)",
            "(.[]?, repeat(1)) |= 1",
            "(repeat(.)) |= 1",
            "recurse(.) |= 1",
            "(.a, range(1e9)) = 1",
            "del(repeat(.a))",
            "last(range(-infinite; infinite))",
            "last(range(nan; 1))",
            "limit(infinite; repeat(1)) | empty",
            "[splits(\"\"; \"g\")] | last(repeat(1))",
            "input_line_number // last(repeat(1))",
            "def f: 1; last(repeat(f))",
            "tojson | last(repeat(.))",
            "[1] | last(.[repeat(0)])",
            "{a: repeat(1)} | empty",
            "\"\\(repeat(1))\" | empty",
            "last(range(1e9) % 7)",
            "last(-range(1e9))",
            "last(range(1e9) < 1)",
            "last(range(1e9) and true)",
            "last({} * {} | repeat(.))",
        ],
        &json!({"a": [1, 2]}),
    );
}

#[test]
fn a_spent_limit_cannot_be_caught() {
    for source in [
        "try last(range(1e9)) catch 1",
        "last(range(1e9))? // 1",
        "[.[]?, try (\"x\" * 1e9) catch 2]",
        "try [limit(1e9; repeat(1))] catch \"caught\"",
        "isvalid(last(repeat(1)))",
        "first(try ([range(1e9)]) catch 1, 1)",
        "label $x | try last(repeat(1)) catch break $x",
        "reduce (try last(repeat(1)) catch 1) as $x (0; 1)",
    ] {
        let result = run(source, &json!([]));
        let message = result.expect_err(source);
        assert!(message.contains("more than"), "{source}: {message}");
    }
}

#[test]
fn large_values_are_not_built() {
    refused(
        &[
            "\"x\" * 1e9",
            "\"x\" * 1e18",
            "\"x\" * infinite",
            "reduce range(100) as $i (\"x\"; . + .)",
            "1e9 * \"abc\"",
            "reduce range(100) as $i ([1]; . + .)",
            "reduce range(100) as $i ({}; {a: ., b: .})",
            "[range(1e7)]",
            "reduce range(100) as $i ([1]; [., .])",
            ".[1e9] = 1",
            ".[1e18] = 1",
            "setpath([1e9]; 1)",
            "[.[1e6]] | .[1e6] = 1",
            "getpath([1e9]) |= 1",
            "reduce range(1000) as $i (0; [.])",
            "reduce range(1000) as $i (0; {a: .})",
            "[range(1000)] | map(\"x\" * 10000)",
            "[range(1000)] | map(\"x\" * 10000) | join(\",\")",
            "[range(300000)] | implode",
            "reduce range(1e6) as $i (\"\"; . + \"xxxxxxxxxxxxxxxx\")",
            "reduce range(99) as $i (\"a\"; @base64)",
            "reduce range(99) as $i (\"\\\"\"; tojson)",
            "reduce range(99) as $i (\"a\"; gsub(\"a\"; \"aaaaaaaaaaa\"))",
            "\"a\" * 500000 | gsub(\"\"; \"aaa\")",
            "reduce range(99) as $i ([\"\\\"\"]; [., .] | [@json])",
            "[limit(99999; repeat(\"x\" * 9999))]",
            "reduce range(1e5) as $i ({}; .[\"k\\($i)\"] = $i) | reduce range(99) as $i (.; {a: ., b: .})",
            "([range(60000)] | tojson) * 50",
            "reduce range(60) as $i ([[]]; .[0] += . | .[0] += .)",
            "strftime(\"%255Y\" * 1000)",
            "reduce range(1000) as $i (null; {a: .} | .b = .a)",
            "[range(9999)] | transpose",
            "[range(200)] | [combinations(3)]",
            "reduce range(99) as $i (\"a\"; explode | . + . | implode)",
        ],
        &json!(null),
    );
}

#[test]
fn deep_values_are_not_taken_in() {
    for depth in [101, 300, 5_000, 200_000] {
        for source in [".", "[..]", ".a", "tojson", ". == .", "[.[]?]", "length", "map(.)", "{a: .}"] {
            let text = source.to_owned();
            let result = on_small_stack(source, move || {
                let input = nested(depth);
                let result = run(&text, &input);
                // serde_json drops recursively, which is the caller's business.
                let mut rest = input;
                while let Some(inner) = match &mut rest {
                    Value::Array(items) => items.pop(),
                    Value::Object(fields) => fields.get_mut("a").map(Value::take),
                    _ => None,
                } {
                    rest = inner;
                }
                result
            });
            assert!(result.is_err_and(|message| message.contains("levels deep")), "{source} at {depth}");
        }
    }
}

#[test]
fn no_limit_on_depth_is_taken_without_a_cap() {
    for (depth, works) in [(250, true), (300, false), (200_000, false)] {
        for source in
            [".", "[..] | length", "tojson | length", ". == .", ". * . | length", "[paths] | length"]
        {
            let ends = on_small_stack(source, move || {
                let input = std::mem::ManuallyDrop::new(nested(depth));
                let expression = Expression::compile(source, &[]).unwrap();
                let limits = Limits { max_depth: usize::MAX, ..Limits::default() };
                expression.evaluate(&input, &[], 0, &limits).is_ok()
            });
            assert_eq!(ends, works, "{source} at {depth}");
        }
    }
}

#[test]
fn values_up_to_the_limit_can_be_used_in_every_way() {
    for source in [
        "[..] | length",
        "tojson | fromjson | . == .",
        ". == .",
        ".. |= .",
        "[paths] | length",
        "[flatten?] | length",
        "[.] | sort | length",
        "[leaf_paths]? // 1",
        "walk(.)",
        "[., .] | unique | length",
        "contains(.)",
        ". * .",
        "[recurse] | length",
        "[path(..)] | length",
        "tostring | length",
        "[getpath(paths)] | length",
        "del(..)",
        "(.. | numbers) |= . + 1",
        "[.. | numbers] | add",
        "[tojson] | @csv | length",
        "to_entries | from_entries",
    ] {
        let (text, value) = (source.to_owned(), nested(98));
        let result = on_small_stack(source, move || run(&text, &value));
        let ok = result.is_ok() || source.contains("leaf") || source.contains("sort");
        assert!(ok, "{source}: {result:?}");
    }
    let deep = format!("{}1{}", "[".repeat(120), "]".repeat(120));
    refused(&["fromjson"], &json!(deep));
    refused(&["fromjson"], &json!("[".repeat(100_000)));
    refused(&["fromjson"], &json!("{\"a\":".repeat(100_000)));
}

#[test]
fn sources_cannot_overflow_the_parser() {
    let mut sources = vec![];
    for count in [50, 63, 64, 65, 100, 150, 199, 399, 400, 401, 1_000, 1_500, 2_000, 4_000, 8_000] {
        let both = |open: &str, middle: &str, close: &str| open.repeat(count) + middle + &close.repeat(count);
        sources.extend([
            both("(", "1", ")"),
            both("[", "", "]"),
            both("{a:", "1", "}"),
            both("{\"a\":", "1", "}"),
            both("(", "", ""),
            both("[", "", ""),
            both("{", "", ""),
            both("\"\\(", "1", ")\""),
            both("\"\\(", "", ""),
            both("", ".", "[0]"),
            both("", ".", "[]?"),
            both("", "1", "+1"),
            both("", "1", "-1"),
            both("-", "1", ""),
            both(".a", "", ""),
            both("", ".", "|."),
            both("", ".", ",."),
            both("", ".", "//."),
            both("", "1", " and 1"),
            both("..", "", ""),
            both("", "..", "|.."),
            both("", ".a", "=.a"),
            both("", ".a", "|=.a"),
            both("", ".", "?"),
            both("", ".", "[.]"),
            both(". as $x | ", ".", ""),
            both("", ". as $x", " | . as $x") + "|.",
            both("def f: ", "1", ";1"),
            both("def f: 1; ", "f", ""),
            both("try ", "1", ""),
            both("try error catch ", "1", ""),
            both("if 1 then ", "1", " end"),
            both("if ", "1", " then 1 end"),
            both("if 1 then 1 else ", "1", " end"),
            format!("if false then 1 {} else 2 end", "elif false then 1 ".repeat(count)),
            both("label $x | ", "1", ""),
            both("reduce 1 as $x (1;", "1", ")"),
            both("reduce ", "1", " as $x (1;1)"),
            both("foreach 1 as $x (1;1;", "1", ")"),
            both("first(", "1", ")"),
            both("map(", "1", ")"),
            both("select(", "1", ")"),
            both("limit(1;", "1", ")"),
            both("path(", ".", ")"),
            both("[path(", ".", ")]"),
            both("recurse(", "empty", ")"),
            both("isvalid(", ".", ")"),
            both("(.a|", ".", ") |= 1"),
            both(". as [", "$x", "] | 1"),
            both(". as {a:", "$x", "} | 1"),
            both("# (", "\n1", ""),
            format!("\"{}\"", "\\n".repeat(count)),
            format!("\"{}\"", "\\(1)".repeat(count)),
            both("@json \"\\(", "1", ")\""),
            format!("{{{}}}", (0..count).map(|i| format!("a{i}:{i}")).collect::<Vec<_>>().join(",")),
            format!("[{}]", vec!["1"; count].join(",")),
            format!("1{}", " as $x | 1".repeat(count)),
            both("", ".", ".\"a\""),
            format!("def f(x): x; {}", both("f(", "1", ")")),
            format!("def f: .; {}", vec!["f"; count].join("|")),
            (0..count)
                .map(|i| format!("def f{}: f{i}|f{i}; ", i + 1))
                .fold("def f0: .; ".to_owned(), |a, b| a + &b)
                + &format!("f{count}"),
            (0..count)
                .map(|i| format!("def f{}(g): f{i}(f{i}(g)); ", i + 1))
                .fold("def f0(g): g; ".to_owned(), |a, b| a + &b)
                + &format!("f{count}(.)"),
            "#\\\n".repeat(count) + &"(".repeat(count),
            format!("# \\\r\n{}", "(".repeat(count)),
            "]".repeat(count),
            "\\".repeat(count),
            "\"\\".repeat(count),
            "$".repeat(count),
            "@".repeat(count),
            ";".repeat(count),
            format!("1{}", "e".repeat(count)),
            "9".repeat(count),
            format!("1e{}", "9".repeat(count)),
            format!("0.{}", "1".repeat(count)),
        ]);
    }
    for source in sources {
        let name = source.get(..40).unwrap_or("source").to_owned();
        let result = on_small_stack(&name.replace('\0', ""), move || run(&source, &json!({})));
        if let Err(message) = result {
            assert!(!message.contains("panic"), "{name}: {message}");
        }
    }
}

#[test]
fn loops_over_paths_cannot_overflow_the_stack() {
    refused(
        &[
            "(reduce range(100000) as $i (.; .)) |= 1",
            "(reduce range(100000) as $i (.; .a)) |= 1",
            "path(last(recurse(.a)))",
            "path(last(limit(100000; recurse(.a))))",
            "path(reduce range(100000) as $i (.; .a))",
            "path(last(recurse(.[0:])))",
            "setpath([range(100000)]; 1)",
            "[range(99)] | delpaths([[range(50000) | {start: 0}]])",
            "getpath([range(100000) | \"a\"])",
            "(foreach range(100000) as $i (.; .)) |= 1",
            "last(path(limit(100000; repeat(.a))))",
            "pick(last(recurse(.a)))",
            "reduce range(100000) as $i (.; .a)",
            "getpath([range(3000) | \"a\"]) = 1",
            "[recurse(.a)] | length",
            "last(recurse(if . == null then null else . end | .a))",
            "(label $f | repeat(.a) | .a) = 1",
            "until(false; .a)",
        ],
        &json!(null),
    );
}

#[test]
fn regular_expressions_cannot_blow_up() {
    let text = json!("a".repeat(20_000));
    refused(
        &[
            "gsub(\"a*z|a\"; \"\")",
            "[scan(\"a*(a|b)*z|a\")]",
            "test(\"(a?){900}a{900}\") | last(repeat(1))",
            "test(\"((a{900}){900}){900}\")",
            "test(\"(((((){900}){900}){900}){900}){900}\")",
            "test(\"(\" * 100 + \"a\" + \")\" * 100)",
            "test(\"a\" * 5000)",
            "test(\"(?=a)\")",
            "test(\"(a)\\\\1\")",
            "test(\"a**\")",
            "test(\"a{2}{3}\")",
            "test(\"[\")",
            "test(\"a{5,2}\")",
            "test(\"(?i)a\")",
            "test(\"\\\\\")",
            "test(\"(?<a>x)(?<a>y)\")",
            "test(\"[z-a]\")",
            "test(\"\\\\p{Klingon}\")",
            "test(\"a\"; \"q\")",
            "[match(\"(a|aa|aaa|aaaa|aaaaa)*b|a\"; \"g\")]",
            "reduce range(1e6) as $i (.; sub(\"a$\"; \"a\"))",
        ],
        &text,
    );
    for (source, found) in [
        ("test(\"(a*)*b\")", false),
        ("test(\"(a|a)*b\")", false),
        ("test(\"(a+)+$\")", true),
        ("test(\"^(([a-z])+.)+[A-Z]([a-z])+$\")", false),
        ("test(\"(a?){30}a{30}\")", true),
    ] {
        let (code, text) = (source.to_owned(), json!("a".repeat(2_000)));
        let result = on_small_stack(source, move || run(&code, &text));
        assert_eq!(result, Ok(json!(found)), "{source}");
    }
}

#[test]
fn odd_arguments_are_errors() {
    refused(
        &[
            "[-9223372036854775808] | implode",
            "[55296] | implode",
            "[1114112] | implode",
            "[1.5] | implode",
            "\"a\" | implode",
            "\"!\" | @base64d",
            "\"====a\" | @base64d",
            "[1e300] | todate",
            "1e300 | todate",
            "infinite | todate",
            "9223372036854775807 | gmtime",
            "[2015, 127, 1, 0, 0, 0] | mktime",
            "[2015, 1, 99, 0, 0, 0] | mktime",
            "[1e9, 1, 1, 0, 0, 0] | mktime",
            "[1] | mktime",
            "\"x\" | fromdate",
            "\"x\" | strptime(\"%\")",
            "0 | strftime(\"%\")",
            "1 | ltrimstr",
            "{} | .[0]",
            "[] | .a",
            "1 | keys",
            "true | length",
            "1 | .[0] = 1",
            "[] | .[-1] = 1",
            "1 % 0",
            "1 / 0",
            "1.5 / 0",
            "{(1): 2}",
            "{} - 1",
            "[] | has(\"a\")",
            "{} | has(0)",
            "\"a\" | tonumber",
            "\"nan\" | tonumber",
            "\"1 2\" | fromjson",
            "\"\" | fromjson",
            "\"a\" | test(1)",
            "1 | test(\"a\")",
            "[1] | join(1)",
            "[[1]] | join(\",\")",
            "[[1]] | @csv",
            "error(null)",
            "error",
            "break $x",
            "1 as [$a] | 2",
            "-\"a\"",
            "-{}",
            "[1] | flatten(-1)",
            "1 | flatten",
            "splits(1)",
            "-(-9223372036854775808) % -1 / 0",
            "[.[0:1e9]] | .[0] | error",
            "limit(\"a\"; 1) | error",
            "\"x\" | .[\"a\"]",
            "null | implode",
            "{} | tojson | implode",
            "[nan] | implode",
            "\"a\" | explode | .[0] |= -. | implode",
            "{a: 1} | .a.b = 1",
            "1 | path(1)",
        ],
        &json!(null),
    );
    // Sorting what has no order must not trip over it.
    let result = run("[range(500)] | map(if . % 3 == 0 then nan else . end) | sort | length", &json!(null));
    assert_eq!(result, Ok(json!(500)));
}

#[test]
fn a_panic_is_caught_and_the_meter_works_afterwards() {
    let stopped = meter::metered(&Limits::default(), 0, || std::panic::resume_unwind(Box::new("a defect")));
    assert!(matches!(stopped, Err::<(), _>(meter::Stopped::Panicked)));
    refused(&["last(range(1e9))"], &json!(null));
    assert_eq!(run("1 + 1", &json!(null)), Ok(json!(2)));
}

#[test]
fn limits_are_exact_and_repeatable() {
    let expression = Expression::compile("[range(1000)] | map(. * 2) | add", &[]).unwrap();
    let limit = |fuel| Limits { fuel, ..Limits::default() };
    let enough = |fuel| expression.evaluate(&json!(null), &[], 0, &limit(fuel)).is_ok();
    let least = (0..200_000).collect::<Vec<_>>().partition_point(|fuel| !enough(*fuel));
    for _ in 0..3 {
        assert!(enough(least as u64) && !enough(least as u64 - 1), "the same expression takes the same fuel");
    }
}
