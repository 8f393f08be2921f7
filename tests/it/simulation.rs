//! The simulation of the whole product: a seed gives one history, in whichever process and beside whichever other, no
//! invariant is violated, and the report says what there was.

use std::process::{Command, Output, Stdio};

use promptsales_tests::{binary, long_runs};

/// Steps of each simulation.
const STEPS: u64 = 250;

/// Starts simulations in a process of their own.
fn simulate(seeds: u64, jobs: &str) -> std::process::Child {
    let numbers = [seeds.to_string(), STEPS.to_string()];
    let mut command = Command::new(binary());
    command.args(["sim", "--seed", "1", "--seeds", &numbers[0], "--steps", &numbers[1], "--jobs", jobs]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    child.expect("the binary can be run")
}

fn text(output: Output) -> (String, String) {
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).expect("it is text"));
    assert!(output.status.success(), "after {out}\n{err}");
    (out, err)
}

/// How often something happened, by the report.
fn count(report: &str, kind: &str) -> u64 {
    let line =
        report.lines().find(|line| line.trim_start().split_once("  ").is_some_and(|(_, name)| name == kind));
    let number = line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse().ok());
    number.unwrap_or_default()
}

#[test]
fn a_seed_gives_the_same_history_in_two_processes() {
    let seeds = if long_runs() { 500 } else { 24 };
    let both = [simulate(seeds, "1"), simulate(seeds, "2")];
    let [(alone, report), (beside, _)] =
        both.map(|child| text(child.wait_with_output().expect("a simulation ends")));
    assert_eq!(alone.lines().count() as u64, seeds);
    for (one, other) in alone.lines().zip(beside.lines()) {
        assert_eq!(one, other, "the same seed gave two histories");
    }
    assert_eq!(alone, beside);
    assert!(alone.contains("one node") && alone.contains("owner and stand-by"), "{alone}");
    for kind in [
        "commands answered",
        "reads answered",
        "answers compared",
        "operations checked for linearizability",
        "states compared with their fold",
        "crash with a torn write",
        "crash before a call of the journal",
        "append unknown, committed",
        "append unknown, lost",
        "answer of an append lost",
        "cut from the store",
        "messages delivered again",
        "clock jump",
        "pause",
    ] {
        assert!(count(&report, kind) > 0, "there was no `{kind}`:\n{report}");
    }
    assert_eq!(count(&report, "histories of a key left undecided"), 0, "{report}");
}
