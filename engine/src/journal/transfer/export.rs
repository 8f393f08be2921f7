//! Writing a store of one log as lines, with the positions that it has.

use std::io::Write;

use super::gaps::Gaps;
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
    loop {
        let page = journal.read_log(PARTITION, to.position(), PAGE).await?;
        if page.is_empty() {
            break;
        }
        for event in page {
            for position in (to.position() + 1..event.position).filter(|_| is_whole) {
                to.gone(gaps.fill(position)?)?;
            }
            to.event(event)?;
        }
        progress(to.position());
    }
    if is_whole {
        to.beside(journal, |beside| beside).await?;
    }
    to.end()
}
