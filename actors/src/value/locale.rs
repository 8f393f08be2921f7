//! Locales: language tags (BCP 47, RFC 5646).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use oxilangtag::LanguageTag;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::shown;

/// A text that is not a language tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a locale: use a language tag of BCP 47, like `es-CR` or `en`")]
pub struct LocaleError {
    text: String,
}

/// A language, with region and script where they matter, in its canonical case: `es-CR`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct Locale(String);

impl Locale {
    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The language alone: `es`.
    pub fn language(&self) -> &str {
        self.0.split('-').next().unwrap_or_default()
    }
}

impl FromStr for Locale {
    type Err = LocaleError;

    fn from_str(text: &str) -> Result<Self, LocaleError> {
        let refused = || LocaleError { text: shown(text) };
        if text.len() > 35 {
            return Err(refused());
        }
        let tag = LanguageTag::parse_and_normalize(&text.replace('_', "-")).map_err(|_| refused())?;
        if !(2..=3).contains(&tag.primary_language().len()) {
            return Err(refused());
        }
        Ok(Self(tag.into_inner()))
    }
}

impl TryFrom<Cow<'_, str>> for Locale {
    type Error = LocaleError;

    fn try_from(text: Cow<'_, str>) -> Result<Self, LocaleError> {
        text.parse()
    }
}

impl From<Locale> for String {
    fn from(locale: Locale) -> Self {
        locale.0
    }
}

impl fmt::Display for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for Locale {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Locale".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 2, "maxLength": 35, "description": "BCP 47 language tag" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_brought_to_its_canonical_case() {
        let locale: Locale = "ES_cr".parse().unwrap();
        assert_eq!((locale.as_str(), locale.language()), ("es-CR", "es"));
    }

    #[test]
    fn what_is_no_tag_is_refused() {
        for text in ["", "español", "e", "es--CR", "x-private"] {
            assert!(text.parse::<Locale>().is_err(), "{text}");
        }
    }
}
