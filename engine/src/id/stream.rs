//! The ids and keys of streams of any kind.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use type_safe_id::{DynamicType, TypeSafeId};
use uuid::Uuid;

use super::{IdError, Prefix, Slot, TenantId};

/// The id of a stream of any kind: an entity, a run, a dead letter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    prefix: Prefix,
    uuid: Uuid,
}

impl StreamId {
    /// Puts a prefix and a UUID together.
    pub const fn new(prefix: Prefix, uuid: Uuid) -> Self {
        Self { prefix, uuid }
    }

    /// The prefix, which names the kind.
    pub const fn prefix(&self) -> Prefix {
        self.prefix
    }

    /// The UUID behind the prefix.
    pub const fn uuid(&self) -> Uuid {
        self.uuid
    }

    /// The slot that the id carries.
    pub const fn slot(&self) -> Slot {
        Slot::of(&self.uuid)
    }

    /// Parses an id that must have the given prefix.
    ///
    /// # Errors
    ///
    /// [`IdError::Malformed`] or [`IdError::WrongPrefix`].
    pub fn parse(text: &str, expected: Prefix) -> Result<Self, IdError> {
        let id: Self = text.parse()?;
        if id.prefix != expected {
            return Err(IdError::WrongPrefix { text: text.to_owned(), expected });
        }
        Ok(id)
    }
}

impl FromStr for StreamId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let malformed = || IdError::Malformed { text: text.chars().take(80).collect() };
        let id: TypeSafeId<DynamicType> = text.parse().map_err(|_| malformed())?;
        let prefix = id.type_prefix().parse().map_err(|_| malformed())?;
        Ok(Self { prefix, uuid: id.uuid() })
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = DynamicType::new(self.prefix.as_str()).expect("a prefix is a valid TypeID prefix");
        TypeSafeId::from_type_and_uuid(kind, self.uuid).fmt(f)
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for StreamId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StreamId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for StreamId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "StreamId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[a-z]{1,8}_[0-7][0-9a-hjkmnp-tv-z]{25}$" })
    }
}

/// The full key of a stream: whose it is, and which.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StreamKey {
    /// The tenant that the stream belongs to.
    pub tenant: TenantId,
    /// The stream's id.
    pub id: StreamId,
}

impl StreamKey {
    /// Puts a tenant and an id together.
    pub fn new(tenant: TenantId, id: StreamId) -> Self {
        Self { tenant, id }
    }

    /// The slot of the stream.
    pub fn slot(&self) -> Slot {
        self.id.slot()
    }
}

impl fmt::Display for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.id)
    }
}
