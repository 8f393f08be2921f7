//! The contract of [`Journal`] as named cases. Every back end runs every case, by enumeration.
//!
//! A case gets an empty [`Backend`] of its own and panics where the contract is broken.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;

use super::Journal;

mod appending;
mod fixture;

/// An empty store that can be opened, closed and opened again.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Opens the store as a process does that starts.
    async fn open(&self) -> Arc<dyn Journal>;
}

/// One case: what must hold of every back end.
pub type Case = fn(Arc<dyn Backend>) -> BoxFuture<'static, ()>;

/// Lists functions of modules as named cases.
macro_rules! cases {
    ($($module:ident::$case:ident,)*) => {
        &[$((concat!(stringify!($module), "::", stringify!($case)), |backend| Box::pin($module::$case(backend))),)*]
    };
}

/// Every case, with its name.
pub const CASES: &[(&str, Case)] = cases![
    appending::a_batch_is_committed_and_read_back,
    appending::positions_are_gap_free_and_in_commit_order,
    appending::the_expected_number_is_checked,
    appending::later_entries_see_earlier_ones_of_their_batch,
    appending::one_bad_entry_fails_alone,
    appending::an_entry_is_all_or_nothing,
    appending::what_belongs_to_another_stream_is_refused,
    appending::an_empty_entry_and_an_empty_batch_change_nothing,
    appending::many_tasks_append_at_once,
];
