//! Ids of one kind.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::{IdError, Prefix, Slot, StreamId};

/// What kind of thing a typed [`Id`] names.
pub trait IdKind: 'static {
    /// The prefix of this kind's ids.
    const PREFIX: Prefix;
}

/// An id of one kind; constructing one parses it.
pub struct Id<K>(Uuid, PhantomData<fn() -> K>);

impl<K: IdKind> Id<K> {
    /// Puts the kind's prefix before a UUID.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid, PhantomData)
    }

    /// The same id without its type.
    pub const fn stream(&self) -> StreamId {
        StreamId::new(K::PREFIX, self.0)
    }

    /// The slot that the id carries.
    pub const fn slot(&self) -> Slot {
        Slot::of(&self.0)
    }
}

impl<K: IdKind> TryFrom<StreamId> for Id<K> {
    type Error = IdError;

    fn try_from(id: StreamId) -> Result<Self, IdError> {
        if id.prefix() != K::PREFIX {
            return Err(IdError::WrongPrefix { text: id.to_string(), expected: K::PREFIX });
        }
        Ok(Self::from_uuid(id.uuid()))
    }
}

impl<K: IdKind> FromStr for Id<K> {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        StreamId::parse(text, K::PREFIX).map(|id| Self::from_uuid(id.uuid()))
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Id<K> {}

impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<K> Eq for Id<K> {}

impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<K: IdKind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stream().fmt(f)
    }
}

impl<K: IdKind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<K: IdKind> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: IdKind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = StreamId::deserialize(deserializer)?;
        Self::try_from(id).map_err(serde::de::Error::custom)
    }
}

impl<K: IdKind> schemars::JsonSchema for Id<K> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("{}Id", K::PREFIX).into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let pattern = format!("^{}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$", K::PREFIX);
        schemars::json_schema!({ "type": "string", "pattern": pattern })
    }
}
