//! Fields of the facts: dotted paths.

use std::fmt;

use serde_json::Value;

use crate::workflow::definition::suggestion;

/// The longest path, in bytes.
const LONGEST: usize = 256;

/// Where paths begin.
const ROOTS: [&str; 2] = ["event", "entity"];

/// A path into the facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    name: String,
    /// The place in a list, if it can be one.
    index: Option<usize>,
}

impl Field {
    /// Parses a path like `event.data.items.0."unit.price"`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and what to do.
    pub(super) fn parse(text: &str) -> Result<Self, (String, String)> {
        if text.len() > LONGEST {
            let message = format!("the path has {} bytes; {LONGEST} are allowed", text.len());
            return Err((message, "compare what is so deep with an expression".to_owned()));
        }
        let wrong = |what: &str| {
            let fix = "write it like `event.data.total`, `entity.tags.0` or `event.data.\"a.b\"`";
            (format!("`{text}` is no path: {what}"), fix.to_owned())
        };
        let mut parts = Vec::new();
        let mut rest = text;
        loop {
            let (part, behind) = next(rest).map_err(wrong)?;
            parts.push(part);
            rest = match behind.strip_prefix('.') {
                Some(more) => more,
                None if behind.is_empty() => break,
                None => return Err(wrong("a dot is missing behind a quote")),
            };
        }
        let root = parts[0].name.as_str();
        if !ROOTS.contains(&root) {
            let fix = suggestion(root, ROOTS, || "begin with `event.` or `entity.`".to_owned());
            return Err((format!("`{text}` begins neither with `event` nor with `entity`"), fix));
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// True if it is of the entity's state.
    pub(super) fn is_of_entity(&self) -> bool {
        self.parts[0].name == "entity"
    }

    /// The value of the facts there; null is none.
    pub(super) fn find<'a>(&self, facts: &'a Value) -> Option<&'a Value> {
        let found = self.parts.iter().try_fold(facts, |value, part| match value {
            Value::Object(fields) => fields.get(&part.name),
            Value::Array(items) => items.get(part.index?),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        })?;
        (!found.is_null()).then_some(found)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Takes a part off the beginning of a path.
fn next(text: &str) -> Result<(Part, &str), &'static str> {
    if text.starts_with('"') {
        let mut parts = serde_json::Deserializer::from_str(text).into_iter::<String>();
        let Some(Ok(name)) = parts.next() else { return Err("a quoted part is no JSON text") };
        return Ok((Part { name, index: None }, &text[parts.byte_offset()..]));
    }
    let (name, behind) = text.split_at(text.find('.').unwrap_or(text.len()));
    if name.is_empty() {
        return Err("a part is empty");
    }
    if name.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '[' | ']')) {
        return Err("a part with such characters stands in quotes, and an item of a list is `.0`");
    }
    let is_number = name.bytes().all(|b| b.is_ascii_digit());
    let index = name.parse().ok().filter(|_| is_number);
    Ok((Part { name: name.to_owned(), index }, behind))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_lead_into_the_facts() {
        let facts = json!({
            "event": { "type": "t", "data": { "a.b": 1, "0": "key", "list": [[5], { "x": null }], "q\"": 2 } },
            "entity": null,
        });
        let cases = [
            ("event.type", Some(json!("t"))),
            ("event.data.\"a.b\"", Some(json!(1))),
            ("event.data.\"q\\\"\"", Some(json!(2))),
            ("event.data.0", Some(json!("key"))),
            ("event.data.list.0.0", Some(json!(5))),
            ("event.data.list.\"0\"", None),
            ("event.data.list.2", None),
            ("event.data.list.99999999999999999999", None),
            ("event.data.list.1.x", None),
            ("event.type.x", None),
            ("entity", None),
            ("entity.score", None),
        ];
        for (text, expected) in cases {
            let field = Field::parse(text).unwrap();
            assert_eq!(field.find(&facts), expected.as_ref(), "{text}");
            assert_eq!((field.to_string(), field.is_of_entity()), (text.to_owned(), text.starts_with("ent")));
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        let cases = [
            ("", "is empty", "write it like"),
            ("event.", "is empty", ""),
            ("event..x", "is empty", ""),
            (".event", "is empty", ""),
            ("event.items[0]", "`.0`", ""),
            ("event.data.\"a", "JSON text", ""),
            ("event.data.\"a\"b", "a dot is missing", ""),
            ("event.a b", "in quotes", ""),
            ("evnet.data", "begins neither", "did you mean `event`?"),
            ("score", "begins neither", "`entity.`"),
        ];
        for (text, message, fix) in cases {
            let (found, todo) = Field::parse(text).expect_err(text);
            assert!(found.contains(message) && todo.contains(fix), "{text}: {found}; {todo}");
        }
        assert!(Field::parse(&format!("event.{}", "x".repeat(300))).is_err());
    }
}
