//! The first look at a source, without recursion: only what passes reaches jaq's parser, which recurses.
//!
//! What counts as an operator is everything that can make the parser, the compiler or the interpreter recurse:
//! operators, keywords, path steps, brackets and the escapes of strings.

use super::CompileError;

/// Bytes that a source may have.
const MAX_BYTES: usize = 8 * 1024;

/// Levels that brackets and strings may be nested.
const MAX_NESTING: usize = 64;

/// Operators that a source may have.
const MAX_OPERATORS: usize = 400;

const KEYWORDS: &[&str] =
    &["and", "as", "catch", "def", "elif", "else", "foreach", "if", "label", "or", "reduce", "then", "try"];

/// Checks length, nesting and number of operators of a source.
pub(super) fn check(source: &str) -> Result<(), CompileError> {
    if source.len() > MAX_BYTES {
        return Err(CompileError::TooLong { bytes: source.len(), limit: MAX_BYTES });
    }
    let mut scanner = Scanner { source: source.as_bytes(), at: 0, open: Vec::new(), operators: 0 };
    while scanner.at < scanner.source.len() {
        match scanner.open.last() {
            Some(b'"') => scanner.in_text()?,
            _ => scanner.in_code()?,
        }
    }
    Ok(())
}

struct Scanner<'a> {
    source: &'a [u8],
    at: usize,
    /// What is open: brackets and quotes.
    open: Vec<u8>,
    operators: usize,
}

impl Scanner<'_> {
    fn in_text(&mut self) -> Result<(), CompileError> {
        let byte = self.source[self.at];
        match (byte, self.source.get(self.at + 1)) {
            (b'"', _) => {
                self.open.pop();
            }
            (b'\\', next) => {
                self.operator()?;
                self.at += 1;
                if next == Some(&b'(') {
                    self.open(b'(')?;
                }
            }
            _ => (),
        }
        self.at += 1;
        Ok(())
    }

    fn in_code(&mut self) -> Result<(), CompileError> {
        let byte = self.source[self.at];
        match byte {
            b'#' => return self.comment(),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => return self.word(),
            b'"' | b'(' | b'[' | b'{' => {
                self.operator()?;
                self.open(byte)?;
            }
            b')' | b']' | b'}' => {
                // Which bracket is closed is the parser's business: it opens as many levels as there are here.
                self.open.pop();
            }
            b'|' | b'=' | b'!' | b'<' | b'>' | b'+' | b'-' | b'*' | b'/' | b'%' => {
                self.operator()?;
                self.at += 1;
                // Of these only a minus begins a new operator; this is how jaq cuts them.
                while self.source.get(self.at).is_some_and(|next| b"|=!<>+*/%".contains(next)) {
                    self.at += 1;
                }
                return Ok(());
            }
            b'.' | b',' | b'?' | b';' | b'$' | b'@' => self.operator()?,
            _ => (),
        }
        self.at += 1;
        Ok(())
    }

    fn word(&mut self) -> Result<(), CompileError> {
        let rest = &self.source[self.at..];
        let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        if KEYWORDS.iter().any(|keyword| keyword.as_bytes() == &rest[..length]) {
            self.operator()?;
        }
        self.at += length;
        Ok(())
    }

    /// Skips a comment; one whose line ends in an odd number of backslashes goes on in the next line.
    fn comment(&mut self) -> Result<(), CompileError> {
        loop {
            let rest = &self.source[self.at..];
            let end = rest.iter().position(|byte| *byte == b'\n');
            let line = &rest[..end.unwrap_or(rest.len())];
            self.at += end.map_or(rest.len(), |end| end + 1);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let backslashes = line.iter().rev().take_while(|byte| **byte == b'\\').count();
            if backslashes % 2 == 0 || end.is_none() {
                return Ok(());
            }
        }
    }

    fn open(&mut self, bracket: u8) -> Result<(), CompileError> {
        self.open.push(bracket);
        match self.open.len() > MAX_NESTING {
            true => Err(CompileError::TooNested { position: self.at, limit: MAX_NESTING }),
            false => Ok(()),
        }
    }

    fn operator(&mut self) -> Result<(), CompileError> {
        self.operators += 1;
        match self.operators > MAX_OPERATORS {
            true => Err(CompileError::TooManyOperators { position: self.at, limit: MAX_OPERATORS }),
            false => Ok(()),
        }
    }
}
