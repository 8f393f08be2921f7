//! Values as they stand in explanations: short, whatever they are.

use std::io;

use serde::Serialize;
use serde_json::Value;

/// The longest value that an explanation keeps, in bytes of JSON.
const KEPT: usize = 256;

/// The longest value in a sentence, in bytes of JSON.
const TOLD: usize = 80;

/// A value, or a text that shows its beginning, in at most 256 bytes of JSON.
pub(super) fn kept(value: &Value) -> Value {
    if begins(value, KEPT).is_ok() {
        return value.clone();
    }
    match value {
        Value::String(text) => cut(text),
        other => cut(&begins(other, KEPT).unwrap_or_else(|beginning| beginning)),
    }
}

/// A value as JSON for a sentence, cut where it is long.
pub(super) fn told(value: &Value) -> String {
    begins(value, TOLD).unwrap_or_else(|beginning| format!("{beginning}…"))
}

/// The size of a value in bytes of JSON, as far as a limit and a little more.
pub(super) fn is_over(value: &impl Serialize, most: usize) -> bool {
    serde_json::to_writer(Beginning { bytes: Vec::new(), most, keeps: false, seen: 0 }, value).is_err()
}

/// The longest beginning of a text that is kept.
fn cut(text: &str) -> Value {
    let mut room = KEPT - "\"…\"".len();
    let fits = |c: &char| {
        let bytes = match c {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            c if u32::from(*c) < 0x20 => 6,
            c => c.len_utf8(),
        };
        room.checked_sub(bytes).inspect(|left| room = *left).is_some()
    };
    let mut beginning: String = text.chars().take_while(fits).collect();
    beginning.push('…');
    Value::String(beginning)
}

/// The JSON of a value, or as an error the beginning of one that is longer.
fn begins(value: &Value, most: usize) -> Result<String, String> {
    let mut beginning = Beginning { bytes: Vec::new(), most, keeps: true, seen: 0 };
    let whole = serde_json::to_writer(&mut beginning, value);
    let mut bytes = beginning.bytes;
    // What was cut within a character ends before it.
    let sound = std::str::from_utf8(&bytes).map_or_else(|e| e.valid_up_to(), str::len);
    bytes.truncate(sound);
    let text = String::from_utf8(bytes).unwrap_or_default();
    if whole.is_ok() { Ok(text) } else { Err(text) }
}

/// Takes what is written until there is too much of it.
struct Beginning {
    bytes: Vec<u8>,
    most: usize,
    keeps: bool,
    seen: usize,
}

impl io::Write for Beginning {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.most - self.seen;
        let taken = bytes.len().min(room);
        if self.keeps {
            self.bytes.extend_from_slice(&bytes[..taken]);
        }
        self.seen += taken;
        if taken < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_short_stays_as_it_is() {
        for value in [json!(null), json!(12), json!("x".repeat(254)), json!({ "a": [1, "b"] })] {
            assert_eq!(kept(&value), value);
        }
        assert_eq!(told(&json!({ "a": [1, "b"] })), r#"{"a":[1,"b"]}"#);
    }

    #[test]
    fn what_is_long_is_cut_whatever_is_in_it() {
        let values = [
            json!("x".repeat(255)),
            json!("é".repeat(200)),
            json!("\"\\\u{1}\n".repeat(100)),
            json!(["é\"".repeat(200)]),
            json!(vec!["a"; 10_000]),
        ];
        for value in values {
            let short = kept(&value);
            let bytes = short.to_string().len();
            assert!((200..=KEPT).contains(&bytes), "{bytes}: {short}");
            assert!(short.as_str().unwrap().ends_with('…'), "{short}");
            assert!(told(&value).len() <= TOLD + '…'.len_utf8());
        }
    }

    #[test]
    fn the_size_is_measured() {
        assert!(!is_over(&json!("x".repeat(98)), 100));
        assert!(is_over(&json!("x".repeat(99)), 100));
    }
}
