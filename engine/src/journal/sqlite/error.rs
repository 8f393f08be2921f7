//! What the errors of SQLite mean to a journal.

use std::fmt::Display;

use crate::journal::Error;

/// Whose fault a failed write is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    /// One of the rows: a constraint, a value too big. Without it the others can be written.
    Row,
    /// The store: no room, no permission, a broken file or disk.
    Store,
}

// Primary result codes, https://www.sqlite.org/rescode.html.
const ERROR: i32 = 1;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const TOOBIG: i32 = 18;
const CONSTRAINT: i32 = 19;
const MISMATCH: i32 = 20;
const NOTADB: i32 = 26;

/// The primary result code, where SQLite itself failed.
fn code(error: &sqlx::Error) -> Option<i32> {
    let extended: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & 0xff)
}

/// Says whose fault a failed write is.
pub(super) fn blame(error: &sqlx::Error) -> Blame {
    match code(error) {
        Some(CONSTRAINT | TOOBIG | MISMATCH | ERROR) => Blame::Row,
        Some(_) | None => Blame::Store,
    }
}

/// True if the disk is full, which leaves nothing half-done behind.
pub(super) fn is_full(error: &sqlx::Error) -> bool {
    code(error) == Some(FULL)
}

/// True if the file itself is damaged or no database.
pub(super) fn is_corrupt(error: &sqlx::Error) -> bool {
    matches!(code(error), Some(CORRUPT | NOTADB))
}

/// True if a ROLLBACK failed because there was nothing to roll back.
pub(super) fn is_nothing_to_roll_back(error: &sqlx::Error) -> bool {
    code(error) == Some(ERROR)
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let is_decode = matches!(
            error,
            sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } | sqlx::Error::RowNotFound
        );
        if is_decode || is_corrupt(&error) {
            return Self::Corrupt { reason: error.to_string() };
        }
        Self::Unavailable { reason: error.to_string() }
    }
}

/// Says that something stored cannot be understood.
pub(super) fn corrupt(what: &str, why: impl Display) -> Error {
    Error::Corrupt { reason: format!("{what}: {why}") }
}

/// Says that the store cannot be used, and why.
pub(super) fn unavailable(what: &str, why: impl Display) -> Error {
    Error::Unavailable { reason: format!("{what}: {why}") }
}
