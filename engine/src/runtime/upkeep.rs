//! The upkeep of a node: passivation, the clock's discipline, the journal's indexes.

use std::sync::Arc;

use async_trait::async_trait;

use super::partitions::Partitions;
use crate::supervise::{Pulse, Service, ServiceFault};
use crate::telemetry::names;

/// The service that does it.
#[derive(Clone)]
pub(super) struct Upkeep {
    partitions: Arc<Partitions>,
    pub(super) pulse: Pulse,
}

impl Upkeep {
    pub(super) fn new(partitions: Arc<Partitions>) -> Self {
        let pulse = Pulse::new(partitions.cx.clone());
        Self { partitions, pulse }
    }
}

#[async_trait]
impl Service for Upkeep {
    async fn run(&mut self) -> Result<(), ServiceFault> {
        let Partitions { directory, journal, holdings, config, cx, .. } = &*self.partitions;
        loop {
            cx.sleep(config.upkeep).await;
            let _round = self.pulse.begin();
            directory.passivate_idle();
            directory.shared().admission.upkeep();
            let quarantined: usize = holdings.all().iter().map(|owned| owned.asides().len()).sum();
            metrics::gauge!(names::IN_QUARANTINE).set(quarantined as f64);
            let ahead = cx.discipline();
            metrics::gauge!(names::CLOCK_OFFSET).set(ahead as f64 / 1_000.0);
            if ahead.abs() > 1_000 {
                tracing::warn!(
                    ahead_ms = ahead,
                    "the machine's clock has been moved; the engine follows slowly"
                );
            }
            if holdings.tenure().is_for_life() {
                let done = journal.maintain(cx.now()).await;
                done.map_err(|e| ServiceFault::passing(e.to_string()))?;
                continue;
            }
            let left = holdings.tenure().until().saturating_duration_since(cx.monotonic());
            metrics::gauge!(names::LEASE_REMAINING).set(left.as_secs_f64());
            if !holdings.all().is_empty()
                && let Err(error) = journal.maintain(cx.now()).await
            {
                // A store that cannot be reached for a while is no reason to end: leases see to that.
                tracing::warn!(%error, "the journal's upkeep failed");
            }
            if let Err(error) = self.partitions.look_for_release().await {
                tracing::warn!(%error, "whether the restored store was released could not be read");
            }
        }
    }
}
