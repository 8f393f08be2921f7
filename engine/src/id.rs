//! Identifiers: typed, prefixed, and each carrying its own slot.
//!
//! Every id is a [TypeID](https://github.com/jetify-com/typeid): a short prefix and a UUID in Crockford base 32.
//! The UUID's twelve bits beside its time (`rand_a` of UUIDv7, `custom_b` of UUIDv8, RFC 9562) hold the *slot*,
//! so that any id can be routed to its partition by itself. Ids that must survive a retry are *derived*: a hash
//! (BLAKE3, keyed) of what identifies them, in a UUIDv8.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use type_safe_id::{DynamicType, TypeSafeId};
use uuid::Uuid;

/// The number of slots that ids are spread over.
pub const SLOTS: u16 = 4096;

/// A text that is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is not a TypeID at all.
    #[error(
        "`{text}` is not an id: expected a prefix, an underscore and 26 characters, like `lead_01h455vb4pex5vsknk084sn02q`"
    )]
    Malformed {
        /// What was given.
        text: String,
    },
    /// The id is well formed, but of another kind.
    #[error("`{text}` is not an id of this kind: it must begin with `{expected}_`")]
    WrongPrefix {
        /// What was given.
        text: String,
        /// The prefix that the place wants.
        expected: Prefix,
    },
    /// A prefix that cannot be used in an id.
    #[error("`{text}` cannot be an id prefix: use 1 to 8 lowercase letters")]
    BadPrefix {
        /// What was given.
        text: String,
    },
    /// A tenant name that cannot be used.
    #[error("`{text}` cannot be a tenant: use 1 to 63 lowercase letters, digits and hyphens")]
    BadTenant {
        /// What was given.
        text: String,
    },
}

/// One of the 4,096 slots that work is partitioned by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slot(u16);

impl Slot {
    /// Makes a slot of the low twelve bits of a number.
    pub const fn new(bits: u16) -> Self {
        Self(bits & (SLOTS - 1))
    }

    /// Reads the slot that a UUID carries.
    pub const fn of(uuid: &Uuid) -> Self {
        let bytes = uuid.as_bytes();
        Self(((bytes[6] as u16 & 0x0f) << 8) | bytes[7] as u16)
    }

    /// The slot's number, 0 to 4,095.
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// The prefix of an id: one to eight lowercase letters that name its kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix([u8; 8]);

impl Prefix {
    /// Makes a prefix of a constant.
    ///
    /// # Panics
    ///
    /// At compile time, when the text is not one to eight lowercase letters.
    pub const fn new(text: &str) -> Self {
        let bytes = text.as_bytes();
        assert!(!bytes.is_empty() && bytes.len() <= 8, "a prefix has 1 to 8 letters");
        let mut prefix = [0; 8];
        let mut i = 0;
        while i < bytes.len() {
            assert!(bytes[i].is_ascii_lowercase(), "a prefix has lowercase letters only");
            prefix[i] = bytes[i];
            i += 1;
        }
        Self(prefix)
    }

    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|b| *b == 0).unwrap_or(8);
        std::str::from_utf8(&self.0[..len]).expect("a prefix is made of ASCII letters")
    }
}

impl FromStr for Prefix {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let ok = (1..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase());
        if !ok {
            return Err(IdError::BadPrefix { text: text.to_owned() });
        }
        Ok(Self::new(text))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

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
        if id.prefix != K::PREFIX {
            return Err(IdError::WrongPrefix { text: id.to_string(), expected: K::PREFIX });
        }
        Ok(Self::from_uuid(id.uuid))
    }
}

impl<K: IdKind> FromStr for Id<K> {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        StreamId::parse(text, K::PREFIX).map(|id| Self::from_uuid(id.uuid))
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

/// The organisation that data belongs to; part of every key, query and span.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct TenantId(std::sync::Arc<str>);

impl TenantId {
    /// The tenant of an installation that has only one.
    pub fn default_tenant() -> Self {
        Self("default".into())
    }

    /// The tenant's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TenantId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let ok = (1..=63).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !ok {
            return Err(IdError::BadTenant { text: text.chars().take(80).collect() });
        }
        Ok(Self(text.into()))
    }
}

impl<'de> Deserialize<'de> for TenantId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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

/// A secret of one journal, under which derived ids are hashed, so that they cannot be guessed from outside.
#[derive(Clone, Copy)]
pub struct IdSecret([u8; 32]);

impl IdSecret {
    /// Takes 32 random bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, to be stored.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Hashes parts into 128 bits; each part is length-prefixed, so that no two lists of parts collide.
    pub fn digest(&self, purpose: &str, parts: &[&str]) -> [u8; 16] {
        hash(blake3::Hasher::new_keyed(&self.0), purpose, parts)
    }

    /// Derives the id that parts always lead to, with a slot of its own or a given one.
    pub fn derive(&self, prefix: Prefix, slot: Option<Slot>, purpose: &str, parts: &[&str]) -> StreamId {
        StreamId::new(prefix, uuid_v8(self.digest(purpose, parts), slot))
    }
}

impl fmt::Debug for IdSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdSecret(..)")
    }
}

/// Hashes parts that are no secret into 128 bits, for message ids and effect keys.
pub fn digest(purpose: &str, parts: &[&str]) -> [u8; 16] {
    hash(blake3::Hasher::new(), purpose, parts)
}

/// Makes a UUIDv8 of 128 bits, with a given slot or the one that the bits hold.
pub fn uuid_v8(bits: [u8; 16], slot: Option<Slot>) -> Uuid {
    let mut bytes = bits;
    if let Some(slot) = slot {
        let [high, low] = slot.get().to_be_bytes();
        bytes[6] = high;
        bytes[7] = low;
    }
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    Uuid::from_bytes(bytes)
}

/// Makes a UUIDv7 of a time in milliseconds, a slot, and 62 random bits.
pub fn uuid_v7(ms: u64, slot: Slot, random: u64) -> Uuid {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
    bytes[6..8].copy_from_slice(&(slot.get() | 0x7000).to_be_bytes());
    bytes[8..].copy_from_slice(&random.to_be_bytes());
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    Uuid::from_bytes(bytes)
}

fn hash(mut hasher: blake3::Hasher, purpose: &str, parts: &[&str]) -> [u8; 16] {
    for part in std::iter::once(&purpose).chain(parts) {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let mut bits = [0; 16];
    hasher.finalize_xof().fill(&mut bits);
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAD: Prefix = Prefix::new("thing");

    #[test]
    fn an_id_carries_its_slot_and_survives_text() {
        for slot in [0, 1, 2047, 4095] {
            let id = StreamId::new(LEAD, uuid_v7(1_763_796_000_000, Slot::new(slot), u64::MAX));
            assert_eq!(id.slot().get(), slot);
            assert_eq!(id.uuid().get_version_num(), 7);
            assert_eq!(id.to_string().parse::<StreamId>(), Ok(id));
        }
    }

    #[test]
    fn derived_ids_are_functions_of_their_parts() {
        let secret = IdSecret::new([7; 32]);
        let a = secret.derive(LEAD, None, "key", &["default", "crm-1"]);
        assert_eq!(a, secret.derive(LEAD, None, "key", &["default", "crm-1"]));
        assert_ne!(a, secret.derive(LEAD, None, "key", &["defaultc", "rm-1"]));
        assert_ne!(a, IdSecret::new([8; 32]).derive(LEAD, None, "key", &["default", "crm-1"]));
        let placed = secret.derive(LEAD, Some(Slot::new(9)), "key", &["x"]);
        assert_eq!((placed.slot().get(), placed.uuid().get_version_num()), (9, 8));
    }

    #[test]
    fn what_is_not_an_id_is_refused() {
        for text in [
            "",
            "thing",
            "thing_",
            "thing_zz",
            "Thing_01h455vb4pex5vsknk084sn02q",
            "01h455vb4pex5vsknk084sn02q",
        ] {
            assert!(text.parse::<StreamId>().is_err(), "{text}");
        }
        let other = "other_01h455vb4pex5vsknk084sn02q";
        assert!(matches!(StreamId::parse(other, LEAD), Err(IdError::WrongPrefix { .. })));
    }
}
