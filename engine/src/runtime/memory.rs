//! Memory under a limit: the entities idle longest go to rest before it is reached, and few come to life near it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::partitions::Partitions;
use crate::supervise::{Pulse, Service, ServiceFault};
use crate::telemetry::names;

/// How often memory is looked at.
const EVERY: Duration = Duration::from_millis(50);
/// Shares of the limit, in percent: where entities go to rest down to, from where on they do, from where on one comes
/// to life only for one that went to rest, and from where on none does.
const LOW: u64 = 75;
const HIGH: u64 = 80;
const NEAR: u64 = 90;
const LAST: u64 = 95;
/// The most that go to rest at a time.
const MOST: usize = 4_096;
/// With so few live, memory is not theirs, and refusing more would help nobody.
const LEAST_LIVE: usize = 256;

/// The service that looks after it.
#[derive(Clone)]
pub(super) struct Memory {
    partitions: Arc<Partitions>,
    limit: u64,
    pub(super) pulse: Pulse,
}

/// What is to be done about the memory held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Measures {
    /// How many entities go to rest.
    rest: usize,
    entry: Entry,
}

/// Who may come to life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    All,
    /// As many as went to rest.
    OneForOne,
    None,
}

impl Memory {
    /// The service, where there is a limit and a machine to ask.
    pub(super) fn new(partitions: &Arc<Partitions>) -> Option<Self> {
        let limit = partitions.config.memory.filter(|_| partitions.cx.is_real())?;
        let pulse = Pulse::new(partitions.cx.clone());
        Some(Self { partitions: partitions.clone(), limit, pulse })
    }
}

#[async_trait]
impl Service for Memory {
    async fn run(&mut self) -> Result<(), ServiceFault> {
        let Partitions { directory, cx, .. } = &*self.partitions;
        loop {
            cx.sleep(EVERY).await;
            let Some(held) = held() else {
                tracing::warn!(
                    "this machine does not say how much memory the process holds: no limit is kept"
                );
                return std::future::pending().await;
            };
            let _round = self.pulse.begin();
            metrics::gauge!(names::MEMORY).set(held as f64);
            let Measures { rest, entry } = measures(held, self.limit, directory.count());
            let rested = if rest > 0 { directory.rest_oldest(rest) } else { 0 };
            directory.shared().admission.room.set(match entry {
                Entry::All => None,
                Entry::OneForOne => Some(rested),
                Entry::None => Some(0),
            });
        }
    }
}

fn measures(held: u64, limit: u64, live: usize) -> Measures {
    let share = |percent: u64| limit / 100 * percent;
    if held < share(HIGH) {
        return Measures { rest: 0, entry: Entry::All };
    }
    let over = (held - share(LOW)) as f64 / held as f64;
    let rest = ((live as f64 * over).ceil() as usize).clamp(1, (live / 4).clamp(1, MOST));
    let entry = match held {
        _ if live <= LEAST_LIVE => Entry::All,
        held if held >= share(LAST) => Entry::None,
        held if held >= share(NEAR) => Entry::OneForOne,
        _ => Entry::All,
    };
    Measures { rest, entry }
}

/// Bytes that the process holds and no file backs (`proc_pid_statm(5)`: resident less shared, in pages).
fn held() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    pages(&text).map(|pages| pages * PAGE)
}

/// The size of a page where this runs; a larger one would make the limit be kept too late, which its shares allow for.
const PAGE: u64 = 4_096;

fn pages(text: &str) -> Option<u64> {
    let mut fields = text.split(' ').skip(1).map(str::parse::<u64>);
    let (resident, shared) = (fields.next()?.ok()?, fields.next()?.ok()?);
    Some(resident.saturating_sub(shared))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn below_four_fifths_of_the_limit_nothing_happens() {
        assert_eq!(measures(79 * MIB, 100 * MIB, 50_000), Measures { rest: 0, entry: Entry::All });
    }

    #[test]
    fn the_nearer_the_limit_the_more_go_to_rest_and_the_fewer_come_to_life() {
        let at = |percent: u64| measures(percent * MIB, 100 * MIB, 10_000);
        let (high, near, last) = (at(82), at(91), at(96));
        assert_eq!([high.entry, near.entry, last.entry], [Entry::All, Entry::OneForOne, Entry::None]);
        assert!(
            high.rest < near.rest && near.rest < last.rest && last.rest <= 2_500,
            "{high:?} {near:?} {last:?}"
        );
        assert_eq!(measures(u64::MAX / 2, 100 * MIB, 1_000_000).rest, MOST, "so many at a time");
    }

    #[test]
    fn the_few_that_are_live_are_not_to_blame() {
        assert_eq!(measures(200 * MIB, 100 * MIB, LEAST_LIVE).entry, Entry::All);
        assert_eq!(measures(200 * MIB, 100 * MIB, LEAST_LIVE + 1).entry, Entry::None);
    }

    #[test]
    fn what_files_back_is_not_counted() {
        assert_eq!(pages("51000 1200 200 9 0 400 0\n"), Some(1_000));
        assert_eq!((pages(""), pages("1 x 3")), (None, None));
    }
}
