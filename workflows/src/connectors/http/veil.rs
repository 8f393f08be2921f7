//! The veil: what was secret in a call, so that nothing that comes out of it repeats it.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use promptsales_engine::effect::CallError;
use serde_json::Value;

use super::failure::reworded;
use super::text::component;

/// What stands in a secret's place.
pub(super) const COVERED: &str = "[secret]";

/// The shortest secret that is looked for in an answer: shorter ones occur in every text by chance.
const SHORTEST_IN_ANSWERS: usize = 4;

/// The secrets of a call, in the forms in which they travel.
#[derive(Default)]
pub(super) struct Veil(BTreeSet<String>);

impl Veil {
    /// Hides a text from now on.
    pub(super) fn hide(&mut self, secret: &str) {
        if secret.is_empty() {
            return;
        }
        let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let encoded = component(secret);
        let in_path = encoded.replace("%2F", "/");
        // JSON may stand in a text of JSON.
        let quoted = quoted_within(secret);
        let twice = quoted_within(&quoted);
        let plain = secret.to_owned();
        self.0.extend([plain, quoted, twice, encoded, in_path, form, STANDARD.encode(secret)]);
    }

    /// Hides every text within a value.
    pub(super) fn hide_all(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.hide(text),
            Value::Array(items) => items.iter().for_each(|item| self.hide_all(item)),
            Value::Object(fields) => fields.values().for_each(|field| self.hide_all(field)),
            Value::Number(number) => self.hide(&number.to_string()),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// The text without what is hidden.
    pub(super) fn cover(&self, text: &str) -> String {
        self.cover_from(text, 1)
    }

    /// Whether anything hidden stands in a text.
    pub(super) fn is_in(&self, text: &str) -> bool {
        self.0.iter().any(|secret| text.contains(secret))
    }

    /// Covers what is hidden in an answer; a number where all of it is.
    pub(super) fn cover_answer(&self, answer: &mut Value) {
        if self.0.iter().all(|secret| secret.len() < SHORTEST_IN_ANSWERS) {
            return;
        }
        match answer {
            Value::String(text) => *text = self.cover_from(text, SHORTEST_IN_ANSWERS),
            Value::Array(items) => items.iter_mut().for_each(|item| self.cover_answer(item)),
            Value::Object(fields) => {
                for (name, mut field) in std::mem::take(fields) {
                    self.cover_answer(&mut field);
                    fields.insert(self.cover_from(&name, SHORTEST_IN_ANSWERS), field);
                }
            }
            Value::Number(number) => {
                let text = number.to_string();
                if text.len() >= SHORTEST_IN_ANSWERS && self.0.contains(&text) {
                    *answer = COVERED.into();
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// Covers what is hidden in the words of an error.
    pub(super) fn cover_error(&self, error: CallError) -> CallError {
        reworded(error, |message| self.cover(message))
    }

    fn cover_from(&self, text: &str, shortest: usize) -> String {
        let mut found: Vec<&String> =
            self.0.iter().filter(|secret| secret.len() >= shortest && text.contains(*secret)).collect();
        // The longest first, so that no rest of one stays that begins as another does.
        found.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        found.iter().fold(text.to_owned(), |text, secret| text.replace(*secret, COVERED))
    }
}

/// A text as it stands within a text of JSON.
fn quoted_within(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_covered_in_each_of_its_forms() {
        let mut veil = Veil::default();
        veil.hide("pa ss\"&w/rd");
        veil.hide("pa ss\"&w/rd-longer");
        let text = "pa ss\"&w/rd pa ss\\\"&w/rd pa%20ss%22%26w%2Frd pa+ss%22%26w%2Frd pa ss\"&w/rd-longer cGEgc3MiJncvcmQ=";
        let expected = [COVERED; 6].join(" ");
        assert_eq!(veil.cover(text), expected);
        let mut answer = serde_json::json!({ "pa ss\"&w/rd": ["x pa+ss%22%26w%2Frd", 1, null] });
        veil.cover_answer(&mut answer);
        assert_eq!(answer, serde_json::json!({ "[secret]": ["x [secret]", 1, null] }));
    }

    #[test]
    fn a_number_that_is_secret_is_covered() {
        let mut veil = Veil::default();
        veil.hide_all(&serde_json::json!({ "pin": 271_828, "short": 12 }));
        let mut answer = serde_json::json!([271_828, 2_718_281, 12, { "a": 271_828 }]);
        veil.cover_answer(&mut answer);
        assert_eq!(answer, serde_json::json!([COVERED, 2_718_281, 12, { "a": COVERED }]));
    }

    #[test]
    fn very_short_secrets_leave_answers_readable() {
        let mut veil = Veil::default();
        veil.hide("a");
        let mut answer = serde_json::json!("a banana");
        veil.cover_answer(&mut answer);
        assert_eq!(answer, "a banana");
        assert!(!veil.cover("bad").contains("ba"), "errors say nothing");
    }
}
