//! Retention of one stream: its state is kept as of its last event, and the events before it go.

use std::sync::Arc;
use std::time::Duration;

use super::directory::Shared;
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

/// What became of an attempt to trim a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trim {
    /// So many events went.
    Gone(usize),
    /// It is not to be trimmed before this moment.
    NotBefore(Timestamp),
    /// By what is known now it is never to be trimmed.
    Never,
}

/// Trims a stream that has been quiet for as long as it says, or else as its kind does (`kept`, `None` for ever),
/// unless its past is still needed.
pub(super) async fn trim(
    shared: &Shared,
    owned: &Arc<Owned>,
    stream: &StreamKey,
    kept: Option<Duration>,
) -> Result<Trim, Fault> {
    let mut loaded = Loaded::load(shared, owned, stream).await?;
    let now = shared.cx.now();
    let Some(kept) = loaded.machine.retention().or(kept) else { return Ok(Trim::Never) };
    if !loaded.machine.may_forget() {
        return Ok(Trim::NotBefore(now.plus(kept)));
    }
    let due = loaded.updated_at.plus(kept);
    if due >= now {
        return Ok(Trim::NotBefore(due));
    }
    let mut entry = Entry::new(stream.clone(), now);
    entry.expected = Some(loaded.head);
    loaded.keep_last_state(&mut entry);
    if !entry.is_empty() {
        match owned.append(entry).await {
            Ok(_) => {}
            // Something happened to it meanwhile, so that it is not old any more.
            Err(LaneError::Entry(_)) => return Ok(Trim::NotBefore(now.plus(kept))),
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
    Ok(Trim::Gone(gone))
}
