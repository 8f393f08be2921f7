//! Retention of one stream: its state is kept as of its last event, and the events before it go.

use std::sync::Arc;

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

/// Trims a stream that has been quiet since before a moment, unless its kind still needs its past; returns how many
/// events went.
pub(super) async fn trim(
    shared: &Shared,
    owned: &Arc<Owned>,
    stream: &StreamKey,
    before: Timestamp,
) -> Result<usize, Fault> {
    let mut loaded = Loaded::load(shared, owned, stream).await?;
    if loaded.updated_at >= before || !loaded.machine.may_forget() {
        return Ok(0);
    }
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
