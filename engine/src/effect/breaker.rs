//! The circuit breaker: keeps calls away from what fails, and lets one try again after a while
//! (M. Nygard, Release It!).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The circuit of one connector.
#[derive(Debug)]
pub struct Breaker {
    inner: Mutex<Circuit>,
    limit: u32,
    cooldown: Duration,
}

#[derive(Debug)]
struct Circuit {
    failures: u32,
    opened: Option<Instant>,
    probing: bool,
}

impl Breaker {
    /// A closed circuit, which opens after `limit` failures in a row, for `cooldown`.
    pub fn new(limit: u32, cooldown: Duration) -> Self {
        let circuit = Circuit { failures: 0, opened: None, probing: false };
        Self { inner: Mutex::new(circuit), limit, cooldown }
    }

    /// Asks for leave to call; otherwise says how long to wait before asking again.
    ///
    /// # Errors
    ///
    /// The wait.
    pub fn ask(&self, now: Instant) -> Result<(), Duration> {
        let mut circuit = self.lock();
        let Some(opened) = circuit.opened else { return Ok(()) };
        let since = now.duration_since(opened);
        if since < self.cooldown {
            return Err(self.cooldown - since);
        }
        if circuit.probing {
            return Err(self.cooldown);
        }
        circuit.probing = true;
        Ok(())
    }

    /// True while calls are held back.
    pub fn is_open(&self) -> bool {
        self.lock().opened.is_some()
    }

    /// Notes how a call went. A refusal is a success: the other side answers.
    pub fn note(&self, ok: bool, now: Instant) {
        let mut circuit = self.lock();
        circuit.probing = false;
        if ok {
            circuit.failures = 0;
            circuit.opened = None;
            return;
        }
        circuit.failures += 1;
        if circuit.failures >= self.limit {
            circuit.opened = Some(now);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Circuit> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn opens_after_failures_in_a_row_and_lets_one_probe_through() {
        let cx = crate::runtime::Context::simulated(Default::default(), 1);
        let breaker = Breaker::new(2, Duration::from_secs(5));
        breaker.note(false, cx.monotonic());
        breaker.note(true, cx.monotonic());
        breaker.note(false, cx.monotonic());
        assert!(breaker.ask(cx.monotonic()).is_ok());
        breaker.note(false, cx.monotonic());
        assert!(breaker.ask(cx.monotonic()).is_err());
        cx.sleep(Duration::from_secs(5)).await;
        assert!(breaker.ask(cx.monotonic()).is_ok());
        assert!(breaker.ask(cx.monotonic()).is_err(), "one probe at a time");
        breaker.note(true, cx.monotonic());
        assert!(breaker.ask(cx.monotonic()).is_ok());
    }
}
