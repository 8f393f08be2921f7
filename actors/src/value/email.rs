//! E-mail addresses (RFC 5321 and 5322, with Unicode by RFC 6531).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use email_address::{EmailAddress, Options};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::shown;

/// A text that is not an e-mail address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an e-mail address: use one like `ana@example.com`, without a name around it")]
pub struct EmailError {
    text: String,
}

/// An e-mail address; its domain in lowercase letters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct Email(String);

impl Email {
    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Email {
    type Err = EmailError;

    fn from_str(text: &str) -> Result<Self, EmailError> {
        let refused = || EmailError { text: shown(text) };
        let options = Options::default().with_required_tld().without_display_text().without_domain_literal();
        let address = EmailAddress::parse_with_options(text.trim(), options).map_err(|_| refused())?;
        let normal = format!("{}@{}", address.local_part(), address.domain().to_lowercase());
        if normal.len() > 254 {
            return Err(refused());
        }
        Ok(Self(normal))
    }
}

impl TryFrom<Cow<'_, str>> for Email {
    type Error = EmailError;

    fn try_from(text: Cow<'_, str>) -> Result<Self, EmailError> {
        text.parse()
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for Email {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Email".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "idn-email", "maxLength": 254 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_is_made_lowercase() {
        assert_eq!(" Ana.Ñ@Example.COM ".parse::<Email>().unwrap().as_str(), "Ana.Ñ@example.com");
    }

    #[test]
    fn what_is_no_address_is_refused_by_its_name() {
        for text in ["", "ana", "ana@", "@example.com", "Ana <ana@example.com>", "ana@[127.0.0.1]", "a@b"] {
            let error = text.parse::<Email>().unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}
