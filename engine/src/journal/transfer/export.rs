//! Writing a store of one log as lines. Their positions are those that it has, but where streams have been forgotten: a
//! whole export closes the gaps that they have left.

use std::io::Write;

use super::gaps::{Gaps, missing};
use super::writer::Writer;
use super::{Error, PAGE, Trailer};
use crate::journal::{Journal, PartitionId, Position};

/// The partition of a store that has only one.
const PARTITION: PartitionId = 0;

/// Writes a store of one partition that stands still as lines: whole, or the events behind a position alone.
/// `progress` hears the position that has been written.
///
/// # Errors
///
/// [`Error`]; what has been written then has no last line, and will be refused.
pub async fn export(
    journal: &dyn Journal,
    out: &mut (impl Write + Send),
    since: Position,
    mut progress: impl FnMut(Position) + Send,
) -> Result<Trailer, Error> {
    let is_whole = since == 0;
    let mut to = Writer::begin(out, journal.info(), since)?;
    let mut gaps = if is_whole { Gaps::of(journal).await? } else { Gaps::default() };
    let (mut read, mut forgotten) = (since, 0);
    loop {
        let page = journal.read_log(PARTITION, read, PAGE).await?;
        if page.is_empty() {
            break;
        }
        for mut event in page {
            for stood in (read + 1..event.position).filter(|_| is_whole) {
                match gaps.fill(stood, to.position() + 1) {
                    Some(gone) => to.gone(gone)?,
                    None => forgotten += 1,
                }
            }
            read = event.position;
            if is_whole {
                event.position = to.position() + 1;
            }
            to.event(event)?;
        }
        progress(to.position());
    }
    if is_whole {
        gaps.check()?;
        if forgotten > journal.forgotten_events(PARTITION).await? {
            return Err(missing(&"positions that no forgotten stream had"));
        }
        to.beside(journal, |beside| gaps.placed(beside)).await?;
    }
    to.end()
}
