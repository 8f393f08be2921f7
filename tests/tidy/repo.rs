//! The repository as the rules see it: its text files by path, its Rust files read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use crate::finding::{Finding, report, within};
use crate::source::Source;

static REPO: LazyLock<Repo> = LazyLock::new(|| Repo::read(&root()));

/// The files of the repository; paths are relative to its root and use `/`.
pub(crate) struct Repo {
    /// Every text file that git tracks or would track.
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) sources: Vec<Source>,
    broken: Vec<Finding>,
}

/// The repository that this test stands in, read once.
pub(crate) fn repo() -> &'static Repo {
    &REPO
}

impl Repo {
    fn read(root: &Path) -> Self {
        let paths = listed_by_git(root).unwrap_or_else(|| walked(root));
        let text = |path: String| std::fs::read_to_string(root.join(&path)).ok().map(|text| (path, text));
        Self::from_files(paths.into_iter().filter_map(text).collect())
    }

    /// Makes a repository of samples.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        Self::from_files(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }

    fn from_files(files: BTreeMap<String, String>) -> Self {
        let mut sources = Vec::new();
        let mut broken = Vec::new();
        for (path, text) in files.iter().filter(|(path, _)| path.ends_with(".rs")) {
            match Source::parse(path, text) {
                Ok(source) => sources.push(source),
                Err(error) => broken.push(Finding::new(path, 1, "", format!("is not Rust: {error}"))),
            }
        }
        let tests: Vec<String> = sources.iter().flat_map(test_files).collect();
        let is_test = |path: &str| tests.iter().any(|pattern| within(path, pattern));
        sources.iter_mut().filter(|source| is_test(&source.path)).for_each(Source::mark_test);
        Self { files, sources, broken }
    }

    /// The Rust file at a path.
    pub(crate) fn source(&self, path: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.path == path)
    }
}

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("the tests folder lies in the repository").to_owned()
}

/// What git tracks, or would track once added; none where this is not a git work tree.
fn listed_by_git(root: &Path) -> Option<Vec<String>> {
    if !root.join(".git").exists() {
        return None;
    }
    let mut git = Command::new("git");
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        git.env_remove(name);
    }
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = git.current_dir(root).args(arguments).output().ok()?;
    let paths = String::from_utf8(output.stdout).ok()?;
    let found: Vec<String> = paths.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect();
    (output.status.success() && !found.is_empty()).then_some(found)
}

/// Every file below the root but for what builds and runs leave there.
fn walked(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(root.join(&folder)).into_iter().flatten().flatten();
        for entry in entries {
            let path = folder.join(entry.file_name());
            let left_by_tools = [".git", "target", "data"].iter().any(|name| path == Path::new(name));
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && !left_by_tools => folders.push(path),
                Ok(kind) if kind.is_file() => found.push(path.to_string_lossy().replace('\\', "/")),
                _ => {}
            }
        }
    }
    found
}

/// The files (as patterns) of the modules that a file declares under `#[cfg(test)]`.
fn test_files(source: &Source) -> Vec<String> {
    let (folder, file) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
    let stem = file.trim_end_matches(".rs");
    let modules = match stem {
        "lib" | "main" | "mod" => folder.to_owned(),
        _ => format!("{folder}/{stem}"),
    };
    let patterns = source.test_modules.iter().flat_map(|module| match &module.path {
        Some(path) => vec![format!("{folder}/{path}")],
        None => vec![format!("{modules}/{}.rs", module.name), format!("{modules}/{}/**", module.name)],
    });
    patterns.collect()
}

#[test]
fn every_rust_file_parses() {
    report("Rust files must parse", repo().broken.clone());
}

#[test]
fn the_repository_is_seen() {
    for path in
        ["Cargo.toml", "engine/src/lib.rs", "actors/src/lib.rs", "api/src/main.rs", "tests/Cargo.toml"]
    {
        assert!(repo().files.contains_key(path), "{path} was not read from {}", root().display());
    }
    assert!(repo().source("tests/tidy/repo.rs").is_some_and(|source| source.tokens.len() > 500));
    assert!(!repo().files.keys().any(|path| path.starts_with("target/")));
}

#[test]
fn a_walk_without_git_sees_the_same_sources() {
    let walked = walked(&root());
    for source in &repo().sources {
        assert!(walked.contains(&source.path), "{} is missing from the walk", source.path);
    }
}

#[test]
fn a_broken_file_is_reported() {
    assert_eq!(Repo::of(&[("engine/src/a.rs", "fn {")]).broken.len(), 1);
}

#[test]
fn a_file_declared_under_cfg_test_is_test_code() {
    let files = [
        ("a/src/b.rs", "#[cfg(test)]\nmod tests;\n#[cfg(test)]\n#[path = \"x.rs\"]\nmod more;\nmod live;\n"),
        ("a/src/b/tests.rs", "fn f() {}\n"),
        ("a/src/b/live.rs", "fn f() {}\n"),
        ("a/src/x.rs", "fn f() {}\n"),
    ];
    let lines: Vec<usize> = Repo::of(&files).sources.iter().map(|source| source.product_lines).collect();
    assert_eq!(lines, [1, 1, 0, 0]);
}
