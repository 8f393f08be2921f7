//! From text to a tree: JSON or YAML from outside, with limits. Aliases let a short text stand for an endless one.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// What a tree may hold.
#[derive(Clone, Copy)]
struct Limits {
    /// Values, as often as they are used.
    values: usize,
    /// Bytes of texts and keys, as often as they are used.
    bytes: usize,
    /// Lists and maps within each other.
    depth: usize,
}

const LIMITS: Limits = Limits { values: 500_000, bytes: 16 * 1024 * 1024, depth: 100 };

/// Reads JSON, or else YAML; says what is wrong with it.
pub(super) fn read(bytes: &[u8]) -> Result<Value, String> {
    let room = Room::default();
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = room.tree().deserialize(&mut json).and_then(|value| json.end().map(|()| value));
    match read {
        Ok(value) => return Ok(value),
        Err(_) if room.is_exceeded.get() => return Err(TOO_LARGE.to_owned()),
        Err(_) => {}
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no text".to_owned())?;
    let room = Room::default();
    room.tree().deserialize(serde_yaml_ng::Deserializer::from_str(text)).map_err(|error| {
        match (room.is_exceeded.get(), error.location()) {
            (true, _) => TOO_LARGE.to_owned(),
            (false, Some(at)) => format!("line {} is neither JSON nor YAML", at.line()),
            (false, None) => "it is neither JSON nor YAML".to_owned(),
        }
    })
}

const TOO_LARGE: &str = "it holds too much, or too deep";

/// What is left of the limits.
struct Room {
    values: Cell<usize>,
    bytes: Cell<usize>,
    is_exceeded: Cell<bool>,
}

impl Default for Room {
    fn default() -> Self {
        let (values, bytes) = (Cell::new(LIMITS.values), Cell::new(LIMITS.bytes));
        Self { values, bytes, is_exceeded: Cell::new(false) }
    }
}

impl Room {
    fn tree(&self) -> Tree<'_> {
        Tree { depth: LIMITS.depth, room: self }
    }

    fn take<E: Error>(&self, from: &Cell<usize>, count: usize) -> Result<(), E> {
        let left = from.get().checked_sub(count).ok_or_else(|| self.exceeded())?;
        from.set(left);
        Ok(())
    }

    fn exceeded<E: Error>(&self) -> E {
        self.is_exceeded.set(true);
        E::custom(TOO_LARGE)
    }
}

#[derive(Clone, Copy)]
struct Tree<'a> {
    /// How much deeper it may become.
    depth: usize,
    room: &'a Room,
}

impl Tree<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| self.room.exceeded())?;
        Ok(Self { depth, ..self })
    }

    fn text<E: Error>(self, text: &str) -> Result<String, E> {
        self.room.take(&self.room.bytes, text.len())?;
        Ok(text.to_owned())
    }
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.room.take(&self.room.values, 1)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a plain value, a list or a map")
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

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        // JSON has no word for the others.
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.text(value).map(Value::String)
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
            self.room.take(&self.room.bytes, key.len())?;
            fields.insert(key, map.next_value_seed(inner)?);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_yaml_give_the_same_tree() {
        let yaml = "openapi: 3.1.0\nlist: &l [1, -2, 2.5, true, ~]\nagain: *l\n200: 'a'\n";
        let json = r#"{"openapi": "3.1.0", "list": [1, -2, 2.5, true, null], "again": [1, -2, 2.5, true, null], "200": "a"}"#;
        assert_eq!(read(yaml.as_bytes()).unwrap(), read(json.as_bytes()).unwrap());
        assert_eq!(read(b"a: .nan").unwrap(), serde_json::json!({ "a": null }));
    }

    #[test]
    fn a_text_that_stands_for_too_much_is_not_read() {
        let values = format!("a: &a [{}]\nb: [{}]\n", "1,".repeat(1000), "*a,".repeat(1000));
        let texts = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), "*a,".repeat(1000));
        let keys = format!("a: &a {{ {}: 1 }}\nb: [{}]\n", "k".repeat(1000), "*a,".repeat(50_000));
        let levels = (0..200).fold("a0: &a0 [1]\n".to_owned(), |text, level| {
            format!("{text}a{}: &a{} [*a{level}]\n", level + 1, level + 1)
        });
        let cases = [
            ("values", values),
            ("texts", texts),
            ("keys", keys),
            ("levels", levels),
            ("plain values", format!("[{}1]", "1,".repeat(600_000))),
            ("plain levels", format!("{}{}", "[".repeat(110), "]".repeat(110))),
            ("levels of maps", format!("{}1{}", "{\"a\":".repeat(110), "}".repeat(110))),
        ];
        for (name, text) in cases {
            assert!(text.len() < 4 * 1024 * 1024, "{name}");
            assert_eq!(read(text.as_bytes()), Err(TOO_LARGE.to_owned()), "{name}");
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        assert_eq!(read(b"<html>: no: {").unwrap_err(), "line 1 is neither JSON nor YAML");
        assert_eq!(read(&[0xff, 0xfe]).unwrap_err(), "it is no text");
    }
}
