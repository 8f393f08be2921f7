//! Names that may stand only in their homes: the actor library, drivers, the web framework, and the calls by which
//! time, tasks and queues without a bound would come in past the engine's context.

use crate::finding::{Allowed, Finding, report, sift, within};
use crate::repo::{Repo, repo};
use crate::source::{Kind, Source};

/// A library and the files that may name it.
struct Library {
    names: &'static [&'static str],
    homes: &'static [&'static str],
    instead: &'static str,
}

const LIBRARIES: &[Library] = &[
    Library {
        names: &["ractor"],
        homes: &["engine/src/entity/host.rs", "engine/src/entity/host/**", "engine/src/supervise/**"],
        instead: "go through the entity host or a supervised service",
    },
    Library {
        names: &["axum", "utoipa_axum", "tower_http"],
        homes: &["api/**"],
        instead: "HTTP is the edge's: move it to api/",
    },
];

/// A driver and the names of the files (or folders) that may import it, wherever they lie.
const DRIVERS: &[(&str, &[&str])] = &[
    // Beside the journal, the benchmark's comparison is written with it.
    ("sqlx", &["sqlite", "by_hand"]),
    ("tokio_postgres", &["postgres"]),
    ("mongodb", &["mongo"]),
    ("redis", &["redis"]),
];

/// A call, by the end of its path, with the files that may make it.
struct Call {
    path: &'static str,
    homes: &'static [&'static str],
    instead: &'static str,
}

const SPAWN: &str = "spawn in a task scope of the context: tracked, cancelled, awaited";
const CLOCK: &str = "take the time from the context";
const SLEEP: &str =
    "sleep on the context's clock; in a test wait for what should happen, through the harness";
const BOUND: &str = "every queue has a bound: use a bounded channel";
const IDS: &str = "take ids from the context";

const RUNTIME: &[&str] = &["engine/src/runtime/**"];
const CLOCKS: &[&str] = &["engine/src/runtime/**", "engine/src/clock.rs", "tests/src/**", "tests/bench/**"];
const SLEEPERS: &[&str] = &["engine/src/runtime/**", "tests/src/**"];
const ID_MAKERS: &[&str] = &["engine/src/runtime/**", "engine/src/id.rs", "engine/src/id/**"];

const CALLS: &[Call] = &[
    Call { path: "tokio::spawn", homes: RUNTIME, instead: SPAWN },
    Call { path: "task::spawn", homes: RUNTIME, instead: SPAWN },
    Call { path: "task::spawn_local", homes: RUNTIME, instead: SPAWN },
    Call { path: "spawn_blocking", homes: RUNTIME, instead: "use the context's pool for CPU work" },
    Call { path: "SystemTime::now", homes: CLOCKS, instead: CLOCK },
    Call { path: "Instant::now", homes: CLOCKS, instead: CLOCK },
    Call { path: "Timestamp::now", homes: CLOCKS, instead: CLOCK },
    Call { path: "Zoned::now", homes: CLOCKS, instead: CLOCK },
    Call { path: "Uuid::now_v7", homes: ID_MAKERS, instead: IDS },
    Call { path: "Uuid::new_v4", homes: ID_MAKERS, instead: IDS },
    Call { path: "thread::sleep", homes: SLEEPERS, instead: SLEEP },
    Call { path: "time::sleep", homes: SLEEPERS, instead: SLEEP },
    Call { path: "time::sleep_until", homes: SLEEPERS, instead: SLEEP },
    Call { path: "unbounded_channel", homes: &[], instead: BOUND },
    Call { path: "std::sync::mpsc::channel", homes: &[], instead: BOUND },
];

/// Calls outside their homes that must be: `path` is the file, `name` the call as it stands in [`CALLS`].
const ALLOWED_CALLS: &[Allowed] = &[
    Allowed { path: "api/src/cli/bench/**", name: "spawn_blocking", reason: "measures bare commits" },
    Allowed { path: "api/src/cli/bench/**", name: "time::sleep", reason: "polls a server in real time" },
    Allowed {
        path: "api/src/cli/bench/**",
        name: "thread::sleep",
        reason: "paces the open loop in real time",
    },
    Allowed { path: "api/src/cli/bench/**", name: "Instant::now", reason: "measures real time" },
    Allowed {
        path: "engine/src/journal/memory/store.rs",
        name: "time::sleep",
        reason: "models the disk's latency",
    },
    Allowed {
        path: "engine/src/journal/postgres/settle.rs",
        name: "time::sleep",
        reason: "waits for a real database to come back",
    },
    Allowed {
        path: "engine/src/journal/sqlite/index.rs",
        name: "time::sleep",
        reason: "leaves a real core to others",
    },
    Allowed {
        path: "workflows/src/connectors/sandbox/mod.rs",
        name: "time::sleep",
        reason: "models the latency of the outside",
    },
];

fn libraries(repo: &Repo) -> Vec<Finding> {
    let mut found = Vec::new();
    for library in LIBRARIES {
        let outside = |source: &&Source| !library.homes.iter().any(|home| within(&source.path, home));
        for source in repo.sources.iter().filter(outside) {
            found.extend(named(source, library.names, library.instead));
        }
    }
    found
}

fn drivers(repo: &Repo) -> Vec<Finding> {
    let mut found = Vec::new();
    for (driver, homes) in DRIVERS {
        let outside = |source: &&Source| {
            let mut parts = source.path.trim_end_matches(".rs").split('/');
            !parts.any(|part| homes.contains(&part))
        };
        let instead = format!("only files named {}.rs import it", homes.join(".rs or "));
        for source in repo.sources.iter().filter(outside) {
            found.extend(named(source, &[driver], &instead));
        }
    }
    found
}

fn named(source: &Source, names: &[&str], instead: &str) -> Vec<Finding> {
    let is_named = |text: &str| names.contains(&text);
    let tokens = source.tokens.iter().filter(|token| token.kind == Kind::Name && is_named(&token.text));
    let describe =
        |line, name: &str| Finding::new(&source.path, line, name, format!("names `{name}`; {instead}"));
    tokens.map(|token| describe(token.line, &token.text)).collect()
}

fn calls(repo: &Repo) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in &repo.sources {
        for (line, path) in source.paths() {
            let path = path.join("::");
            let call = CALLS.iter().find(|call| ends_with_path(&path, call.path));
            if let Some(call) = call.filter(|call| !call.homes.iter().any(|home| within(&source.path, home)))
            {
                let text = format!("`{}`: {}", call.path, call.instead);
                found.push(Finding::new(&source.path, line, call.path, text));
            }
        }
    }
    found
}

fn ends_with_path(path: &str, end: &str) -> bool {
    path.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with("::"))
}

#[test]
fn libraries_are_named_only_in_their_homes() {
    report("homes of libraries", libraries(repo()));
}

#[test]
fn drivers_are_imported_only_in_files_named_after_them() {
    report("homes of drivers", drivers(repo()));
}

#[test]
fn tasks_time_and_queues_come_from_the_context() {
    report("homes of calls", sift(calls(repo()), ALLOWED_CALLS));
}

#[cfg(test)]
mod samples {
    use super::*;

    fn one(path: &str, text: &str) -> Repo {
        Repo::of(&[(path, text)])
    }

    #[test]
    fn the_actor_library_outside_its_homes_is_found() {
        let text = "// ractor\nuse ractor::Actor;\nconst NAME: &str = \"ractor\";\n";
        assert_eq!(libraries(&one("engine/src/timer/mod.rs", text)).len(), 1);
        assert_eq!(libraries(&one("engine/src/supervise/tree.rs", text)).len(), 0);
        assert_eq!(libraries(&one("workflows/src/lib.rs", "fn f(_: axum::Router) {}")).len(), 1);
    }

    #[test]
    fn a_driver_outside_its_file_is_found() {
        let text = "fn f(_: sqlx::Error) {}";
        assert_eq!(drivers(&one("engine/src/journal/mod.rs", text)).len(), 1);
        assert_eq!(drivers(&one("engine/src/journal/sqlite.rs", text)).len(), 0);
        assert_eq!(drivers(&one("engine/src/journal/sqlite/reader.rs", text)).len(), 0);
        assert_eq!(drivers(&one("engine/src/journal/sqlite_like.rs", text)).len(), 1);
    }

    #[test]
    fn each_call_is_found_however_it_is_written() {
        let ways = [
            "fn f() { tokio::spawn(x); }",
            "use tokio::spawn;",
            "use tokio::{task, time};\nfn f() { task::spawn(x); }",
            "fn f() { handle.spawn_blocking(x); }",
            "use std::time::*;\nfn f() { SystemTime::now(); }",
            "fn f() { std::time::Instant::now(); }",
            "use jiff as j;\nfn f() { j::Timestamp::now(); }",
            "fn f() { x.unwrap_or_else(Instant::now); }",
            "fn f() { Uuid::now_v7(); }",
            "use std::thread;\nfn f() { thread::sleep(x); }",
            "use tokio::time::{Duration, sleep as nap};\n",
            "use tokio::time as t;\nfn f() { t::sleep(x); }",
            "use tokio::time::*;\nfn f() { sleep(x); }",
            "use tokio::sync::mpsc;\nfn f() { mpsc::unbounded_channel::<u8>(); }",
            "use std::sync::mpsc;\nfn f() { mpsc::channel::<u8>(); }",
        ];
        for text in ways {
            assert!(!calls(&one("engine/src/timer/mod.rs", text)).is_empty(), "{text}");
        }
    }

    #[test]
    fn what_only_looks_alike_is_left_alone() {
        let text = "use tokio::{sync::mpsc, time::*};\n// tokio::spawn\nfn f(cx: &Context) {\n    mpsc::channel::<u8>(8);\n    \
                    cx.sleep(x);\n    scope.spawn(\"name\", x);\n    clock.now();\n    log(\"Instant::now\");\n}";
        assert_eq!(calls(&one("engine/src/timer/mod.rs", text)), []);
        assert_eq!(calls(&one("engine/src/runtime/scope.rs", "fn f() { tokio::spawn(x); }")), []);
    }
}
