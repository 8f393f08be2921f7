//! From text to a tree: YAML 1.2 or JSON, with limits, and without duplicate keys.

use std::fmt;

use serde_json::Value;

use super::places::{Places, Position};
use super::problem::{Problem, Severity};
use crate::codec::tree::{Limits, Room, TWICE};

/// The longest definition, in bytes.
pub const MAX_SOURCE_BYTES: usize = 256 * 1024;

/// What a definition may hold.
const LIMITS: Limits = Limits { depth: 96, values: 50_000, bytes: 4 * MAX_SOURCE_BYTES, is_strict: true };

/// Reads a text of several YAML documents, or of one JSON document, into trees.
pub(in crate::workflow) fn read_documents(source: &str) -> Result<Vec<Value>, Problem> {
    check_length(source)?;
    let room = Room::new(LIMITS);
    let read = serde_yaml_ng::Deserializer::from_str(source).map(|document| room.read(document));
    read.collect::<Result<_, _>>().map_err(|e| unread("YAML", &e, in_yaml(source, &e)))
}

/// Reads a definition's text into a tree.
pub(crate) fn read(source: &str) -> Result<Value, Problem> {
    check_length(source)?;
    if source.trim_start().starts_with('{') {
        let mut json = serde_json::Deserializer::from_str(source);
        let read = Room::new(LIMITS).read(&mut json).and_then(|value| json.end().map(|()| value));
        match read {
            Ok(value) => return Ok(value),
            Err(e) if e.classify() == serde_json::error::Category::Data => {
                return Err(unread("JSON", &e, in_json(source, &e)));
            }
            // A flow mapping of YAML begins with a brace too.
            Err(_) => {}
        }
    }
    let yaml = serde_yaml_ng::Deserializer::from_str(source);
    Room::new(LIMITS).read(yaml).map_err(|e| unread("YAML", &e, in_yaml(source, &e)))
}

fn check_length(source: &str) -> Result<(), Problem> {
    if source.len() > MAX_SOURCE_BYTES {
        let message = format!("the text has {} bytes; {MAX_SOURCE_BYTES} are allowed", source.len());
        return Err(refusal(message, "split it into several", Position::START));
    }
    Ok(())
}

fn in_yaml(source: &str, error: &serde_yaml_ng::Error) -> Position {
    let twice = || error.to_string().contains(TWICE).then(|| Places::of(source).repeated()).flatten();
    if let Some(at) = twice() {
        return at;
    }
    error.location().map_or(Position::START, |at| Position::new(at.line(), at.column()))
}

fn in_json(source: &str, error: &serde_json::Error) -> Position {
    // The reader counts bytes.
    let line = source.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    let before = line.char_indices().take_while(|(index, _)| *index < error.column()).count();
    Position::new(error.line(), before)
}

fn unread(language: &str, error: &dyn fmt::Display, at: Position) -> Problem {
    let fix = "correct the text there; it has to be one YAML or JSON document";
    let error = error.to_string();
    let Position { line, column } = at;
    let error = error.trim_end_matches(&format!(" at line {line} column {column}"));
    refusal(format!("the text cannot be read as {language}: {error}"), fix, at)
}

fn refusal(message: String, fix: &str, at: Position) -> Problem {
    let Position { line, column } = at;
    Problem {
        severity: Severity::Error,
        pointer: String::new(),
        line,
        column,
        message,
        fix: fix.to_owned(),
        kind: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_and_json_give_the_same_tree() {
        let yaml = read("on: yes\nlist: [1, 2.5, true, ~]\ntext: 'a'\n").unwrap();
        let json = read(r#"{"on": "yes", "list": [1, 2.5, true, null], "text": "a"}"#).unwrap();
        assert_eq!(yaml, json);
        assert_eq!(read("{a: 1}").unwrap(), serde_json::json!({ "a": 1 }));
    }

    #[test]
    fn what_is_ambiguous_or_too_big_is_refused() {
        let bomb: String = (0..12).fold("a0: &a0 [x, x]\n".to_owned(), |text, i| {
            let next = i + 1;
            format!("{text}a{next}: &a{next} [*a{i}, *a{i}, *a{i}, *a{i}, *a{i}]\n")
        });
        let deep = "[".repeat(200) + &"]".repeat(200);
        let cases = [
            ("a: 1\na: 2\n".to_owned(), "duplicate"),
            (r#"{"a": 1, "a": 2}"#.to_owned(), "stands twice"),
            (bomb, ""),
            (deep, ""),
            (format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), "*a, ".repeat(1_000)), "bytes of text"),
            ("a: .nan".to_owned(), "finite"),
            ("a: 1\n---\nb: 2\n".to_owned(), "more than one document"),
            ("a: !include b".to_owned(), ""),
            ("x".repeat(MAX_SOURCE_BYTES + 1), "bytes"),
        ];
        for (text, expected) in cases {
            let shown: String = text.chars().take(40).collect();
            let problem = read(&text).map(|_| ()).expect_err(&shown);
            let found = problem.message.contains(expected) || problem.message.contains("stands twice");
            assert!(found, "{shown}: {}", problem.message);
        }
    }
}
