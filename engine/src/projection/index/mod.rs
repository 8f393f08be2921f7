//! The index over what entities are: which of a kind have given values in given fields.
//!
//! A kind says by [`KindInfo::fields`](crate::entity::KindInfo::fields) what it can be found by. For each partition a
//! service (`Indexer`) follows what is committed, reads the state of whoever has changed, and writes its fields into an
//! [`Index`], together with the position up to which they are true. An index holds nothing that does not follow from
//! the journal: one that is missing, broken or of another history is made anew.
//!
//! What a search finds are candidates: the state of each is read before it is shown, and says whether it still fits.

mod changes;
pub mod conformance;
mod indexer;
mod memory;
mod query;
mod sqlite;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::id::{Prefix, StreamKey, TenantId};
use crate::journal::{Error, Fence, PartitionId, Position};

pub(crate) use self::changes::Changes;
pub(crate) use self::indexer::Indexer;
pub use self::memory::MemoryIndex;
pub(crate) use self::query::{Bound, Query, Tables, find_in};
pub use self::sqlite::SqliteIndex;

/// A value that something can be found by. Numbers come before texts; times are texts in UTC with milliseconds, which
/// are in the order of time.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub enum Term {
    /// A number.
    Number(f64),
    /// A text, a truth value (`true`, `false`) or a time.
    Text(String),
}

/// What the written form of a number begins with.
const NUMBER: char = 'n';
/// What the written form of a text begins with; all of them come behind the numbers.
const TEXT: char = 't';

/// The longest text that is indexed, in bytes; of a longer one the beginning is.
pub const LONGEST_TERM: usize = 256;

impl Term {
    /// A text; one that is a time in RFC 3339 is that time, however it is written.
    pub fn text(text: &str) -> Self {
        let is_dated = text.len() >= 20 && text.as_bytes()[4] == b'-';
        match text.parse::<Timestamp>() {
            Ok(time) if is_dated => Self::Text(time.to_string()),
            // PostgreSQL takes no texts with the character zero.
            _ => Self::Text(text[..text.floor_char_boundary(LONGEST_TERM)].replace('\0', "\u{fffd}")),
        }
    }

    /// The term as a text; these are in the order of the terms.
    pub fn encoded(&self) -> String {
        match self {
            // The bits of a number are in its order once those of a negative one are turned round (IEEE 754).
            Self::Number(number) => {
                let bits = (number + 0.0).to_bits();
                let ordered = if bits >> 63 == 0 { bits | 1 << 63 } else { !bits };
                format!("{NUMBER}{ordered:016x}")
            }
            Self::Text(text) => format!("{TEXT}{text}"),
        }
    }

    /// A time.
    pub fn time(time: Timestamp) -> Self {
        Self::Text(time.to_string())
    }

    /// What a text in a query may stand for: itself, and the number that it reads as.
    pub fn meant(text: &str) -> Vec<Self> {
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        number.map(Self::Number).into_iter().chain([Self::text(text)]).collect()
    }
}

/// A field and its value; a field with several values stands several times.
pub type Field = (String, Term);

/// What is asked of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// One of its values is one of these.
    Is(Vec<Term>),
    /// One of its values is this or greater, of the same type.
    From(Term),
    /// One of its values is less than this, of the same type.
    Below(Term),
}

impl Test {
    /// Whether a value passes.
    pub fn passes(&self, value: &Term) -> bool {
        let is_same_type =
            |bound: &Term| matches!(bound, Term::Number(_)) == matches!(value, Term::Number(_));
        match self {
            Self::Is(any) => any.contains(value),
            Self::From(bound) => is_same_type(bound) && value >= bound,
            Self::Below(bound) => is_same_type(bound) && value < bound,
        }
    }
}

/// What is searched for: all tests must pass.
#[derive(Debug, Clone)]
pub struct Search {
    /// Of which tenant.
    pub tenant: TenantId,
    /// Of which kind.
    pub prefix: Prefix,
    /// What is asked of fields.
    pub tests: Vec<(String, Test)>,
}

impl Search {
    /// Whether something with these fields is searched for.
    pub fn fits(&self, fields: &[Field]) -> bool {
        let passes = |(name, test): &(String, Test)| {
            fields.iter().any(|(field, value)| field == name && test.passes(value))
        };
        self.tests.iter().all(passes)
    }
}

/// What an entity is found by from now on; `None` for one that is not there any more.
pub type Change = (StreamKey, Option<Vec<Field>>);

/// Changes as JSON: lists of tenant, prefix, id in hexadecimal digits, and fields with encoded values, or null.
pub(crate) fn changes_text(changes: &[Change]) -> String {
    let change = |(stream, fields): &Change| {
        let fields: Option<Vec<_>> = fields
            .as_ref()
            .map(|fields| fields.iter().map(|(name, term)| json!([name, term.encoded()])).collect());
        let (tenant, prefix) = (stream.tenant.as_str(), stream.id.prefix());
        json!([tenant, prefix.as_str(), stream.id.uuid().simple().to_string(), fields])
    };
    Value::Array(changes.iter().map(change).collect()).to_string()
}

/// A place for fields. Numbers of entries rise in the order in which they were first written.
#[async_trait]
pub trait Index: Send + Sync + 'static {
    /// Up to where what is written of a partition is true; `None` if it was written `of` something else, or nothing was.
    async fn mark(&self, of: Uuid, partition: PartitionId) -> Result<Option<Position>, Error>;

    /// Writes changes of the owner of a partition, and then moves the mark if one is given. May be repeated.
    async fn write(
        &self,
        of: Uuid,
        fence: Fence,
        changes: &[Change],
        mark: Option<Position>,
    ) -> Result<(), Error>;

    /// Finds at most `limit` entries with numbers below `before`, the newest first.
    async fn find(
        &self,
        search: &Search,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, StreamKey)>, Error>;

    /// The number of an entry; it stays the same for as long as the index is not made anew.
    async fn number(&self, stream: &StreamKey) -> Result<Option<u64>, Error>;

    /// Brings what has been written to stable storage, where the mark does not take it along.
    async fn sync(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Closes it, where it is not part of the journal.
    async fn close_index(&self) {}
}
