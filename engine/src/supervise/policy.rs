//! The restart policy: intensity within a window, and back-off (after Erlang/OTP's supervisor).

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// How a child is restarted, and how often before that does not help any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Faults within the window that are answered with a restart; one more is given up on.
    pub faults: usize,
    /// The window.
    pub window: Duration,
    /// The wait before the second restart within a window; the first one comes at once. Doubles with each further one.
    pub first_wait: Duration,
    /// The longest wait.
    pub longest_wait: Duration,
}

impl Policy {
    /// Allows so many faults within a window, with waits from 100 ms to 30 s between them.
    pub fn new(faults: usize, window: Duration) -> Self {
        Self { faults, window, first_wait: Duration::from_millis(100), longest_wait: Duration::from_secs(30) }
    }
}

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
    policy: Policy,
    faults: VecDeque<Instant>,
}

impl Intensity {
    /// No faults yet.
    pub fn new(policy: Policy) -> Self {
        Self { policy, faults: VecDeque::new() }
    }

    /// Counts a fault and says what to do.
    pub fn fault(&mut self, now: Instant) -> Verdict {
        let Policy { faults: limit, window, first_wait, longest_wait } = self.policy;
        while self.faults.front().is_some_and(|first| now.duration_since(*first) > window) {
            self.faults.pop_front();
        }
        self.faults.push_back(now);
        let count = self.faults.len();
        if count > limit {
            return Verdict::GiveUp;
        }
        if count == 1 {
            return Verdict::Restart(Duration::ZERO);
        }
        let doublings = u32::try_from(count - 2).unwrap_or(u32::MAX).min(20);
        Verdict::Restart((first_wait * 2_u32.pow(doublings)).min(longest_wait))
    }

    /// The faults within the window, as of the last one.
    pub fn count(&self) -> usize {
        self.faults.len()
    }

    /// The longest wait of its policy.
    pub(super) fn longest_wait(&self) -> Duration {
        self.policy.longest_wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn restarts_at_once_then_backs_off_then_gives_up() {
        let cx = crate::runtime::Context::simulated(Default::default(), 1);
        let mut intensity = Intensity::new(Policy::new(3, Duration::from_secs(60)));
        let mut fault = || intensity.fault(cx.monotonic());
        assert_eq!(fault(), Verdict::Restart(Duration::ZERO));
        assert_eq!(fault(), Verdict::Restart(Duration::from_millis(100)));
        assert_eq!(fault(), Verdict::Restart(Duration::from_millis(200)));
        assert_eq!(fault(), Verdict::GiveUp);
        cx.sleep(Duration::from_secs(61)).await;
        assert_eq!(fault(), Verdict::Restart(Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn no_wait_is_longer_than_the_longest() {
        let cx = crate::runtime::Context::simulated(Default::default(), 1);
        let mut intensity = Intensity::new(Policy::new(usize::MAX, Duration::from_secs(60)));
        let last = (0..100).map(|_| intensity.fault(cx.monotonic())).last();
        assert_eq!(last, Some(Verdict::Restart(Duration::from_secs(30))));
    }
}
