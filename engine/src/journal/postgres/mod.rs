//! A journal in PostgreSQL: many nodes, one database.
//!
//! * An append is one autocommit statement, whatever its size and however many partitions it is for: the fence (an
//!   UPDATE of each partition's row) joined to the inserts. A process stopped in the middle of it holds no lock.
//! * Nothing is state of a session: statements are unnamed and sent with their parameters and types in one message,
//!   names are qualified, there are no advisory locks and no NOTIFY. So a pooler in transaction mode may stand between.
//!   (This is why the driver is not sqlx: that one prepares an unnamed statement in one round trip and binds it in the
//!   next, between which a pooler may give the connection to somebody else.)
//! * The owner of a partition is its only writer, so it knows where the streams stand; the database's constraints are
//!   the second line of defence.
//! * Where an answer is lost the partition's row tells whether the statement was committed (see `partition.commits` in
//!   the migrations); nothing is retried blindly.
//! * A database that went back in time is noticed by the same row: see [`Error::Regressed`](super::Error::Regressed).
//!
//! The layout and the reasons for it stand in `migrations/postgres/`.

use std::time::Duration;

mod append;
mod beside;
mod columns;
mod desk;
mod error;
mod forget;
mod import;
mod infos;
mod journal;
mod look_up;
mod nodes;
mod pool;
mod read;
mod regress;
mod restore;
mod retention;
mod row;
mod schema;
mod search;
mod session;
mod settle;
mod singly;
mod sql;
mod still;
mod target;
mod tls;
mod transfer;
mod upkeep;
mod write;

pub use import::{ImportStore, Imported};
pub use journal::PostgresJournal;
pub use restore::{Marked, mark_restored};
pub use schema::{check, migrate};
pub use still::StillStore;
pub use target::Target;

/// How the database is used.
#[derive(Debug, Clone, Copy)]
pub struct PostgresOptions {
    /// The partitions of a store that is made; one that stands keeps its own.
    pub partitions: u32,
    /// Connections for appends; each lane keeps one busy.
    pub writers: usize,
    /// Connections for reads.
    pub readers: usize,
    /// How long a connection may take to come about.
    pub connect: Duration,
    /// How long a statement may take.
    pub deadline: Duration,
    /// How long bringing the schema up to date may take, and waiting for another process that does.
    pub migration: Duration,
    /// How long the fate of an append whose answer was lost is looked for before it is
    /// [`Error::Unknown`](super::Error::Unknown).
    pub patience: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            partitions: 64,
            writers: 4,
            readers: 8,
            connect: Duration::from_secs(5),
            deadline: Duration::from_secs(10),
            migration: Duration::from_secs(600),
            patience: Duration::from_secs(15),
        }
    }
}
