//! What is quarantined in a partition, in memory: read from the registers when the partition is taken over.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::watch;

use super::quarantine::{Quarantine, Quarantined};
use crate::clock::Timestamp;
use crate::entity::{Entity, Machine, Typed};
use crate::id::{StreamKey, TenantId};
use crate::journal::{self, Journal, Lease};

/// Registers listed at once.
const PAGE: usize = 512;

/// The quarantined entities of one partition. Asked when an entity is brought to life, and not by other commands.
#[derive(Debug)]
pub(crate) struct Asides {
    open: RwLock<BTreeMap<StreamKey, Aside>>,
    /// Rises whenever one of them has come into its register, or has gone.
    changed: watch::Sender<u64>,
}

/// One that is quarantined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Aside {
    pub(crate) of: Quarantined,
    /// True once it stands in its register.
    pub(crate) journalled: bool,
}

impl Asides {
    /// Those that a take-over has found.
    pub(crate) fn new(found: Vec<Quarantined>) -> Self {
        let aside = |of: Quarantined| (of.stream.clone(), Aside { of, journalled: true });
        let open = RwLock::new(found.into_iter().map(aside).collect());
        Self { open, changed: watch::channel(0).0 }
    }

    /// The one of a stream.
    pub(crate) fn get(&self, stream: &StreamKey) -> Option<Aside> {
        self.read().get(stream).cloned()
    }

    /// All of them, in the order of their keys.
    pub(crate) fn all(&self) -> Vec<Quarantined> {
        self.read().values().map(|aside| aside.of.clone()).collect()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.read().len()
    }

    /// Adds one that does not stand in its register yet.
    pub(crate) fn add(&self, of: Quarantined) {
        self.write().insert(of.stream.clone(), Aside { of, journalled: false });
    }

    /// Notes that one stands in its register.
    pub(crate) fn journalled(&self, stream: &StreamKey) {
        if let Some(aside) = self.write().get_mut(stream) {
            aside.journalled = true;
        }
        self.changed.send_modify(|count| *count += 1);
    }

    /// Takes one out, unless it has been quarantined anew since the given moment.
    pub(crate) fn remove(&self, stream: &StreamKey, since: Timestamp) {
        let mut open = self.write();
        if open.get(stream).is_some_and(|aside| aside.of.since == since) {
            open.remove(stream);
        }
        drop(open);
        self.changed.send_modify(|count| *count += 1);
    }

    /// Waits until the one of a stream stands in its register; `None` where there is none.
    pub(crate) async fn until_journalled(&self, stream: &StreamKey) -> Option<Quarantined> {
        let mut changed = self.changed.subscribe();
        loop {
            let aside = self.get(stream)?;
            if aside.journalled {
                return Some(aside.of);
            }
            // Its sender lives as long as this does.
            let _ = changed.changed().await;
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<StreamKey, Aside>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<StreamKey, Aside>> {
        self.open.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A partition just taken over, with what is quarantined in it.
pub(crate) struct Taken {
    pub(crate) lease: Lease,
    pub(crate) quarantined: Vec<Quarantined>,
}

/// Reads what is quarantined in partitions that have just been taken over: one list, and the registers that there are.
pub(crate) async fn with_quarantined(
    journal: &dyn Journal,
    leases: Vec<Lease>,
) -> Result<Vec<Taken>, journal::Error> {
    let mut taken: Vec<_> =
        leases.into_iter().map(|lease| Taken { lease, quarantined: Vec::new() }).collect();
    let mut after = None;
    while !taken.is_empty() {
        let (tenant, prefix) = (TenantId::default_tenant(), Quarantine::KIND.prefix);
        let page = journal.list_streams(&tenant, prefix, after, false, PAGE).await?.streams;
        for (register, cursor) in &page {
            after = Some(*cursor);
            let partition = journal.info().partition_of(register);
            let of = taken.iter_mut().find(|taken| taken.lease.fence.partition == partition);
            if let Some(of) = of {
                of.quarantined.extend(read(journal, register).await?);
            }
        }
        if page.len() < PAGE {
            break;
        }
    }
    Ok(taken)
}

/// Reads a register. One that cannot be read must not keep its partition from being served: what it holds fails
/// again, and is set aside again.
async fn read(journal: &dyn Journal, register: &StreamKey) -> Result<Vec<Quarantined>, journal::Error> {
    let mut machine = Typed::<Quarantine>::new();
    let events = match journal.read_stream(register, 0, usize::MAX).await {
        Err(journal::Error::Corrupt { reason }) => return Ok(unreadable(register, &reason)),
        events => events?,
    };
    for event in events {
        if let Err(error) = machine.apply(&event) {
            return Ok(unreadable(register, &error.to_string()));
        }
    }
    Ok(machine.state().map(|state| state.open.values().cloned().collect()).unwrap_or_default())
}

fn unreadable(register: &StreamKey, reason: &str) -> Vec<Quarantined> {
    tracing::error!(%register, reason, "a register of the quarantine cannot be read");
    Vec::new()
}
