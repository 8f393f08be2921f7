//! From text to a tree, whatever the text's language: with limits, since aliases let a short text stand for an endless
//! one.

use std::cell::Cell;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// What a tree may hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Lists and mappings within each other.
    pub depth: usize,
    /// Values, aliases counted as often as they are used.
    pub values: usize,
    /// Bytes of texts and keys, counted in the same way.
    pub bytes: usize,
    /// True where a key that stands twice, and a number that is not finite, are errors; otherwise the last one counts,
    /// and there is none.
    pub is_strict: bool,
}

/// What is said of a key that is not the first of its name; its reader tells no place.
pub(crate) const TWICE: &str = "stands twice in one mapping";

/// The room that there is for trees, all of which share it.
#[derive(Debug)]
pub struct Room {
    limits: Limits,
    values: Cell<usize>,
    bytes: Cell<usize>,
    is_exceeded: Cell<bool>,
}

impl Room {
    /// Room up to limits.
    pub fn new(limits: Limits) -> Self {
        Self { limits, values: Cell::new(0), bytes: Cell::new(0), is_exceeded: Cell::new(false) }
    }

    /// Reads a tree.
    ///
    /// # Errors
    ///
    /// The text's own, and what is over a limit.
    pub fn read<'de, D: Deserializer<'de>>(&self, text: D) -> Result<Value, D::Error> {
        Tree { depth: 0, room: self }.deserialize(text)
    }

    /// True if something was over a limit.
    pub fn is_exceeded(&self) -> bool {
        self.is_exceeded.get()
    }

    fn exceeded<E: Error>(&self, what: fmt::Arguments<'_>) -> E {
        self.is_exceeded.set(true);
        E::custom(what)
    }

    /// Counts a value.
    fn count<E: Error>(&self) -> Result<(), E> {
        self.values.set(self.values.get() + 1);
        let most = self.limits.values;
        if self.values.get() > most {
            return Err(self.exceeded(format_args!("more than {most} values")));
        }
        Ok(())
    }

    /// Counts the bytes of a text.
    fn weigh<E: Error>(&self, text: &str) -> Result<(), E> {
        self.bytes.set(self.bytes.get() + text.len());
        let most = self.limits.bytes;
        if self.bytes.get() > most {
            return Err(self.exceeded(format_args!("more than {most} bytes of text, aliases counted")));
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct Tree<'a> {
    depth: usize,
    room: &'a Room,
}

impl Tree<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let most = self.room.limits.depth;
        if self.depth >= most {
            return Err(self.room.exceeded(format_args!("nested more than {most} deep")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.room.count()?;
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
        match Number::from_f64(value) {
            Some(number) => Ok(Value::Number(number)),
            // JSON has no word for it.
            None if !self.room.limits.is_strict => Ok(Value::Null),
            None => Err(E::custom("not a finite number")),
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.room.weigh(value)?;
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
            self.room.weigh(&key)?;
            if self.room.limits.is_strict && fields.contains_key(&key) {
                return Err(A::Error::custom(format_args!("the key `{key}` {TWICE}")));
            }
            fields.insert(key, map.next_value_seed(inner)?);
        }
        Ok(Value::Object(fields))
    }
}
