//! The benchmark, as a process of its own; small, to see that it measures and looks for what it should.

use promptsales_tests::binary;
use serde_json::Value;
use tokio::process::Command;

async fn bench(args: &[&str]) -> Value {
    let mut command = Command::new(binary());
    command.arg("bench").args(args).arg("--json").kill_on_drop(true);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PROMPTSALES_")) {
        command.env_remove(name);
    }
    let ran = command.output().await.expect("the benchmark can be run");
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert_eq!(ran.status.code(), Some(0), "{out}\n{err}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

fn fact(report: &Value, name: &str) -> f64 {
    let facts = report["facts"].as_array().expect("a report has facts");
    let found = facts.iter().find(|fact| fact["name"] == name);
    found.and_then(|fact| fact["value"].as_f64()).unwrap_or_else(|| panic!("no `{name}` in {report}"))
}

#[tokio::test]
async fn no_command_of_the_benchmark_is_lost() {
    let sizes = ["--seconds", "1", "--warmup", "0", "--connections", "8", "--keys", "50"];
    let report = bench(&[&["commands", "--preload", "2000", "--key-per-request"], &sizes[..]].concat()).await;
    let loads: Vec<_> = report["loads"].as_array().expect("a report has loads").iter().collect();
    assert_eq!(loads.len(), 4, "echo, by hand, closed, open: {report}");
    for load in loads {
        let rate = load["requestsPerSecond"].as_f64().expect("a load has a rate");
        assert!(rate > 0.0 && load["errors"] == 0, "{load}");
    }
    assert!(report["lost"] == 0 && fact(&report, "verified") == 0.0, "{report}");
    let bytes = fact(&report, "bytes on disk per event");
    assert!((10.0..10_000.0).contains(&bytes), "{bytes} bytes an event, the 2000 that were there counted");
}

#[tokio::test]
async fn a_store_filled_by_the_benchmark_starts_and_is_read() {
    let sizes = ["--rounds", "1", "--seconds", "1", "--connections", "4", "--cold", "50"];
    let store = ["--preload", "4000", "--preload-entities", "200", "--long", "1050"];
    let report = bench(&[&["start"], &sizes[..], &store[..]].concat()).await;
    assert!(fact(&report, "first touch, ms") > 0.0 && report["lost"] == 0, "{report}");
    assert_eq!((&report["loads"][0]["errors"], fact(&report, "entities")), (&0.into(), 200.0), "{report}");
}

#[tokio::test]
async fn under_twice_the_peak_what_is_admitted_is_kept() {
    let sizes = ["--seconds", "1", "--warmup", "1", "--connections", "16", "--many", "400", "--keys", "50"];
    let report = bench(&[&["overload"], &sizes[..]].concat()).await;
    let loads = report["loads"].as_array().expect("a report has loads");
    assert_eq!(loads.len(), 3, "closed, half, twice: {report}");
    assert!(loads.iter().all(|load| load["errors"] == 0), "{report}");
    assert!(report["lost"] == 0 && (0.0..1.0).contains(&fact(&report, "refused")), "{report}");
    assert!(fact(&report, "p99 to that at half") > 0.0, "{report}");
}

#[tokio::test]
async fn runs_that_are_parked_wait_and_go_to_rest() {
    let report = bench(&["parked", "--runs", "300", "--first", "100", "--connections", "8"]).await;
    assert_eq!((&report["loads"][1]["errors"], fact(&report, "waiting")), (&0.into(), 401.0), "{report}");
    assert!(fact(&report, "of one started anew").is_finite(), "{report}");
}

#[tokio::test]
async fn no_timer_of_the_benchmark_is_early() {
    for more in [&[][..], &["--at-rest"]] {
        let sizes = ["timers", "--runs", "200", "--lead", "10", "--connections", "8"];
        let report = bench(&[&sizes[..], more].concat()).await;
        assert_eq!(fact(&report, "early"), 0.0, "{report}");
        assert!(fact(&report, "late, ms") >= 0.0, "{report}");
    }
}

#[tokio::test]
async fn every_task_of_the_long_run_is_timed() {
    let report = bench(&["tasks", "--tasks", "400"]).await;
    assert_eq!(fact(&report, "tasks"), 400.0, "{report}");
    assert!(fact(&report, "last to first") > 0.0 && fact(&report, "first tasks, ms") > 0.0, "{report}");
}

#[tokio::test]
async fn runs_are_measured_with_and_without_others_beside_them() {
    let sizes = ["--seconds", "1", "--warmup", "0", "--connections", "4", "--rounds", "1"];
    let beside = ["--definitions", "20", "--finished", "30"];
    let report = bench(&[&["definitions"], &sizes[..], &beside[..]].concat()).await;
    let loads = report["loads"].as_array().expect("a report has loads");
    assert_eq!(loads.len(), 3, "echo, alone, among others: {report}");
    assert!(loads.iter().all(|load| load["errors"] == 0), "{report}");
    assert!(fact(&report, "ratio to the same alone") > 0.0, "{report}");
}
