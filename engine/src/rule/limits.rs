//! How often a rule acts.

use std::time::Duration;

use serde_json::Value;

use super::formula::Formula;
use super::reader::Reader;
use super::shown::told;
use crate::workflow::definition::read_span;

/// The shortest and the longest time of a limit.
const SPANS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(366 * 86_400)];

/// The longest key, in bytes.
const LONGEST_KEY: usize = 256;

/// How often a rule acts for each key.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// What the key is; none for the subject of the event.
    pub per: Option<Formula>,
    /// True if it acts once for each key, for ever.
    pub once: bool,
    /// How long it rests after it has acted.
    pub cooldown: Option<Duration>,
    /// How long it has to be quiet before it acts.
    pub debounce: Option<Duration>,
}

impl Limits {
    /// Reads the limits at a place of a document.
    pub(super) fn read(reader: &mut Reader, value: &Value, at: &str) -> Option<Self> {
        let mut fields = reader.open(value, at)?;
        let per = match fields.get("per") {
            Some(value) => Some(reader.scalar(value, &fields.pointer("per"))?),
            None => None,
        };
        let once = fields.flag("once", &mut reader.problems);
        let [cooldown, debounce] = ["cooldown", "debounce"]
            .map(|name| fields.get(name).map(|value| read_limit(reader, value, &fields.pointer(name))));
        if once && cooldown.is_some() {
            let message = "what is done once for ever has no time to rest";
            reader.error(&fields.pointer("cooldown"), message, "remove `cooldown`, or `once`");
        }
        if !once && cooldown.is_none() && debounce.is_none() {
            let message = "nothing is limited";
            reader.error(at, message, "add `once: true`, `cooldown` or `debounce`, or remove `limits`");
        }
        fields.close(&mut reader.problems);
        Some(Self { per, once, cooldown: cooldown.flatten(), debounce: debounce.flatten() })
    }

    /// The key that the facts are counted under.
    ///
    /// # Errors
    ///
    /// Why there is none, as a sentence.
    pub fn key(&self, facts: &Value) -> Result<String, String> {
        match &self.per {
            Some(formula) => key_of("per", &formula.evaluate(facts)?),
            None => match facts.pointer("/event/subject") {
                Some(subject) => key_of("the event's subject", subject),
                None => Err("the event has no subject to count under; name another key in `per`".to_owned()),
            },
        }
    }
}

/// The text of a key: a text, a number, or true or false.
pub(super) fn key_of(what: &str, value: &Value) -> Result<String, String> {
    let key = match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            return Err(format!("`{what}` gave {}, and a key is a text, a number or a flag", told(value)));
        }
    };
    if key.is_empty() || key.len() > LONGEST_KEY {
        return Err(format!("`{what}` gave a key of {} bytes; it has 1 to {LONGEST_KEY}", key.len()));
    }
    Ok(key)
}

fn read_limit(reader: &mut Reader, value: &Value, at: &str) -> Option<Duration> {
    let span = read_span(value, at, &mut reader.problems)?;
    if !(SPANS[0]..=SPANS[1]).contains(&span) {
        reader.error(at, "the time is out of bounds", "write a time from one second to 366 days");
        return None;
    }
    Some(span)
}
