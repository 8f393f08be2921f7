//! Nothing unfinished and nothing ignored stands in the sources, and nothing that lasts has a loose serde shape.

use crate::finding::{Allowed, Finding, report, sift};
use crate::repo::{Repo, repo};
use crate::source::{Kind, Scope, Source};

/// Macros that have no place in what is finished.
const MACROS: &[&str] = &["dbg", "todo", "unimplemented"];

/// Words that mark unfinished work in a comment; split here so that this file does not hold them.
const WORDS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];

/// Where shapes are persisted or public: `untagged` and `flatten` make them ambiguous for ever.
const LASTING: &[&str] = &["engine/src/journal/", "actors/src/"];

/// Loose shapes that must be: `path` is the file, `name` the serde attribute.
const ALLOWED_SHAPES: &[Allowed] = &[];

fn unfinished(repo: &Repo) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in &repo.sources {
        for (index, token) in source.tokens.iter().enumerate().filter(|(_, token)| token.kind == Kind::Name) {
            let is_call = source.text(index + 1) == "!" && ["(", "[", "{"].contains(&source.text(index + 2));
            if is_call && MACROS.contains(&token.text.as_str()) {
                let text = format!("`{}!`: finish it, or take it out", token.text);
                found.push(Finding::new(&source.path, token.line, &token.text, text));
            }
            if token.text == "ignore" && opens_attribute(source, index) {
                let text = "`#[ignore]`: a test that does not run proves nothing; make it run or remove it";
                found.push(Finding::new(&source.path, token.line, "ignore", text));
            }
        }
        for (line, _) in source.comments.iter().filter(|(_, text)| is_ignored_example(text)) {
            let text = "an ignored example: let it run, or mark it `no_run` or `text`";
            found.push(Finding::new(&source.path, *line, "ignore", text));
        }
    }
    found
}

/// Says whether a comment's line opens an example that the documentation tests pass over.
fn is_ignored_example(comment: &str) -> bool {
    let fence = comment.trim_start_matches(['/', '!', '*', ' ']).strip_prefix("```");
    fence.is_some_and(|words| words.split([',', ' ']).any(|word| word == "ignore"))
}

/// Says whether the name at an index begins an attribute, or one inside `cfg_attr(..., name)`.
fn opens_attribute(source: &Source, index: usize) -> bool {
    let before = |back: usize| index.checked_sub(back).map_or("", |at| source.text(at));
    let direct = before(1) == "[" && (before(2) == "#" || before(3) == "#");
    let open = (0..index).rev().find(|at| source.text(*at) == "(" && source.close(*at) > index);
    let conditional = open.and_then(|at| at.checked_sub(1)).is_some_and(|at| source.text(at) == "cfg_attr");
    direct || (conditional && before(1) == ",")
}

fn marked(repo: &Repo) -> Vec<Finding> {
    let in_rust = repo.sources.iter().flat_map(|source| {
        source.comments.iter().map(|(line, text)| (source.path.as_str(), *line, text.as_str()))
    });
    let others = repo.files.iter().filter(|(path, _)| has_line_comments(path));
    let in_others = others.flat_map(|(path, text)| {
        text.lines().enumerate().map(move |(index, line)| (path.as_str(), index + 1, line_comment(line)))
    });
    let mut found = Vec::new();
    for (path, line, text) in in_rust.chain(in_others) {
        let mut words = text.split(|mark: char| !mark.is_alphanumeric() && mark != '_');
        if let Some(word) = words.find(|word| WORDS.contains(word)) {
            found.push(Finding::new(path, line, word, format!("`{word}`: do it, or write an issue")));
        }
    }
    found
}

fn has_line_comments(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    match file.rsplit_once('.') {
        Some((_, ending)) => ["sh", "sql", "toml", "yaml", "yml"].contains(&ending),
        None => file != "LICENSE",
    }
}

/// What follows the first `#` or `--` of a line.
fn line_comment(line: &str) -> &str {
    let start = [line.find('#'), line.find("--")].into_iter().flatten().min();
    start.map_or("", |start| &line[start..])
}

fn loose_shapes(repo: &Repo) -> Vec<Finding> {
    let mut found = Vec::new();
    let lasting = |source: &&Source| LASTING.iter().any(|folder| source.path.starts_with(folder));
    for source in repo.sources.iter().filter(lasting) {
        for open in
            (1..source.tokens.len()).filter(|at| source.text(*at) == "(" && source.text(*at - 1) == "serde")
        {
            for token in &source.tokens[open..source.close(open)] {
                let loose =
                    token.kind == Kind::Name && ["untagged", "flatten"].contains(&token.text.as_str());
                if loose && token.scope == Scope::Product {
                    let text =
                        format!("serde `{}` in what lasts: write the shape out, with a tag", token.text);
                    found.push(Finding::new(&source.path, token.line, &token.text, text));
                }
            }
        }
    }
    found
}

#[test]
fn nothing_is_unfinished_or_ignored() {
    report("nothing unfinished or ignored", unfinished(repo()));
}

#[test]
fn no_comment_marks_unfinished_work() {
    report("no marks of unfinished work", marked(repo()));
}

#[test]
fn what_lasts_has_no_loose_serde_shape() {
    report("no loose serde shapes", sift(loose_shapes(repo()), ALLOWED_SHAPES));
}

#[cfg(test)]
mod samples {
    use super::*;

    fn one(path: &str, text: &str) -> Repo {
        Repo::of(&[(path, text)])
    }

    #[test]
    fn unfinished_macros_and_ignored_tests_are_found() {
        let bad = "fn f() { todo!() }\nfn g() { std::unimplemented!(\"x\") }\nfn h() { dbg!(1); }\n\
                   #[test]\n#[ignore]\nfn a() {}\n#[test]\n#[ignore = \"slow\"]\nfn b() {}\n\
                   #[test]\n#[cfg_attr(unix, ignore)]\nfn c() {}\n";
        assert_eq!(unfinished(&one("a.rs", bad)).len(), 6);
        assert_eq!(unfinished(&one("a.rs", "/// ```rust,ignore\n/// f()\n/// ```\nfn f() {}\n")).len(), 1);
        let good = "fn f(todo: u8) -> bool { todo != ignore(todo) } // todo!()\n";
        assert_eq!(unfinished(&one("a.rs", good)), []);
    }

    #[test]
    fn marks_are_found_in_comments_alone() {
        let [mark, fix, odd] = [WORDS[0], WORDS[1], WORDS[2]];
        let bad = format!("/// {mark}: doc\nfn f() {{}} // {fix}\n/* {odd} */\n");
        assert_eq!(marked(&one("a.rs", &bad)).len(), 3);
        let good = format!("const ALL: &str = \"{mark} listo\";\nconst NONE: Currency = Currency::{odd};\n");
        assert_eq!(marked(&one("a.rs", &good)), []);
        assert_eq!(marked(&one("a.sql", &format!("-- {mark}\n"))).len(), 1);
        assert_eq!(marked(&one("tests/run", &format!("x # {fix}\nmktemp a.{odd}{odd}\n"))).len(), 1);
        assert_eq!(marked(&one("a.yaml", &format!("title: {mark}\n"))), []);
    }

    #[test]
    fn loose_shapes_are_found_where_they_last() {
        let bad = "#[serde(untagged)]\nenum A {}\nstruct B {\n    #[serde(default, flatten)]\n    c: C,\n}\n\
                   #[cfg_attr(unix, serde(untagged))]\nenum D {}\n";
        assert_eq!(loose_shapes(&one("actors/src/a.rs", bad)).len(), 3);
        assert_eq!(loose_shapes(&one("engine/src/journal/record.rs", bad)).len(), 3);
        assert_eq!(loose_shapes(&one("api/src/a.rs", bad)), []);
        let good = "#[serde(rename = \"flatten\")]\nfn f() { x.flatten() }\n";
        assert_eq!(loose_shapes(&one("actors/src/a.rs", good)), []);
    }
}
