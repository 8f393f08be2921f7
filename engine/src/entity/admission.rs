//! Admission: how much work from outside may be under way, and what is refused when more comes.
//!
//! The node's own work (messages, timers, effects, the steps of runs) is not asked for here: it was admitted when what
//! caused it was, and goes on under any pressure.
//!
//! # The limit
//!
//! Beside fixed bounds for an entity, a partition and a tenant there is one for the node that moves. What it follows is
//! the age of the queue: how long commands wait from their admission to the answer after their commit, every stop
//! between included; the length of a queue says nothing, since a commit costs about the same whatever it carries
//! (Nichols and Jacobson, "Controlling Queue Delay", ACM Queue 2012). In each window the share of answers that took
//! longer than a target is counted, and the limit moves against it: up by an eighth of itself at most, down by four
//! tenths, not at all where half of them were late. So the median settles at the target (Robbins and Monro, "A
//! Stochastic Approximation Method", 1951), and one stall of the disk, which makes many answers late in a single
//! window, moves it once. As in Netflix's `concurrency-limits`, it rises only while it is in use.
//!
//! It has a floor, below which it goes only while commands are refused: as many clients as that, each with one command
//! at a time, are never turned away, however slow the machine is. Beyond it refusing takes most of a processor, and
//! what is admitted would wait behind that.
//!
//! The target is a time from the configuration, or a few of the shortest commits that were seen lately where that is
//! longer (as BBR takes the shortest round trip: Cardwell et al., ACM Queue 2016): against a slow store waiting is
//! not a sign of pressure.
//!
//! Everything is counted in atomics; who answers the first command after the end of a window moves the limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use dashmap::DashMap;
use metrics::{Counter, Histogram};
use tokio::time::Instant;

use super::intake::Fault;
use super::overload::{Overload, Room};
use crate::hashing::Hashing;
use crate::id::TenantId;
use crate::partition::{CommitTimes, Owned};
use crate::runtime::{Config, Context};
use crate::telemetry::names;

/// Commands under way from which on the node's own work gives way to them.
const BUSY: usize = 16;
/// How long answers are counted before the limit moves.
const WINDOW: Duration = Duration::from_millis(50);
/// Answers without which it does not move.
const FEW: u32 = 16;
/// The most by which it rises in a window, as a share of itself.
const RISE: f64 = 0.125;
/// The most by which it falls.
const FALL: f64 = 0.4;
/// By how much lower the floor is while commands are refused.
const FLOORS: usize = 8;
/// How many of the shortest commits an answer may take.
const COMMITS: u32 = 4;
/// The longest and shortest waits that are asked of who was refused, in seconds.
const WAITS: (u64, u64) = (1, 3);

/// How much work from outside is under way, and how much may be.
pub(crate) struct Admission {
    cx: Context,
    base: Instant,
    bounds: Bounds,
    under_way: AtomicUsize,
    limit: AtomicUsize,
    tenants: DashMap<TenantId, Arc<AtomicUsize>, Hashing>,
    window: Window,
    commits: Arc<CommitTimes>,
    refused: AtomicU64,
    metrics: Series,
    /// New entities that may come to life for now.
    pub(crate) room: Room,
}

struct Bounds {
    partition: usize,
    /// A tenant's share of the limit, in percent.
    tenant: usize,
    least: usize,
    most: usize,
    target: Duration,
}

/// What was counted since the limit last moved.
#[derive(Default)]
struct Window {
    /// Microseconds after the start of the node.
    ends: AtomicU64,
    answered: AtomicU32,
    late: AtomicU32,
    refused: AtomicU32,
    /// The most that was under way.
    most: AtomicUsize,
    target_us: AtomicU64,
}

/// The series that every command counts in, looked up once.
struct Series {
    age: Histogram,
    /// In the order of [`Overload::ALL`].
    refused: Vec<Counter>,
}

impl Series {
    fn new() -> Self {
        let refused = |reason: &Overload| metrics::counter!(names::REFUSED, "reason" => reason.name());
        Self {
            age: metrics::histogram!(names::QUEUE_AGE),
            refused: Overload::ALL.iter().map(refused).collect(),
        }
    }
}

/// Leave for one command; given back when dropped.
pub(crate) struct Admitted {
    admission: Arc<Admission>,
    tenant: Arc<AtomicUsize>,
    owned: Arc<Owned>,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.admission.under_way.fetch_sub(1, Relaxed);
        self.tenant.fetch_sub(1, Relaxed);
        self.owned.intake().fetch_sub(1, Relaxed);
    }
}

impl Admission {
    pub(crate) fn new(config: &Config, commits: Arc<CommitTimes>, cx: Context) -> Self {
        let most = config.admission_most.min(config.intake_total).max(1);
        let bounds = Bounds {
            partition: config.intake_per_partition,
            tenant: config.tenant_share,
            least: config.admission_least.clamp(1, most),
            most,
            target: config.queue_age,
        };
        let window = Window::default();
        window.target_us.store(micros(bounds.target), Relaxed);
        let limit = AtomicUsize::new(most.min(bounds.least * 4));
        Self {
            base: cx.monotonic(),
            cx,
            bounds,
            under_way: AtomicUsize::new(0),
            limit,
            tenants: DashMap::default(),
            window,
            commits,
            refused: AtomicU64::new(0),
            metrics: Series::new(),
            room: Room::default(),
        }
    }

    /// Lets a command in.
    ///
    /// # Errors
    ///
    /// [`Fault::Overloaded`].
    pub(crate) fn admit(self: &Arc<Self>, tenant: &TenantId, owned: &Arc<Owned>) -> Result<Admitted, Fault> {
        let tenant = match self.tenants.get(tenant) {
            Some(found) => found.clone(),
            None => self.tenants.entry(tenant.clone()).or_default().clone(),
        };
        let limit = self.limit.load(Relaxed);
        let of_tenant = tenant.fetch_add(1, Relaxed);
        let of_partition = owned.intake().fetch_add(1, Relaxed);
        let of_node = self.under_way.fetch_add(1, Relaxed);
        // From here on the counts are given back in any case.
        let admitted = Admitted { admission: self.clone(), tenant, owned: owned.clone() };
        self.window.most.fetch_max(of_node + 1, Relaxed);
        if of_node >= limit {
            return Err(self.turn_away());
        }
        if of_tenant >= (limit * self.bounds.tenant / 100).max(1) {
            return Err(self.refuse(Overload::TenantIntakeFull));
        }
        if of_partition >= self.bounds.partition {
            return Err(self.refuse(Overload::PartitionIntakeFull));
        }
        Ok(admitted)
    }

    /// True if so much from outside is under way that what the node does by itself should give way.
    pub(crate) fn is_busy(&self) -> bool {
        self.under_way.load(Relaxed) >= BUSY
    }

    /// Refuses at once what would be refused anyway.
    ///
    /// # Errors
    ///
    /// [`Fault::Overloaded`].
    pub(crate) fn check(&self) -> Result<(), Fault> {
        if self.under_way.load(Relaxed) < self.limit.load(Relaxed) {
            return Ok(());
        }
        self.window.most.fetch_max(self.limit.load(Relaxed), Relaxed);
        Err(self.turn_away())
    }

    /// The fault for the limit that moves.
    fn turn_away(&self) -> Fault {
        self.window.refused.fetch_add(1, Relaxed);
        self.refuse(self.full())
    }

    /// The fault for a limit that was hit, counted. Waits differ, so that not all come back at once.
    pub(crate) fn refuse(&self, reason: Overload) -> Fault {
        if let Some(series) = self.metrics.refused.get(reason as usize) {
            series.increment(1);
        }
        let number = self.refused.fetch_add(1, Relaxed);
        let (shortest, longest) = WAITS;
        let retry_after = Duration::from_secs(shortest + number % (longest - shortest + 1));
        Fault::Overloaded { reason, retry_after }
    }

    /// Notes that a command admitted at `begun` has its answer.
    pub(crate) fn answered(&self, begun: Instant) {
        let now = self.cx.monotonic();
        let age = now.duration_since(begun);
        self.window.answered.fetch_add(1, Relaxed);
        if micros(age) > self.window.target_us.load(Relaxed) {
            self.window.late.fetch_add(1, Relaxed);
        }
        self.metrics.age.record(age.as_secs_f64());
        let (now, ends) = (micros(now.duration_since(self.base)), self.window.ends.load(Relaxed));
        let next = now + micros(WINDOW);
        if now >= ends
            && self.window.ends.compare_exchange(ends, next, Relaxed, Relaxed).is_ok()
            && self.window.answered.load(Relaxed) >= FEW
        {
            self.turn();
        }
    }

    /// Ends a window: the limit and the target move.
    fn turn(&self) {
        let Window { answered, late, refused, most, target_us, .. } = &self.window;
        let (answered, late) = (answered.swap(0, Relaxed), late.swap(0, Relaxed));
        let most = most.swap(self.under_way.load(Relaxed), Relaxed);
        let limit = self.limit.load(Relaxed);
        let share = f64::from(late) / f64::from(answered.max(1));
        // What is refused takes time from what is not: only where nothing is does the limit stay at its floor.
        let floor = match refused.swap(0, Relaxed) {
            0 => self.bounds.least,
            _ => (self.bounds.least / FLOORS).max(1),
        };
        let next = moved(limit, share, most).clamp(floor, self.bounds.most);
        self.limit.store(next, Relaxed);
        let shortest = self.commits.shortest(self.cx.monotonic());
        target_us.store(micros(self.bounds.target.max(shortest * COMMITS)), Relaxed);
    }

    /// Why the node takes no more: because the store is slow, or because too much comes.
    fn full(&self) -> Overload {
        if self.limit.load(Relaxed) >= self.bounds.most {
            return Overload::NodeIntakeFull;
        }
        let target = Duration::from_micros(self.window.target_us.load(Relaxed));
        if self.commits.last() * 2 >= target { Overload::CommitLatency } else { Overload::QueueAge }
    }

    /// Sets the gauges, and forgets tenants of whom nothing is under way.
    pub(crate) fn upkeep(&self) {
        metrics::gauge!(names::ADMISSION_LIMIT).set(self.limit.load(Relaxed) as f64);
        metrics::gauge!(names::ADMITTED).set(self.under_way.load(Relaxed) as f64);
        self.tenants.retain(|_, held| Arc::strong_count(held) > 1);
    }

    /// Commands that may be under way now.
    #[cfg(test)]
    pub(crate) fn limit(&self) -> usize {
        self.limit.load(Relaxed)
    }
}

/// Where a limit goes after a window in which a share of the answers was late, and so many commands were under way.
fn moved(limit: usize, late: f64, most: usize) -> usize {
    let off = (0.5 - late) * 2.0;
    let by = if off < 0.0 {
        off * FALL
    } else if most * 2 < limit {
        0.0
    } else {
        off * RISE
    };
    let step = (limit as f64 * by).round();
    if step < 0.0 { limit.saturating_sub((-step) as usize) } else { limit + (step as usize) }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Timestamp;

    fn admission(config: &Config) -> (Arc<Admission>, Arc<CommitTimes>, Context) {
        let cx = Context::simulated(Timestamp::from_ms(1_000), 1);
        let times = Arc::new(CommitTimes::new(cx.monotonic()));
        (Arc::new(Admission::new(config, times.clone(), cx.clone())), times, cx)
    }

    /// A store that answers so many commands a second, asked for so many: where the limit settles, and how old answers
    /// are there, in milliseconds.
    async fn settled(config: &Config, served: f64, offered: f64) -> (usize, f64) {
        let (admission, _, cx) = admission(config);
        let (mut age, step) = (0.0, Duration::from_millis(1));
        for _ in 0..20_000 {
            let limit = admission.limit() as f64;
            // Little: who is under way has waited for all before him.
            let under_way = if offered > served { limit } else { offered / served };
            age = under_way / served * 1_000.0;
            admission.window.most.fetch_max(under_way as usize, Relaxed);
            let begun = cx.monotonic();
            cx.sleep(step).await;
            let began = begun.checked_sub(Duration::from_secs_f64(age / 1_000.0)).unwrap_or(begun) + step;
            (0..(served.min(offered) / 1_000.0) as usize).for_each(|_| admission.answered(began));
        }
        (admission.limit(), age)
    }

    #[tokio::test(start_paused = true)]
    async fn under_more_than_it_can_take_the_age_of_the_queue_settles_at_its_target() {
        let config = Config { admission_least: 8, ..Config::default() };
        for (served, offered) in [(30_000.0, 60_000.0), (30_000.0, 300_000.0), (20_000.0, 40_000.0)] {
            let (limit, age) = settled(&config, served, offered).await;
            let ideal = served * config.queue_age.as_secs_f64();
            assert!((0.5..1.4).contains(&(limit as f64 / ideal)), "{limit} of {ideal} at {served}");
            assert!(age < 14.0, "{age} ms");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn below_the_peak_the_limit_does_not_fall() {
        let config = Config::default();
        let (limit, _) = settled(&config, 30_000.0, 15_000.0).await;
        assert!(limit >= config.admission_least * 4, "{limit}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_moves_the_limit_once_and_a_slow_store_moves_the_target() {
        let (admission, times, cx) = admission(&Config::default());
        let (before, begun) = (admission.limit(), cx.monotonic());
        cx.sleep(Duration::from_millis(300)).await;
        (0..500).for_each(|_| admission.answered(begun));
        cx.sleep(WINDOW).await;
        admission.answered(cx.monotonic());
        let after = admission.limit();
        assert!(after < before && after as f64 >= before as f64 * (1.0 - FALL) - 1.0, "{before} {after}");
        assert_eq!(admission.full(), Overload::QueueAge);
        times.took(Duration::from_millis(40));
        assert_eq!(admission.full(), Overload::CommitLatency);
        for _ in 0..5 {
            cx.sleep(WINDOW * 2).await;
            (0..100).for_each(|_| admission.answered(cx.monotonic()));
        }
        assert_eq!(admission.window.target_us.load(Relaxed), 160_000);
        assert_eq!(times.shortest(cx.monotonic() + Duration::from_secs(25)), Duration::from_millis(40));
        assert_eq!(times.shortest(cx.monotonic() + Duration::from_secs(35)), Duration::ZERO, "forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn below_its_floor_the_limit_goes_only_while_commands_are_refused() {
        let config = Config::default();
        let (admission, _, cx) = admission(&config);
        let window = async |is_refusing: bool| {
            let begun = cx.monotonic();
            cx.sleep(WINDOW * 2).await;
            if is_refusing {
                drop(admission.turn_away());
            }
            (0..100).for_each(|_| admission.answered(begun));
            admission.limit()
        };
        for _ in 0..20 {
            window(false).await;
        }
        assert_eq!(admission.limit(), config.admission_least, "all of it late, nothing refused");
        for _ in 0..20 {
            window(true).await;
        }
        assert_eq!(admission.limit(), config.admission_least / FLOORS);
        assert_eq!(window(false).await, config.admission_least);
    }

    #[test]
    fn room_is_without_a_bound_until_there_is_one() {
        let room = Room::default();
        assert!((0..1_000).all(|_| room.take()));
        room.set(Some(2));
        assert_eq!([room.take(), room.take(), room.take(), room.take()], [true, true, false, false]);
        room.set(None);
        assert!(room.take());
    }

    proptest! {
        #[test]
        fn the_limit_moves_against_what_is_late_and_never_far(
            limit in 1_usize..100_000, late in 0.0..=1.0_f64, most in 0_usize..100_000,
        ) {
            let next = moved(limit, late, most);
            let (low, high) = (limit as f64 * (1.0 - FALL) - 1.0, limit as f64 * (1.0 + RISE) + 1.0);
            prop_assert!((low..=high).contains(&(next as f64)));
            let is_against = if late > 0.5 { next <= limit } else { next >= limit };
            prop_assert!(is_against);
            prop_assert!(most * 2 >= limit || late > 0.5 || next == limit, "it rises only in use");
        }
    }
}
