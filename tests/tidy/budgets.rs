//! How long a file, a `mod.rs` and a function may be. Lines in `#[cfg(test)]` modules do not count for files.

use crate::finding::{Allowed, Finding, report, sift};
use crate::repo::{Repo, repo};

const FILE_LIMIT: usize = 600;
const FILE_BUDGET: usize = 400;
const MOD_LIMIT: usize = 250;
const FUNCTION_LIMIT: usize = 70;

/// Files between the budget and the limit: `name` is empty. None may pass the limit.
const LONG_FILES: &[Allowed] = &[Allowed {
    path: "engine/src/workflow/machine/event.rs",
    name: "",
    reason: "one enum: every event of a run, with each field said",
}];

/// Functions over their limit: `name` is the function's.
const LONG_FUNCTIONS: &[Allowed] = &[
    Allowed {
        path: "engine/src/workflow/expression/tests/arbitrary.rs",
        name: "expression",
        reason: "a grammar of jq, a rule a line",
    },
    Allowed {
        path: "engine/src/workflow/machine/tests/flow.rs",
        name: "pure_tasks_give_their_output",
        reason: "a table of definitions",
    },
];

fn over_limit(repo: &Repo) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in &repo.sources {
        let lines = source.product_lines;
        let limit = if source.path.ends_with("/mod.rs") { MOD_LIMIT } else { FILE_LIMIT };
        if lines > limit {
            let text = match limit {
                MOD_LIMIT => {
                    format!("{lines} lines: mod.rs holds docs, the trait, mod and pub use; move the rest")
                }
                _ => format!("{lines} lines outside tests, the limit is {limit}: split by responsibility"),
            };
            found.push(Finding::new(&source.path, 1, "", text));
        }
    }
    found
}

fn over_budget(repo: &Repo) -> Vec<Finding> {
    let long =
        repo.sources.iter().filter(|source| (FILE_BUDGET + 1..=FILE_LIMIT).contains(&source.product_lines));
    let describe = |lines| {
        format!("{lines} lines outside tests, over {FILE_BUDGET}: split, or list in LONG_FILES with a reason")
    };
    let others = long.filter(|source| !source.path.ends_with("/mod.rs"));
    others.map(|source| Finding::new(&source.path, 1, "", describe(source.product_lines))).collect()
}

fn functions(repo: &Repo) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in &repo.sources {
        for function in source.functions.iter().filter(|function| function.lines > FUNCTION_LIMIT) {
            let (name, lines) = (&function.name, function.lines);
            let text = format!("`fn {name}` has {lines} lines, the limit is {FUNCTION_LIMIT}: split it");
            found.push(Finding::new(&source.path, function.line, name, text));
        }
    }
    found
}

#[test]
fn files_keep_to_their_budget() {
    let mut found = sift(over_budget(repo()), LONG_FILES);
    found.extend(over_limit(repo()));
    report("lines of a file", found);
}

#[test]
fn functions_keep_to_their_budget() {
    assert!(repo().sources.iter().any(|source| !source.functions.is_empty()), "no function was seen");
    report("lines of a function", sift(functions(repo()), LONG_FUNCTIONS));
}

#[cfg(test)]
mod samples {
    use super::*;

    fn lines(count: usize) -> String {
        "const A: u8 = 0;\n".repeat(count)
    }

    #[test]
    fn a_file_over_the_limit_or_the_budget_is_found() {
        let files = [
            ("a/x.rs", lines(401)),
            ("a/y.rs", lines(601)),
            ("a/mod.rs", lines(251)),
            ("a/z.rs", lines(400)),
        ];
        let repo = Repo::of(&files.each_ref().map(|(path, text)| (*path, text.as_str())));
        assert_eq!(over_budget(&repo).len(), 1);
        assert_eq!(over_limit(&repo).len(), 2);
    }

    #[test]
    fn lines_of_tests_do_not_count() {
        let text = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{}}}\n", lines(700));
        let repo = Repo::of(&[("a/x.rs", &text)]);
        assert_eq!(over_limit(&repo).len() + over_budget(&repo).len(), 0);
    }

    #[test]
    fn a_long_function_is_found_wherever_it_stands() {
        let body = "    g();\n".repeat(69);
        for (before, after) in [("", ""), ("impl S {\n", "}\n"), ("trait T {\n", "}\n"), ("mod m {\n", "}\n")]
        {
            let long = format!("{before}fn f() {{\n{body}}}\n{after}");
            assert_eq!(functions(&Repo::of(&[("a/x.rs", &long)])).len(), 1, "{before}");
        }
        let short = format!("fn f() {{\n{}}}\n", "    g();\n".repeat(68));
        assert_eq!(functions(&Repo::of(&[("a/x.rs", &short)])), []);
    }
}
