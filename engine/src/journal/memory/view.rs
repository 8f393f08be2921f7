//! One process's view of the store: its life, how it reaches the store, and what its calls come to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::disk::Disk;
use super::fault::{AfterCrash, CrashPoint};
use super::store::{MemoryStore, State, pass};
use crate::journal::Error;

/// One process's life with the store.
#[derive(Debug)]
pub(super) struct View {
    /// The life of the store in which it was opened.
    life: u64,
    killed: AtomicBool,
    link: Mutex<Link>,
    /// The calls until the one in which its process dies, and where in it.
    doom: Mutex<Option<(u64, CrashPoint)>>,
}

/// How a process reaches the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Link {
    /// As usual.
    #[default]
    Up,
    /// Nothing arrives: calls fail after this long, appends without its being known that nothing came of them.
    Cut(Duration),
    /// What is asked arrives and is done, and no answer comes back: calls fail after this long.
    Deaf(Duration),
}

impl View {
    pub(super) fn new(life: u64) -> Self {
        Self { life, killed: AtomicBool::new(false), link: Mutex::default(), doom: Mutex::default() }
    }

    /// True while its process lives.
    pub(super) fn lives(&self, state: &State) -> bool {
        self.life == state.life && !self.killed.load(Ordering::Relaxed)
    }

    pub(super) fn doom(&self, calls: u64, point: CrashPoint) {
        *self.doom.lock().unwrap_or_else(PoisonError::into_inner) = Some((calls, point));
    }

    pub(super) fn spare(&self) {
        *self.doom.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Counts a call; says where its process dies, if it does so in this one.
    pub(super) fn struck(&self) -> Option<CrashPoint> {
        let mut doom = self.doom.lock().unwrap_or_else(PoisonError::into_inner);
        let (calls, point) = (*doom)?;
        *doom = calls.checked_sub(1).map(|calls| (calls, point));
        (calls == 0).then_some(point)
    }

    pub(super) fn set_link(&self, link: Link) {
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = link;
    }

    pub(super) fn link(&self) -> Link {
        *self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryStore {
    pub(super) fn kill(&self, view: &View) {
        view.killed.store(true, Ordering::Relaxed);
        self.lock().held.retain(|held| !std::ptr::eq(&raw const *held.view, view));
        self.has_changed();
    }

    /// Calls the store for a process: what a dead one gets is set by [`AfterCrash`], and what comes of a bad link by
    /// [`Link`].
    pub(super) async fn call<T>(&self, view: &View, work: impl FnOnce(&mut Disk) -> T) -> Result<T, Error> {
        self.alive(view).await?;
        if let Some(point) = view.struck() {
            if point != CrashPoint::BeforeCommit {
                drop(self.with_disk(work));
            }
            self.kill(view);
            return self.dead().await;
        }
        let cut = || Error::Unavailable { reason: "the store cannot be reached".to_owned() };
        match view.link() {
            Link::Up => Ok(self.with_disk(work)),
            Link::Cut(after) => {
                pass(after).await;
                Err(cut())
            }
            Link::Deaf(after) => {
                drop(self.with_disk(work));
                pass(after).await;
                Err(cut())
            }
        }
    }

    /// The same, with the store's time.
    pub(super) async fn call_at<T>(
        &self,
        view: &View,
        work: impl FnOnce(&mut Disk, Duration) -> T,
    ) -> Result<T, Error> {
        let latency = self.lock().latency;
        if !latency.is_zero() {
            pass(latency).await;
        }
        self.alive(view).await?;
        let now = self.now();
        self.call(view, |disk| work(disk, now)).await
    }

    /// Returns where the view's process lives.
    pub(super) async fn alive(&self, view: &View) -> Result<(), Error> {
        if view.lives(&self.lock()) {
            return Ok(());
        }
        self.dead().await
    }

    /// What the calls of a dead process come to.
    async fn dead<T>(&self) -> Result<T, Error> {
        let after_crash = self.lock().after_crash;
        match after_crash {
            AfterCrash::Pends => std::future::pending().await,
            AfterCrash::Fails => Err(Error::Unavailable { reason: "the process has died".to_owned() }),
        }
    }
}
