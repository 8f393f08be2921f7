//! What the errors of PostgreSQL mean to a journal.

use std::fmt::Display;

use tokio_postgres::error::{Severity, SqlState};

use crate::journal::Error;

/// How a statement failed.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// It was never sent, as no connection could be had.
    Unsent(String),
    /// The database refused it; nothing of it stands.
    Refused(Refusal),
    /// No answer came: the connection broke, or the time for it ran out. It may have been carried out.
    Lost(String),
}

/// What the database said.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) code: SqlState,
    pub(super) constraint: Option<String>,
    pub(super) message: String,
}

impl Refusal {
    /// True where one of the rows is to blame, without which the others can be written.
    ///
    /// By class, <https://www.postgresql.org/docs/current/errcodes-appendix.html>: 21 a row twice, 22 a value, 23 a
    /// constraint, 27 a row changed twice, 54 a value too big for an index.
    pub(super) fn blames_row(&self) -> bool {
        ["21", "22", "23", "27", "54"].iter().any(|class| self.code.code().starts_with(class))
    }

    /// True where the same statement may succeed the next time: a deadlock, a serialization failure.
    pub(super) fn is_passing(&self) -> bool {
        self.code.code().starts_with("40")
    }

    /// True where the connection leads to a server that must not be used any more: one that takes no writes, or that
    /// is ending.
    pub(super) fn spoils_connection(&self) -> bool {
        self.code == SqlState::READ_ONLY_SQL_TRANSACTION || self.code.code().starts_with("57P")
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            // What ends the session with the statement may have come after the statement's own end.
            Some(db) if matches!(db.parsed_severity(), Some(Severity::Error)) => Self::Refused(Refusal {
                code: db.code().clone(),
                constraint: db.constraint().map(str::to_owned),
                message: db.message().to_owned(),
            }),
            Some(db) => Self::Lost(db.message().to_owned()),
            None => Self::Lost(told(&error)),
        }
    }
}

/// An error with its causes, which the driver leaves out of its own text.
pub(super) fn told(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unsent(reason) | Self::Lost(reason) => f.write_str(reason),
            Self::Refused(refusal) => write!(f, "{} ({})", refusal.message, refusal.code.code()),
        }
    }
}

impl From<Failure> for Error {
    /// What a failed read means; a write whose answer was lost has to be resolved first.
    fn from(failure: Failure) -> Self {
        Self::Unavailable { reason: failure.to_string() }
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
