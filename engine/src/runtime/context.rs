//! The one source of time, ids, chance, tasks, CPU and exit. Everything else takes them from here.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::id::{Prefix, Slot, StreamId, uuid_v7};

/// The surroundings of a node. Cheap to clone.
#[derive(Clone)]
pub struct Context(Arc<Inner>);

struct Inner {
    /// Monotonic origin of the engine's clock.
    started: Instant,
    /// Wall clock at `started` in milliseconds, slewed by [`Context::discipline`].
    anchor_ms: AtomicI64,
    /// The highest time ever given out or found in the journal.
    floor_ms: AtomicI64,
    /// True where wall time is the machine's; false under simulation.
    real: bool,
    /// Wall clock at `started` in milliseconds, as a simulation has moved it since.
    wall_ms: AtomicI64,
    rng: Mutex<ChaCha8Rng>,
    tracker: TaskTracker,
    cancel: CancellationToken,
    exit: watch::Sender<Option<Exit>>,
}

/// Why the process is to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// The exit code; not zero.
    pub code: u8,
    /// What happened.
    pub reason: String,
}

/// A CPU-bound task that did not end in good order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a computation panicked")]
pub struct Panicked;

impl Context {
    /// The context of a real process: the machine's clock and entropy.
    #[expect(clippy::disallowed_methods, reason = "the one home of the machine's clock")]
    pub fn real() -> Self {
        let mut seed = [0; 32];
        seed[..16].copy_from_slice(Uuid::now_v7().as_bytes());
        rand::rngs::OsRng.try_fill(&mut seed);
        Self::new(wall_ms(std::time::SystemTime::now()), seed, true)
    }

    /// The context of a simulation: time begins at `start` and follows tokio's paused clock, chance follows a seed.
    pub fn simulated(start: Timestamp, seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self::new(start.ms(), bytes, false)
    }

    #[expect(clippy::disallowed_methods, reason = "the one home of the monotonic clock")]
    fn new(anchor_ms: i64, seed: [u8; 32], real: bool) -> Self {
        Self(Arc::new(Inner {
            started: Instant::now(),
            anchor_ms: AtomicI64::new(anchor_ms),
            floor_ms: AtomicI64::new(anchor_ms),
            real,
            wall_ms: AtomicI64::new(anchor_ms),
            rng: Mutex::new(ChaCha8Rng::from_seed(seed)),
            tracker: TaskTracker::new(),
            cancel: CancellationToken::new(),
            exit: watch::channel(None).0,
        }))
    }

    /// The engine's time: wall clock at start plus monotonic time since, never running backwards.
    pub fn now(&self) -> Timestamp {
        let elapsed = i64::try_from(self.0.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        let ms = self.0.anchor_ms.load(Ordering::Relaxed).saturating_add(elapsed);
        Timestamp::from_ms(self.0.floor_ms.fetch_max(ms, Ordering::Relaxed).max(ms))
    }

    /// Keeps the clock at or above a time that the journal holds.
    ///
    /// Where the machine's clock is behind that, time goes on from there; it does not stand still until the machine
    /// has caught up.
    pub fn not_before(&self, time: Timestamp) {
        let elapsed = i64::try_from(self.0.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.0.anchor_ms.fetch_max(time.ms().saturating_sub(elapsed), Ordering::Relaxed);
        self.0.floor_ms.fetch_max(time.ms(), Ordering::Relaxed);
    }

    /// The monotonic clock.
    #[expect(clippy::disallowed_methods, reason = "the one home of the monotonic clock")]
    pub fn monotonic(&self) -> Instant {
        Instant::now()
    }

    /// Moves the machine's clock by so many milliseconds, under simulation.
    pub fn move_wall_clock(&self, by_ms: i64) {
        self.0.wall_ms.fetch_add(by_ms, Ordering::Relaxed);
    }

    /// Compares the engine's clock with the machine's and slews at most 50 ms of the difference away.
    ///
    /// Returns the difference in milliseconds, positive where the engine is ahead; call it about once a second.
    #[expect(clippy::disallowed_methods, reason = "the one home of the machine's clock")]
    pub fn discipline(&self) -> i64 {
        let elapsed = i64::try_from(self.0.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        let engine = self.0.anchor_ms.load(Ordering::Relaxed).saturating_add(elapsed);
        let wall = match self.0.real {
            true => wall_ms(std::time::SystemTime::now()),
            false => self.0.wall_ms.load(Ordering::Relaxed).saturating_add(elapsed),
        };
        let difference = engine - wall;
        self.0.anchor_ms.fetch_sub(difference.clamp(-50, 50), Ordering::Relaxed);
        difference
    }

    /// Sleeps until the engine's time has reached a moment; never less.
    pub async fn sleep_until(&self, due: Timestamp) {
        loop {
            let left = due.since(self.now());
            if left.is_zero() {
                return;
            }
            self.sleep(left).await;
        }
    }

    /// Sleeps for a duration.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Sixty-four random bits.
    pub fn random(&self) -> u64 {
        self.0.rng.lock().unwrap_or_else(PoisonError::into_inner).next_u64()
    }

    /// A random UUID: for incarnations, requests and correlation.
    pub fn uuid(&self) -> Uuid {
        let ms = u64::try_from(self.now().ms()).unwrap_or(0);
        let bits = self.random();
        uuid_v7(ms, Slot::new(bits as u16), self.random())
    }

    /// A fresh id, in a slot of its own or a given one.
    pub fn new_id(&self, prefix: Prefix, slot: Option<Slot>) -> StreamId {
        let ms = u64::try_from(self.now().ms()).unwrap_or(0);
        let slot = slot.unwrap_or_else(|| Slot::new(self.random() as u16));
        StreamId::new(prefix, uuid_v7(ms, slot, self.random()))
    }

    /// A duration between half of the given one and all of it.
    pub fn jitter(&self, duration: Duration) -> Duration {
        let half = duration / 2;
        half + half.mul_f64((self.random() >> 11) as f64 / (1_u64 << 53) as f64)
    }

    /// Spawns a tracked task, which is dropped when the context is cancelled. A panic in it is reported.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let cancel = self.0.cancel.clone();
        let guarded = AssertUnwindSafe(async move {
            cancel.run_until_cancelled(task).await;
        });
        let watched = async move {
            if guarded.catch_unwind().await.is_err() {
                tracing::error!(task = name, "a background task panicked");
            }
        };
        drop(self.0.tracker.spawn(watched));
    }

    /// Runs a long computation off the threads that serve; inline under simulation.
    ///
    /// # Errors
    ///
    /// [`Panicked`].
    ///
    /// # Cancel safety
    ///
    /// When dropped, the computation still runs to its end, and its result is lost.
    #[expect(clippy::disallowed_methods, reason = "the one home of the CPU pool")]
    pub async fn cpu<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Panicked> {
        if !self.0.real {
            return std::panic::catch_unwind(AssertUnwindSafe(work)).map_err(|_| Panicked);
        }
        tokio::task::spawn_blocking(work).await.map_err(|_| Panicked)
    }

    /// Asks for the end of the process; the first one to ask is heard.
    pub fn exit(&self, code: u8, reason: impl Into<String>) {
        let exit = Exit { code, reason: reason.into() };
        tracing::error!(code, reason = %exit.reason, "the process has to end");
        self.0.exit.send_if_modified(|current| {
            let first = current.is_none();
            if first {
                *current = Some(exit);
            }
            first
        });
    }

    /// Says whether somebody has asked for the end of the process.
    pub fn has_to_exit(&self) -> bool {
        self.0.exit.borrow().is_some()
    }

    /// Waits until somebody asks for the end of the process.
    pub async fn exit_asked(&self) -> Exit {
        let mut asked = self.0.exit.subscribe();
        match asked.wait_for(Option::is_some).await {
            Ok(exit) => exit.clone().unwrap_or(Exit { code: 1, reason: String::new() }),
            Err(_) => std::future::pending().await,
        }
    }

    /// True where time is the machine's.
    pub fn is_real(&self) -> bool {
        self.0.real
    }

    /// Ends all tracked tasks and waits for them, as long as given.
    pub async fn cancel_tasks(&self, patience: Duration) {
        self.0.cancel.cancel();
        self.0.tracker.close();
        if tokio::time::timeout(patience, self.0.tracker.wait()).await.is_err() {
            tracing::warn!(
                tasks = self.0.tracker.len(),
                "tasks are still running after the patience for them"
            );
        }
    }
}

trait TryFill {
    fn try_fill(&mut self, bytes: &mut [u8]);
}

impl TryFill for rand::rngs::OsRng {
    fn try_fill(&mut self, bytes: &mut [u8]) {
        let filled = rand::TryRngCore::try_fill_bytes(self, bytes);
        filled.expect("the operating system gives entropy");
    }
}

fn wall_ms(now: std::time::SystemTime) -> i64 {
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn simulated_time_follows_the_paused_clock() {
        let start = Timestamp::from_ms(1_763_796_000_000);
        let cx = Context::simulated(start, 1);
        assert_eq!(cx.now(), start);
        cx.sleep(Duration::from_secs(3_600)).await;
        assert_eq!(cx.now(), start.plus(Duration::from_secs(3_600)));
        cx.not_before(start.plus(Duration::from_secs(7_200)));
        assert_eq!(cx.now(), start.plus(Duration::from_secs(7_200)));
        cx.sleep(Duration::from_secs(2)).await;
        assert_eq!(cx.now(), start.plus(Duration::from_secs(7_202)), "time does not stand still");
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_seed_gives_the_same_ids() {
        let id = || Context::simulated(Timestamp::from_ms(5), 9).new_id(Prefix::new("thing"), None);
        assert_eq!(id(), id());
    }
}
