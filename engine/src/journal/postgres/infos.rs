//! What identifies the store, over the changes of its history.

use std::sync::OnceLock;

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::journal::Info;

/// The store's identity as it was at first, and as it has become since. What was lent out once stays.
#[derive(Debug)]
pub(super) struct Infos {
    info: Info,
    next: OnceLock<Box<Self>>,
}

impl Infos {
    pub(super) fn new(info: Info) -> Self {
        Self { info, next: OnceLock::new() }
    }

    /// What holds now.
    pub(super) fn last(&self) -> &Info {
        let mut infos = self;
        while let Some(next) = infos.next.get() {
            infos = next;
        }
        &infos.info
    }

    /// Takes up a history that has begun, unless it is the one that is known.
    pub(super) fn follow(&self, history: Uuid, resumed_at: Option<Timestamp>, starts_held: bool) {
        let mut infos = self;
        loop {
            while let Some(next) = infos.next.get() {
                infos = next;
            }
            if infos.info.history == history {
                return;
            }
            let next = Self::new(Info { history, resumed_at, starts_held, ..infos.info.clone() });
            if infos.next.set(Box::new(next)).is_ok() {
                return;
            }
        }
    }
}
