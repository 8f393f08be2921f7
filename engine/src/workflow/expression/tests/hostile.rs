//! Expressions that try to get out: the regression suite of the cage.
//!
//! They stand in `hostile.json`, which the end-to-end tests read too: there each is sent to a running server.

use serde::Deserialize;
use serde_json::json;

use super::super::meter;
use super::*;

/// What stands in `hostile.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hostile {
    /// What reaches the machine; none compiles.
    machine: Vec<String>,
    /// Definitions that call themselves; none compiles.
    recursive: Vec<String>,
    /// What fails, at the latest when it is evaluated.
    refused: Vec<Group>,
    /// How often a tower repeats its parts.
    heights: Vec<usize>,
    /// Sources without a bound of their own; each ends, in whatever way.
    towers: Vec<Tower>,
}

/// Sources that are evaluated over one input.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    input: Value,
    /// How often the input, a text, is repeated.
    #[serde(default)]
    times: Option<usize>,
    sources: Vec<String>,
}

/// A source made of parts that are repeated. `<i>` stands for the number of the repetition from 0, `<i+1>` for the
/// next one, `<n>` for how many there are.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Tower {
    before: String,
    open: String,
    middle: String,
    close: String,
    after: String,
}

fn hostile() -> Hostile {
    serde_json::from_str(include_str!("hostile.json")).expect("the list can be read")
}

/// Demands of the sources of a group that each fails, and neither by a panic nor by taking too long.
fn refused(group: &str) {
    let found = hostile().refused.into_iter().find(|found| found.name == group);
    let Group { input, times, sources, .. } = found.unwrap_or_else(|| panic!("no `{group}`"));
    let input = match (times, &input) {
        (Some(times), Value::String(text)) => json!(text.repeat(times)),
        _ => input,
    };
    let mut through = Vec::new();
    for source in &sources {
        let (code, input) = (source.clone(), input.clone());
        let result = on_small_stack(source, move || run(&code, &input));
        if !result.as_ref().is_err_and(|message| !message.contains("panic")) {
            through.push(format!("{source}: {}", format!("{result:?}").chars().take(80).collect::<String>()));
        }
    }
    assert!(through.is_empty(), "went through:\n{}", through.join("\n"));
}

impl Tower {
    fn source(&self, height: usize) -> String {
        let repeated = |part: &str| -> String {
            let numbered =
                |i: usize| part.replace("<i>", &i.to_string()).replace("<i+1>", &(i + 1).to_string());
            (0..height).map(numbered).collect()
        };
        let after = self.after.replace("<n>", &height.to_string());
        [&self.before, &repeated(&self.open), &self.middle, &repeated(&self.close), &after]
            .map(String::as_str)
            .concat()
    }
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
    for source in &hostile().machine {
        let error = Expression::compile(source, &[]).expect_err(source);
        let named = matches!(
            error,
            CompileError::Refused { .. } | CompileError::Unknown { .. } | CompileError::Syntax { .. }
        );
        assert!(named, "{source}: {error:?}");
    }
    assert!(matches!(Expression::compile("$ENV", &["ENV"]), Err(CompileError::Refused { .. })));
    assert!(matches!(Expression::compile("1", &["a b"]), Err(CompileError::VariableName { .. })));
    refused("unknown format");
}

#[test]
fn recursion_is_refused() {
    for source in &hostile().recursive {
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
    refused("endless loops");
}

#[test]
fn a_spent_limit_cannot_be_caught() {
    let spent =
        hostile().refused.into_iter().find(|group| group.name == "caught limits").expect("it is there");
    for source in &spent.sources {
        let result = run(source, &spent.input);
        let message = result.expect_err(source);
        assert!(message.contains("more than"), "{source}: {message}");
    }
}

#[test]
fn large_values_are_not_built() {
    refused("large values");
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
    for group in ["deep text", "open arrays", "open objects"] {
        refused(group);
    }
}

#[test]
fn sources_cannot_overflow_the_parser() {
    let Hostile { heights, towers, .. } = hostile();
    let sources = heights.iter().flat_map(|height| towers.iter().map(|tower| tower.source(*height)));
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
    refused("loops over paths");
}

#[test]
fn regular_expressions_cannot_blow_up() {
    refused("regular expressions");
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
    refused("odd arguments");
    // Sorting what has no order must not trip over it.
    let result = run("[range(500)] | map(if . % 3 == 0 then nan else . end) | sort | length", &json!(null));
    assert_eq!(result, Ok(json!(500)));
}

#[test]
fn a_panic_is_caught_and_the_meter_works_afterwards() {
    let stopped = meter::metered(&Limits::default(), 0, || std::panic::resume_unwind(Box::new("a defect")));
    assert!(matches!(stopped, Err::<(), _>(meter::Stopped::Panicked)));
    assert!(run("last(range(1e9))", &json!(null)).is_err());
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
