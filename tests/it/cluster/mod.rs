//! Nodes that share one PostgreSQL: an owner and a stand-by as real processes, and what they promise under faults.

mod database;
mod fixture;
mod hammer;
mod load;
mod owner;
mod quarantine;
mod serving;
mod standby;
mod stream;
mod versions;

/// Held by each test: they load the machine, and leases run by the clock.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
