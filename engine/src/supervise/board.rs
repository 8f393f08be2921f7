//! The board: how every service and partition of the node is, written by their supervisors and read by everybody.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ractor::ActorCell;
use serde::Serialize;
use tokio::time::Instant;

use super::Pulse;
use super::service::{Depth, Key, ServiceSpec};
use crate::clock::Timestamp;
use crate::journal::PartitionId;
use crate::runtime::Context;

/// Why a child failed last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LastFault {
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub reason: String,
}

/// How a service is.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceStatus {
    /// `service`.
    pub kind: &'static str,
    /// Its name, with its number where there are several.
    pub id: String,
    /// Its name.
    pub name: &'static str,
    /// `running`, `restarting` or `ended`.
    pub state: &'static str,
    /// What waits for it.
    pub mailbox: usize,
    /// How long the piece of work that it is at has taken, in milliseconds; `None` where it waits for work, or is not
    /// watched.
    pub busy_ms: Option<u64>,
    /// How often it was restarted.
    pub restarts: u64,
    /// The last fault.
    pub last_fault: Option<LastFault>,
    /// How long it has been running since its last start, in milliseconds.
    pub uptime_ms: Option<u64>,
}

/// How the supervisor of a partition is, with what it supervises.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartitionStatus {
    /// `partition`.
    pub kind: &'static str,
    /// The partition.
    pub id: PartitionId,
    /// `running`, `restarting` or `ended`.
    pub state: &'static str,
    /// How often it was restarted with all that is below it.
    pub restarts: u64,
    /// The last fault.
    pub last_fault: Option<LastFault>,
    /// How long it has been running since its last start, in milliseconds.
    pub uptime_ms: Option<u64>,
    /// The partition's services.
    pub services: Vec<ServiceStatus>,
}

/// Under whom a child stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    /// The root.
    Node,
    /// The supervisor of a partition; where one is lost and taken again, the number of the taking tells them apart.
    Partition(PartitionId, u64),
}

/// The board. Cheap to clone.
#[derive(Clone)]
pub(super) struct Board {
    inner: Arc<Mutex<Entries>>,
    cx: Context,
}

#[derive(Default)]
struct Entries {
    services: BTreeMap<(Scope, Key), Service>,
    partitions: BTreeMap<Scope, Life>,
}

struct Service {
    life: Life,
    depth: Option<Depth>,
    pulse: Option<(Pulse, Duration)>,
    /// Why it was ended by force, if it was.
    wedged: Option<String>,
}

/// How a child has fared.
#[derive(Default)]
struct Life {
    cell: Option<ActorCell>,
    state: &'static str,
    restarts: u64,
    last_fault: Option<LastFault>,
    since: Option<Instant>,
}

impl Life {
    fn started(&mut self, cell: ActorCell, now: Instant) {
        (self.cell, self.state, self.since) = (Some(cell), "running", Some(now));
    }

    fn faulted(&mut self, at: Timestamp, reason: String) {
        (self.cell, self.state, self.since) = (None, "restarting", None);
        self.restarts += 1;
        self.last_fault = Some(LastFault { at, reason });
    }

    fn uptime_ms(&self, now: Instant) -> Option<u64> {
        self.since.map(|since| ms(now.saturating_duration_since(since)))
    }
}

/// A service that is at one piece of work for too long.
pub(super) enum Wedged {
    /// It was told to end.
    Ended(&'static str),
    /// It was told before, and does not: it holds a thread, and no restart helps.
    Stuck(&'static str, String),
}

impl Board {
    pub(super) fn new(cx: Context) -> Self {
        Self { inner: Arc::default(), cx }
    }

    /// Notes that a service is running.
    pub(super) fn service_started(&self, scope: Scope, spec: &ServiceSpec, cell: ActorCell) {
        let now = self.cx.monotonic();
        let fresh = || Service {
            life: Life::default(),
            depth: spec.depth.clone(),
            pulse: spec.pulse.clone(),
            wedged: None,
        };
        let mut entries = self.lock();
        entries.services.entry((scope, spec.key())).or_insert_with(fresh).life.started(cell, now);
    }

    /// Notes that a service faulted.
    pub(super) fn service_faulted(&self, scope: Scope, key: Key, reason: &str) {
        let now = self.cx.now();
        if let Some(service) = self.lock().services.get_mut(&(scope, key)) {
            service.life.faulted(now, reason.to_owned());
        }
    }

    /// Notes that a service has come to its end.
    pub(super) fn service_ended(&self, scope: Scope, key: Key) {
        let mut entries = self.lock();
        match scope {
            Scope::Partition(..) => drop(entries.services.remove(&(scope, key))),
            Scope::Node => {
                if let Some(service) = entries.services.get_mut(&(scope, key)) {
                    (service.life.cell, service.life.state) = (None, "ended");
                }
            }
        }
    }

    /// Takes the reason for which a service was ended by force.
    pub(super) fn take_wedged(&self, scope: Scope, key: Key) -> Option<String> {
        self.lock().services.get_mut(&(scope, key))?.wedged.take()
    }

    /// Notes that the supervisor of a partition is running.
    pub(super) fn partition_started(&self, scope: Scope, cell: ActorCell) {
        let now = self.cx.monotonic();
        self.lock().partitions.entry(scope).or_default().started(cell, now);
    }

    /// Notes that the supervisor of a partition faulted.
    pub(super) fn partition_faulted(&self, scope: Scope, reason: &str) {
        let now = self.cx.now();
        let mut entries = self.lock();
        entries.partitions.entry(scope).or_default().faulted(now, reason.to_owned());
        for ((_, _), service) in entries.services.iter_mut().filter(|((of, _), _)| *of == scope) {
            (service.life.cell, service.life.state, service.life.since) = (None, "restarting", None);
        }
    }

    /// Forgets a partition that is not this node's any more.
    pub(super) fn partition_ended(&self, scope: Scope) {
        let mut entries = self.lock();
        entries.partitions.remove(&scope);
        entries.services.retain(|(of, _), _| *of != scope);
    }

    /// Ends by force what has been at one piece of work for longer than it may.
    pub(super) fn end_wedged(&self) -> Vec<Wedged> {
        let mut found = Vec::new();
        for ((_, (name, _)), service) in &mut self.lock().services {
            let (Some((pulse, limit)), Some(cell)) = (&service.pulse, &service.life.cell) else { continue };
            let Some(busy) = pulse.busy().filter(|busy| busy > limit) else { continue };
            let reason = format!("wedged: one piece of work took {} s and did not end", busy.as_secs());
            if service.wedged.is_some() {
                found.push(Wedged::Stuck(name, reason));
                continue;
            }
            service.wedged = Some(reason);
            cell.kill();
            found.push(Wedged::Ended(name));
        }
        found
    }

    /// The cells of the root's children, in the order in which they are to be ended: partitions, then services, each the
    /// last one first.
    pub(super) fn children_of_root(&self) -> Vec<ActorCell> {
        let entries = self.lock();
        let partitions = entries.partitions.values().rev().filter_map(|life| life.cell.clone());
        let services = entries.services.iter().rev().filter(|((scope, _), _)| *scope == Scope::Node);
        partitions.chain(services.filter_map(|(_, service)| service.life.cell.clone())).collect()
    }

    /// How the services of the root are.
    pub(super) fn services(&self) -> Vec<ServiceStatus> {
        self.services_of(&self.lock(), Scope::Node)
    }

    /// How the partitions are.
    pub(super) fn partitions(&self) -> Vec<PartitionStatus> {
        let (entries, now) = (self.lock(), self.cx.monotonic());
        let status = |(scope, life): (&Scope, &Life)| {
            let Scope::Partition(id, _) = *scope else { return None };
            Some(PartitionStatus {
                kind: "partition",
                id,
                state: life.state,
                restarts: life.restarts,
                last_fault: life.last_fault.clone(),
                uptime_ms: life.uptime_ms(now),
                services: self.services_of(&entries, *scope),
            })
        };
        entries.partitions.iter().filter_map(status).collect()
    }

    fn services_of(&self, entries: &Entries, scope: Scope) -> Vec<ServiceStatus> {
        let now = self.cx.monotonic();
        let first = (scope, ("", None));
        let of_scope = entries.services.range(first..).take_while(|((of, _), _)| *of == scope);
        let status = |((_, (name, number)), service): (&(Scope, Key), &Service)| ServiceStatus {
            kind: "service",
            id: number.map_or_else(|| (*name).to_owned(), |number| format!("{name}/{number}")),
            name,
            state: service.life.state,
            mailbox: service.depth.as_ref().map_or(0, |depth| depth()),
            busy_ms: service.pulse.as_ref().and_then(|(pulse, _)| pulse.busy()).map(ms),
            restarts: service.life.restarts,
            last_fault: service.life.last_fault.clone(),
            uptime_ms: service.life.uptime_ms(now),
        };
        of_scope.map(status).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
