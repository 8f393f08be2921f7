//! Which crate may depend on which, which libraries a crate may name, and where versions stand.

use crate::finding::{Finding, report};
use crate::manifest::Manifest;
use crate::repo::{Repo, repo};

/// `api -> workflows -> actors -> engine`, and tests on everything: each member with those below it.
const LAYERS: &[(&str, &[&str])] = &[
    ("engine", &[]),
    ("actors", &["engine"]),
    ("workflows", &["engine", "actors"]),
    ("api", &["engine", "actors", "workflows"]),
    ("tests", &["engine", "actors", "workflows", "api"]),
];

/// Libraries with one home among the members.
const ONE_HOME: &[(&str, &str)] = &[
    ("axum", "api"),
    ("tower-http", "api"),
    ("utoipa-axum", "api"),
    ("ractor", "engine"),
    ("sqlx", "engine"),
    ("tokio-postgres", "engine"),
    ("mongodb", "engine"),
    ("redis", "engine"),
];

/// Members that may name a library of another home, and why.
const EXCEPTED: &[(&str, &str, &str)] = &[("sqlx", "api", "the benchmark's comparison is written with it")];

/// What would make the domain impure: a runtime, a driver, a clock, randomness, a network.
const NOT_IN_ACTORS: &[&str] = &[
    "async-trait",
    "axum",
    "futures",
    "futures-util",
    "getrandom",
    "hyper",
    "mongodb",
    "ractor",
    "rand",
    "rand_chacha",
    "redis",
    "reqwest",
    "sqlx",
    "tokio",
    "tokio-postgres",
    "tokio-stream",
    "tokio-util",
];

/// Registration is an explicit list, so nothing may register itself.
const REGISTRATION_BY_MAGIC: &[&str] = &["inventory", "linkme"];

const PREFIX: &str = "promptsales-";

fn members(repo: &Repo) -> Vec<(String, String, Manifest)> {
    let root = Manifest::parse(repo.files.get("Cargo.toml").map_or("", String::as_str));
    let read = |name: String| {
        let path = format!("{name}/Cargo.toml");
        let manifest = Manifest::parse(repo.files.get(&path).map_or("", String::as_str));
        (name, path, manifest)
    };
    root.strings("workspace", "members").into_iter().map(read).collect()
}

fn layers(repo: &Repo) -> Vec<Finding> {
    let mut found = Vec::new();
    for (member, path, manifest) in members(repo) {
        let Some((_, below)) = LAYERS.iter().find(|(name, _)| *name == member) else {
            found.push(Finding::new(
                &path,
                1,
                &member,
                format!("`{member}` has no layer; give it one in tidy"),
            ));
            continue;
        };
        for dependency in manifest.dependencies() {
            let Some(other) = dependency.name.strip_prefix(PREFIX) else { continue };
            if !below.contains(&other) {
                let text =
                    format!("`{member}` must not depend on `{other}`: api -> workflows -> actors -> engine");
                found.push(Finding::new(&path, dependency.line, other, text));
            }
        }
    }
    found
}

fn libraries(repo: &Repo) -> Vec<Finding> {
    let mut found = Vec::new();
    for (member, path, manifest) in members(repo) {
        for dependency in manifest.dependencies() {
            let name = dependency.name.as_str();
            let excepted = EXCEPTED.iter().any(|(library, other, _)| *library == name && *other == member);
            let home = ONE_HOME.iter().find(|(library, home)| *library == name && *home != member);
            let home = home.filter(|_| !excepted);
            let text = match home {
                Some((_, home)) => format!("`{name}` is for `{home}` alone; use what `{home}` offers"),
                None if member == "actors" && NOT_IN_ACTORS.contains(&name) => {
                    format!("actors are pure: no `{name}`; take what you need as data in the command")
                }
                None => continue,
            };
            found.push(Finding::new(&path, dependency.line, name, text));
        }
    }
    found
}

fn registration_by_magic(repo: &Repo) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, text) in repo.files.iter().filter(|(path, _)| is_manifest(path)) {
        for dependency in Manifest::parse(text).dependencies() {
            if REGISTRATION_BY_MAGIC.contains(&dependency.name.as_str()) {
                let text = format!("`{}`: register by an explicit list", dependency.name);
                found.push(Finding::new(path, dependency.line, &dependency.name, text));
            }
        }
    }
    found
}

fn versions(repo: &Repo) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, text) in repo.files.iter().filter(|(path, _)| is_manifest(path) && *path != "Cargo.toml") {
        let manifest = Manifest::parse(text);
        for key in ["version", "edition", "rust-version", "license"] {
            if let Some((_, line)) = manifest.value("package", key) {
                found.push(Finding::new(path, line, key, format!("write `{key}.workspace = true`")));
            }
        }
        for dependency in manifest.dependencies() {
            let (name, spec) = (&dependency.name, &dependency.spec);
            let own_source =
                ["version", "path", "git", "registry", "package"].iter().any(|key| has_key(spec, key));
            let of_workspace = has_key(spec, "workspace") || !(spec.starts_with(['"', '{']) || own_source);
            if !of_workspace || own_source {
                let text = format!("versions stand in the root manifest: write `{name}.workspace = true`");
                found.push(Finding::new(path, dependency.line, name, text));
            }
        }
    }
    found
}

fn root_versions(repo: &Repo) -> Vec<Finding> {
    let root = Manifest::parse(repo.files.get("Cargo.toml").map_or("", String::as_str));
    let loose = |spec: &str| {
        ["git", "registry", "package"].iter().any(|key| has_key(spec, key)) || spec.contains("\"*\"")
    };
    let complain = |name: &str, line| {
        let text = format!("`{name}`: name a version of the package itself, from the public registry");
        Finding::new("Cargo.toml", line, name, text)
    };
    let dependencies = root.dependencies().into_iter().filter(|dependency| loose(&dependency.spec));
    dependencies.map(|dependency| complain(&dependency.name, dependency.line)).collect()
}

fn is_manifest(path: &str) -> bool {
    path == "Cargo.toml" || path.ends_with("/Cargo.toml")
}

fn has_key(spec: &str, key: &str) -> bool {
    let outside_strings: Vec<&str> = spec.split('"').step_by(2).collect();
    let words = outside_strings.join(" ");
    words.split(|mark: char| !mark.is_alphanumeric() && mark != '-' && mark != '_').any(|word| word == key)
}

#[test]
fn crates_depend_downwards() {
    assert_eq!(members(repo()).len(), LAYERS.len(), "every crate has a layer and every layer a crate");
    report("crate layers", layers(repo()));
}

#[test]
fn crates_use_only_the_libraries_of_their_layer() {
    report("libraries of a layer", libraries(repo()));
}

#[test]
fn nothing_registers_itself() {
    report("explicit registration", registration_by_magic(repo()));
}

#[test]
fn versions_stand_in_the_root_manifest() {
    report(
        "versions in the root manifest",
        versions(repo()).into_iter().chain(root_versions(repo())).collect(),
    );
}

#[cfg(test)]
mod samples {
    use super::*;

    const ROOT: &str = "[workspace]\nmembers = [\"engine\", \"actors\", \"extra\"]\n";

    fn sample(engine: &str, actors: &str) -> Repo {
        let files = [("Cargo.toml", ROOT), ("engine/Cargo.toml", engine), ("actors/Cargo.toml", actors)];
        Repo::of(&files)
    }

    #[test]
    fn an_upward_dependency_and_an_unknown_crate_are_found() {
        let repo = sample("[dev-dependencies]\npromptsales-actors.workspace = true\n", "");
        assert_eq!(layers(&repo).len(), 2);
    }

    #[test]
    fn a_library_of_another_layer_is_found() {
        let repo = sample(
            "[dependencies]\naxum.workspace = true\n",
            "[dependencies]\ntokio.workspace = true\nsqlx.workspace = true\n",
        );
        assert_eq!(libraries(&repo).len(), 3);
    }

    #[test]
    fn self_registration_is_found() {
        assert_eq!(registration_by_magic(&sample("[dependencies]\ninventory = \"0.3\"\n", "")).len(), 1);
    }

    #[test]
    fn a_version_in_a_member_is_found() {
        let engine = "[package]\nversion = \"1\"\nedition.workspace = true\n[dependencies]\na = \"1\"\nb = { version = \"1\" }\n\
                      c.workspace = true\nd = { workspace = true, features = [\"path\"] }\ne = { path = \"../e\" }\n\
                      [dependencies.f]\nversion = \"1\"\n[dependencies.g]\nworkspace = true\nfeatures = [\"x\"]\n";
        let lines = versions(&sample(engine, "")).len();
        assert_eq!(lines, 5, "version, a, b, e, f");
    }

    #[test]
    fn a_loose_version_in_the_root_is_found() {
        let root = "[workspace.dependencies]\na = \"*\"\nb = { git = \"x\" }\nc = { version = \"1\" }\n";
        assert_eq!(root_versions(&Repo::of(&[("Cargo.toml", root)])).len(), 2);
    }
}
