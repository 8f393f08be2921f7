//! The part of a `Cargo.toml` that the rules need. A line that this reader does not know is left out of no check: a
//! dependency is whatever stands in a section of dependencies.

/// A manifest as its sections' entries.
pub(crate) struct Manifest {
    entries: Vec<Entry>,
}

struct Entry {
    section: String,
    key: String,
    value: String,
    line: usize,
}

/// A dependency as written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// What is said of it, such as `workspace = true` or `"1"`.
    pub(crate) spec: String,
    pub(crate) line: usize,
}

impl Manifest {
    /// Reads a manifest's text.
    pub(crate) fn parse(text: &str) -> Self {
        let mut entries: Vec<Entry> = Vec::new();
        let mut section = String::new();
        let mut open = 0_i64;
        for (index, line) in text.lines().enumerate() {
            let line = without_comment(line).trim();
            if open > 0 {
                let last = entries.last_mut().expect("a value that goes on has begun");
                last.value.push_str(line);
                open += nesting(line);
            } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name.trim_matches(['[', ']', ' ']).to_owned();
            } else if let Some((key, value)) = line.split_once('=') {
                let (key, value) = (key.trim().replace('"', ""), value.trim().to_owned());
                open = nesting(&value);
                entries.push(Entry { section: section.clone(), key, value, line: index + 1 });
            }
        }
        Self { entries }
    }

    /// The value and line of a key in a section, as written.
    pub(crate) fn value(&self, section: &str, key: &str) -> Option<(&str, usize)> {
        let entry = self.entries.iter().find(|entry| entry.section == section && entry.key == key)?;
        Some((&entry.value, entry.line))
    }

    /// The strings of an array.
    pub(crate) fn strings(&self, section: &str, key: &str) -> Vec<String> {
        let value = self.value(section, key).map_or("", |(value, _)| value);
        value.split('"').skip(1).step_by(2).map(str::to_owned).collect()
    }

    /// What stands in the sections of dependencies: normal, development, build, of a target, of the workspace.
    pub(crate) fn dependencies(&self) -> Vec<Dependency> {
        self.entries.iter().filter_map(dependency).collect()
    }
}

fn dependency(entry: &Entry) -> Option<Dependency> {
    if entry.section.ends_with("dependencies") {
        let (name, field) = entry.key.split_once('.').unwrap_or((&entry.key, ""));
        let spec = if field.is_empty() { entry.value.clone() } else { format!("{field} = {}", entry.value) };
        return Some(Dependency { name: name.to_owned(), spec, line: entry.line });
    }
    let (_, name) = entry.section.split_once("dependencies.")?;
    Some(Dependency {
        name: name.to_owned(),
        spec: format!("{} = {}", entry.key, entry.value),
        line: entry.line,
    })
}

fn nesting(text: &str) -> i64 {
    let outside_strings = text.split('"').step_by(2).flat_map(str::chars);
    outside_strings
        .map(|mark| i64::from(matches!(mark, '[' | '{')) - i64::from(matches!(mark, ']' | '}')))
        .sum()
}

fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    for (index, mark) in line.char_indices() {
        match mark {
            '"' => quoted = !quoted,
            '#' if !quoted => return &line[..index],
            _ => {}
        }
    }
    line
}

#[test]
fn every_way_to_write_a_dependency_is_seen() {
    let text = r#"
[package]
name = "x"
members = [
  "a", # the first
  "b",
]

[dependencies]
one.workspace = true
two = { workspace = true, features = ["a"] }
"three" = "3"

[target.'cfg(unix)'.dev-dependencies]
four = "4"

[build-dependencies.five]
version = "5"
"#;
    let manifest = Manifest::parse(text);
    assert_eq!(manifest.strings("package", "members"), ["a", "b"]);
    let found: Vec<(String, String)> =
        manifest.dependencies().into_iter().map(|dependency| (dependency.name, dependency.spec)).collect();
    let expected = [
        ("one", "workspace = true"),
        ("two", "{ workspace = true, features = [\"a\"] }"),
        ("three", "\"3\""),
        ("four", "\"4\""),
        ("five", "version = \"5\""),
    ];
    assert_eq!(found, expected.map(|(name, spec)| (name.to_owned(), spec.to_owned())));
}
