//! What may stand at the top, how golden samples are named, and what a text file may not give away.

use crate::finding::{Allowed, Finding, report, sift};
use crate::repo::{Repo, repo};

const TOP: &[&str] = &[
    ".ci",
    ".github",
    ".gitignore",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "actors",
    "api",
    "clippy.toml",
    "deny.toml",
    "deploy",
    "engine",
    "rustfmt.toml",
    "tests",
    "workflows",
];

const GOLDEN_EVENTS: &str = "tests/golden/events/";

/// Folders of one machine; split here so that this file does not hold them.
const MACHINE_PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// Hosts that packages come from: which one is used is a matter of the machine, never of the sources.
const REGISTRY_HOSTS: &[&str] = &[
    concat!("arti", "factory"),
    concat!("index.", "crates.io"),
    concat!("proxy.", "golang.org"),
    concat!("pypi", ".org"),
    concat!("registry.", "npmjs.org"),
    concat!("static.", "crates.io"),
];

/// The index by which cargo names the public registry, wherever it is fetched from.
const PUBLIC_INDEX: &str = "https://github.com/rust-lang/crates.io-index";

/// Machine paths that must be: `path` is the file, `name` the machine path as it stands in [`MACHINE_PATHS`].
const ALLOWED_PATHS: &[Allowed] = &[];

fn top_level(repo: &Repo) -> Vec<Finding> {
    let entry = |path: &'_ str| path.split('/').next().unwrap_or(path).to_owned();
    let strangers =
        repo.files.keys().map(|path| (path, entry(path))).filter(|(_, top)| !TOP.contains(&top.as_str()));
    let describe =
        |top: &str| format!("`{top}` does not belong at the top: move it into the folder it serves");
    strangers.map(|(path, top)| Finding::new(path, 1, &top, describe(&top))).collect()
}

fn golden_names(repo: &Repo) -> Vec<Finding> {
    let samples =
        repo.files.iter().filter_map(|(path, text)| Some((path, path.strip_prefix(GOLDEN_EVENTS)?, text)));
    let mut found = Vec::new();
    for (path, file, text) in samples {
        if !is_golden_name(file) {
            found.push(Finding::new(
                path,
                1,
                file,
                "name it `<kind>.<event>.v<N>.json`, in lower case, N from 1",
            ));
        }
        if let Err(error) = serde_json::from_str::<serde_json::Value>(text) {
            found.push(Finding::new(path, error.line(), file, format!("is not JSON: {error}")));
        }
    }
    found
}

fn is_golden_name(file: &str) -> bool {
    let parts: Vec<&str> = file.split('.').collect();
    let [kind, event, version, "json"] = parts.as_slice() else { return false };
    let number = version.strip_prefix('v').unwrap_or_default();
    let is_number = number.parse::<u32>().is_ok_and(|value| value > 0 && value.to_string() == number);
    is_wire_name(kind) && is_wire_name(event) && is_number
}

fn is_wire_name(name: &str) -> bool {
    let known = |mark: char| mark.is_ascii_lowercase() || mark.is_ascii_digit() || mark == '-' || mark == '_';
    name.starts_with(|mark: char| mark.is_ascii_lowercase()) && name.chars().all(known)
}

fn machine_paths(repo: &Repo) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, number, line) in lines(repo) {
        for machine in MACHINE_PATHS.iter().filter(|machine| holds_path(line, machine)) {
            let text = format!("`{machine}`: no paths of one machine; use a relative path or a variable");
            found.push(Finding::new(path, number, machine, text));
        }
    }
    found
}

/// Says whether a line holds a path that begins so, rather than one that only goes on so.
fn holds_path(line: &str, path: &str) -> bool {
    let goes_on = |mark: char| mark.is_alphanumeric() || "._-~/}*)#".contains(mark);
    line.match_indices(path).any(|(at, _)| !line[..at].ends_with(goes_on))
}

fn registry_hosts(repo: &Repo) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, number, line) in lines(repo) {
        let host = REGISTRY_HOSTS.iter().find(|host| line.contains(**host)).map(|host| (*host).to_owned());
        if let Some(host) = host.or_else(|| other_index(line)) {
            let text = format!(
                "`{host}`: where packages are fetched from is the machine's to say, not the sources'"
            );
            found.push(Finding::new(path, number, &host, text));
        }
    }
    found
}

/// The address of a package index other than the public one.
fn other_index(line: &str) -> Option<String> {
    let mut starts = [concat!("registry", "+http"), concat!("sparse", "+http")].into_iter();
    let address = starts.find_map(|start| Some(&line[line.find(start)? + start.len() - "http".len()..]))?;
    let address = address.split(['"', '\'', ' ', '#', ')']).next()?;
    (address != PUBLIC_INDEX).then(|| address.to_owned())
}

fn lines(repo: &Repo) -> impl Iterator<Item = (&str, usize, &str)> {
    repo.files.iter().flat_map(|(path, text)| {
        text.lines().enumerate().map(move |(index, line)| (path.as_str(), index + 1, line))
    })
}

#[test]
fn the_top_level_holds_only_what_belongs_there() {
    report("top-level entries", top_level(repo()));
}

#[test]
fn golden_event_samples_are_named_by_kind_event_and_version() {
    report("names of golden samples", golden_names(repo()));
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    report("no machine paths", sift(machine_paths(repo()), ALLOWED_PATHS));
}

#[test]
fn no_file_names_a_package_registry() {
    report("no registry hosts", registry_hosts(repo()));
}

#[cfg(test)]
mod samples {
    use super::*;

    #[test]
    fn a_stranger_at_the_top_is_found() {
        let files = [("notes.md", ""), ("scripts/run.sh", ""), ("engine/notes.md", "")];
        assert_eq!(top_level(&Repo::of(&files)).len(), 2);
    }

    #[test]
    fn golden_names_are_checked() {
        for good in ["campaign.launched.v1.json", "content-job.sent_back.v12.json"] {
            assert!(is_golden_name(good), "{good}");
        }
        for bad in [
            "campaign.v1.json",
            "campaign.launched.v0.json",
            "campaign.launched.v01.json",
            "campaign.launched.json",
            "Campaign.Launched.v1.json",
            "campaign.launched.v1.yaml",
            "a/campaign.launched.v1.json",
            ".launched.v1.json",
        ] {
            assert!(!is_golden_name(bad), "{bad}");
        }
        let files = [("tests/golden/events/bad.json", "{}"), ("tests/golden/events/a.b.v1.json", "{")];
        assert_eq!(golden_names(&Repo::of(&files)).len(), 2);
    }

    #[test]
    fn machine_paths_are_found_and_other_paths_are_not() {
        for machine in MACHINE_PATHS {
            let bad = format!("cd {machine}x\nlet a = \"{machine}x\";\nA={machine}x\n");
            assert_eq!(machine_paths(&Repo::of(&[("a", &bad)])).len(), 3, "{machine}");
            let good = format!("https://example.com{machine}x\n${{dir}}{machine}x\n./a{machine}x\n");
            assert_eq!(machine_paths(&Repo::of(&[("a", &good)])), [], "{machine}");
        }
    }

    #[test]
    fn registries_are_found_and_the_public_index_is_not() {
        for host in REGISTRY_HOSTS {
            assert_eq!(registry_hosts(&Repo::of(&[("a", host)])).len(), 1, "{host}");
        }
        let scheme = concat!("registry", "+");
        let bad = format!("source = \"{scheme}https://mirror.example/index\"\n");
        assert_eq!(registry_hosts(&Repo::of(&[("Cargo.lock", &bad)])).len(), 1);
        let good = format!("source = \"{scheme}{PUBLIC_INDEX}\"\n");
        assert_eq!(registry_hosts(&Repo::of(&[("Cargo.lock", &good)])), []);
    }
}
