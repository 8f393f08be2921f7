//! Writing the lines of an export: digested and counted on the way.

use std::io::Write;

use super::{Beside, Cursor, Error, FORMAT, Gone, Header, Line, PAGE, Part, Trailer};
use crate::journal::{Event, Info, Journal, Position};

/// Writes an export's lines, from the first to the last.
pub(super) struct Writer<'a, W> {
    out: &'a mut W,
    hasher: blake3::Hasher,
    written: Trailer,
}

impl<'a, W: Write> Writer<'a, W> {
    /// Writes the first line.
    pub(super) fn begin(out: &'a mut W, info: &Info, since: Position) -> Result<Self, Error> {
        let secret = || blake3::Hash::from_bytes(*info.secret.bytes()).to_hex().to_string();
        let secret = (since == 0).then(secret);
        let written = Trailer { position: since, events: 0, gone: 0, beside: 0, blake3: String::new() };
        let mut begun = Self { out, hasher: blake3::Hasher::new(), written };
        let (log, history) = (info.log, info.history);
        begun.line(&Line::Header(Header { format: FORMAT, log, history, since, secret }))?;
        Ok(begun)
    }

    /// The position that was written last.
    pub(super) fn position(&self) -> Position {
        self.written.position
    }

    pub(super) fn event(&mut self, event: Event) -> Result<(), Error> {
        self.written.position = event.position;
        self.written.events += 1;
        self.line(&Line::Event(event))
    }

    pub(super) fn gone(&mut self, gone: Gone) -> Result<(), Error> {
        self.written.position = gone.position;
        self.written.gone += 1;
        self.line(&Line::Gone(gone))
    }

    /// Writes everything that stands beside the events, each as `told` has it.
    pub(super) async fn beside(
        &mut self,
        journal: &dyn Journal,
        told: impl Fn(Beside) -> Beside,
    ) -> Result<(), Error> {
        for part in Part::ALL {
            let mut after = Cursor::default();
            loop {
                let page = journal.beside(part, after, PAGE).await?;
                let Some((last, _)) = page.last() else { break };
                after = *last;
                self.written.beside += page.len() as u64;
                for (_, beside) in page {
                    self.line(&Line::Beside(told(beside)))?;
                }
            }
        }
        Ok(())
    }

    /// Writes the last line.
    pub(super) fn end(mut self) -> Result<Trailer, Error> {
        self.written.blake3 = self.hasher.finalize().to_hex().to_string();
        self.line(&Line::Trailer(self.written.clone()))?;
        self.out.flush()?;
        Ok(self.written)
    }

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
