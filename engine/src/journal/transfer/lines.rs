//! Lines as they are read: each with its number, digested on the way.

use std::io::BufRead;

use super::{Error, Line};

/// Reads lines with their numbers, and digests what it reads.
pub(super) struct Lines<R> {
    pub(super) from: R,
    /// The line that was read last, from 1.
    pub(super) number: u64,
    hasher: blake3::Hasher,
    text: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, number: 0, hasher: blake3::Hasher::new(), text: Vec::new() }
    }

    /// The next line; with the digest of everything before it where it is the last.
    pub(super) fn next(&mut self) -> Result<(Line, Option<String>), Error> {
        self.text.clear();
        self.number += 1;
        self.from.read_until(b'\n', &mut self.text)?;
        if self.text.last() != Some(&b'\n') {
            return Err(self.wrong("the file is cut off here"));
        }
        let line: Line =
            serde_json::from_slice(&self.text).map_err(|error| self.wrong(&error.to_string()))?;
        if let Line::Trailer(_) = line {
            return Ok((line, Some(self.hasher.finalize().to_hex().to_string())));
        }
        self.hasher.update(&self.text);
        Ok((line, None))
    }

    pub(super) fn wrong(&self, reason: &str) -> Error {
        Error::Format { line: self.number, reason: reason.to_owned() }
    }
}
