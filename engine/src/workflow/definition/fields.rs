//! Reads objects field by field, and knows in the end which fields nobody asked for.

use std::cell::RefCell;

use serde_json::{Map, Value};

use super::nearest::suggestion;
use super::problem::Problems;

/// An object of a definition while it is read.
pub(crate) struct Fields<'a> {
    /// The JSON pointer of the object.
    pub(crate) at: String,
    map: &'a Map<String, Value>,
    asked: Vec<&'static str>,
    /// The names that were looked for in vain.
    missed: RefCell<Vec<String>>,
}

impl<'a> Fields<'a> {
    /// Begins to read a value that must be an object.
    pub(crate) fn open(value: &'a Value, at: &str, problems: &mut Problems) -> Option<Self> {
        match value {
            Value::Object(map) => {
                Some(Self { at: at.to_owned(), map, asked: Vec::new(), missed: Default::default() })
            }
            other => {
                let message = format!("expected a mapping, found {}", kind_of(other));
                problems.error(at, message, "write `name: value` pairs here");
                None
            }
        }
    }

    /// The pointer of a field.
    pub(crate) fn pointer(&self, name: &str) -> String {
        join(&self.at, name)
    }

    /// Asks for a field.
    pub(crate) fn get(&mut self, name: &'static str) -> Option<&'a Value> {
        self.asked.push(name);
        self.map.get(name)
    }

    /// True if the field is there; it does not count as asked for.
    pub(crate) fn has(&self, name: &str) -> bool {
        let there = self.map.contains_key(name);
        if !there {
            self.missed.borrow_mut().push(name.to_owned());
        }
        there
    }

    /// Asks for a field that must be there.
    pub(crate) fn require(&mut self, name: &'static str, problems: &mut Problems) -> Option<&'a Value> {
        let value = self.get(name);
        if value.is_none() {
            problems.error(&self.at, format!("`{name}` is missing"), format!("add `{name}`"));
        }
        value
    }

    /// Asks for a field that is text.
    pub(crate) fn text(&mut self, name: &'static str, problems: &mut Problems) -> Option<&'a str> {
        let value = self.get(name)?;
        let text = value.as_str();
        if text.is_none() {
            let message = format!("expected text, found {}", kind_of(value));
            problems.error(&self.pointer(name), message, "put the value in quotes");
        }
        text
    }

    /// Asks for a field that is true or false.
    pub(crate) fn flag(&mut self, name: &'static str, problems: &mut Problems) -> bool {
        match self.get(name) {
            None => false,
            Some(Value::Bool(flag)) => *flag,
            Some(other) => {
                let message = format!("expected true or false, found {}", kind_of(other));
                problems.error(&self.pointer(name), message, "write `true` or `false`");
                false
            }
        }
    }

    /// Refuses a field that the specification has and this engine has not.
    pub(crate) fn refuse(&mut self, name: &'static str, fix: &str, problems: &mut Problems) {
        if self.get(name).is_some() {
            problems.unsupported(&self.pointer(name), format!("`{name}` is not supported"), fix);
        }
    }

    /// Ends: what was not asked for is unknown.
    pub(crate) fn close(self, problems: &mut Problems) {
        let missed = self.missed.borrow();
        for name in self.map.keys().filter(|name| !self.asked.contains(&name.as_str())) {
            let known = self.asked.iter().copied().chain(missed.iter().map(String::as_str));
            let free = known.filter(|known| !self.map.contains_key(*known));
            let fix = suggestion(name, free, || match self.asked.join("`, `") {
                none if none.is_empty() => "remove it".to_owned(),
                names => format!("remove it, or use one of `{names}`"),
            });
            problems.error(&join(&self.at, name), format!("`{name}` is not a field here"), fix);
        }
    }
}

/// Appends a segment to a JSON pointer (RFC 6901).
pub(crate) fn join(pointer: &str, segment: &str) -> String {
    format!("{pointer}/{}", segment.replace('~', "~0").replace('/', "~1"))
}

/// What a value is, for a person.
pub(crate) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}
