//! The places of JSON. The text has been read before, so that it is known to be JSON.

use std::iter::Peekable;
use std::str::CharIndices;

use super::{Builder, Content, Places, Position};

/// Finds the places in a text that is JSON.
pub(super) fn places(source: &str) -> Places {
    let mut builder = Builder::default();
    let mut text = Text { source, chars: source.char_indices().peekable(), line: 1, column: 1 };
    while let Some((start, first)) = text.peek() {
        let at = Position::new(text.line, text.column);
        match first {
            '{' => drop(builder.begin(at, Content::Mapping(Vec::new()))),
            '[' => drop(builder.begin(at, Content::List(Vec::new()))),
            '}' | ']' => builder.end(),
            '"' => {
                let raw = text.string(start);
                let read = serde_json::from_str(raw).unwrap_or_default();
                builder.plain(at, read);
                continue;
            }
            c if c == ',' || c == ':' || c.is_ascii_whitespace() => {}
            _ => {
                text.word();
                builder.plain(at, String::new());
                continue;
            }
        }
        text.advance();
    }
    builder.finish()
}

struct Text<'a> {
    source: &'a str,
    chars: Peekable<CharIndices<'a>>,
    line: usize,
    column: usize,
}

impl<'a> Text<'a> {
    fn peek(&mut self) -> Option<(usize, char)> {
        self.chars.peek().copied()
    }

    fn advance(&mut self) -> Option<char> {
        let (_, c) = self.chars.next()?;
        match c {
            '\n' => (self.line, self.column) = (self.line + 1, 1),
            _ => self.column += 1,
        }
        Some(c)
    }

    /// Passes a string, and gives it with its quotes.
    fn string(&mut self, start: usize) -> &'a str {
        self.advance();
        while let Some(c) = self.advance() {
            match c {
                '\\' => drop(self.advance()),
                '"' => break,
                _ => {}
            }
        }
        let end = self.peek().map_or(self.source.len(), |(index, _)| index);
        &self.source[start..end]
    }

    /// Passes a number, `true`, `false` or `null`.
    fn word(&mut self) {
        while let Some((_, c)) = self.peek()
            && !matches!(c, ',' | '}' | ']')
            && !c.is_ascii_whitespace()
        {
            self.advance();
        }
    }
}
