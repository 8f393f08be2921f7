//! `promptsales workflow test`: plays the scenarios of a definition, without a server and without waiting.

use std::io::Write as _;
use std::sync::Arc;

use promptsales_engine::runtime::Exit;
use promptsales_engine::workflow::check::{Checked, Refused, check};
use promptsales_engine::workflow::definition::Problem;
use promptsales_engine::workflow::scenario::{self, Report};
use serde_json::json;

use super::{excerpt, read_text};
use crate::app::Registry;
use crate::cli::Ended;

/// Plays the scenarios of files with a definition, and shows which of them pass.
pub(super) fn run(file: &str, scenarios: &[String], trace: bool, json: bool) -> anyhow::Result<Ended> {
    let unusable = |reason: String| Ok(Ended::Asked(Exit { code: 2, reason }));
    let source = match read_text(file) {
        Ok(source) => source,
        Err(error) => return unusable(format!("{error:#}")),
    };
    let mut read = Vec::new();
    for file in scenarios {
        let found = read_text(file).map_err(|error| format!("{error:#}"));
        match found.and_then(|text| scenario::read(&text).map_err(|e| format!("{file}: {e}"))) {
            Ok(found) => read.extend(found),
            Err(reason) => return unusable(reason),
        }
    }
    let actions = Registry::new()?.actions;
    let mut out = std::io::stdout().lock();
    let definition = match check(&source, &actions) {
        Ok(Checked { definition, .. }) => Arc::new(definition),
        Err(Refused { problems }) => {
            writeln!(out, "{}", refused(file, &source, &problems, json))?;
            let reason = format!("{file} cannot run, so that no scenario was played");
            return Ok(Ended::Asked(Exit { code: 1, reason }));
        }
    };
    let reports: Vec<Report> =
        read.iter().map(|scenario| scenario::play(&definition, &actions, scenario)).collect();
    let failed = reports.iter().filter(|report| !report.passed()).count();
    if json {
        let all =
            json!({ "file": file, "passed": reports.len() - failed, "failed": failed, "scenarios": reports });
        writeln!(out, "{all}")?;
    } else {
        for report in &reports {
            write!(out, "{}", shown(report, trace))?;
        }
    }
    Ok(match failed {
        0 => Ended::Done,
        _ => {
            Ended::Asked(Exit { code: 1, reason: format!("{failed} of {} scenarios failed", reports.len()) })
        }
    })
}

/// Why a definition cannot run, as the check shows it.
fn refused(file: &str, source: &str, problems: &[Problem], json: bool) -> String {
    if json {
        return json!({ "file": file, "ok": false, "problems": problems }).to_string();
    }
    let shown: Vec<_> = problems.iter().map(|problem| excerpt::show(file, source, problem)).collect();
    shown.join("\n")
}

/// A scenario in a line; one that failed with what was expected and what happened.
fn shown(report: &Report, trace: bool) -> String {
    let Report { name, status, duration, failures, trace: happened, .. } = report;
    let word = if report.passed() { "ok  " } else { "FAIL" };
    let mut text = format!("{word}  {name}: {status} after {duration}\n");
    for failure in failures {
        let (what, expected, actual) = (&failure.what, &failure.expected, &failure.actual);
        text.push_str(&format!("      {what}\n        expected: {expected}\n        actual:   {actual}\n"));
    }
    if (trace || !report.passed()) && !happened.is_empty() {
        text.push_str("      what happened:\n");
        for line in tail(happened) {
            text.push_str(&format!("        {line}\n"));
        }
    }
    text
}

/// The last lines of what happened, as many as a person reads.
fn tail(lines: &[String]) -> impl Iterator<Item = String> {
    const MOST: usize = 200;
    let left_out = lines.len().saturating_sub(MOST);
    let before = (left_out > 0).then(|| format!("... {left_out} lines before"));
    before.into_iter().chain(lines[left_out..].iter().cloned())
}

#[cfg(test)]
mod tests {
    use promptsales_engine::workflow::scenario::Failure;

    use super::*;

    fn report(failures: Vec<Failure>) -> Report {
        Report {
            name: "a launch".to_owned(),
            failures,
            status: "completed".to_owned(),
            duration: "PT5M".to_owned(),
            trace: (0..202).map(|n| format!("line {n}")).collect(),
        }
    }

    #[test]
    fn what_failed_is_shown_with_what_happened() {
        assert_eq!(shown(&report(Vec::new()), false), "ok    a launch: completed after PT5M\n");
        assert!(shown(&report(Vec::new()), true).contains("what happened"));
        let failure =
            Failure { what: "status".into(), expected: "faulted".into(), actual: "completed".into() };
        let text = shown(&report(vec![failure]), false);
        let head = "FAIL  a launch: completed after PT5M\n      status\n        expected: faulted\n        actual:   \
                    completed\n      what happened:\n        ... 2 lines before\n        line 2\n";
        assert!(text.starts_with(head), "{text}");
    }

    #[test]
    fn a_definition_that_cannot_run_is_told_in_json_where_that_is_asked_for() {
        let source = "document: { dsl: '1.0.3', namespace: a, name: b, version: '1.0.0' }\ndo: [{ a: { wiat: PT1S } }]";
        let Err(Refused { problems }) = check(source, &Registry::new().unwrap().actions) else {
            panic!("it can run")
        };
        let told: serde_json::Value =
            serde_json::from_str(&refused("b.yaml", source, &problems, true)).unwrap();
        assert_eq!((&told["file"], &told["ok"]), (&json!("b.yaml"), &json!(false)));
        assert_eq!(told["problems"], json!(problems));
        assert!(refused("b.yaml", source, &problems, false).starts_with("error: "));
    }

    #[test]
    fn the_ways_to_end_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_string_lossy().into_owned()
        };
        let head = "document: { dsl: '1.0.3', namespace: a, name: b, version: '1.0.0' }\n";
        let good = write("good.yaml", &format!("{head}do: [{{ a: {{ wait: PT1S }} }}]"));
        let bad = write("bad.yaml", &format!("{head}do: [{{ a: {{ wiat: PT1S }} }}]"));
        let passes = write("passes.yaml", "name: x\nexpect: { status: completed, duration: PT1S }");
        let fails = write("fails.yaml", "name: x\nexpect: { status: faulted }");
        let wrong = write("wrong.yaml", "name: x\nexpct: {}");
        let cases = [
            (&good, &passes, 0),
            (&good, &fails, 1),
            (&bad, &passes, 1),
            (&good, &wrong, 2),
            (&good, &folder.path().join("none").to_string_lossy().into_owned(), 2),
        ];
        for (file, scenario, code) in cases {
            let ended = match run(file, std::slice::from_ref(scenario), false, true).unwrap() {
                Ended::Done => 0,
                Ended::Asked(exit) => exit.code,
            };
            assert_eq!(ended, code, "{file} {scenario}");
        }
    }
}
