//! The published rules of a node, found by the types of events.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;

use super::definition::Rule;
use super::entity::{RegisteredRule, Status};
use crate::clock::Timestamp;
use crate::id::{StreamId, TenantId};
use crate::journal::Seq;
use crate::workflow::versions::Definitions;

/// A rule that is published, in its newest version; or one that was, for what happened while it was.
#[derive(Debug)]
pub struct Live {
    /// Its entity.
    pub id: StreamId,
    /// The number of the version.
    pub version: u32,
    /// Events from then on count.
    pub since: Timestamp,
    /// And from then on not any more: it is paused, or deleted.
    pub until: Option<Timestamp>,
    /// The rule.
    pub rule: Rule,
}

impl Live {
    /// Whether an event of that time counts.
    pub fn counts(&self, at: Timestamp) -> bool {
        at >= self.since && self.until.is_none_or(|until| at < until)
    }
}

/// The rules of a tenant. It is never changed, but replaced.
#[derive(Debug, Default)]
pub struct Shelf {
    all: BTreeMap<StreamId, Arc<Live>>,
    exact: HashMap<String, Vec<Arc<Live>>>,
    prefix: Vec<(String, Arc<Live>)>,
    any: Vec<Arc<Live>>,
}

impl Shelf {
    fn of(all: BTreeMap<StreamId, Arc<Live>>) -> Self {
        let mut shelf = Self::default();
        for live in all.values() {
            let types = live.rule.on.types();
            if types.any {
                shelf.any.push(live.clone());
                continue;
            }
            for kind in types.exact {
                shelf.exact.entry(kind).or_default().push(live.clone());
            }
            shelf.prefix.extend(types.prefix.into_iter().map(|prefix| (prefix, live.clone())));
        }
        shelf.all = all;
        shelf
    }

    /// The rules that may want events of a type, in the order of their ids; those that are not published any more too.
    pub fn wanting(&self, kind: &str) -> Arc<[Arc<Live>]> {
        let exact = self.exact.get(kind).into_iter().flatten();
        let prefix = self.prefix.iter().filter(|(prefix, _)| kind.starts_with(prefix)).map(|(_, live)| live);
        let found = exact.chain(prefix).chain(&self.any).map(|live| (live.id, live.clone()));
        found.collect::<BTreeMap<_, _>>().into_values().collect()
    }

    /// True if there are no rules.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

#[derive(Debug, Default)]
struct OfTenant {
    shelf: Arc<Shelf>,
    /// The last event of each rule that is known here.
    seqs: BTreeMap<StreamId, Seq>,
}

/// The rules of a node, and the definitions whose topics take in what they emit. Shared between threads.
#[derive(Debug)]
pub struct Rules {
    tenants: RwLock<BTreeMap<TenantId, OfTenant>>,
    definitions: Arc<Definitions>,
}

impl Rules {
    /// A registry without rules.
    pub fn new(definitions: Arc<Definitions>) -> Self {
        Self { tenants: RwLock::default(), definitions }
    }

    /// The rules of a tenant as they are now.
    pub fn shelf(&self, tenant: &TenantId) -> Arc<Shelf> {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        tenants.get(tenant).map(|of| of.shelf.clone()).unwrap_or_default()
    }

    /// The topics of an event that a rule emits.
    pub fn topics(&self, tenant: &TenantId, event: &Value) -> Vec<StreamId> {
        self.definitions.interests(tenant).topics(tenant, event)
    }

    /// Takes in how a rule is after an event. What is known already of a later event stays.
    ///
    /// # Errors
    ///
    /// Why the published version cannot be used any more; the rule is left out.
    pub fn load(
        &self,
        tenant: &TenantId,
        id: StreamId,
        registered: &RegisteredRule,
        seq: Seq,
    ) -> Result<(), String> {
        let published = (registered.status() != Status::Draft).then(|| registered.published()).flatten();
        let (since, until) = registered.counts();
        let compiled = published.map(|version| {
            let rule = Rule::parse(&version.source).map_err(|problems| {
                problems.first().map_or_else(String::new, |problem| problem.message.clone())
            });
            rule.map(|rule| Arc::new(Live { id, version: version.number, since, until, rule }))
        });
        let (live, result) = match compiled.transpose() {
            Ok(live) => (live, Ok(())),
            Err(reason) => (None, Err(reason)),
        };
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        let of = tenants.entry(tenant.clone()).or_default();
        if of.seqs.get(&id).is_some_and(|known| *known > seq) {
            return result;
        }
        of.seqs.insert(id, seq);
        let mut all = of.shelf.all.clone();
        match live {
            Some(live) => drop(all.insert(id, live)),
            None => drop(all.remove(&id)),
        }
        of.shelf = Arc::new(Shelf::of(all));
        result
    }
}
