//! The harness of the end-to-end tests: the real binary, its own folder, its own port.

mod damage;
mod dice;
mod http;
mod limits;
mod pgbouncer;
mod postgres;
mod proxy;
mod server;
mod service;
mod shim;
mod tally;

pub use damage::damage;
pub use dice::Dice;
pub use http::{Answer, Http};
pub use limits::{FewDescriptors, MemoryCap, Room, SmallDisk, memory_of, open_descriptors};
pub use pgbouncer::PgBouncer;
pub use postgres::{Postgres, database_of, free_port};
pub use proxy::{Cut, Proxy};
pub use server::{Readiness, Server, Settings, binary};
pub use service::{Asked, Service};
pub use shim::{Disk, Loss, Lost, SlowDisk, WallClock, preload};
pub use tally::Tally;

use std::time::{Duration, Instant};

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

/// Measures time as it passes for people, whatever the wall clock says.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts it.
    #[expect(clippy::disallowed_methods, reason = "the harness measures from outside")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The milliseconds since.
    pub fn ms(&self) -> u128 {
        self.0.elapsed().as_millis()
    }
}
