//! An open map: what the caller wants kept beside the fields that the domain knows.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::shown;

/// The most entries in one map.
const MAX_ENTRIES: usize = 100;

/// The most bytes of one map as JSON.
const MAX_BYTES: usize = 16 * 1024;

/// A map that cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttributesError {
    /// There are more entries than are kept.
    #[error("{entries} attributes were given: at most {MAX_ENTRIES} are kept")]
    TooMany {
        /// How many there are.
        entries: usize,
    },
    /// The whole is larger than is kept.
    #[error("the attributes take {bytes} bytes of JSON: at most {MAX_BYTES} are kept")]
    TooLarge {
        /// How large it is.
        bytes: usize,
    },
    /// A name cannot be one.
    #[error("`{name}` cannot be the name of an attribute: use 1 to 128 characters")]
    BadName {
        /// The name.
        name: String,
    },
}

/// Names and any JSON, at most 100 entries and 16 KiB.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct Attributes(Map<String, Value>);

impl Attributes {
    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// These with others put over them; what is `null` there is taken away (RFC 7396, for the entries themselves).
    ///
    /// The outcome may be larger than is kept: [`Attributes::check`] says so.
    #[must_use]
    pub fn patched(&self, patch: &Self) -> Self {
        let mut map = self.0.clone();
        for (name, value) in &patch.0 {
            if value.is_null() {
                map.remove(name);
            } else {
                map.insert(name.clone(), value.clone());
            }
        }
        Self(map)
    }

    /// Says whether they are within the bounds of what is kept.
    ///
    /// # Errors
    ///
    /// [`AttributesError`].
    pub fn check(&self) -> Result<(), AttributesError> {
        check(&self.0)
    }

    /// The entries.
    pub fn entries(&self) -> &Map<String, Value> {
        &self.0
    }
}

impl TryFrom<Map<String, Value>> for Attributes {
    type Error = AttributesError;

    fn try_from(map: Map<String, Value>) -> Result<Self, AttributesError> {
        check(&map).map(|()| Self(map))
    }
}

fn check(map: &Map<String, Value>) -> Result<(), AttributesError> {
    if map.len() > MAX_ENTRIES {
        return Err(AttributesError::TooMany { entries: map.len() });
    }
    if let Some(name) = map.keys().find(|name| !(1..=128).contains(&name.chars().count())) {
        return Err(AttributesError::BadName { name: shown(name) });
    }
    let bytes = serde_json::to_vec(map).map_or(0, |text| text.len());
    if bytes > MAX_BYTES {
        return Err(AttributesError::TooLarge { bytes });
    }
    Ok(())
}

impl From<Attributes> for Map<String, Value> {
    fn from(attributes: Attributes) -> Self {
        attributes.0
    }
}

impl JsonSchema for Attributes {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Attributes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": true, "maxProperties": MAX_ENTRIES })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_open_map_keeps_what_it_gets_within_its_bounds() {
        let given = json!({ "crm": { "owner": "Ana" }, "n": 7 });
        let kept: Attributes = serde_json::from_value(given.clone()).unwrap();
        assert_eq!(serde_json::to_value(&kept).unwrap(), given);
        let many: Map<String, Value> = (0..101).map(|i| (i.to_string(), json!(1))).collect();
        assert_eq!(Attributes::try_from(many), Err(AttributesError::TooMany { entries: 101 }));
        let large = json!({ "x": "y".repeat(MAX_BYTES) });
        assert!(serde_json::from_value::<Attributes>(large).is_err());
    }
}
