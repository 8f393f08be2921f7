//! The state of a stream as of a moment: a fold of what had happened by then, a page at a time.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::entity::{Fault, KindInfo, Machine, View, restored};
use crate::id::StreamKey;
use crate::journal::{self, Event, Journal, Seq};

/// Events read at once.
const PAGE: usize = 512;

/// Folds a stream up to a moment; `None` if it did not exist then.
pub(super) async fn state_at(
    journal: &Arc<dyn Journal>,
    kind: &KindInfo,
    stream: &StreamKey,
    at: Timestamp,
) -> Result<Option<View>, Fault> {
    let mut machine = (kind.machine)(stream);
    let mut ends: Option<(Event, Event)> = None;
    let (mut after, mut begun) = (0, None);
    loop {
        let page = match journal.read_stream(stream, after, PAGE).await {
            Err(journal::Error::Trimmed { created_at, .. }) if at < created_at => return Ok(None),
            // The event that the base holds last is still there, for when and where it was.
            Err(journal::Error::Trimmed { at: horizon, seq, created_at, .. }) if at >= horizon => {
                (after, begun, ends) = (seq - 1, Some(created_at), None);
                machine = (kind.machine)(stream);
                continue;
            }
            page => page.map_err(Fault::from)?,
        };
        let is_last = page.len() < PAGE || page.last().is_some_and(|event| event.at > at);
        for event in page.into_iter().take_while(|event| event.at <= at) {
            match begun.filter(|_| ends.is_none()) {
                Some(_) => restore(journal, &mut *machine, stream, event.seq).await?,
                None => machine.apply(&event).map_err(|e| Fault::Refused { reason: e.to_string() })?,
            }
            after = event.seq;
            match &mut ends {
                Some((_, last)) => *last = event,
                None => ends = Some((event.clone(), event)),
            }
        }
        if is_last {
            break;
        }
    }
    let Some((first, last)) = ends else { return Ok(None) };
    let (place, times) = ((last.seq, last.position), (begun.unwrap_or(first.at), last.at));
    Ok(machine.view().map(|state| View::new(stream.id, place, times, state)))
}

/// Takes in the state that the stream begins with, which holds events up to a number.
async fn restore(
    journal: &Arc<dyn Journal>,
    machine: &mut dyn Machine,
    stream: &StreamKey,
    seq: Seq,
) -> Result<(), Fault> {
    let base = journal.base(stream).await?.filter(|base| base.snapshot.seq == seq);
    // Trimmed further between two reads: asked again it can be told.
    let base =
        base.ok_or_else(|| Fault::Unavailable { reason: "its base has just been raised".to_owned() })?;
    restored(machine, &base).map(|_| ())
}
