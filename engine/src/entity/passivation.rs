//! Passivation: which entities go to rest, so that what is live stays within its bounds.

use std::sync::Arc;

use super::directory::Directory;
use super::host::HostRef;
use super::intake::{Cell, Phase};
use crate::telemetry::names;

impl Directory {
    /// Asks the entities that have been idle too long, and the ones idle longest beyond the cap, to go to rest.
    pub(crate) fn passivate_idle(&self) {
        let config = &self.shared().config;
        let now = self.shared().cx.monotonic();
        let live = self.cells().len();
        metrics::gauge!(names::LIVE).set(live as f64);
        let beyond = live.saturating_sub(config.live_entities);
        let mut idle = Vec::new();
        for cell in self.cells() {
            let inner = cell.lock();
            let is_old = now.duration_since(inner.used) >= config.idle;
            if matches!(inner.phase, Phase::Active { awake: false, .. }) && (beyond > 0 || is_old) {
                idle.push((inner.used, cell.key.clone(), cell.value().clone()));
            }
        }
        idle.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        for (rank, (used, _, cell)) in idle.into_iter().enumerate() {
            if rank >= beyond && now.duration_since(used) < config.idle {
                break;
            }
            if let Phase::Active { actor, .. } = &cell.lock().phase {
                actor.rest();
            }
        }
    }

    /// How many entities have a place here.
    pub(crate) fn count(&self) -> usize {
        self.cells().len()
    }

    /// Asks so many of the idle entities to go to rest, the ones idle longest; returns how many there were.
    pub(crate) fn rest_oldest(&self, count: usize) -> usize {
        let mut idle = Vec::new();
        for cell in self.cells() {
            let inner = cell.lock();
            if matches!(inner.phase, Phase::Active { awake: false, .. }) {
                idle.push((inner.used, cell.value().clone()));
            }
        }
        let key = |(used, cell): &(_, Arc<Cell<HostRef>>)| (*used, cell.key.clone());
        if count < idle.len() {
            idle.select_nth_unstable_by_key(count, key);
            idle.truncate(count);
        }
        for (_, cell) in &idle {
            if let Phase::Active { actor, .. } = &cell.lock().phase {
                actor.rest();
            }
        }
        idle.len()
    }
}
