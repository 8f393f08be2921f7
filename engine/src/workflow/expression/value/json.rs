//! From and to JSON: `serde_json` values and JSON text.

use std::fmt;
use std::rc::Rc;

use serde_json::{Number, Value};

use super::super::meter;
use super::{Array, Error, Kind, Object, Val};

/// Characters of a value that an error message shows.
const SHOWN_CHARS: usize = 60;

impl Val {
    /// Takes in a JSON value, in time linear in its size; what is too deep or too large stops the evaluation.
    pub(in super::super) fn from_json(value: &Value) -> Self {
        Self::from_json_at(value, 0)
    }

    fn from_json_at(value: &Value, depth: usize) -> Self {
        meter::admit(0, depth);
        let kind = match value {
            Value::Null => Kind::Null,
            Value::Bool(value) => Kind::Bool(*value),
            Value::Number(number) => number_kind(number),
            Value::String(text) => {
                meter::admit(text.len(), depth);
                Kind::Text(Rc::new(text.clone()))
            }
            Value::Array(items) => {
                let mut array = Array { items: Vec::with_capacity(items.len()), ..Array::default() };
                for item in items {
                    let item = Self::from_json_at(item, depth + 1);
                    array.grow(&item);
                    array.items.push(item);
                }
                Kind::Array(Rc::new(array))
            }
            Value::Object(fields) => {
                let mut object = Object::default();
                for (key, value) in fields {
                    let value = Self::from_json_at(value, depth + 1);
                    object.bytes += key.len() + 4 + value.bytes();
                    object.depth = object.depth.max(value.depth());
                    meter::admit(object.bytes, object.depth + 1);
                    object.map.insert(Rc::new(key.clone()), value);
                }
                Kind::Object(Rc::new(object))
            }
        };
        kind.into()
    }

    /// Parses JSON text.
    ///
    /// # Errors
    ///
    /// The text is no JSON, or nested more than the 128 levels that `serde_json` reads.
    pub(in super::super) fn from_json_text(text: &str) -> Result<Self, Error> {
        meter::charge_bytes(8 * text.len());
        let value: Value = serde_json::from_str(text)
            .map_err(|error| Error::str(format_args!("cannot read {} as JSON: {error}", shorten(text))))?;
        Ok(Self::from_json(&value))
    }

    /// Gives the value back as JSON; as in jq, not-a-number becomes null and an infinity the largest number.
    pub(in super::super) fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Int(value) => Value::Number((*value).into()),
            Kind::Wide(value) => Value::Number((*value).into()),
            Kind::Float(value) => {
                Number::from_f64(value.clamp(f64::MIN, f64::MAX)).map_or(Value::Null, Value::Number)
            }
            Kind::Text(text) => Value::String(text.as_str().to_owned()),
            Kind::Array(array) => Value::Array(array.items.iter().map(Self::to_json).collect()),
            Kind::Object(object) => Value::Object(
                object.map.iter().map(|(key, value)| (key.as_str().to_owned(), value.to_json())).collect(),
            ),
        }
    }
}

fn number_kind(number: &Number) -> Kind {
    if let Some(value) = number.as_i64() {
        return Kind::Int(value);
    }
    if let Some(value) = number.as_u64() {
        return Kind::Wide(value);
    }
    Kind::Float(number.as_f64().unwrap_or(f64::NAN))
}

/// Writes a value as JSON text, taking the fuel for it.
pub(in super::super) fn text_of(value: &Val) -> String {
    meter::charge_bytes(8 * value.bytes());
    value.to_json().to_string()
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Shows the beginning of the value: this is how values get into error messages.
impl fmt::Display for Val {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&shorten(&text_of(self)))
    }
}
