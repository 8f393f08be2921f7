//! Why work is refused under load, from a closed list; and how many entities may come to life while memory is short.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// The limit that was hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Overload {
    /// Too much waits for one entity.
    EntityIntakeFull,
    /// Too much is under way in one partition.
    PartitionIntakeFull,
    /// Too much is under way for one tenant.
    TenantIntakeFull,
    /// Too much is under way on the node.
    NodeIntakeFull,
    /// Commands wait too long for their answers.
    QueueAge,
    /// The store is slow to commit.
    CommitLatency,
    /// Memory is short, and the entity is not live.
    Memory,
    /// Too many events from outside are being taken in.
    InletFull,
    /// The same events keep coming at the same time.
    SameEventsAtOnce,
    /// Too many connections are open.
    ConnectionsFull,
    /// Too many requests are under way.
    RequestsFull,
    /// A copy of the store is being made already.
    BackupUnderWay,
}

impl Overload {
    /// Every one, for the documentation.
    pub const ALL: &[Self] = &[
        Self::EntityIntakeFull,
        Self::PartitionIntakeFull,
        Self::TenantIntakeFull,
        Self::NodeIntakeFull,
        Self::QueueAge,
        Self::CommitLatency,
        Self::Memory,
        Self::InletFull,
        Self::SameEventsAtOnce,
        Self::ConnectionsFull,
        Self::RequestsFull,
        Self::BackupUnderWay,
    ];

    /// The wire form.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EntityIntakeFull => "entity_intake_full",
            Self::PartitionIntakeFull => "partition_intake_full",
            Self::TenantIntakeFull => "tenant_intake_full",
            Self::NodeIntakeFull => "node_intake_full",
            Self::QueueAge => "queue_age",
            Self::CommitLatency => "commit_latency",
            Self::Memory => "memory",
            Self::InletFull => "inlet_full",
            Self::SameEventsAtOnce => "same_events_at_once",
            Self::ConnectionsFull => "connections_full",
            Self::RequestsFull => "requests_full",
            Self::BackupUnderWay => "backup_under_way",
        }
    }
}

impl fmt::Display for Overload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How many entities may come to life; without a bound where memory is not short.
pub(crate) struct Room(AtomicI64);

impl Default for Room {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MAX))
    }
}

impl Room {
    /// Takes the place of one; `false` if there is none.
    pub(super) fn take(&self) -> bool {
        self.0.load(Relaxed) == i64::MAX || self.0.fetch_sub(1, Relaxed) > 0
    }

    /// Sets how many there are; `None` lifts the bound.
    pub(crate) fn set(&self, places: Option<usize>) {
        let places = places.map_or(i64::MAX, |places| i64::try_from(places).unwrap_or(i64::MAX - 1));
        self.0.store(places, Relaxed);
    }
}
