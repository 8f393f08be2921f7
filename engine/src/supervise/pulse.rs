//! The pulse of a service that must make progress: since when it has been at the piece of work it is at.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::runtime::Context;

/// Says since when a service has been at one piece of work. Cheap to clone; a restarted service goes on with it.
///
/// A service that waits for work has no pulse, and may wait for ever. One that is at a piece of work for longer than
/// its supervisor allows is wedged, which is a fault like any other.
#[derive(Clone)]
pub struct Pulse {
    cx: Context,
    base: Instant,
    /// Microseconds after `base` at which the piece was begun, plus one; 0 while it waits for work.
    since: Arc<AtomicU64>,
}

/// A piece of work under way; ends when it is dropped, on every way out.
pub struct Beat<'a>(&'a Pulse);

impl Pulse {
    /// A service that waits for work.
    pub fn new(cx: Context) -> Self {
        let base = cx.monotonic();
        Self { cx, base, since: Arc::default() }
    }

    /// Begins a piece of work.
    pub fn begin(&self) -> Beat<'_> {
        let after = self.cx.monotonic().duration_since(self.base).as_micros();
        self.since.store(u64::try_from(after).unwrap_or(u64::MAX - 1) + 1, Ordering::Relaxed);
        Beat(self)
    }

    /// Does a piece of work.
    ///
    /// # Cancel safety
    ///
    /// That of the work; when dropped, the piece has ended.
    pub async fn during<F: Future>(&self, work: F) -> F::Output {
        let _beat = self.begin();
        work.await
    }

    /// How long the piece under way has taken; `None` while there is none.
    pub fn busy(&self) -> Option<Duration> {
        let since = self.since.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.cx.monotonic().saturating_duration_since(self.base + Duration::from_micros(since)))
    }
}

impl Drop for Beat<'_> {
    fn drop(&mut self) {
        self.0.since.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_is_timed_and_waiting_is_not() {
        let cx = Context::simulated(Default::default(), 1);
        let pulse = Pulse::new(cx.clone());
        assert_eq!(pulse.busy(), None);
        let beat = pulse.begin();
        cx.sleep(Duration::from_secs(7)).await;
        assert_eq!(pulse.busy(), Some(Duration::from_secs(7)));
        drop(beat);
        cx.sleep(Duration::from_secs(7)).await;
        assert_eq!(pulse.busy(), None);
        pulse.during(async { assert_eq!(pulse.busy(), Some(Duration::ZERO)) }).await;
        let dropped =
            tokio::time::timeout(Duration::from_secs(1), pulse.during(std::future::pending::<()>()));
        assert!(dropped.await.is_err());
        assert_eq!(pulse.busy(), None, "what is dropped has ended");
    }
}
