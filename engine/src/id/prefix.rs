//! Prefixes: what kind of thing an id names.

use std::fmt;
use std::str::FromStr;

use super::IdError;

/// The prefix of an id: one to eight lowercase letters that name its kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix([u8; 8]);

impl Prefix {
    /// Makes a prefix of a constant.
    ///
    /// # Panics
    ///
    /// At compile time, when the text is not one to eight lowercase letters.
    pub const fn new(text: &str) -> Self {
        let bytes = text.as_bytes();
        assert!(!bytes.is_empty() && bytes.len() <= 8, "a prefix has 1 to 8 letters");
        let mut prefix = [0; 8];
        let mut i = 0;
        while i < bytes.len() {
            assert!(bytes[i].is_ascii_lowercase(), "a prefix has lowercase letters only");
            prefix[i] = bytes[i];
            i += 1;
        }
        Self(prefix)
    }

    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|b| *b == 0).unwrap_or(8);
        std::str::from_utf8(&self.0[..len]).expect("a prefix is made of ASCII letters")
    }
}

impl FromStr for Prefix {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let ok = (1..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase());
        if !ok {
            return Err(IdError::BadPrefix { text: text.to_owned() });
        }
        Ok(Self::new(text))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
