//! The catalog of kinds: an explicit list, in which a duplicate is an error at start.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::{Entity, Kind, Machine, Typed};
use crate::codec::{Shapes, ShapesError};
use crate::id::{Prefix, StreamKey};
use crate::projection::index::Field;

/// A kind that cannot be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// A name, plural or prefix is taken.
    #[error("the kind `{name}` is registered twice, or shares its plural or prefix with another")]
    Duplicate {
        /// The kind.
        name: &'static str,
    },
    /// Its upcasters do not fit its versions.
    #[error("the kind `{name}` cannot read what it wrote before")]
    Shapes {
        /// The kind.
        name: &'static str,
        /// What does not fit.
        #[source]
        source: ShapesError,
    },
}

/// A command of a kind.
#[derive(Debug, Clone)]
pub struct CommandInfo {
    /// The wire name.
    pub name: String,
    /// The first sentence of its documentation.
    pub summary: String,
    /// The JSON Schema (2020-12) of its body.
    pub schema: Value,
}

/// Makes the empty machine of a stream.
pub type MachineFactory = Arc<dyn Fn(&StreamKey) -> Box<dyn Machine> + Send + Sync>;

/// Reads what an entity is found by from its state, as it is shown; without one, of an entity that is set aside.
pub type FieldsOf = fn(Option<&Value>) -> Vec<Field>;

/// Gives the shortest time that a stream of a kind may say of its own; `None` while none says one.
pub type ShortestRetention = Arc<dyn Fn() -> Option<Duration> + Send + Sync>;

/// What is known of a kind.
#[derive(Clone)]
pub struct KindInfo {
    /// What it is called.
    pub kind: Kind,
    /// The command behind `POST /api/v1/{plural}`; `None` where nobody creates it from outside.
    pub create: Option<&'static str>,
    /// Its commands, in the order of their declaration.
    pub commands: Vec<CommandInfo>,
    /// Its events with their current versions.
    pub events: Vec<(String, u16)>,
    /// The shapes that it writes, and how it reads those that it wrote before.
    pub shapes: Shapes,
    /// How long the events of a stream are kept, from its last one; `None` for ever.
    pub retention: Option<Duration>,
    /// Where streams may say themselves how long their events are kept, the shortest that any may say.
    pub own_retention: Option<ShortestRetention>,
    /// Where streams may say themselves after what time they are deleted, the shortest that any may say.
    pub own_deletion: Option<ShortestRetention>,
    /// The JSON Schema of its events, an object of name and body.
    pub event_schema: Value,
    /// What it can be found by (see [`index`](crate::projection::index)); `None` where it is not indexed.
    pub fields: Option<FieldsOf>,
    /// True if its commands are served over HTTP by themselves.
    pub public: bool,
    /// Makes the empty machine of a stream of this kind.
    pub machine: MachineFactory,
}

/// The kinds that a node hosts.
#[derive(Clone, Default)]
pub struct Catalog {
    kinds: Vec<Arc<KindInfo>>,
}

impl Catalog {
    /// A catalog without kinds.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entity.
    ///
    /// # Errors
    ///
    /// [`CatalogError`].
    #[allow(clippy::should_implement_trait, reason = "`add` is the registration verb of the house")]
    pub fn add<E: Entity>(self) -> Result<Self, CatalogError> {
        self.add_kind(Typed::<E>::info())
    }

    /// Adds a kind that is no typed entity.
    ///
    /// # Errors
    ///
    /// [`CatalogError`].
    pub fn add_kind(mut self, info: KindInfo) -> Result<Self, CatalogError> {
        let taken = self.kinds.iter().any(|k| {
            k.kind.name == info.kind.name
                || k.kind.plural == info.kind.plural
                || k.kind.prefix == info.kind.prefix
        });
        if taken {
            return Err(CatalogError::Duplicate { name: info.kind.name });
        }
        let name = info.kind.name;
        info.shapes.check().map_err(|source| CatalogError::Shapes { name, source })?;
        self.kinds.push(Arc::new(info));
        Ok(self)
    }

    /// The kinds, in the order of their registration.
    pub fn kinds(&self) -> &[Arc<KindInfo>] {
        &self.kinds
    }

    /// Finds a kind by the prefix of its ids.
    pub fn by_prefix(&self, prefix: Prefix) -> Option<&Arc<KindInfo>> {
        self.kinds.iter().find(|k| k.kind.prefix == prefix)
    }

    /// Finds a kind by its plural.
    pub fn by_plural(&self, plural: &str) -> Option<&Arc<KindInfo>> {
        self.kinds.iter().find(|k| k.kind.plural == plural)
    }
}
