//! Checking that a file is the export that was written.

use std::io::BufRead;

use super::lines::Lines;
use super::{Error, FORMAT, Header, Line, Trailer};

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
