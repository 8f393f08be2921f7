//! What a back end does that has nothing better for it.

use std::collections::HashSet;

use super::{BatchResult, Entry, Error, Fence, Journal, KeyHash};

/// Appends batches one after the other, each in a commit of its own.
pub(super) async fn append_each<J: Journal + ?Sized>(
    journal: &J,
    batches: &[(Fence, Vec<Entry>)],
) -> Vec<BatchResult> {
    let mut answers = Vec::with_capacity(batches.len());
    for (fence, batch) in batches {
        answers.push(journal.append(*fence, batch).await);
    }
    answers
}

/// Finds out which keys are taken, one after the other.
pub(super) async fn find_each<J: Journal + ?Sized>(
    journal: &J,
    keys: &[KeyHash],
) -> Result<HashSet<KeyHash>, Error> {
    let mut taken = HashSet::new();
    for key in keys {
        taken.extend(journal.find_key(key).await?.map(|record| record.key));
    }
    Ok(taken)
}
