//! The contract of [`Journal`] as named cases. Every back end runs every case, by enumeration.
//!
//! A case gets an empty [`Backend`] of its own and panics where the contract is broken.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;

use super::Journal;

mod appending;
mod beside;
mod fencing;
mod fixture;
mod forgetting;
mod keys;
mod ownership;
mod random;
mod reading;
mod several;
mod trimming;

#[cfg(test)]
pub(super) use fixture::everything_of;
pub use ownership::{Case as OwnershipCase, Node, OWNERSHIP, Town};
pub use random::{same_answers, same_state};

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
    appending::a_large_batch_is_taken_whole,
    fencing::a_stale_epoch_or_incarnation_is_fenced,
    fencing::a_take_over_fences_the_owner_before,
    fencing::everything_is_there_after_a_restart,
    fencing::a_closed_journal_is_unavailable,
    keys::a_key_is_recorded_with_the_events_and_taken_once,
    keys::a_rejection_is_recorded_without_events,
    keys::a_key_is_taken_once_within_a_batch_too,
    keys::taken_keys_are_told_from_free_ones,
    keys::a_message_is_taken_in_once_by_each_stream,
    keys::what_is_not_kept_for_ever_is_kept_long_enough,
    reading::a_snapshot_replaces_the_events_before_it,
    reading::streams_are_brought_to_life_together,
    reading::a_stream_is_read_from_any_number,
    reading::the_log_is_read_from_any_position,
    reading::streams_are_listed_by_age_both_ways,
    reading::a_stream_is_found_under_its_tenant_only,
    reading::bodies_come_back_as_they_were_given,
    reading::a_read_is_one_view_while_others_append,
    beside::timers_are_set_reset_and_cleared,
    beside::timer_changes_of_one_batch_come_in_order,
    beside::messages_wait_until_their_sender_acknowledges,
    beside::messages_sent_and_acknowledged_in_one_batch_are_gone,
    beside::effects_live_from_intention_to_their_end,
    beside::effect_steps_of_one_batch_come_in_order,
    beside::an_effect_of_unknown_end_may_be_intended_again,
    beside::ended_effects_are_forgotten_in_time,
    trimming::a_state_takes_the_place_of_the_events_before_it,
    trimming::the_log_has_gaps_and_goes_on_behind_them,
    trimming::a_base_rises_with_the_newest_snapshot,
    trimming::old_streams_are_found_a_page_at_a_time,
    forgetting::nothing_is_left_of_a_stream,
    forgetting::the_log_goes_on_behind_what_was_forgotten,
    forgetting::a_name_begins_anew,
    forgetting::what_something_is_under_way_for_is_kept,
    forgetting::a_stream_that_has_gone_on_is_kept,
    forgetting::only_the_owner_forgets,
    forgetting::many_are_forgotten_at_once_while_others_append,
    forgetting::the_list_is_kept_until_it_is_settled,
];

/// Every case for stores of several partitions, with its name.
pub const SEVERAL: &[(&str, Case)] = cases![
    several::each_partition_has_positions_of_its_own,
    several::one_fenced_partition_fails_alone,
    several::refusals_in_one_partition_leave_the_other_alone,
    several::what_waits_is_read_by_partition,
];
