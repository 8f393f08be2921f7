//! What a rule reports, and how it admits an exception.

use std::fmt;

/// One violation: where it stands, what it is about, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    name: String,
    text: String,
}

impl Finding {
    /// Describes a violation at a line (from 1) of a file; `name` is what an exception would name.
    pub(crate) fn new(path: &str, line: usize, name: &str, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, name: name.to_owned(), text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.path, self.line, self.text)
    }
}

/// An exception to a rule, with the reason why it stands.
pub(crate) struct Allowed {
    /// A file, or a folder as `folder/**`.
    pub(crate) path: &'static str,
    /// What is excepted there: the function, the noun, the call. Empty where the rule is about the whole file.
    pub(crate) name: &'static str,
    /// Why.
    pub(crate) reason: &'static str,
}

impl Allowed {
    fn covers(&self, finding: &Finding) -> bool {
        within(&finding.path, self.path) && finding.name == self.name
    }
}

/// Drops the findings that are excepted, and reports exceptions that have no reason or except nothing.
pub(crate) fn sift(findings: Vec<Finding>, allowed: &[Allowed]) -> Vec<Finding> {
    let mut idle: Vec<Finding> = allowed
        .iter()
        .filter(|entry| entry.reason.is_empty() || !findings.iter().any(|finding| entry.covers(finding)))
        .map(|entry| {
            let text =
                format!("the exception for `{}` has no reason or excepts nothing; remove it", entry.name);
            Finding::new(entry.path, 1, entry.name, text)
        })
        .collect();
    idle.extend(findings.into_iter().filter(|finding| !allowed.iter().any(|entry| entry.covers(finding))));
    idle
}

/// Says whether a path is the file, or lies in the folder, that a pattern (`file` or `folder/**`) names.
pub(crate) fn within(path: &str, pattern: &str) -> bool {
    match pattern.strip_suffix("**") {
        Some(folder) => path.starts_with(folder),
        None => path == pattern,
    }
}

/// Fails the calling test with every finding, one a line.
#[track_caller]
pub(crate) fn report(rule: &str, mut findings: Vec<Finding>) {
    findings.sort();
    findings.dedup();
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{rule} ({} found):\n{}\n", lines.len(), lines.join("\n"));
}

#[test]
fn exceptions_take_away_only_what_they_name() {
    let found = vec![Finding::new("a/b.rs", 1, "x", "bad"), Finding::new("a/c.rs", 2, "y", "bad")];
    let allowed = [Allowed { path: "a/**", name: "x", reason: "because" }];
    assert_eq!(sift(found, &allowed), [Finding::new("a/c.rs", 2, "y", "bad")]);
}

#[test]
fn an_exception_that_excepts_nothing_is_reported() {
    assert_eq!(sift(Vec::new(), &[Allowed { path: "a.rs", name: "x", reason: "because" }]).len(), 1);
}

#[test]
#[should_panic(expected = "a.rs:7: bad")]
fn a_report_names_the_file_and_the_line() {
    report("rule", vec![Finding::new("a.rs", 7, "", "bad")]);
}

#[test]
fn a_pattern_is_a_file_or_a_folder() {
    assert!(within("a/b.rs", "a/b.rs") && within("a/b/c.rs", "a/**"));
    assert!(!within("a/b.rs", "a/b") && !within("ab/c.rs", "a/**"));
}
