//! The definitions that runs are started from, by tenant, name and version.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use super::action::Actions;
use super::check::{Refused, check};
use super::definition::{Definition, Problem, compare_semver};
use super::registration::{Life, RegisteredVersion, WorkflowDefinition};
use super::topic::Interests;
use crate::id::TenantId;
use crate::journal::Seq;

mod standing;

pub use standing::{NamedBy, NoRuns};
use standing::{Standing, Workflow};

/// Compiled definitions that are laid ready at most.
const READY: usize = 16;

/// A version that is taken by another text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("version {version} of the workflow `{name}` is there with another text")]
pub struct VersionTaken {
    /// The workflow.
    pub name: String,
    /// The version.
    pub version: String,
}

type ByName = BTreeMap<String, Workflow>;

/// The definitions there are: those of each tenant, and those that come with the product. Shared between threads.
#[derive(Debug, Default)]
pub struct Definitions {
    by_tenant: RwLock<BTreeMap<Option<TenantId>, ByName>>,
    /// What the definitions of each tenant listen for, as far as it was asked for since they changed.
    interests: RwLock<BTreeMap<TenantId, Arc<Interests>>>,
    /// What was compiled last and may be about to be registered.
    compiled: Mutex<VecDeque<Arc<Definition>>>,
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

    /// Lays a compiled definition ready that is about to be registered, so that it need not be compiled again.
    pub fn lay_ready(&self, definition: Arc<Definition>) {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if compiled.len() >= READY {
            compiled.pop_front();
        }
        compiled.push_back(definition);
    }

    /// Takes in how a registered workflow is after an event; those of its versions that are there are not compiled
    /// again. What is known already of a later event stays.
    ///
    /// # Errors
    ///
    /// The problems of each version that cannot be used any more, for instance since an action is gone; the other
    /// versions are there.
    pub fn load(
        &self,
        tenant: &TenantId,
        registered: &WorkflowDefinition,
        seq: Seq,
        actions: &Actions,
    ) -> Result<(), Vec<(String, Vec<Problem>)>> {
        let mut broken = Vec::new();
        for version in registered.versions() {
            if self.pinned(tenant, registered.name(), &version.version, &version.digest).is_some() {
                continue;
            }
            let compiled = match self.take_ready(registered.name(), version) {
                Some(definition) => Ok(definition),
                None => check(&version.source, actions).map(|checked| Arc::new(checked.definition)),
            };
            match compiled {
                Ok(definition) => {
                    // The journal has one text for each version, so that nothing can be taken here.
                    let _ = self.insert(tenant, definition);
                }
                Err(Refused { problems }) => broken.push((version.version.clone(), problems)),
            }
        }
        let mut guard = self.by_tenant.write().unwrap_or_else(PoisonError::into_inner);
        let workflows = guard.entry(Some(tenant.clone())).or_default();
        let standing = &mut workflows.entry(registered.name().to_owned()).or_default().standing;
        if seq >= standing.seq {
            let lives = registered.versions().iter().map(|known| (known.version.clone(), known.life.clone()));
            let promoted = registered.promoted().map(str::to_owned);
            *standing = Standing { seq, promoted, lives: lives.collect() };
        }
        if broken.is_empty() { Ok(()) } else { Err(broken) }
    }

    /// Finds a definition: a version, whatever its status, or the one that stands for the workflow. That is the latest,
    /// or the newest where no version takes runs; none where all are deleted.
    pub fn get(&self, tenant: &TenantId, name: &str, version: Option<&str>) -> Option<Arc<Definition>> {
        self.of(tenant, name, |workflow| match version {
            Some(version) => workflow.version(version),
            None => workflow.latest().or_else(|| workflow.newest()),
        })
    }

    /// Finds the definition that a new run is to be of: of a version, or of the latest. A definition that names a
    /// version gets it while it is deprecated, too, so that what is open goes on.
    ///
    /// # Errors
    ///
    /// [`NoRuns`].
    pub fn for_run(
        &self,
        tenant: &TenantId,
        name: &str,
        version: Option<&str>,
        named_by: NamedBy,
    ) -> Result<Arc<Definition>, NoRuns> {
        let found = self.of(tenant, name, |workflow| workflow.for_run(name, version, named_by));
        found.unwrap_or_else(|| {
            let version = version.map(str::to_owned);
            Err(NoRuns::Unknown { name: name.to_owned(), version })
        })
    }

    /// Where a version is in its life; none if it is not there.
    pub fn life(&self, tenant: &TenantId, name: &str, version: &str) -> Option<Life> {
        self.of(tenant, name, |workflow| {
            let is_there =
                workflow.standing.lives.contains_key(version) || workflow.version(version).is_some();
            is_there.then(|| workflow.life(version).clone())
        })
    }

    /// Every version of a workflow, deleted ones too, with the definition where it compiles.
    pub fn all(&self, tenant: &TenantId, name: &str) -> BTreeMap<String, Option<Arc<Definition>>> {
        let all = self.of(tenant, name, |workflow| {
            let mut all: BTreeMap<_, _> =
                workflow.standing.lives.keys().map(|version| (version.clone(), None)).collect();
            all.extend(workflow.versions.iter().map(|d| (d.version.clone(), Some(d.clone()))));
            Some(all)
        });
        all.unwrap_or_default()
    }

    /// Finds the very text that a run is pinned to.
    pub fn pinned(
        &self,
        tenant: &TenantId,
        name: &str,
        version: &str,
        digest: &str,
    ) -> Option<Arc<Definition>> {
        self.of(tenant, name, |workflow| workflow.version(version).filter(|d| d.digest == digest))
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
        let workflows = owners.iter().filter_map(|owner| guard.get(owner)).flat_map(BTreeMap::values);
        let all = workflows.flat_map(|workflow| &workflow.versions);
        let found = Arc::new(Interests::of(all.map(|definition| &**definition)));
        cached.insert(tenant.clone(), found.clone());
        found
    }

    /// The shortest time that runs keep their events by a definition of any tenant.
    pub fn shortest_retention(&self) -> Option<Duration> {
        self.shortest(|definition| definition.retention)
    }

    /// The shortest time after which runs are deleted by a definition of any tenant.
    pub fn shortest_deletion(&self) -> Option<Duration> {
        self.shortest(|definition| definition.deletion)
    }

    fn shortest(&self, of: impl Fn(&Definition) -> Option<Duration>) -> Option<Duration> {
        let guard = self.by_tenant.read().unwrap_or_else(PoisonError::into_inner);
        let workflows = guard.values().flat_map(BTreeMap::values);
        let all = workflows.flat_map(|workflow| &workflow.versions);
        all.filter_map(|definition| of(definition)).min()
    }

    /// The version that stands for every workflow that a tenant has, in the order of their names.
    pub fn list(&self, tenant: &TenantId) -> Vec<Arc<Definition>> {
        let guard = self.by_tenant.read().unwrap_or_else(PoisonError::into_inner);
        let owners = [None, Some(tenant.clone())];
        let names = owners.iter().filter_map(|owner| guard.get(owner)).flat_map(BTreeMap::keys);
        let names: std::collections::BTreeSet<String> = names.cloned().collect();
        drop(guard);
        names.iter().filter_map(|name| self.get(tenant, name, None)).collect()
    }

    /// The versions of a workflow that are not deleted, oldest first.
    pub fn versions(&self, tenant: &TenantId, name: &str) -> Vec<Arc<Definition>> {
        let found = self.of(tenant, name, |workflow| Some(workflow.kept().cloned().collect::<Vec<_>>()));
        let mut versions = found.unwrap_or_default();
        versions.sort_by(|a, b| compare_semver(&a.version, &b.version));
        versions
    }

    /// Which definitions that are not deleted run a version of a workflow by its number.
    pub fn naming(&self, tenant: &TenantId, name: &str, version: &str) -> Vec<Arc<Definition>> {
        let guard = self.by_tenant.read().unwrap_or_else(PoisonError::into_inner);
        let workflows = guard.get(&Some(tenant.clone())).into_iter().flat_map(BTreeMap::values);
        let all = workflows.flat_map(Workflow::kept);
        all.filter(|definition| definition.runs_version(name, version)).cloned().collect()
    }

    fn of<T>(&self, tenant: &TenantId, name: &str, look: impl Fn(&Workflow) -> Option<T>) -> Option<T> {
        let guard = self.by_tenant.read().unwrap_or_else(PoisonError::into_inner);
        let owners = [Some(tenant.clone()), None];
        owners.iter().find_map(|owner| look(guard.get(owner)?.get(name)?))
    }

    fn take_ready(&self, name: &str, version: &RegisteredVersion) -> Option<Arc<Definition>> {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let place = compiled.iter().position(|definition| {
            definition.name == name
                && definition.version == version.version
                && definition.digest == version.digest
        });
        compiled.remove(place?)
    }

    fn add(&self, owner: Option<TenantId>, definition: Arc<Definition>) -> Result<(), VersionTaken> {
        let mut guard = self.by_tenant.write().unwrap_or_else(PoisonError::into_inner);
        let workflow = guard.entry(owner).or_default().entry(definition.name.clone()).or_default();
        match workflow.version(&definition.version) {
            Some(known) if known.digest == definition.digest => Ok(()),
            Some(known) => Err(VersionTaken { name: known.name.clone(), version: known.version.clone() }),
            None => {
                workflow.versions.push(definition);
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
