//! Writing a store as lines.

use std::io::Write;

use super::gaps::Gaps;
use super::{Error, FORMAT, Header, Line, PAGE, Part, Trailer};
use crate::journal::{Journal, PartitionId, Position};

/// The partition of a store that has only one.
const PARTITION: PartitionId = 0;

/// Writes a store that stands still as lines: whole, or the events behind a position alone. `progress` hears the
/// position that has been written.
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
    let info = journal.info();
    let is_whole = since == 0;
    let secret = is_whole.then(|| blake3::Hash::from_bytes(*info.secret.bytes()).to_hex().to_string());
    let header = Header { format: FORMAT, log: info.log, history: info.history, since, secret };
    let mut to = Writer { out, hasher: blake3::Hasher::new() };
    to.line(&Line::Header(header))?;
    let mut gaps = if is_whole { Gaps::of(journal, PARTITION).await? } else { Gaps::default() };
    let mut trailer = Trailer { position: since, events: 0, gone: 0, beside: 0, blake3: String::new() };
    loop {
        let page = journal.read_log(PARTITION, trailer.position, PAGE).await?;
        if page.is_empty() {
            break;
        }
        trailer.events += page.len() as u64;
        for event in page {
            for position in (trailer.position + 1..event.position).filter(|_| is_whole) {
                to.line(&Line::Gone(gaps.fill(position)?))?;
                trailer.gone += 1;
            }
            trailer.position = event.position;
            to.line(&Line::Event(event))?;
        }
        progress(trailer.position);
    }
    for part in Part::ALL.into_iter().filter(|_| is_whole) {
        let mut after = 0;
        loop {
            let page = journal.beside(PARTITION, part, after, PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            trailer.beside += page.len() as u64;
            for (_, beside) in page {
                to.line(&Line::Beside(beside))?;
            }
        }
    }
    trailer.blake3 = to.hasher.finalize().to_hex().to_string();
    to.line(&Line::Trailer(trailer.clone()))?;
    to.out.flush()?;
    Ok(trailer)
}

struct Writer<'a, W> {
    out: &'a mut W,
    hasher: blake3::Hasher,
}

impl<W: Write> Writer<'_, W> {
    fn line(&mut self, line: &Line) -> Result<(), Error> {
        let mut text = serde_json::to_vec(line).map_err(std::io::Error::from)?;
        // JSON that is carried as it was given may have line ends between its tokens, and nowhere else.
        for byte in text.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
            *byte = b' ';
        }
        text.push(b'\n');
        self.hasher.update(&text);
        self.out.write_all(&text)?;
        Ok(())
    }
}
