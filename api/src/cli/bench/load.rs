//! Closed and open loops over many connections.
//!
//! A closed loop sends the next request when the last one was answered, and finds the throughput. An open loop sends
//! at a fixed rate whatever the answers do, and measures each latency from the moment the request was *due*, so that
//! a stall counts for all the requests it held up (Tene, "How NOT to Measure Latency": coordinated omission).

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hdrhistogram::Histogram;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::client::Connection;
use super::ledger::Ledger;
use super::now;
use super::request::{Request, Work};

/// How often the pacer releases what is due, and about what it adds to a latency; tokio's timers are far coarser.
const QUANTUM: Duration = Duration::from_micros(200);
/// How long an open loop may go on with what it is behind.
const GRACE: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_secs(5);
/// How long the last answers may take.
const LAST_ANSWERS: Duration = Duration::from_secs(15);
/// How long a sweep may take.
const LONGEST_SWEEP: Duration = Duration::from_secs(3_600);
/// Longer latencies count as this one, in microseconds.
const LONGEST_US: u64 = 3_600_000_000;
/// Latencies that a connection keeps to itself before it adds them to those of all.
const KEPT: usize = 4_096;

/// What all loads of a run have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) connections: u32,
    pub(super) warmup: Duration,
    pub(super) measured: Duration,
    pub(super) work: Work,
}

impl Plan {
    /// One for a sweep, which ends by itself.
    pub(super) fn sweep(connections: u32, work: Work) -> Self {
        Self { connections, warmup: Duration::ZERO, measured: Duration::ZERO, work }
    }

    /// How long a load takes, for people.
    pub(super) fn seconds(self) -> u64 {
        (self.warmup + self.measured).as_secs()
    }
}

/// When the next request starts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Arrival {
    Closed,
    /// So many a second.
    Open(u32),
    /// When the last one was answered; each of so many leads once, from a number on. All of it is measured.
    Sweep {
        from: u32,
        count: u32,
    },
}

/// What a load measured.
pub(super) struct Outcome {
    /// Latencies in microseconds.
    pub(super) latency: Histogram<u64>,
    pub(super) per_second: f64,
    pub(super) errors: u64,
    pub(super) first_error: Option<String>,
    /// Requests answered with 429, and what the first one was told.
    pub(super) refused: u64,
    pub(super) first_refusal: Option<String>,
    /// Requests that were due and could not be sent; their wait so far is in `latency`.
    pub(super) unsent: u64,
}

struct Shared {
    ledger: Arc<Ledger>,
    origin: Instant,
    /// Requests due before it are not measured.
    measure_from: Instant,
    /// Nothing is sent after it.
    until: Instant,
    arrival: Arrival,
    /// The number of the next request of an open loop or a sweep.
    next: AtomicU64,
    open: Option<Open>,
    work: Work,
    /// In microseconds.
    latency: Mutex<Histogram<u64>>,
}

struct Open {
    schedule: Schedule,
    due: Semaphore,
}

/// The moments at which an open loop's requests are due.
#[derive(Debug, Clone, Copy)]
struct Schedule {
    rate: u64,
    total: u64,
}

/// What one connection saw.
#[derive(Default)]
struct Tally {
    latencies_us: Vec<u32>,
    last: Option<Instant>,
    errors: u64,
    first_error: Option<String>,
    refused: u64,
    first_refusal: Option<String>,
}

/// Runs one load against the server at `address` and notes acknowledgements in `ledger`.
///
/// # Errors
///
/// When a connection cannot be opened. What goes wrong later is in the outcome.
pub(super) async fn run(
    plan: Plan,
    arrival: Arrival,
    address: SocketAddr,
    ledger: Arc<Ledger>,
) -> anyhow::Result<Outcome> {
    let mut connections = Vec::new();
    for number in 0..plan.connections {
        let opened = tokio::time::timeout(CONNECT, Connection::open(address)).await.map_err(io::Error::from);
        let opened =
            opened.flatten().with_context(|| format!("could not open connection {number} to {address}"));
        connections.push(opened?);
    }
    let request = Request::new(address, &ledger.prefix, &ledger.run, plan.work);
    let shared = Arc::new(Shared::new(plan, arrival, ledger)?);
    if shared.open.is_some() {
        let (weak, connections) = (Arc::downgrade(&shared), plan.connections as usize);
        std::thread::Builder::new().name("pacer".to_owned()).spawn(move || release(&weak, connections))?;
    }
    let mut workers = JoinSet::new();
    for (number, connection) in (0..).zip(connections) {
        workers.spawn(work(shared.clone(), connection, request.clone(), Chance(number)));
    }
    let mut tallies = Vec::new();
    let collect = async {
        while let Some(tally) = workers.join_next().await {
            tallies.push(tally?);
        }
        Ok::<_, tokio::task::JoinError>(())
    };
    let limit = shared.until.duration_since(shared.origin) + LAST_ANSWERS;
    if let Ok(collected) = tokio::time::timeout(limit, collect).await {
        collected?;
    } else {
        let errors = workers.len() as u64;
        let first_error = Some(format!("{errors} requests were not answered within {LAST_ANSWERS:?}"));
        tallies.push(Tally { errors, first_error, ..Tally::default() });
    }
    Outcome::new(&shared, tallies)
}

/// Sends and receives on one connection until the load ends or the connection breaks.
async fn work(
    shared: Arc<Shared>,
    mut connection: Connection,
    mut request: Request,
    mut chance: Chance,
) -> Tally {
    let mut tally = Tally::default();
    while let Some((start, number)) = shared.next().await {
        let (serial, mut key) = (shared.ledger.serial(), 0);
        let bytes = request.patch(serial, || {
            key = shared.key(number, &mut chance);
            key
        });
        match connection.exchange(bytes).await {
            Ok(answer) if shared.work.is_done(answer.status, answer.body) => {
                shared.note(key, serial, answer.body)
            }
            Ok(answer) if answer.status == 429 => {
                // What is not measured of admitted requests is not of others.
                tally.refused += u64::from(start >= shared.measure_from);
                let text =
                    || String::from_utf8_lossy(&answer.body[..answer.body.len().min(300)]).into_owned();
                tally.first_refusal.get_or_insert_with(text);
                continue;
            }
            Ok(answer) => {
                let body = &answer.body[..answer.body.len().min(300)];
                tally.error(format!("{} {}", answer.status, String::from_utf8_lossy(body)));
                continue;
            }
            Err(error) => {
                tally.error(format!("the connection broke: {error}"));
                break;
            }
        }
        let end = now();
        if start >= shared.measure_from {
            tally.latencies_us.push(u32::try_from(end.duration_since(start).as_micros()).unwrap_or(u32::MAX));
            tally.last = Some(end);
            if tally.latencies_us.len() >= KEPT {
                shared.take(&mut tally);
            }
        }
    }
    shared.take(&mut tally);
    tally
}

/// Lets the requests of an open loop go when they are due, on a thread of its own, which sleeps precisely.
fn release(shared: &Weak<Shared>, connections: usize) {
    let mut released = 0;
    while let Some(shared) = shared.upgrade() {
        let Some(open) = &shared.open else { return };
        let due = open.schedule.due(now().duration_since(shared.origin));
        open.due.add_permits(usize::try_from(due - released).unwrap_or(0));
        released = due;
        if released == open.schedule.total {
            open.due.add_permits(connections);
            return;
        }
        drop(shared);
        std::thread::sleep(QUANTUM);
    }
}

impl Shared {
    fn new(plan: Plan, arrival: Arrival, ledger: Arc<Ledger>) -> anyhow::Result<Self> {
        let origin = now();
        let length = plan.warmup + plan.measured;
        let (mut open, mut measure_from) = (None, origin + plan.warmup);
        let until = match arrival {
            Arrival::Closed => origin + length,
            Arrival::Open(rate) => {
                let rate = u64::from(rate);
                let schedule = Schedule { rate, total: rate * length.as_secs() };
                open = Some(Open { schedule, due: Semaphore::new(0) });
                origin + length + GRACE
            }
            Arrival::Sweep { .. } => {
                measure_from = origin;
                origin + LONGEST_SWEEP
            }
        };
        let (next, latency) = (AtomicU64::new(0), Mutex::new(Histogram::new_with_bounds(1, LONGEST_US, 3)?));
        Ok(Self { ledger, origin, measure_from, until, arrival, next, open, work: plan.work, latency })
    }

    /// Waits for the next request to be due and answers when that was, and its number; `None` at the end.
    async fn next(&self) -> Option<(Instant, u64)> {
        let Some(open) = &self.open else {
            let start = Some(now()).filter(|now| *now < self.until)?;
            return match self.arrival {
                Arrival::Closed | Arrival::Open(_) => Some((start, 0)),
                Arrival::Sweep { count, .. } => {
                    let number = self.next.fetch_add(1, Relaxed);
                    (number < u64::from(count)).then_some((start, number))
                }
            };
        };
        open.due.acquire().await.ok()?.forget();
        if now() >= self.until {
            return None;
        }
        let number = self.next.fetch_add(1, Relaxed);
        (number < open.schedule.total).then(|| (self.origin + open.schedule.at(number), number))
    }

    /// The lead that the request `number` is for.
    fn key(&self, number: u64, chance: &mut Chance) -> u32 {
        match self.arrival {
            Arrival::Closed | Arrival::Open(_) => chance.below(self.ledger.keys()),
            Arrival::Sweep { from, .. } => from.saturating_add(u32::try_from(number).unwrap_or(u32::MAX)),
        }
    }

    /// Notes that a request was answered with 200.
    fn note(&self, key: u32, serial: u64, body: &[u8]) {
        match self.work {
            Work::Record(_) => self.ledger.acknowledge(key, body),
            Work::Events => self.ledger.take(serial, body),
            Work::Read | Work::List | Work::Run | Work::Start(_) | Work::Launch => {}
        }
    }

    /// Takes the latencies over that a connection has kept.
    fn take(&self, tally: &mut Tally) {
        let mut all = self.latency.lock().unwrap_or_else(PoisonError::into_inner);
        for latency_us in tally.latencies_us.drain(..) {
            all.saturating_record(latency_us.into());
        }
    }

    /// The waits of requests that were due but never sent, in microseconds.
    fn unsent(&self) -> impl Iterator<Item = u64> {
        self.open.iter().flat_map(|open| {
            let due = (self.next.load(Relaxed)..open.schedule.total)
                .map(|number| self.origin + open.schedule.at(number));
            due.map(|due| u64::try_from(self.until.duration_since(due).as_micros()).unwrap_or(u64::MAX))
        })
    }
}

impl Schedule {
    /// When the request `number` is due, from the start.
    fn at(self, number: u64) -> Duration {
        let nanos = (u128::from(number) * 1_000_000_000).div_ceil(u128::from(self.rate));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many requests are due once `elapsed` has passed.
    fn due(self, elapsed: Duration) -> u64 {
        let passed = elapsed.as_nanos() * u128::from(self.rate) / 1_000_000_000;
        u64::try_from(passed + 1).unwrap_or(u64::MAX).min(self.total)
    }
}

impl Tally {
    fn error(&mut self, text: String) {
        self.errors += 1;
        self.first_error.get_or_insert(text);
    }
}

impl Outcome {
    fn new(shared: &Shared, tallies: Vec<Tally>) -> anyhow::Result<Self> {
        let mut latency = shared.latency.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (mut errors, mut first_error, mut last) = (0, None, None);
        let (mut refused, mut first_refusal) = (0, None);
        for tally in tallies {
            errors += tally.errors;
            refused += tally.refused;
            first_refusal = first_refusal.or(tally.first_refusal);
            first_error = first_error.or(tally.first_error);
            last = last.max(tally.last);
        }
        let length = last.map_or(0.0, |last| last.duration_since(shared.measure_from).as_secs_f64());
        let per_second = if length > 0.0 { latency.len() as f64 / length } else { 0.0 };
        let mut unsent = 0;
        for wait_us in shared.unsent() {
            unsent += 1;
            latency.saturating_record(wait_us);
        }
        Ok(Self { latency, per_second, errors, first_error, refused, first_refusal, unsent })
    }
}

/// A stream of numbers that look random (SplitMix64, Steele et al. 2014); the same in each run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let upper = (mixed ^ (mixed >> 31)) >> 32;
        u32::try_from((upper * u64::from(limit)) >> 32).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_each_request_exactly_when_it_is_due() {
        for rate in [1, 3, 7, 999, 12_345, 1_000_000] {
            let schedule = Schedule { rate, total: rate * 2 };
            for number in (0..schedule.total).step_by(1 + schedule.total as usize / 1_000) {
                let at = schedule.at(number);
                assert!(schedule.due(at) > number, "{number} at {rate}/s is late");
                let before = at.saturating_sub(Duration::from_nanos(1));
                assert!(number == 0 || schedule.due(before) <= number, "{number} at {rate}/s is early");
            }
            assert_eq!(schedule.due(Duration::from_secs(9)), schedule.total);
        }
    }

    #[test]
    fn spreads_keys_over_the_whole_range() {
        let mut chance = Chance(1);
        let mut seen = [0_u32; 10];
        (0..10_000).for_each(|_| seen[chance.below(10) as usize] += 1);
        assert!(seen.iter().all(|count| (800..1_200).contains(count)), "{seen:?}");
    }
}
