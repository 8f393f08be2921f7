//! Every limit of the engine, in one place.

use std::time::Duration;

use crate::id::Prefix;

/// The limits of a node. Hitting one is a typed error with a reason, and a metric.
#[derive(Debug, Clone)]
pub struct Config {
    /// Commands waiting for one entity; beyond it they are answered 429.
    pub intake_per_entity: usize,
    /// Commands from outside under way in one partition; beyond it they are answered 429.
    pub intake_per_partition: usize,
    /// The share of what may be under way on the node that one tenant may have, in percent.
    pub tenant_share: usize,
    /// How long half of the commands may take to be answered before fewer are admitted.
    pub queue_age: Duration,
    /// Commands from outside that may always be under way on the node, however long they take.
    pub admission_least: usize,
    /// Commands from outside that may be under way on the node at most.
    pub admission_most: usize,
    /// Bytes of memory that the process should stay below; beyond a share of it entities are passivated.
    pub memory: Option<u64>,
    /// Bytes that the state of an entity or run, and what came after its last snapshot, may have to be loaded; one that
    /// has more is quarantined.
    pub entity_bytes: usize,
    /// Commands that one entity decides and commits together.
    pub entity_batch: usize,
    /// Commands waiting on the whole node; beyond it they are answered 429.
    pub intake_total: usize,
    /// The lanes: writers that commit at the same time, each for its share of the partitions.
    pub lanes: usize,
    /// Events from outside that are being taken in; beyond it they are answered 429.
    pub inlet_events: usize,
    /// Entries waiting for a lane.
    pub lane_queue: usize,
    /// Entries that one commit takes.
    pub lane_batch: usize,
    /// Events beyond which a commit takes no further entry.
    pub lane_events: usize,
    /// Live actors; beyond it the ones idle longest are passivated.
    pub live_entities: usize,
    /// How long an entity may be idle before it is passivated.
    pub idle: Duration,
    /// Events after which a snapshot is kept; more where the state is large beside them.
    pub snapshot_every: u64,
    /// Faults of one child within [`Config::restart_window`] beyond which it is quarantined.
    pub restart_intensity: usize,
    /// The window in which faults are counted.
    pub restart_window: Duration,
    /// How long a service may be at one piece of work before it is wedged, and restarted; upkeep has twenty times that.
    pub wedged_after: Duration,
    /// How often the watchdog looks for what does not go on.
    pub watchdog: Duration,
    /// How long after its time something is overdue.
    pub overdue_after: Duration,
    /// Times a command may bring its entity down before it is set aside.
    pub strikes: u8,
    /// Messages, timers and effects under way at the same time, of each.
    pub deliveries: usize,
    /// Timers, messages and effects kept in memory, of each; the rest stays in the journal until there is room.
    pub backlog: usize,
    /// Failures in a row after which a circuit opens: a connector's, or that in front of one place that it calls.
    pub breaker_failures: u32,
    /// How long an open circuit stays open before one call may try.
    pub breaker_cooldown: Duration,
    /// How long events of kinds are kept, from the last one of their stream, where that differs from what the kind
    /// says; a stream may say otherwise of itself.
    pub retention: Vec<(Prefix, Duration)>,
    /// After what time from their last event streams of kinds are deleted whole, where they may be; a stream may say
    /// otherwise of itself. What is of none of these kinds stays.
    pub deletion: Vec<(Prefix, Duration)>,
    /// How often idle entities, the clock and the journal's indexes are looked after.
    pub upkeep: Duration,
    /// How long a shutdown waits for work under way.
    pub drain: Duration,
    /// How long a node's lease holds from each heartbeat, where several nodes share a store.
    pub lease: Duration,
    /// How often it is renewed.
    pub heartbeat: Duration,
    /// How long before its lease can have run out a node stops serving.
    pub lease_margin: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            intake_per_entity: 1_024,
            intake_per_partition: 16_384,
            tenant_share: 100,
            queue_age: Duration::from_millis(5),
            admission_least: 256,
            admission_most: 16_384,
            memory: None,
            entity_bytes: 64 * 1024 * 1024,
            entity_batch: 128,
            intake_total: 65_536,
            lanes: 1,
            inlet_events: 65_536,
            lane_queue: 16_384,
            lane_batch: 1_024,
            lane_events: 8_192,
            live_entities: 100_000,
            idle: Duration::from_secs(300),
            snapshot_every: 200,
            restart_intensity: 5,
            restart_window: Duration::from_secs(60),
            wedged_after: Duration::from_secs(30),
            watchdog: Duration::from_secs(5),
            overdue_after: Duration::from_secs(30),
            strikes: 3,
            deliveries: 256,
            backlog: 10_000,
            breaker_failures: 5,
            breaker_cooldown: Duration::from_secs(5),
            retention: Vec::new(),
            deletion: Vec::new(),
            upkeep: Duration::from_secs(1),
            drain: Duration::from_secs(20),
            lease: Duration::from_secs(2),
            heartbeat: Duration::from_millis(500),
            lease_margin: Duration::from_millis(250),
        }
    }
}
