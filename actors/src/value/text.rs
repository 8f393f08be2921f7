//! Text with bounds: not empty, not too long, no control characters.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::shown;

/// A text that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// There is nothing in it.
    #[error("the text is empty: give at least one character that is no space")]
    Empty,
    /// It is longer than the place allows.
    #[error("`{text}` has {length} characters: shorten it to {max}")]
    TooLong {
        /// The beginning of it.
        text: String,
        /// Its length in characters.
        length: usize,
        /// The limit in characters.
        max: usize,
    },
    /// It holds something that cannot be shown.
    #[error("`{text}` holds the control character U+{code:04X}: remove it")]
    Control {
        /// The beginning of it, without control characters.
        text: String,
        /// The character.
        code: u32,
    },
}

/// A text of 1 to `MAX` characters (Unicode scalar values), without space around it. Lines and tabs are allowed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct Text<const MAX: usize>(String);

/// The caller's own key of an entity.
pub type ExternalKey = Text<128>;

impl<const MAX: usize> Text<MAX> {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same text under another limit; cut at that limit if it is longer.
    #[must_use]
    pub fn cut<const TO: usize>(&self) -> Text<TO> {
        let short: String = self.0.chars().take(TO).collect();
        Text(short.trim_end().to_owned())
    }
}

impl<const MAX: usize> TryFrom<Cow<'_, str>> for Text<MAX> {
    type Error = TextError;

    fn try_from(text: Cow<'_, str>) -> Result<Self, TextError> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(TextError::Empty);
        }
        if trimmed.len() > MAX {
            let length = trimmed.chars().count();
            if length > MAX {
                return Err(TextError::TooLong { text: shown(trimmed), length, max: MAX });
            }
        }
        let control = |c: &char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        if let Some(found) = trimmed.chars().find(control) {
            let clean: String = trimmed.chars().filter(|c| !c.is_control()).collect();
            return Err(TextError::Control { text: shown(&clean), code: found.into() });
        }
        Ok(Self(if trimmed.len() == text.len() { text.into_owned() } else { trimmed.to_owned() }))
    }
}

impl<const MAX: usize> FromStr for Text<MAX> {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        Self::try_from(Cow::Borrowed(text))
    }
}

impl<const MAX: usize> From<Text<MAX>> for String {
    fn from(text: Text<MAX>) -> Self {
        text.0
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<const MAX: usize> JsonSchema for Text<MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Text{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": MAX })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_trimmed_and_counted_in_characters() {
        assert_eq!("  Campaña  ".parse::<Text<7>>().map(String::from), Ok("Campaña".to_owned()));
        let long = "Campañas".parse::<Text<7>>();
        assert_eq!(long, Err(TextError::TooLong { text: "Campañas".into(), length: 8, max: 7 }));
    }

    #[test]
    fn nothing_and_control_characters_are_refused() {
        assert_eq!(" \n".parse::<Text<7>>(), Err(TextError::Empty));
        assert!(matches!("a\u{0}b".parse::<Text<7>>(), Err(TextError::Control { code: 0, .. })));
        assert!("a\nb".parse::<Text<7>>().is_ok());
    }
}
