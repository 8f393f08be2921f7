//! What a test can order of a store: when it syncs, what goes wrong, and where a process dies.

use std::time::Duration;

/// When an append reaches stable storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncMode {
    /// At once.
    Always,
    /// When the test calls [`MemoryStore::sync`](super::MemoryStore::sync); until then the append has not returned and no read sees it.
    Held,
}

/// What becomes of the next append that reaches the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It fails, and nothing is committed.
    Unavailable,
    /// It is committed, but its answer is lost: it returns only after this long, when that has been resolved.
    LostAnswer(Duration),
    /// It is committed, and never known to be.
    UnknownCommitted,
    /// It is not committed, and never known not to be.
    UnknownLost,
    /// The store is found to have gone back in time, and nothing is committed.
    Regressed,
    /// The entry with this index is refused for itself.
    Refuse(usize),
}

/// Where in an append the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPoint {
    /// Nothing of the append is committed.
    BeforeCommit,
    /// All of it is committed, and nobody is told.
    AfterCommit,
    /// The batch is torn: its first so many entries are committed, the rest is gone, and nobody is told.
    Torn(usize),
}

/// What a call of a dead process's view does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterCrash {
    /// It never returns, as nothing does in a dead process. The test drops the process's tasks.
    Pends,
    /// It fails: [`Error::Unknown`](crate::journal::Error::Unknown) from the append that the crash hit,
    /// [`Error::Unavailable`](crate::journal::Error::Unavailable) from then on.
    Fails,
}
