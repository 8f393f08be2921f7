//! A journal in SQLite: one process, one data directory, no server beside it.
//!
//! * `journal.db` is the truth: WAL, `synchronous=FULL`, one writer. What grows for ever is only appended there.
//! * `index.db` leads from ids and keys to rows. It is filled off the commit path and can be thrown away.
//! * `lock` is held for life, so that a second process is refused at once.
//!
//! The layout and the reasons for it stand in `migrations/sqlite/`.

mod append;
mod backup;
mod beside;
mod error;
mod files;
mod forget;
mod index;
mod journal;
mod keys;
mod newest;
mod read;
mod readers;
mod retention;
mod rows;
mod statements;
mod tail;
mod transfer;
mod upkeep;
mod writer;

pub use backup::{check as check_backup, restore};
pub use journal::SqliteJournal;
pub use transfer::ImportStore;

/// How the index is kept.
#[derive(Debug, Clone, Copy)]
pub struct SqliteOptions {
    /// Things in the tail from which [`Journal::maintain`](super::Journal::maintain) merges them into the index.
    pub merge_at: usize,
    /// Things in the tail beyond which an append itself merges them, so that memory stays bounded without upkeep.
    pub merge_cap: usize,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { merge_at: 16_384, merge_cap: 524_288 }
    }
}

#[cfg(test)]
mod tests;
