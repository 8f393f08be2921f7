//! From text to a tree: JSON or YAML from outside, with limits.

use promptsales_engine::codec::tree::{Limits, Room};
use serde_json::Value;

const LIMITS: Limits = Limits { depth: 100, values: 500_000, bytes: 16 * 1024 * 1024, is_strict: false };

/// Reads JSON, or else YAML; says what is wrong with it.
pub(super) fn read(bytes: &[u8]) -> Result<Value, String> {
    let room = Room::new(LIMITS);
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = room.read(&mut json).and_then(|value| json.end().map(|()| value));
    match read {
        Ok(value) => return Ok(value),
        Err(_) if room.is_exceeded() => return Err(TOO_LARGE.to_owned()),
        Err(_) => {}
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no text".to_owned())?;
    let room = Room::new(LIMITS);
    room.read(serde_yaml_ng::Deserializer::from_str(text)).map_err(|error| {
        match (room.is_exceeded(), error.location()) {
            (true, _) => TOO_LARGE.to_owned(),
            (false, Some(at)) => format!("line {} is neither JSON nor YAML", at.line()),
            (false, None) => "it is neither JSON nor YAML".to_owned(),
        }
    })
}

const TOO_LARGE: &str = "it holds too much, or too deep";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_yaml_give_the_same_tree() {
        let yaml = "openapi: 3.1.0\nlist: &l [1, -2, 2.5, true, ~]\nagain: *l\n200: 'a'\n";
        let json = r#"{"openapi": "3.1.0", "list": [1, -2, 2.5, true, null], "again": [1, -2, 2.5, true, null], "200": "a"}"#;
        assert_eq!(read(yaml.as_bytes()).unwrap(), read(json.as_bytes()).unwrap());
        assert_eq!(read(b"a: .nan").unwrap(), serde_json::json!({ "a": null }));
    }

    #[test]
    fn a_text_that_stands_for_too_much_is_not_read() {
        let values = format!("a: &a [{}]\nb: [{}]\n", "1,".repeat(1000), "*a,".repeat(1000));
        let texts = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), "*a,".repeat(1000));
        let keys = format!("a: &a {{ {}: 1 }}\nb: [{}]\n", "k".repeat(1000), "*a,".repeat(50_000));
        let levels = (0..200).fold("a0: &a0 [1]\n".to_owned(), |text, level| {
            format!("{text}a{}: &a{} [*a{level}]\n", level + 1, level + 1)
        });
        let cases = [
            ("values", values),
            ("texts", texts),
            ("keys", keys),
            ("levels", levels),
            ("plain values", format!("[{}1]", "1,".repeat(600_000))),
            ("plain levels", format!("{}{}", "[".repeat(110), "]".repeat(110))),
            ("levels of maps", format!("{}1{}", "{\"a\":".repeat(110), "}".repeat(110))),
        ];
        for (name, text) in cases {
            assert!(text.len() < 4 * 1024 * 1024, "{name}");
            assert_eq!(read(text.as_bytes()), Err(TOO_LARGE.to_owned()), "{name}");
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        assert_eq!(read(b"<html>: no: {").unwrap_err(), "line 1 is neither JSON nor YAML");
        assert_eq!(read(&[0xff, 0xfe]).unwrap_err(), "it is no text");
    }
}
