//! Web addresses (RFC 3986, http and https only).

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::shown;

/// A text that is not a web address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a web address: use one like `https://example.com/verano`, without spaces or a password"
)]
pub struct UrlError {
    text: String,
}

/// An address that begins with `https://` or `http://`, of at most 2,048 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct WebUrl(String);

impl WebUrl {
    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address with more parameters behind those that it has, before its fragment.
    #[must_use]
    pub fn with_query(&self, pairs: &[(&str, &str)]) -> Self {
        let (address, fragment) =
            self.0.split_once('#').map_or((self.0.as_str(), None), |(a, f)| (a, Some(f)));
        let mut url = address.to_owned();
        for (name, value) in pairs {
            let separator = if !url.contains('?') {
                "?"
            } else if url.ends_with(['?', '&']) {
                ""
            } else {
                "&"
            };
            url.push_str(separator);
            encode(name, &mut url);
            url.push('=');
            encode(value, &mut url);
        }
        if let Some(fragment) = fragment {
            url.push('#');
            url.push_str(fragment);
        }
        Self(url)
    }
}

/// Percent-encodes what is not unreserved (RFC 3986, section 2.3).
fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(byte.into());
        } else {
            write!(into, "%{byte:02X}").expect("a String takes everything");
        }
    }
}

impl FromStr for WebUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let refused = || UrlError { text: shown(text) };
        let trimmed = text.trim();
        let rest = trimmed.strip_prefix("https://").or_else(|| trimmed.strip_prefix("http://"));
        let rest = rest.ok_or_else(refused)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        let forbidden = |c: char| c.is_whitespace() || c.is_control() || "<>\"\\^`{|}".contains(c);
        let ok = !host.is_empty() && !authority.contains('@') && !rest.contains(forbidden);
        if !ok || trimmed.len() > 2048 {
            return Err(refused());
        }
        Ok(Self(trimmed.to_owned()))
    }
}

impl TryFrom<Cow<'_, str>> for WebUrl {
    type Error = UrlError;

    fn try_from(text: Cow<'_, str>) -> Result<Self, UrlError> {
        text.parse()
    }
}

impl From<WebUrl> for String {
    fn from(url: WebUrl) -> Self {
        url.0
    }
}

impl fmt::Display for WebUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for WebUrl {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "WebUrl".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^\\s*https?://", "maxLength": 2048 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_go_behind_the_query_and_before_the_fragment() {
        let with = |text: &str| {
            let url: WebUrl = text.parse().unwrap();
            url.with_query(&[("utm_source", "e mail"), ("ñ", "1")]).to_string()
        };
        assert_eq!(with("https://a.example/x#f"), "https://a.example/x?utm_source=e%20mail&%C3%B1=1#f");
        assert_eq!(with("https://a.example?b=1"), "https://a.example?b=1&utm_source=e%20mail&%C3%B1=1");
        assert_eq!(with("https://a.example?"), "https://a.example?utm_source=e%20mail&%C3%B1=1");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "example.com", "ftp://a.example", "https://", "https://u:p@a.example", "https://a b"]
        {
            assert!(text.parse::<WebUrl>().is_err(), "{text}");
        }
    }
}
