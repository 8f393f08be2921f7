//! Time zones by their IANA names, never by offsets.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::shown;

/// A text that is not the name of a time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a time zone: use an IANA name, like `America/Costa_Rica` or `UTC`")]
pub struct TimeZoneError {
    text: String,
}

/// The name of a time zone: `America/Costa_Rica`. Its form is checked; the rules are looked up where they are used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct TimeZone(String);

impl TimeZone {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TimeZone {
    type Err = TimeZoneError;

    fn from_str(text: &str) -> Result<Self, TimeZoneError> {
        let part = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphabetic())
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-+".contains(&b))
        };
        let place = text.contains('/') && text.split('/').count() <= 3 && text.split('/').all(part);
        if text.len() <= 64 && (text == "UTC" || place) {
            return Ok(Self(text.to_owned()));
        }
        Err(TimeZoneError { text: shown(text) })
    }
}

impl TryFrom<Cow<'_, str>> for TimeZone {
    type Error = TimeZoneError;

    fn try_from(text: Cow<'_, str>) -> Result<Self, TimeZoneError> {
        text.parse()
    }
}

impl From<TimeZone> for String {
    fn from(zone: TimeZone) -> Self {
        zone.0
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for TimeZone {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "TimeZone".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "maxLength": 64, "description": "IANA time zone name" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_and_offsets_are_not() {
        for text in ["America/Costa_Rica", "UTC", "America/Argentina/Buenos_Aires"] {
            assert!(text.parse::<TimeZone>().is_ok(), "{text}");
        }
        for text in ["", "+02:00", "UTC+2", "-06", "America/", "GMT+2/x y"] {
            assert!(text.parse::<TimeZone>().is_err(), "{text}");
        }
    }
}
