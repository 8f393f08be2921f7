//! Requests: who asks for what, and the reading of fields with errors that name them.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use promptsales_engine::effect::{Call, CallError, EffectKey};
use promptsales_engine::id::digest;
use serde_json::{Map, Value};

use super::state::{Change, Entry};

/// A call, as the sandbox keeps and compares it.
pub(super) struct Asked {
    /// `connector.operation`.
    pub(super) operation: String,
    /// The idempotency key.
    pub(super) key: EffectKey,
    /// The request in its one form: no spaces, keys sorted.
    pub(super) json: String,
}

impl Asked {
    pub(super) fn new(connector: &str, call: &Call<'_>) -> Self {
        let mut json = String::new();
        canonical(call.request, &mut json);
        Self { operation: format!("{connector}.{}", call.operation), key: call.key, json }
    }

    /// What tells this request from others under the same key.
    pub(super) fn digest(&self) -> u64 {
        digest64("sandbox request", &[&self.operation, &self.json])
    }

    pub(super) fn executed(&self, change: Change) -> Entry {
        let operation = self.operation.clone();
        Entry::Executed { operation, key: self.key, digest: self.digest(), change }
    }
}

/// Hashes parts into 64 bits: enough to tell things apart that nobody makes alike on purpose.
pub(super) fn digest64(purpose: &str, parts: &[&str]) -> u64 {
    let bytes = digest(purpose, parts);
    u64::from_be_bytes(*bytes.first_chunk().expect("a digest has 16 bytes"))
}

/// Writes a value with sorted keys, so that equal requests are equal texts.
fn canonical(value: &Value, into: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort_unstable();
            into.push('{');
            for (place, name) in names.into_iter().enumerate() {
                if place > 0 {
                    into.push(',');
                }
                scalar(&Value::from(name.as_str()), into);
                into.push(':');
                canonical(&fields[name], into);
            }
            into.push('}');
        }
        Value::Array(items) => {
            into.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    into.push(',');
                }
                canonical(item, into);
            }
            into.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => scalar(value, into),
    }
}

fn scalar(value: &Value, into: &mut String) {
    write!(into, "{value}").expect("a string takes what is written to it");
}

/// A refusal.
pub(super) fn refused(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> CallError {
    CallError::Refused { code: code.into(), message: message.into() }
}

/// The refusal of an operation that a connector does not have.
pub(super) fn unknown_operation(connector: &str, operation: &str) -> CallError {
    refused("unknown_operation", format!("`{connector}` has no operation `{operation}`"))
}

/// The id of what a call makes: a prefix and 80 bits of its key, from both ends, since one end may be a time.
pub(super) fn id_of(prefix: &str, key: EffectKey) -> String {
    let hex = key.uuid().simple().to_string();
    format!("{prefix}-{}{}", &hex[..12], &hex[24..])
}

/// The fields of an object in a request. Fields that nobody asks for are left alone; null counts as absent.
pub(super) struct Fields<'a> {
    fields: &'a Map<String, Value>,
    path: String,
}

impl<'a> Fields<'a> {
    /// The fields of the whole request.
    pub(super) fn of_request(request: &'a Value) -> Result<Self, CallError> {
        Self::of(request, String::new())
    }

    fn of(value: &'a Value, path: String) -> Result<Self, CallError> {
        match value {
            Value::Object(fields) => Ok(Self { fields, path }),
            _ if path.is_empty() => Err(refused("invalid_request", "the request must be an object")),
            _ => Err(invalid(&path, "must be an object")),
        }
    }

    /// The full name of a field, for messages.
    pub(super) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    fn need(&self, name: &str) -> Result<&'a Value, CallError> {
        self.get(name).ok_or_else(|| invalid(&self.path(name), "is missing"))
    }

    /// A text that must be there and say something.
    pub(super) fn text(&self, name: &str) -> Result<&'a str, CallError> {
        self.need(name)?;
        self.optional_text(name)?.ok_or_else(|| invalid(&self.path(name), "must not be empty"))
    }

    /// A text that may be absent; an empty one counts as absent.
    pub(super) fn optional_text(&self, name: &str) -> Result<Option<&'a str>, CallError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.trim().is_empty())),
            Some(_) => Err(invalid(&self.path(name), "must be a text")),
        }
    }

    /// A whole number that must be there.
    pub(super) fn integer(&self, name: &str) -> Result<i64, CallError> {
        let wrong = || invalid(&self.path(name), "must be a whole number");
        self.need(name)?.as_i64().ok_or_else(wrong)
    }

    /// A number of characters that may be absent.
    pub(super) fn optional_length(&self, name: &str, least: usize) -> Result<Option<usize>, CallError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let length = value.as_u64().and_then(|length| usize::try_from(length).ok());
        match length.filter(|length| *length >= least) {
            Some(length) => Ok(Some(length)),
            None => Err(invalid(&self.path(name), format_args!("must be a whole number from {least} on"))),
        }
    }

    /// An object that must be there.
    pub(super) fn object(&self, name: &str) -> Result<Self, CallError> {
        Self::of(self.need(name)?, self.path(name))
    }

    /// A list that must be there and hold something.
    pub(super) fn list(&self, name: &str) -> Result<&'a [Value], CallError> {
        match self.need(name)? {
            Value::Array(items) if !items.is_empty() => Ok(items),
            _ => Err(invalid(&self.path(name), "must be a list with at least one entry")),
        }
    }

    /// A list of objects that must be there and hold something.
    pub(super) fn objects(&self, name: &str) -> Result<Vec<Self>, CallError> {
        let items = self.list(name)?.iter().enumerate();
        items.map(|(place, item)| Self::of(item, format!("{}[{place}]", self.path(name)))).collect()
    }

    /// The texts of a list that may be absent; what is no text in it is passed over.
    pub(super) fn texts(&self, name: &str) -> Vec<&'a str> {
        let items = self.get(name).and_then(Value::as_array);
        items.into_iter().flatten().filter_map(Value::as_str).collect()
    }
}

/// The refusal of a field.
pub(super) fn invalid(path: &str, what: impl fmt::Display) -> CallError {
    refused("invalid_request", format!("`{path}` {what}"))
}
