//! The definitions that runs are started from, by tenant, name and version.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::action::Actions;
use super::check::{Refused, check};
use super::definition::{Definition, Problem, compare_semver};
use super::registration::WorkflowDefinition;
use super::topic::Interests;
use crate::id::TenantId;

/// A version that is taken by another text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("version {version} of the workflow `{name}` is there with another text")]
pub struct VersionTaken {
    /// The workflow.
    pub name: String,
    /// The version.
    pub version: String,
}

/// The versions of one workflow.
type Versions = Vec<Arc<Definition>>;

/// The definitions there are: those of each tenant, and those that come with the product. Shared between threads.
#[derive(Debug, Default)]
pub struct Definitions {
    by_tenant: RwLock<BTreeMap<Option<TenantId>, BTreeMap<String, Versions>>>,
    /// What the definitions of each tenant listen for, as far as it was asked for since they changed.
    interests: RwLock<BTreeMap<TenantId, Arc<Interests>>>,
}

impl Definitions {
    /// A registry without definitions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a version for a tenant. The same text under the same version changes nothing.
    ///
    /// # Errors
    ///
    /// [`VersionTaken`].
    pub fn insert(&self, tenant: &TenantId, definition: Arc<Definition>) -> Result<(), VersionTaken> {
        self.add(Some(tenant.clone()), definition)
    }

    /// Adds a version that every tenant has, unless it has a workflow of that name itself.
    ///
    /// # Errors
    ///
    /// [`VersionTaken`].
    pub fn insert_shared(&self, definition: Arc<Definition>) -> Result<(), VersionTaken> {
        self.add(None, definition)
    }

    /// Adds all versions of a registered workflow; those that are there are not compiled again.
    ///
    /// # Errors
    ///
    /// The problems of each version that cannot be used any more, for instance since an action is gone; the other
    /// versions are there.
    pub fn load(
        &self,
        tenant: &TenantId,
        registered: &WorkflowDefinition,
        actions: &Actions,
    ) -> Result<(), Vec<(String, Vec<Problem>)>> {
        let mut broken = Vec::new();
        for version in registered.versions() {
            if self.pinned(tenant, registered.name(), &version.version, &version.digest).is_some() {
                continue;
            }
            match check(&version.source, actions) {
                Ok(checked) => {
                    // The journal has one text for each version, so that nothing can be taken here.
                    let _ = self.insert(tenant, Arc::new(checked.definition));
                }
                Err(Refused { problems }) => broken.push((version.version.clone(), problems)),
            }
        }
        if broken.is_empty() { Ok(()) } else { Err(broken) }
    }

    /// Finds a definition: a version, or the latest by the order of semantic versions.
    pub fn get(&self, tenant: &TenantId, name: &str, version: Option<&str>) -> Option<Arc<Definition>> {
        let guard = self.by_tenant.read().unwrap_or_else(PoisonError::into_inner);
        let owners = [Some(tenant.clone()), None];
        owners.iter().find_map(|owner| {
            let versions = guard.get(owner)?.get(name)?;
            match version {
                Some(version) => versions.iter().find(|d| d.version == version).cloned(),
                None => versions.iter().max_by(|a, b| by_release(&a.version, &b.version)).cloned(),
            }
        })
    }

    /// Finds the very text that a run is pinned to.
    pub fn pinned(
        &self,
        tenant: &TenantId,
        name: &str,
        version: &str,
        digest: &str,
    ) -> Option<Arc<Definition>> {
        let guard = self.by_tenant.read().unwrap_or_else(PoisonError::into_inner);
        let owners = [Some(tenant.clone()), None];
        owners.iter().find_map(|owner| {
            let versions = guard.get(owner)?.get(name)?;
            versions.iter().find(|d| d.version == version && d.digest == digest).cloned()
        })
    }

    /// What the definitions that a tenant has listen for, all of their versions.
    pub fn interests(&self, tenant: &TenantId) -> Arc<Interests> {
        let known = self.interests.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(tenant) {
            return known.clone();
        }
        drop(known);
        // Under the lock, so that a definition that is added meanwhile is not missed.
        let mut cached = self.interests.write().unwrap_or_else(PoisonError::into_inner);
        let guard = self.by_tenant.read().unwrap_or_else(PoisonError::into_inner);
        let owners = [Some(tenant.clone()), None];
        let all = owners.iter().filter_map(|owner| guard.get(owner)).flat_map(BTreeMap::values).flatten();
        let found = Arc::new(Interests::of(all.map(|definition| &**definition)));
        cached.insert(tenant.clone(), found.clone());
        found
    }

    /// The latest version of every workflow that a tenant has, in the order of their names.
    pub fn list(&self, tenant: &TenantId) -> Vec<Arc<Definition>> {
        let guard = self.by_tenant.read().unwrap_or_else(PoisonError::into_inner);
        let owners = [None, Some(tenant.clone())];
        let names = owners.iter().filter_map(|owner| guard.get(owner)).flat_map(BTreeMap::keys);
        let names: std::collections::BTreeSet<String> = names.cloned().collect();
        drop(guard);
        names.iter().filter_map(|name| self.get(tenant, name, None)).collect()
    }

    /// The versions of a workflow that a tenant has, oldest first.
    pub fn versions(&self, tenant: &TenantId, name: &str) -> Vec<Arc<Definition>> {
        let guard = self.by_tenant.read().unwrap_or_else(PoisonError::into_inner);
        let owners = [Some(tenant.clone()), None];
        let found = owners.iter().find_map(|owner| guard.get(owner)?.get(name)).cloned();
        let mut versions = found.unwrap_or_default();
        versions.sort_by(|a, b| compare_semver(&a.version, &b.version));
        versions
    }

    fn add(&self, owner: Option<TenantId>, definition: Arc<Definition>) -> Result<(), VersionTaken> {
        let mut guard = self.by_tenant.write().unwrap_or_else(PoisonError::into_inner);
        let versions = guard.entry(owner).or_default().entry(definition.name.clone()).or_default();
        match versions.iter().find(|known| known.version == definition.version) {
            Some(known) if known.digest == definition.digest => Ok(()),
            Some(known) => Err(VersionTaken { name: known.name.clone(), version: known.version.clone() }),
            None => {
                versions.push(definition);
                drop(guard);
                self.interests.write().unwrap_or_else(PoisonError::into_inner).clear();
                Ok(())
            }
        }
    }
}

/// Orders versions so that a release stands before every pre-release.
pub(super) fn by_release(a: &str, b: &str) -> Ordering {
    let is_release = |version: &str| !version.split('+').next().unwrap_or_default().contains('-');
    is_release(a).cmp(&is_release(b)).then_with(|| compare_semver(a, b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::fixtures::actions;

    fn version(version: &str, seconds: u32) -> Arc<Definition> {
        let head = format!("document: {{ dsl: '1.0.3', namespace: test, name: one, version: '{version}' }}");
        let source = format!("{head}\ndo: [{{ a: {{ wait: PT{seconds}S }} }}]");
        Arc::new(check(&source, &actions()).unwrap().definition)
    }

    #[test]
    fn the_latest_release_is_chosen_and_any_version_can_be_named() {
        let (registry, tenant) = (Definitions::new(), TenantId::default_tenant());
        for text in ["1.2.0", "1.10.0", "2.0.0-rc.1", "1.9.0"] {
            registry.insert(&tenant, version(text, 1)).unwrap();
        }
        assert_eq!(registry.get(&tenant, "one", None).unwrap().version, "1.10.0");
        assert_eq!(registry.get(&tenant, "one", Some("2.0.0-rc.1")).unwrap().version, "2.0.0-rc.1");
        assert!(registry.get(&tenant, "one", Some("3.0.0")).is_none());
        assert!(registry.get(&tenant, "two", None).is_none());
        assert_eq!(registry.versions(&tenant, "one").len(), 4);
    }

    #[test]
    fn a_version_keeps_its_text() {
        let (registry, tenant) = (Definitions::new(), TenantId::default_tenant());
        registry.insert(&tenant, version("1.0.0", 1)).unwrap();
        registry.insert(&tenant, version("1.0.0", 1)).unwrap();
        let taken = registry.insert(&tenant, version("1.0.0", 2)).unwrap_err();
        assert_eq!(taken.version, "1.0.0");
    }

    #[test]
    fn tenants_see_their_own_and_what_is_shared() {
        let registry = Definitions::new();
        let [one, two] = ["one", "two"].map(|name| name.parse::<TenantId>().unwrap());
        registry.insert_shared(version("1.0.0", 1)).unwrap();
        registry.insert(&one, version("0.1.0", 1)).unwrap();
        assert_eq!(registry.get(&one, "one", None).unwrap().version, "0.1.0");
        assert_eq!(registry.get(&two, "one", None).unwrap().version, "1.0.0");
        assert_eq!(registry.list(&two).len(), 1);
    }
}
