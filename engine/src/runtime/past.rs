//! The state of a stream as of a moment: a fold of what had happened by then, a page at a time.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::entity::{Fault, KindInfo, View};
use crate::id::StreamKey;
use crate::journal::{Event, Journal};

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
    loop {
        let after = ends.as_ref().map_or(0, |(_, last)| last.seq);
        let page = journal.read_stream(stream, after, PAGE).await.map_err(Fault::from)?;
        let is_last = page.len() < PAGE || page.last().is_some_and(|event| event.at > at);
        for event in page.into_iter().take_while(|event| event.at <= at) {
            machine.apply(&event).map_err(|e| Fault::Refused { reason: e.to_string() })?;
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
    let (seq, created_at, updated_at, position) = (last.seq, first.at, last.at, last.position);
    Ok(machine.view().map(|state| View { seq, created_at, updated_at, state, position }))
}
