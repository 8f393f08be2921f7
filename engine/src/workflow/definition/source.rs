//! From text to a tree: YAML 1.2 or JSON, with limits, and without duplicate keys.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::places::{Places, Position};
use super::problem::{Problem, Severity};

/// The longest definition, in bytes.
pub const MAX_SOURCE_BYTES: usize = 256 * 1024;

/// The deepest nesting of a definition.
const MAX_DEPTH: usize = 96;

/// The most values in a definition, aliases counted as often as they are used.
const MAX_VALUES: usize = 50_000;

/// The most bytes of text in it, counted in the same way.
const MAX_TEXT_BYTES: usize = 4 * MAX_SOURCE_BYTES;

/// Reads a text of several YAML documents, or of one JSON document, into trees.
pub(in crate::workflow) fn read_documents(source: &str) -> Result<Vec<Value>, Problem> {
    check_length(source)?;
    let (values, bytes) = (Cell::new(0), Cell::new(0));
    let documents = serde_yaml_ng::Deserializer::from_str(source);
    let read =
        documents.map(|document| Tree { depth: 0, values: &values, bytes: &bytes }.deserialize(document));
    read.collect::<Result<_, _>>().map_err(|e| unread("YAML", &e, in_yaml(source, &e)))
}

/// Reads a definition's text into a tree.
pub(super) fn read(source: &str) -> Result<Value, Problem> {
    check_length(source)?;
    let (values, bytes) = (Cell::new(0), Cell::new(0));
    let tree = Tree { depth: 0, values: &values, bytes: &bytes };
    if source.trim_start().starts_with('{') {
        let mut json = serde_json::Deserializer::from_str(source);
        let read = tree.deserialize(&mut json).and_then(|value| json.end().map(|()| value));
        match read {
            Ok(value) => return Ok(value),
            Err(e) if e.classify() == serde_json::error::Category::Data => {
                return Err(unread("JSON", &e, in_json(source, &e)));
            }
            // A flow mapping of YAML begins with a brace too.
            Err(_) => {
                values.set(0);
                bytes.set(0);
            }
        }
    }
    let yaml = serde_yaml_ng::Deserializer::from_str(source);
    tree.deserialize(yaml).map_err(|e| unread("YAML", &e, in_yaml(source, &e)))
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

/// What is said of a key that is not the first of its name; its reader tells no place.
const TWICE: &str = "stands twice in one mapping";

#[derive(Clone, Copy)]
struct Tree<'a> {
    depth: usize,
    values: &'a Cell<usize>,
    bytes: &'a Cell<usize>,
}

impl Tree<'_> {
    /// Counts the bytes of a text, as often as an alias repeats it.
    fn count<E: Error>(self, text: &str) -> Result<(), E> {
        let bytes = self.bytes.get() + text.len();
        self.bytes.set(bytes);
        if bytes > MAX_TEXT_BYTES {
            return Err(E::custom(format_args!("more than {MAX_TEXT_BYTES} bytes of text, aliases counted")));
        }
        Ok(())
    }

    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format_args!("nested more than {MAX_DEPTH} deep")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.values.set(self.values.get() + 1);
        if self.values.get() > MAX_VALUES {
            return Err(D::Error::custom(format_args!("more than {MAX_VALUES} values")));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a plain value, a list or a mapping")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.count(value)?;
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut fields = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            self.count(&key)?;
            if fields.contains_key(&key) {
                return Err(A::Error::custom(format_args!("the key `{key}` {TWICE}")));
            }
            fields.insert(key, map.next_value_seed(inner)?);
        }
        Ok(Value::Object(fields))
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
