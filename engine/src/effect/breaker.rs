//! The circuit breaker: keeps calls away from what fails, and lets one try again after a while
//! (M. Nygard, Release It!).
//!
//! A connector has a circuit for each thing that its calls go to. Only those that failed last are kept, and no more
//! than [`MOST`] of them: closed ones make room first, then those that failed longest ago.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::id::{TenantId, digest};
use crate::telemetry::names;

/// The most circuits that a connector has.
const MOST: usize = 1_024;

/// What a circuit is known by. What it is made of cannot be read from it: that may be secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CircuitId(Option<[u8; 16]>);

impl CircuitId {
    /// The connector's own, which all calls share that say no place.
    pub const OWN: Self = Self(None);

    /// The circuit in front of a place, as the connector names it; each tenant has its own, since it says itself what
    /// it calls there. Without a place it is the connector's own.
    pub fn new(tenant: &TenantId, place: Option<&str>) -> Self {
        Self(place.map(|place| digest("circuit", &[tenant.as_str(), place])))
    }
}

/// The circuits of one connector.
#[derive(Debug)]
pub struct Breaker {
    connector: &'static str,
    failing: Mutex<BTreeMap<CircuitId, Circuit>>,
    limit: u32,
    cooldown: Duration,
}

/// A circuit whose last call failed.
#[derive(Debug)]
struct Circuit {
    failures: u32,
    failed: Instant,
    is_open: bool,
    probing: bool,
}

/// Leave to make one call; a probe that is never made gives its place to another.
#[derive(Debug)]
#[must_use]
pub struct Leave<'a> {
    breaker: &'a Breaker,
    circuit: CircuitId,
    is_probe: bool,
}

impl Breaker {
    /// Closed circuits, each of which opens after `limit` failures in a row, for `cooldown`.
    pub fn new(connector: &'static str, limit: u32, cooldown: Duration) -> Self {
        Self { connector, failing: Mutex::default(), limit, cooldown }
    }

    /// Asks for leave to call; otherwise says how long to wait before asking again.
    ///
    /// # Errors
    ///
    /// The wait.
    pub fn ask(&self, circuit: CircuitId, now: Instant) -> Result<Leave<'_>, Duration> {
        let mut failing = self.lock();
        let open = failing.get_mut(&circuit).filter(|circuit| circuit.is_open);
        let is_probe = open.is_some();
        if let Some(open) = open {
            let since = now.duration_since(open.failed);
            if since < self.cooldown {
                return Err(self.cooldown - since);
            }
            if open.probing {
                return Err(self.cooldown);
            }
            open.probing = true;
        }
        Ok(Leave { breaker: self, circuit, is_probe })
    }

    /// True while calls are held back.
    pub fn is_open(&self, circuit: CircuitId) -> bool {
        self.lock().get(&circuit).is_some_and(|circuit| circuit.is_open)
    }

    fn note(&self, id: CircuitId, ok: bool, now: Instant) {
        let mut failing = self.lock();
        if ok && !failing.contains_key(&id) {
            return;
        }
        let (connector, before) = (self.connector, open(&failing));
        if ok {
            failing.remove(&id);
        } else {
            self.fail(&mut failing, id, now);
        }
        let now_open = open(&failing);
        if now_open != before {
            metrics::gauge!(names::CIRCUITS_OPEN, "connector" => connector).set(now_open as f64);
        }
    }

    fn fail(&self, failing: &mut BTreeMap<CircuitId, Circuit>, id: CircuitId, now: Instant) {
        if failing.len() >= MOST && !failing.contains_key(&id) {
            make_room(failing);
        }
        let fresh = Circuit { failures: 0, failed: now, is_open: false, probing: false };
        let circuit = failing.entry(id).or_insert(fresh);
        circuit.failures = circuit.failures.saturating_add(1);
        circuit.failed = now;
        if circuit.failures >= self.limit && !circuit.is_open {
            circuit.is_open = true;
            tracing::warn!(connector = self.connector, "a circuit opened: calls wait until one gets through");
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<CircuitId, Circuit>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many are open.
fn open(failing: &BTreeMap<CircuitId, Circuit>) -> usize {
    failing.values().filter(|circuit| circuit.is_open).count()
}

/// Forgets the circuit that is needed least.
fn make_room(failing: &mut BTreeMap<CircuitId, Circuit>) {
    let least = failing.iter().min_by_key(|(_, circuit)| (circuit.is_open, circuit.failed));
    if let Some(id) = least.map(|(id, _)| *id) {
        failing.remove(&id);
    }
}

impl Leave<'_> {
    /// Notes how the call went. A refusal is a success: the other side answers.
    pub fn note(mut self, ok: bool, now: Instant) {
        self.give_up();
        self.breaker.note(self.circuit, ok, now);
    }

    fn give_up(&mut self) {
        if std::mem::take(&mut self.is_probe)
            && let Some(circuit) = self.breaker.lock().get_mut(&self.circuit)
        {
            circuit.probing = false;
        }
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.give_up();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Context;

    const COOLDOWN: Duration = Duration::from_secs(5);

    fn circuit(number: usize) -> CircuitId {
        CircuitId(Some(digest("circuit", &[&number.to_string()])))
    }

    fn setting(limit: u32) -> (Context, Breaker) {
        (Context::simulated(Default::default(), 1), Breaker::new("outside", limit, COOLDOWN))
    }

    /// Makes a call that is let through.
    fn call(breaker: &Breaker, number: usize, ok: bool, cx: &Context) {
        breaker.ask(circuit(number), cx.monotonic()).expect("it is let through").note(ok, cx.monotonic());
    }

    #[tokio::test(start_paused = true)]
    async fn opens_after_failures_in_a_row_and_lets_one_probe_through() {
        let (cx, breaker) = setting(2);
        for ok in [false, true, false, false] {
            call(&breaker, 1, ok, &cx);
        }
        assert!(breaker.is_open(circuit(1)) && breaker.ask(circuit(1), cx.monotonic()).is_err());
        cx.sleep(COOLDOWN).await;
        let probe = breaker.ask(circuit(1), cx.monotonic()).unwrap();
        assert!(breaker.ask(circuit(1), cx.monotonic()).is_err(), "one probe at a time");
        probe.note(false, cx.monotonic());
        assert!(breaker.ask(circuit(1), cx.monotonic()).is_err(), "it failed, and all wait again");
        cx.sleep(COOLDOWN).await;
        call(&breaker, 1, true, &cx);
        assert!(!breaker.is_open(circuit(1)) && breaker.ask(circuit(1), cx.monotonic()).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn one_circuit_says_nothing_about_another() {
        let (cx, breaker) = setting(1);
        call(&breaker, 1, false, &cx);
        call(&breaker, 2, true, &cx);
        assert!(breaker.is_open(circuit(1)) && !breaker.is_open(circuit(2)));
        assert!(breaker.ask(circuit(1), cx.monotonic()).is_err());
        call(&breaker, 2, true, &cx);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_never_made_lets_another_one_through() {
        let (cx, breaker) = setting(1);
        call(&breaker, 1, false, &cx);
        cx.sleep(COOLDOWN).await;
        drop(breaker.ask(circuit(1), cx.monotonic()).unwrap());
        assert!(breaker.is_open(circuit(1)), "nothing was found out");
        call(&breaker, 1, true, &cx);
        assert!(!breaker.is_open(circuit(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_of_before_does_not_let_a_second_probe_through() {
        let (cx, breaker) = setting(2);
        let slow = breaker.ask(circuit(1), cx.monotonic()).unwrap();
        call(&breaker, 1, false, &cx);
        call(&breaker, 1, false, &cx);
        cx.sleep(COOLDOWN).await;
        let probe = breaker.ask(circuit(1), cx.monotonic()).unwrap();
        slow.note(false, cx.monotonic());
        cx.sleep(COOLDOWN).await;
        assert!(breaker.ask(circuit(1), cx.monotonic()).is_err(), "the probe is still under way");
        probe.note(true, cx.monotonic());
        assert!(!breaker.is_open(circuit(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn circuits_are_bounded_and_open_ones_are_kept_longest() {
        let (cx, breaker) = setting(2);
        let fail = |number: usize| call(&breaker, number, false, &cx);
        fail(0);
        fail(0);
        for number in 1..MOST {
            cx.sleep(Duration::from_millis(1)).await;
            fail(number);
        }
        assert_eq!(breaker.lock().len(), MOST);
        for number in MOST..MOST + 10 {
            cx.sleep(Duration::from_millis(1)).await;
            fail(number);
        }
        assert_eq!(breaker.lock().len(), MOST);
        assert!(breaker.is_open(circuit(0)), "it failed first, and is open");
        fail(11);
        assert!(breaker.is_open(circuit(11)), "the eleventh was kept");
        fail(1);
        assert!(!breaker.is_open(circuit(1)), "the first ones had made room");
        for number in 2 * MOST..4 * MOST {
            cx.sleep(Duration::from_millis(1)).await;
            fail(number);
            fail(number);
        }
        assert_eq!(breaker.lock().len(), MOST);
        assert!(!breaker.is_open(circuit(0)) && breaker.is_open(circuit(4 * MOST - 1)));
        call(&breaker, 4 * MOST, true, &cx);
        assert_eq!(breaker.lock().len(), MOST, "what works takes no room");
    }
}
