//! Checking lines, and taking them into a store.

use std::io::BufRead;
use std::sync::Arc;

use super::lines::Lines;
use super::{Beside, Error, FORMAT, Gone, Header, Line, Trailer};
use crate::clock::Timestamp;
use crate::effect::EffectOp;
use crate::id::StreamKey;
use crate::journal::{Entry, EntryError, Event, Fence, Journal, Json, NewEvent, Origin, TimerOp};

/// Lines that one commit takes.
const BATCH: usize = 500;

/// Reads a whole export and checks that it is as it was written: its form, its positions, its counts, its digest.
/// `progress` hears how many lines have been read.
///
/// # Errors
///
/// [`Error::File`] and [`Error::Format`].
pub fn verify(from: impl BufRead, mut progress: impl FnMut(u64)) -> Result<(Header, Trailer), Error> {
    let mut lines = Lines::new(from);
    let (Line::Header(header), _) = lines.next()? else { return Err(lines.wrong("this is no export")) };
    if !(1..=FORMAT).contains(&header.format) {
        let reason = format!("its form is {}, and this release knows {FORMAT}", header.format);
        return Err(lines.wrong(&reason));
    }
    let is_whole = header.since == 0;
    let (mut position, mut events, mut gone, mut beside) = (header.since, 0, 0, 0);
    loop {
        match lines.next()? {
            (Line::Event(event), _)
                if beside == 0
                    && (event.position == position + 1 || !is_whole && event.position > position) =>
            {
                position = event.position;
                events += 1;
            }
            (Line::Gone(place), _) if is_whole && beside == 0 && place.position == position + 1 => {
                position = place.position;
                gone += 1;
            }
            (Line::Event(_) | Line::Gone(_), _) => return Err(lines.wrong("the event is not the next one")),
            (Line::Beside(_), _) => beside += 1,
            (Line::Header(_), _) => return Err(lines.wrong("it begins anew in its midst")),
            (Line::Trailer(trailer), found) => {
                let counted = Trailer { position, events, gone, beside, blake3: found.unwrap_or_default() };
                if counted != trailer {
                    return Err(lines.wrong("the file is not as it was written: it has been changed"));
                }
                if !lines.from.fill_buf()?.is_empty() {
                    return Err(lines.wrong("something stands behind the end"));
                }
                return Ok((header, trailer));
            }
        }
        if lines.number.is_multiple_of(1_000) {
            progress(lines.number);
        }
    }
}

/// Takes the lines of a checked, whole export into a store. `progress` hears after each commit how many lines are in
/// the store. To go on with one that was broken off, give what it heard last, or 0, as `done`: what is in the store
/// already may then come again.
///
/// # Errors
///
/// [`Error`]; what was committed stands.
pub async fn apply(
    journal: &dyn Journal,
    fence: Fence,
    from: impl BufRead + Send,
    done: Option<u64>,
    mut progress: impl FnMut(u64) -> Result<(), Error> + Send,
) -> Result<(), Error> {
    let mut lines = Lines::new(from);
    let mut batch = Vec::with_capacity(BATCH);
    let mut trimmed = Vec::new();
    let mut latest = Timestamp::default();
    let may_repeat = done.is_some();
    loop {
        let (line, _) = lines.next()?;
        let is_done = done.is_some_and(|done| lines.number <= done);
        match line {
            Line::Event(event) => {
                latest = latest.max(event.at);
                if !is_done {
                    batch.push(of_event(event));
                }
            }
            Line::Gone(gone) if !is_done => batch.push(of_gone(gone)),
            Line::Beside(beside) if !is_done => {
                if let Beside::Base { stream, .. } = &beside {
                    trimmed.push(stream.clone());
                }
                batch.push(of_beside(beside, latest));
            }
            Line::Header(_) | Line::Gone(_) | Line::Beside(_) => {}
            Line::Trailer(_) => {
                commit(journal, fence, &mut batch, lines.number - 1, may_repeat).await?;
                trim(journal, &mut trimmed).await?;
                return progress(lines.number);
            }
        }
        if batch.len() == BATCH {
            commit(journal, fence, &mut batch, lines.number, may_repeat).await?;
            trim(journal, &mut trimmed).await?;
            progress(lines.number)?;
        }
    }
}

async fn commit(
    journal: &dyn Journal,
    fence: Fence,
    batch: &mut Vec<Entry>,
    line: u64,
    may_repeat: bool,
) -> Result<(), Error> {
    let answers = journal.append(fence, batch).await?;
    let first = line + 1 - batch.len() as u64;
    for (place, answer) in (first..).zip(answers) {
        match answer {
            Ok(_) => {}
            Err(EntryError::Conflict { expected, actual, .. }) if may_repeat && actual > expected => {}
            Err(EntryError::KeyTaken { .. } | EntryError::Refused { .. }) if may_repeat => {}
            Err(error) => return Err(Error::Refused { line: place, reason: error.to_string() }),
        }
    }
    batch.clear();
    Ok(())
}

/// Takes the places of events away again that are not kept: the state that the store has now stands for them.
async fn trim(journal: &dyn Journal, streams: &mut Vec<StreamKey>) -> Result<(), Error> {
    for stream in streams.drain(..) {
        while journal.trim(&stream, BATCH).await? == BATCH {}
    }
    Ok(())
}

/// An event that holds a place until the stream is trimmed.
fn of_gone(gone: Gone) -> Entry {
    let origin = Arc::new(Origin::root("import", "system"));
    let body = NewEvent { name: "gone".into(), version: 1, data: Json::null(), origin };
    of_event(Event { position: gone.position, stream: gone.stream, seq: gone.seq, at: gone.at, body })
}

fn of_event(event: Event) -> Entry {
    let mut entry = Entry::new(event.stream, event.at);
    entry.expected = Some(event.seq.saturating_sub(1));
    entry.events.push(event.body);
    entry
}

fn of_beside(beside: Beside, latest: Timestamp) -> Entry {
    match beside {
        Beside::Key { at, record } => {
            let mut entry = Entry::new(record.stream.clone(), at);
            entry.keys.push(record);
            entry
        }
        Beside::Received { at, stream, received } => {
            let mut entry = Entry::new(stream, at);
            entry.received.push(received);
            entry
        }
        Beside::Timer(timer) => {
            let mut entry = Entry::new(timer.stream, latest);
            entry.timers.push(TimerOp::Set { name: timer.name, due: timer.due });
            entry
        }
        Beside::Message(message) => {
            let mut entry = Entry::new(message.from.clone(), latest);
            entry.messages.push(message);
            entry
        }
        Beside::Effect { effect, ended } => {
            let mut entry = Entry::new(effect.stream.clone(), ended.unwrap_or(effect.at));
            entry.effects.push(EffectOp::Intend(Box::new(effect)));
            entry
        }
        Beside::Base { stream, snapshot, .. } | Beside::Snapshot { stream, snapshot } => {
            let mut entry = Entry::new(stream, latest);
            entry.snapshot = Some(snapshot);
            entry
        }
    }
}
