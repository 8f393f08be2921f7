//! Why a store could not be exported or imported.

use std::io;

use crate::journal::Error as JournalError;

/// Why a store could not be exported or imported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read or written.
    #[error("the file cannot be used")]
    File(#[from] io::Error),
    /// The store cannot be used.
    #[error("the store cannot be used")]
    Journal(#[from] JournalError),
    /// The file is no export, or not the one that was written.
    #[error("line {line} of the export: {reason}")]
    Format {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// An entry of the export was refused by the store.
    #[error("the store refuses line {line} of the export: {reason}")]
    Refused {
        /// The line, from 1.
        line: u64,
        /// Why.
        reason: String,
    },
}
