//! The canary simulation: a seed gives one history, in whichever process, and no invariant is violated.

use std::process::{Command, Output, Stdio};

use promptsales_tests::{binary, long_runs};

/// Steps of each simulation.
const STEPS: u64 = 100;

/// Simulates seeds in two processes at once.
fn twice(seeds: u64) -> [Output; 2] {
    let start = || {
        let numbers = [seeds.to_string(), STEPS.to_string()];
        let arguments = ["sim", "--seed", "1", "--seeds", &numbers[0], "--steps", &numbers[1]];
        let child =
            Command::new(binary()).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        child.expect("the binary can be run")
    };
    [start(), start()].map(|child| child.wait_with_output().expect("a simulation ends"))
}

#[test]
fn a_seed_gives_the_same_history_in_two_processes() {
    let seeds = if long_runs() { 500 } else { 50 };
    let texts = twice(seeds).map(|output| {
        let text = String::from_utf8(output.stdout).expect("histories are text");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "after {text}\n{errors}");
        text
    });
    assert_eq!(texts[0].lines().count() as u64, seeds);
    for (one, other) in texts[0].lines().zip(texts[1].lines()) {
        assert_eq!(one, other, "the same seed gave two histories");
    }
    assert_eq!(texts[0], texts[1]);
}
