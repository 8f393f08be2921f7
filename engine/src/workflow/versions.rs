//! The registry of compiled definitions: every version, by tenant and name.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::definition::{Definition, compare_semver};
use crate::id::TenantId;

type Versions = BTreeMap<(TenantId, String), Vec<Arc<Definition>>>;

/// The compiled definitions that runs are made of. Cheap to clone; clones are the same registry.
#[derive(Debug, Clone, Default)]
pub struct Definitions(Arc<RwLock<Versions>>);

impl Definitions {
    /// A registry without definitions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a version, or puts the same version anew.
    pub fn insert(&self, tenant: &TenantId, definition: Arc<Definition>) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let versions = all.entry((tenant.clone(), definition.name.clone())).or_default();
        versions.retain(|known| known.version != definition.version);
        versions.push(definition);
        versions.sort_by(|a, b| compare_semver(&a.version, &b.version));
    }

    /// Finds a version of a definition; the latest if none is named.
    pub fn get(&self, tenant: &TenantId, name: &str, version: Option<&str>) -> Option<Arc<Definition>> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let versions = all.get(&(tenant.clone(), name.to_owned()))?;
        match version {
            None => versions.last().cloned(),
            Some(version) => versions.iter().find(|known| known.version == version).cloned(),
        }
    }

    /// The latest version of every definition of a tenant, by name.
    pub fn latest(&self, tenant: &TenantId) -> Vec<Arc<Definition>> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let of_tenant = all.iter().filter(|((owner, _), _)| owner == tenant);
        of_tenant.filter_map(|(_, versions)| versions.last().cloned()).collect()
    }

    /// The versions of a definition, the oldest first.
    pub fn versions(&self, tenant: &TenantId, name: &str) -> Vec<Arc<Definition>> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.get(&(tenant.clone(), name.to_owned())).cloned().unwrap_or_default()
    }
}
