//! Faults under load: what was acknowledged is there, once, and every run comes to an end.

mod clock;
mod disk;
mod kill;
mod limits;
mod load;
mod mixed;
mod power;
mod process;
mod restart;
mod steady;
mod tasks;

/// Held by each test: they load the machine and wait for moments, and must not wait for each other's.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
