//! A journal in memory, for simulation and tests. It models a disk, the processes that open it, and its faults.
//!
//! [`MemoryStore`] is the disk: it survives, and tests steer it. [`MemoryJournal`] is one process's view of it;
//! dropping the view and opening another one is a restart; several that are open at once are nodes that share the
//! store, under leases by the store's own clock. Nothing here knows real time, threads or randomness:
//! latencies are tokio sleeps, so that paused time works.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Error, Info};

mod audit;
mod disk;
mod fault;
mod journal;
mod retention;
mod roster;
mod store;
mod view;

pub use audit::Wrong;
pub use fault::{AfterCrash, CrashPoint, Fault, SyncMode};
pub use store::MemoryStore;
pub use view::Link;

use disk::Disk;
use view::View;

/// One process's view of a [`MemoryStore`].
#[derive(Debug)]
pub struct MemoryJournal {
    store: MemoryStore,
    info: Info,
    view: Arc<View>,
    closed: AtomicBool,
}

impl MemoryJournal {
    /// Opens a store, as a process does that starts. Views that are open already stay so, until they are fenced.
    pub fn open(store: &MemoryStore) -> Arc<Self> {
        let (info, view) = store.open();
        Arc::new(Self { store: store.clone(), info, view: Arc::new(view), closed: AtomicBool::new(false) })
    }

    /// This process dies now, and no other: what it has under way and is not synced is gone.
    pub fn kill(&self) {
        self.store.kill(&self.view);
    }

    /// Lets this process die in its call after the next `calls`, reads and heartbeats too; 0 is the very next one.
    pub fn crash_after(&self, calls: u64, point: CrashPoint) {
        self.view.doom(calls, point);
    }

    /// Lets this process live after all.
    pub fn spare(&self) {
        self.view.spare();
    }

    /// True while this process lives.
    pub fn lives(&self) -> bool {
        self.view.lives(&self.store.lock())
    }

    /// Sets how this process reaches the store.
    pub fn set_link(&self, link: Link) {
        self.view.set_link(link);
    }

    /// How this process reaches the store.
    pub fn link(&self) -> Link {
        self.view.link()
    }

    async fn read<T>(&self, read: impl FnOnce(&Disk) -> T) -> Result<T, Error> {
        self.check_open()?;
        self.store.call(&self.view, |disk| read(disk)).await
    }

    fn check_open(&self) -> Result<(), Error> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(Error::Unavailable { reason: "the journal has been closed".to_owned() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
