//! The table of the profile names a test in each row, and the test is there.

use std::path::Path;

/// All Rust sources below a folder, one after the other.
fn sources(folder: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            all.push_str(&sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
    all
}

#[test]
fn every_row_of_the_profile_names_a_test_that_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let code: String =
        ["engine/src", "workflows/src", "tests/it"].iter().map(|part| sources(&root.join(part))).collect();
    let rows: Vec<Vec<&str>> = include_str!("profile.md")
        .lines()
        .filter(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert!(rows.len() > 40);
    for row in rows {
        let [feature, profile, _, test] = row.as_slice() else { panic!("{row:?}") };
        assert!(["core", "extended", "refused"].contains(profile), "{feature}");
        let name = test.trim_matches('`');
        assert!(code.contains(&format!("fn {name}(")), "{feature}: there is no test `{name}`");
    }
}
