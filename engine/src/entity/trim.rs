//! Retention of one stream: its state is kept as of its last event, and the events before it go; later the whole of it.

use std::sync::Arc;
use std::time::Duration;

use super::deletion::deleted_after;
use super::directory::{Directory, Shared};
use super::intake::Fault;
use super::loaded::Loaded;
use crate::clock::Timestamp;
use crate::id::StreamKey;
use crate::journal::Entry;
use crate::partition::{LaneError, Owned};

/// Events that one piece of a trim deletes.
const PIECE: usize = 1_000;
/// Pieces of one stream in a row; the rest comes with the next look at it.
const PIECES: usize = 16;

/// How long streams of a kind are kept, where they do not say it themselves; `None` for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Their events.
    pub(crate) events: Option<Duration>,
    /// All of them.
    pub(crate) whole: Option<Duration>,
}

/// What became of an attempt to trim or delete a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trim {
    /// So many events went.
    Gone(usize),
    /// It is not there any more.
    Deleted,
    /// It is not to be looked at before this moment.
    NotBefore(Timestamp),
    /// By what is known now it stays as it is.
    Never,
}

/// Trims a stream that has been quiet for as long as it says, or else as its kind does, unless its past is still needed;
/// deletes it where it is old enough for that.
pub(super) async fn trim(
    directory: &Directory,
    owned: &Arc<Owned>,
    stream: &StreamKey,
    kept: Kept,
) -> Result<Trim, Fault> {
    let shared = directory.shared();
    let mut loaded = Loaded::load(shared, owned, stream).await?;
    let (now, machine) = (shared.cx.now(), &*loaded.machine);
    let due = |after: Option<Duration>, may: bool| {
        after.map(|after| if may { loaded.updated_at.plus(after) } else { now.plus(after) })
    };
    let deleted = due(deleted_after(machine, kept.whole), machine.may_delete());
    let trimmed = due(machine.retention().or(kept.events), machine.may_forget());
    if deleted.is_some_and(|due| due < now) {
        // In pieces up to its last state, so that what goes at once is small.
        if loaded.head > PIECE as u64 {
            let gone = trim_to_state(shared, owned, stream, &mut loaded).await?;
            if gone == PIECE * PIECES {
                return Ok(Trim::Gone(gone));
            }
        }
        drop(loaded);
        return directory.delete(stream, kept.whole).await;
    }
    let mut next = deleted.into_iter().chain(trimmed).min();
    if trimmed.is_some_and(|due| due < now) {
        let had = loaded.state_kept();
        let gone = trim_to_state(shared, owned, stream, &mut loaded).await?;
        if gone > 0 || loaded.state_kept() > had {
            return Ok(Trim::Gone(gone));
        }
        // It stands at its last state already.
        next = deleted;
    }
    Ok(next.map_or(Trim::Never, Trim::NotBefore))
}

/// Keeps the last state, and deletes events before it; returns how many.
async fn trim_to_state(
    shared: &Shared,
    owned: &Arc<Owned>,
    stream: &StreamKey,
    loaded: &mut Loaded,
) -> Result<usize, Fault> {
    let mut entry = Entry::new(stream.clone(), shared.cx.now());
    entry.expected = Some(loaded.head);
    loaded.keep_last_state(&mut entry);
    if !entry.is_empty() {
        match owned.append(entry).await {
            Ok(_) => {}
            // Something happened to it meanwhile, so that it is not old any more.
            Err(LaneError::Entry(_)) => return Ok(0),
            Err(error) => return Err(Fault::Unavailable { reason: error.to_string() }),
        }
    }
    let mut gone = 0;
    for _ in 0..PIECES {
        let piece = shared.journal.trim(stream, PIECE).await.map_err(|error| shared.failed(owned, &error))?;
        gone += piece;
        if piece < PIECE {
            break;
        }
    }
    Ok(gone)
}
