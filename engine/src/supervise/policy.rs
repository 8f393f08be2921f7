//! The restart policy: intensity within a window, and back-off (after Erlang/OTP's supervisor).

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// What to do about a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Restart after this long; zero the first time.
    Restart(Duration),
    /// It faults too often.
    GiveUp,
}

/// The faults of one child within a window.
#[derive(Debug, Clone)]
pub struct Intensity {
    limit: usize,
    window: Duration,
    faults: VecDeque<Instant>,
}

/// The first wait that is not zero; doubles with each further fault within the window.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(30);

impl Intensity {
    /// Allows `limit` faults within `window`.
    pub fn new(limit: usize, window: Duration) -> Self {
        Self { limit, window, faults: VecDeque::new() }
    }

    /// Counts a fault and says what to do.
    pub fn fault(&mut self, now: Instant) -> Verdict {
        while self.faults.front().is_some_and(|first| now.duration_since(*first) > self.window) {
            self.faults.pop_front();
        }
        self.faults.push_back(now);
        let count = self.faults.len();
        if count > self.limit {
            return Verdict::GiveUp;
        }
        if count == 1 {
            return Verdict::Restart(Duration::ZERO);
        }
        let doublings = u32::try_from(count - 2).unwrap_or(u32::MAX).min(20);
        Verdict::Restart((FIRST_WAIT * 2_u32.pow(doublings)).min(LONGEST_WAIT))
    }

    /// The faults within the window, as of the last one.
    pub fn count(&self) -> usize {
        self.faults.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn restarts_at_once_then_backs_off_then_gives_up() {
        let cx = crate::runtime::Context::simulated(Default::default(), 1);
        let mut intensity = Intensity::new(3, Duration::from_secs(60));
        let mut fault = || intensity.fault(cx.monotonic());
        assert_eq!(fault(), Verdict::Restart(Duration::ZERO));
        assert_eq!(fault(), Verdict::Restart(Duration::from_millis(100)));
        assert_eq!(fault(), Verdict::Restart(Duration::from_millis(200)));
        assert_eq!(fault(), Verdict::GiveUp);
        cx.sleep(Duration::from_secs(61)).await;
        assert_eq!(fault(), Verdict::Restart(Duration::ZERO));
    }
}
