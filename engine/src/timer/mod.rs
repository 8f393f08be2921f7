//! Durable timers: set and cleared in commits, fired as inputs of their stream, never early.

mod cron;

pub use cron::{Cron, is_time_zone};

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tracing::Instrument as _;

use crate::entity::{Dedup, Directory, Fault, Input, again};
use crate::journal::{Journal, Origin, Timer};
use crate::partition::{Carried, Owned};
use crate::runtime::Context;
use crate::supervise::{Pulse, Service, ServiceFault};
use crate::telemetry::names;
use crate::testkit::sabotage::{self, Sabotage};

/// How far ahead timers are held in memory.
const HORIZON: Duration = Duration::from_secs(600);

/// The service that fires the timers of a partition.
#[derive(Clone)]
pub struct Timers {
    directory: Directory,
    journal: Arc<dyn Journal>,
    owned: Arc<Owned>,
    permits: Arc<Semaphore>,
    backlog: usize,
    pulse: Pulse,
    cx: Context,
}

impl Timers {
    /// The timers of a partition; as many of them are being taken in at the same time as there are permits.
    pub fn new(
        directory: Directory,
        journal: Arc<dyn Journal>,
        owned: Arc<Owned>,
        permits: Arc<Semaphore>,
        backlog: usize,
        cx: Context,
    ) -> Self {
        Self { directory, journal, owned, permits, backlog, pulse: Pulse::new(cx.clone()), cx }
    }

    /// Its pulse: it is at work while it reads the journal.
    pub fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Reads the timers up to a new horizon into memory.
    async fn fill(&self) -> Result<(), ServiceFault> {
        let horizon = self.cx.now().plus(HORIZON);
        self.owned.feeds().timers.begin_filling(horizon);
        // Those that are on their way still stand in the journal: they must not take the place of the ones behind
        // them, or a page of timers that cannot be taken in would be read over and over.
        let limit = self.backlog + self.owned.feeds().timers.firing();
        let reading = self.journal.due_timers(self.owned.partition(), horizon, limit);
        let read = self.pulse.during(reading).await;
        let due = read.map_err(|e| ServiceFault::passing(e.to_string()))?;
        let full = due.len() == limit;
        let last = due.last().map(|t| t.due);
        for timer in due {
            self.owned.feeds().timers.load(timer);
        }
        if let (true, Some(last)) = (full, last) {
            self.owned.feeds().timers.narrow(last);
        }
        self.owned.feeds().timers.filled();
        Ok(())
    }

    async fn fire(&self, timer: Timer, number: u64) {
        let claim = Claim { owned: self.owned.clone(), timer: Some(timer.clone()), number };
        let permit = self.permits.clone().acquire_owned().await;
        let (directory, owned, cx) = (self.directory.clone(), self.owned.clone(), self.cx.clone());
        let permits = self.permits.clone();
        let until_lost = owned.clone();
        let span = tracing::debug_span!(
            names::SPAN_TIMER,
            tenant = %timer.stream.tenant,
            stream = %timer.stream.id,
            timer = timer.name
        );
        let fired = async move {
            let mut permit = permit.ok();
            let late = cx.now().since(timer.due);
            metrics::histogram!(names::TIMER_LATENESS).record(late.as_secs_f64());
            let origin =
                Arc::new(Origin::root(&format!("timer:{}:{}", timer.stream.id, timer.name), "timer"));
            for tries in 0.. {
                let input = Input::Timer { name: timer.name.clone(), due: timer.due };
                let dedup = Dedup::Claim(number);
                match directory.deliver_within(&timer.stream, input, origin.clone(), dedup).await {
                    Ok(_) => break,
                    Err(fault) => {
                        let Carried::Again(wait) = again(&fault, tries) else { break };
                        // A timer that waits holds no place, so that a few which cannot be taken in do not stop
                        // the rest.
                        permit.take();
                        cx.sleep(cx.jitter(wait)).await;
                        if fault == Fault::Unknown {
                            // It may have been taken in: the journal tells, and the claim is given back.
                            return;
                        }
                        if !claim.holds() {
                            return;
                        }
                        permit = permits.clone().acquire_owned().await.ok();
                    }
                }
            }
            claim.taken_in();
        };
        self.cx.spawn("timer", async move {
            // Until it was taken in, the timer stands in the journal, for the next owner.
            until_lost.while_owned(fired.instrument(span)).await;
        });
    }
}

/// The claim on a timer that was handed out; given back on every way out before it is known to have been taken in.
struct Claim {
    owned: Arc<Owned>,
    timer: Option<Timer>,
    number: u64,
}

impl Claim {
    fn holds(&self) -> bool {
        let held = |timer: &Timer| self.owned.feeds().timers.holds(&timer.stream, &timer.name, self.number);
        self.timer.as_ref().is_some_and(held)
    }

    /// Notes that the timer has been taken in.
    fn taken_in(mut self) {
        if let Some(timer) = self.timer.take() {
            self.owned.feeds().timers.fired(&timer, self.number);
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            self.owned.feeds().timers.not_fired(&timer, self.number);
        }
    }
}

#[async_trait]
impl Service for Timers {
    async fn run(&mut self) -> Result<(), ServiceFault> {
        self.fill().await?;
        loop {
            let now = self.cx.now();
            let timers = &self.owned.feeds().timers;
            if timers.is_to_be_filled(now.plus(HORIZON / 2), self.backlog / 2) {
                self.fill().await?;
            }
            let early = sabotage::is_on(Sabotage::TimerEarly).then_some(Duration::from_secs(5));
            match timers.next(now.plus(early.unwrap_or_default())) {
                Ok((timer, claim)) => self.fire(timer, claim).await,
                // None of those held is due, and there may be others that are.
                Err(next) if next <= now => self.fill().await?,
                Err(next) => {
                    let refill = now.plus(HORIZON / 4);
                    let wait = next.min(refill);
                    tokio::select! {
                        biased;
                        () = self.owned.feeds().timers.changed() => {}
                        () = self.cx.sleep_until(wait) => {}
                    }
                }
            }
        }
    }
}
