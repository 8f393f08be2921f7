//! The harness of the end-to-end tests: the real binary, its own folder, its own port.

mod http;
mod server;

pub use http::{Answer, Http};
pub use server::{Server, Settings, binary};

use std::time::Duration;

/// A random-looking number of a seed that is printed, for tests that choose by chance.
pub struct Dice(u64);

impl Dice {
    /// Takes the seed from `PROMPTSALES_SEED`, or the test's own, and prints it.
    pub fn new(test: &str, own: u64) -> Self {
        let seed = std::env::var("PROMPTSALES_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(own);
        println!("{test}: seed {seed} (set PROMPTSALES_SEED to choose another)");
        Self(seed)
    }

    /// A number from 0 to `below - 1` (SplitMix64).
    pub fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

/// True where the long fault runs are asked for.
pub fn long_runs() -> bool {
    std::env::var_os("PROMPTSALES_LONG").is_some_and(|value| value == "1")
}

/// Waits a moment between two looks at a server.
pub async fn pause(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// Looks again and again until something is there.
///
/// # Panics
///
/// When it is not there after 30 seconds.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    for _ in 0..3_000 {
        if let Some(found) = look().await {
            return found;
        }
        pause(10).await;
    }
    panic!("{what} did not come about within 30 seconds")
}
