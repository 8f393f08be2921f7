//! The wire forms of commands and events, and how older ones are read.
//!
//! A command or event is an enum of struct variants; its variant's name and its fields travel apart. The names
//! are serde's, the bodies JSON objects.

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, EnumAccess, IntoDeserializer, VariantAccess, Visitor,
};
use serde::{Deserializer, Serialize};

use crate::journal::Json;

pub mod tree;
mod upcast;

pub use upcast::{ShapeName, Shapes, ShapesError, StateUpcaster, UpcastError, UpcastStep, Upcaster};

/// A body or name that does not have the wanted shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ShapeError {
    /// The path to the field, empty where the whole is meant.
    pub path: String,
    /// What is wrong, naming the field.
    pub message: String,
}

/// Reads a named body into an enum of struct variants.
///
/// # Errors
///
/// [`ShapeError`] when there is no such variant, or the body does not fit it.
pub fn read_named<T: DeserializeOwned>(name: &str, body: &str) -> Result<T, ShapeError> {
    let mut json = serde_json::Deserializer::from_str(body);
    let read = T::deserialize(Named { name, body: &mut json }).and_then(|value| json.end().map(|()| value));
    read.or_else(|_| read_named_tracked(name, body))
}

/// The same, keeping track of the path for the error; without, reading takes a third less.
fn read_named_tracked<T: DeserializeOwned>(name: &str, body: &str) -> Result<T, ShapeError> {
    let mut json = serde_json::Deserializer::from_str(body);
    let mut track = serde_path_to_error::Track::new();
    let named = Named { name, body: serde_path_to_error::Deserializer::new(&mut json, &mut track) };
    let read = T::deserialize(named);
    let value = read.map_err(|e| shape_error(track.path().to_string(), e))?;
    json.end().map_err(|e| shape_error(String::new(), e))?;
    Ok(value)
}

/// Reads JSON text into a type, with the path of what does not fit.
///
/// # Errors
///
/// [`ShapeError`].
pub fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, ShapeError> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|e| {
        let path = e.path().to_string();
        shape_error(path, e.into_inner())
    })?;
    json.end().map_err(|e| shape_error(String::new(), e))?;
    Ok(value)
}

/// Splits an enum of struct variants into its variant's wire name and its body.
///
/// # Errors
///
/// When it cannot be JSON, or is not a struct variant.
pub fn write_named<T: Serialize>(value: &T) -> Result<(String, Json), ShapeError> {
    let fail = |message: String| ShapeError { path: String::new(), message };
    let text = serde_json::to_string(value).map_err(|e| fail(e.to_string()))?;
    let inner = text.strip_prefix("{\"").and_then(|t| t.strip_suffix('}'));
    let split = inner.and_then(|t| t.split_once("\":"));
    let Some((name, body)) = split else {
        return Err(fail("not an enum of struct variants".to_owned()));
    };
    let body = Json::from_text(body.to_owned()).map_err(|e| fail(e.to_string()))?;
    Ok((name.to_owned(), body))
}

fn shape_error(path: String, error: serde_json::Error) -> ShapeError {
    let path = if path == "." { String::new() } else { path };
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(head, _)| head);
    let message = if path.is_empty() { text.to_owned() } else { format!("`{path}`: {text}") };
    ShapeError { path, message }
}

/// Gives serde an enum whose variant name and content come from two places.
struct Named<'a, D> {
    name: &'a str,
    body: D,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Named<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_enum(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        visitor.visit_enum(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de, 'a, D: Deserializer<'de>> EnumAccess<'de> for Named<'a, D> {
    type Error = D::Error;
    type Variant = Body<D>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Body<D>), D::Error> {
        let name: StrDeserializer<'a, D::Error> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, Body(self.body)))
    }
}

struct Body<D>(D);

impl<'de, D: Deserializer<'de>> VariantAccess<'de> for Body<D> {
    type Error = D::Error;

    fn unit_variant(self) -> Result<(), D::Error> {
        Err(de::Error::custom("commands and events are struct variants"))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, D::Error> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, D::Error> {
        Err(de::Error::custom("commands and events are struct variants"))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_struct("", fields, visitor)
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
    enum Command {
        RecordThing { some_text: String, score: Option<i32> },
        Stop {},
    }

    #[test]
    fn name_and_body_travel_apart() {
        let thing = Command::RecordThing { some_text: "ñ\"}".into(), score: Some(3) };
        let (name, body) = write_named(&thing).unwrap();
        assert_eq!(name, "record-thing");
        assert_eq!(read_named::<Command>(&name, body.text()), Ok(thing));
        assert_eq!(read_named::<Command>("stop", "{}"), Ok(Command::Stop {}));
        assert_eq!(write_named(&Command::Stop {}).unwrap().1.text(), "{}");
    }

    #[test]
    fn errors_name_the_field() {
        let unknown = read_named::<Command>("stop", r#"{"now":1}"#).unwrap_err();
        assert!(unknown.message.contains("now"), "{unknown}");
        let wrong = read_named::<Command>("record-thing", r#"{"someText":"a","score":"x"}"#).unwrap_err();
        assert_eq!(wrong.path, "score");
        let none = read_named::<Command>("explode", "{}").unwrap_err();
        assert!(none.message.contains("explode"), "{none}");
        assert!(read_named::<Command>("stop", "{} x").is_err());
    }
}
