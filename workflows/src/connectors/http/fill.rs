//! Putting secrets in: what stands for one in a request is replaced just before the request goes out.
//!
//! A secret is stood for by U+E000, `secret:`, its name (and a dot and a path), U+E001, anywhere in a text. Both
//! characters are of the private use area, and texts from outside may hold them: the engine and the connector take
//! them out of all that comes from there ([`unmark`]), so that nobody but a workflow's author names a secret.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use promptsales_engine::effect::CallError;
use serde_json::Value;

use super::failure::refused;
use super::secrets::Secrets;
use super::text::{component, plain};
use super::veil::Veil;

const BEGIN: char = '\u{e000}';
const END: char = '\u{e001}';
const MARK: &str = "secret:";
const BEGIN_ENCODED: &str = "%EE%80%80";
const END_ENCODED: &str = "%EE%80%81";

/// What stands in the place of half a mark from outside.
const UNMARKED: &str = "\u{fffd}";

/// Replaces what stands for secrets in a request, and hides their values.
///
/// # Errors
///
/// [`CallError::Refused`] with `unknown_secret`.
pub(super) fn fill(request: &Value, secrets: &Secrets, veil: &mut Veil) -> Result<Value, CallError> {
    Fill { secrets, veil }.value(request, Part::Request)
}

/// What an authentication scheme takes from a secret: the members in place of `{ use: NAME }`.
///
/// # Errors
///
/// As [`fill`].
pub(super) fn members(name: &str, secrets: &Secrets) -> Result<Value, CallError> {
    match secrets.find(name) {
        Some(value) if value.is_object() => Ok(value),
        Some(_) => Err(refused("unknown_secret", format!("the secret `{name}` is no map"))),
        None => Err(missing(name)),
    }
}

/// Takes out of a value from outside what could stand for a secret, in texts and in keys.
pub(super) fn unmark(value: &mut Value) {
    match value {
        Value::String(text) => {
            if is_marked(text) {
                *text = unmarked(text);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(unmark),
        Value::Object(fields) => {
            if fields.keys().any(|name| is_marked(name)) {
                *fields = std::mem::take(fields)
                    .into_iter()
                    .map(|(name, field)| (unmarked(&name), field))
                    .collect();
            }
            fields.values_mut().for_each(unmark);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A text from outside without what could stand for a secret.
pub(super) fn unmarked(text: &str) -> String {
    let text = text.replace([BEGIN, END], UNMARKED);
    // In a URI they count as well.
    text.replace(BEGIN_ENCODED, "%EF%BF%BD").replace(END_ENCODED, "%EF%BF%BD")
}

fn is_marked(text: &str) -> bool {
    text.contains([BEGIN, END]) || text.contains(BEGIN_ENCODED) || text.contains(END_ENCODED)
}

/// What a value is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The request.
    Request,
    /// What the request carries, in which no name means anything.
    Carried,
    /// It is a URI.
    Uri,
}

impl Part {
    /// The part that a field of this one is.
    fn of(self, field: &str) -> Self {
        match (self, field) {
            (Self::Carried, _) | (_, "body" | "headers" | "parameters" | "query") => Self::Carried,
            (_, "uri" | "endpoint" | "server" | "authority") => Self::Uri,
            _ => Self::Request,
        }
    }
}

struct Fill<'a> {
    secrets: &'a Secrets,
    veil: &'a mut Veil,
}

impl Fill<'_> {
    fn value(&mut self, value: &Value, part: Part) -> Result<Value, CallError> {
        Ok(match value {
            Value::String(text) => match self.whole(text)? {
                Some(secret) => secret,
                None if part == Part::Uri => self.uri(text)?.into(),
                None => self.text(text, |secret, _| secret)?.into(),
            },
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.value(item, part)).collect::<Result<_, _>>()?)
            }
            Value::Object(fields) => {
                let mut filled = serde_json::Map::new();
                for (name, field) in fields {
                    let field = self.value(field, part.of(name))?;
                    filled.insert(self.text(name, |secret, _| secret)?, field);
                }
                Value::Object(filled)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        })
    }

    /// The secret that a text stands for, where it is nothing else: it keeps its shape.
    fn whole(&mut self, text: &str) -> Result<Option<Value>, CallError> {
        let inner = text.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END));
        let name =
            inner.and_then(|inner| inner.strip_prefix(MARK)).filter(|name| !name.contains([BEGIN, END]));
        name.map(|name| self.secret(name)).transpose()
    }

    /// A URI: a secret at its begin is a piece of a URI, one further on a piece of a component.
    fn uri(&mut self, text: &str) -> Result<String, CallError> {
        let text = decoded_marks(text);
        self.text(&text, |secret, at| match at {
            0 => secret,
            _ => component(&secret).replace("%2F", "/"),
        })
    }

    fn text(&mut self, text: &str, put: impl Fn(String, usize) -> String) -> Result<String, CallError> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(begin) = rest.find(BEGIN) {
            let after = &rest[begin + BEGIN.len_utf8()..];
            let Some((name, behind)) = after.strip_prefix(MARK).and_then(|after| after.split_once(END))
            else {
                filled.push_str(&rest[..begin + BEGIN.len_utf8()]);
                rest = after;
                continue;
            };
            filled.push_str(&rest[..begin]);
            let secret = plain(&self.secret(name)?).unwrap_or_default();
            let at = filled.len();
            filled.push_str(&put(secret, at));
            rest = behind;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn secret(&mut self, name: &str) -> Result<Value, CallError> {
        let value = self.secrets.find(name).ok_or_else(|| missing(name))?;
        self.veil.hide_all(&value);
        if value.is_object() {
            self.veil.hide(&value.to_string());
        }
        Ok(value)
    }
}

/// The text with marks that were taken for a part of the URI and encoded as such.
fn decoded_marks(text: &str) -> Cow<'_, str> {
    if !text.contains(BEGIN_ENCODED) {
        return Cow::Borrowed(text);
    }
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(BEGIN_ENCODED) {
        let Some((name, behind)) = after.split_once(END_ENCODED) else { break };
        decoded.push_str(before);
        decoded.push(BEGIN);
        decoded.push_str(&percent_decode_str(name).decode_utf8_lossy());
        decoded.push(END);
        rest = behind;
    }
    decoded.push_str(rest);
    Cow::Owned(decoded)
}

fn missing(name: &str) -> CallError {
    refused("unknown_secret", format!("there is no secret `{name}`"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secrets() -> (tempfile::TempDir, Secrets) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.json");
        std::fs::write(
            &path,
            r#"{ "key": "k&1/2", "db": { "user": "ada", "port": 5 }, "hook": "https://h.example/x?y=1" }"#,
        )
        .unwrap();
        (folder, Secrets::open(&path).unwrap())
    }

    #[test]
    fn secrets_are_put_in_wherever_they_are_stood_for() {
        let (_folder, secrets) = secrets();
        let mut veil = Veil::default();
        let request = json!({
            "endpoint": { "uri": "https://a.example/\u{e000}secret:key\u{e001}?k=%EE%80%80secret%3Akey%EE%80%81" },
            "headers": { "x": "Key \u{e000}secret:key\u{e001}, \u{e000}secret:db.user\u{e001}" },
            "body": { "db": "\u{e000}secret:db\u{e001}", "list": ["\u{e000}secret:db.port\u{e001}"], "n": 1, "uri": "x/\u{e000}secret:key\u{e001}" },
            "other": "\u{e000} alone, \u{e000}other:x\u{e001}"
        });
        let expected = json!({
            "endpoint": { "uri": "https://a.example/k%261/2?k=k%261/2" },
            "headers": { "x": "Key k&1/2, ada" },
            "body": { "db": { "user": "ada", "port": 5 }, "list": [5], "n": 1, "uri": "x/k&1/2" },
            "other": "\u{e000} alone, \u{e000}other:x\u{e001}"
        });
        assert_eq!(fill(&request, &secrets, &mut veil).unwrap(), expected);
        assert_eq!(veil.cover("k&1/2 ada k%261%2F2"), "[secret] [secret] [secret]");
    }

    #[test]
    fn a_whole_uri_may_be_a_secret() {
        let (_folder, secrets) = secrets();
        let filled = |uri: &str| fill(&json!({ "uri": uri }), &secrets, &mut Veil::default()).unwrap();
        assert_eq!(filled("\u{e000}secret:hook\u{e001}")["uri"], "https://h.example/x?y=1");
        assert_eq!(filled("\u{e000}secret:hook\u{e001}&z=2")["uri"], "https://h.example/x?y=1&z=2");
    }

    #[test]
    fn an_unknown_secret_is_refused_by_name() {
        let (_folder, secrets) = secrets();
        for name in ["nothing", "db.nothing"] {
            let request = json!({ "body": format!("\u{e000}secret:{name}\u{e001}") });
            let error = fill(&request, &secrets, &mut Veil::default()).unwrap_err();
            assert!(
                matches!(&error, CallError::Refused { code, message } if code == "unknown_secret" && message.contains(name))
            );
        }
        assert!(members("key", &secrets).is_err() && members("db", &secrets).is_ok());
    }
}
