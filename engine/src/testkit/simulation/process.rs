//! A process of a simulation: one life of a node in a runtime of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::Rng;
use tokio::runtime::Runtime;

use super::{Seat, Subject, config, plan};
use crate::clock::Timestamp;
use crate::journal::memory::{Link, MemoryJournal, MemoryStore};
use crate::runtime::{Config, Context, Leasing, Node};
use crate::testkit::{node_address, node_id};

/// A process that lives.
pub(super) struct Process {
    runtime: Runtime,
    pub(super) node: Node,
    pub(super) journal: Arc<MemoryJournal>,
    cx: Context,
    /// How far its clock is behind, while it stands still.
    paused: Option<Duration>,
    stopped: Arc<AtomicBool>,
}

/// How a process is to be started.
pub(super) struct Birth {
    /// Which of the two; `None` for a node without leases.
    pub(super) seat: Option<usize>,
    /// What its machine's clock shows.
    pub(super) wall: Timestamp,
    pub(super) seed: u64,
    /// The lives so far.
    pub(super) life: u64,
    /// True if it is to be left alone for days.
    pub(super) last: bool,
}

/// The limits of a life: each has its own, so that small ones are met too.
fn limits(seed: u64, life: u64) -> Config {
    let mut chance = plan::chance(seed, life, 2);
    let mut one_of = |choices: [u64; 4]| choices[chance.random_range(0..4)];
    Config {
        upkeep: Duration::from_secs(one_of([20, 60, 600, 3_600])),
        watchdog: Duration::from_secs(one_of([30, 60, 600, 3_600])),
        idle: Duration::from_secs(one_of([2, 30, 300, 3_600])),
        lanes: one_of([1, 1, 2, 2]) as usize,
        snapshot_every: one_of([3, 20, 200, 200]),
        entity_batch: one_of([1, 4, 128, 128]) as usize,
        lane_batch: one_of([1, 8, 1_024, 1_024]) as usize,
        backlog: one_of([4, 40, 10_000, 10_000]) as usize,
        live_entities: one_of([4, 40, 100_000, 100_000]) as usize,
        ..config()
    }
}

impl Process {
    pub(super) fn start(
        subject: &mut impl Subject,
        store: &MemoryStore,
        birth: &Birth,
    ) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.map_err(|e| e.to_string())?;
        let journal = MemoryJournal::open(store);
        let leasing = birth.seat.map(|seat| Leasing {
            ownership: journal.clone(),
            node: node_id(seat as u64),
            address: node_address(seat as u64),
        });
        let mut config = limits(birth.seed, birth.life);
        if birth.last {
            (config.upkeep, config.watchdog) = (Duration::from_secs(3_600), Duration::from_secs(3_600));
        }
        let (node, cx) = runtime.block_on(async {
            let cx = Context::simulated(birth.wall, birth.seed.wrapping_add(birth.life << 32));
            let seat = Seat { journal: journal.clone(), leasing, config, cx: cx.clone() };
            subject.start(seat).await.map(|node| (node, cx))
        })?;
        Ok(Self { runtime, node, journal, cx, paused: None, stopped: Arc::default() })
    }

    /// True if it has ended, in whatever way.
    pub(super) fn has_ended(&self) -> bool {
        self.stopped.load(Ordering::Relaxed) || !self.journal.lives() || self.cx.has_to_exit()
    }

    /// True while it goes on and reaches the store.
    pub(super) fn is_well(&self) -> bool {
        self.paused.is_none() && self.journal.link() == Link::Up
    }

    /// Lets it run on for so long, unless it stands still.
    pub(super) fn pass(&mut self, duration: Duration) {
        match &mut self.paused {
            Some(behind) => *behind += duration,
            None => self.runtime.block_on(self.cx.sleep(duration)),
        }
    }

    /// Lets what is ready run, and no time pass.
    pub(super) fn turn(&mut self) {
        if self.paused.is_none() {
            self.runtime.block_on(tokio::task::yield_now());
        }
    }

    pub(super) fn pause(&mut self) {
        self.paused.get_or_insert(Duration::ZERO);
    }

    /// Lets it go on: its clock jumps over what it has missed.
    pub(super) fn resume(&mut self) {
        if let Some(behind) = self.paused.take() {
            self.runtime.block_on(tokio::time::advance(behind));
        }
    }

    pub(super) fn move_wall_clock(&self, by_ms: i64) {
        self.cx.move_wall_clock(by_ms);
    }

    /// Lets it end in good order; it has ended once it did.
    pub(super) fn stop(&self) {
        let (node, stopped) = (self.node.clone(), self.stopped.clone());
        drop(self.runtime.spawn(async move {
            node.stop().await;
            stopped.store(true, Ordering::Relaxed);
        }));
    }

    /// Runs a task in it.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let _inside = self.runtime.enter();
        self.cx.spawn("simulated caller", task);
    }

    /// Its engine's time. Outside of its runtime, that would follow the real clock.
    pub(super) fn now(&self) -> Timestamp {
        self.runtime.block_on(async { self.cx.now() })
    }

    /// Waits for something in it.
    pub(super) fn block_on<T>(&self, task: impl Future<Output = T>) -> T {
        self.runtime.block_on(task)
    }
}
