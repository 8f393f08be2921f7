//! Functions on text: prefixes, encodings and regular expressions.

use std::rc::Rc;

use jaq_core::native::{Filter, bome, unary, v};
use jaq_core::{Cv, RunPtr};

use super::super::meter;
use super::super::pattern::{Flags, Pattern, Span};
use super::super::value::{Error, Kind, Val, ValR};
use super::Cage;

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const HTML: [(char, &str); 5] =
    [('<', "&lt;"), ('>', "&gt;"), ('&', "&amp;"), ('\'', "&#39;"), ('"', "&quot;")];

const TSV: [(char, &str); 4] = [('\\', "\\\\"), ('\t', "\\t"), ('\n', "\\n"), ('\r', "\\r")];

/// The natives of this file.
pub(super) fn natives() -> Vec<Filter<RunPtr<Cage>>> {
    vec![
        ("split", v(1), |cv| unary(cv, split)),
        ("ltrimstr", v(1), |cv| unary(cv, |value, part| Ok(strip(value, &part, true, false)))),
        ("rtrimstr", v(1), |cv| unary(cv, |value, part| Ok(strip(value, &part, false, true)))),
        ("trimstr", v(1), |cv| unary(cv, |value, part| Ok(strip(value, &part, true, true)))),
        ("escape_html", v(0), |cv| bome(cv.1.try_text().map(|text| Val::text(escape(text, &HTML))))),
        ("escape_tsv", v(0), |cv| bome(cv.1.try_text().map(|text| Val::text(escape(text, &TSV))))),
        ("encode_uri", v(0), |cv| bome(cv.1.try_text().map(|text| Val::text(encode_uri(text))))),
        ("decode_uri", v(0), |cv| bome(cv.1.try_text().and_then(|text| decode_uri(text)))),
        ("encode_base64", v(0), |cv| bome(cv.1.try_text().map(|text| Val::text(encode_base64(text))))),
        ("decode_base64", v(0), |cv| bome(cv.1.try_text().and_then(|text| decode_base64(text)))),
        ("test", v(2), |cv| bome(regex(cv, |pattern, text| Ok(pattern.is_match(text).into())))),
        ("find", v(2), |cv| bome(regex(cv, find))),
        ("pieces", v(2), |cv| bome(regex(cv, pieces))),
    ]
}

fn split(value: Val, separator: Val) -> ValR {
    match (&value.kind, &separator.kind) {
        (Kind::Text(_), Kind::Text(_)) => value / separator,
        _ => Err(Error::str("split takes a string and a string to split it at")),
    }
}

fn strip(value: Val, part: &Val, start: bool, end: bool) -> Val {
    let (Some(text), Some(part)) = (value.as_text(), part.as_text()) else { return value };
    let mut rest = text.as_str();
    if start {
        rest = rest.strip_prefix(part.as_str()).unwrap_or(rest);
    }
    if end {
        rest = rest.strip_suffix(part.as_str()).unwrap_or(rest);
    }
    if rest.len() == text.len() { value } else { Val::text(rest) }
}

fn escape(text: &str, replacements: &[(char, &str)]) -> String {
    meter::charge_bytes(8 * text.len());
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match replacements.iter().find(|(from, _)| *from == c) {
            Some((_, to)) => escaped.push_str(to),
            None => escaped.push(c),
        }
    }
    escaped
}

fn encode_uri(text: &str) -> String {
    meter::charge_bytes(8 * text.len());
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn decode_uri(text: &str) -> ValR {
    meter::charge_bytes(8 * text.len());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = match (first, tail) {
            (b'%', [high, low, ..]) => {
                hexadecimal(*high).zip(hexadecimal(*low)).map(|(high, low)| 16 * high + low)
            }
            _ => None,
        };
        bytes.push(code.unwrap_or(*first));
        rest = &tail[if code.is_some() { 2 } else { 0 }..];
    }
    Ok(Val::text(String::from_utf8_lossy(&bytes)))
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn encode_base64(text: &str) -> String {
    meter::charge_bytes(8 * text.len());
    let mut encoded = String::with_capacity(text.len().div_ceil(3) * 4);
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte))
            << (8 * (3 - chunk.len()));
        for position in 0..4 {
            let letter = char::from(BASE64[bits >> (18 - 6 * position) & 63]);
            encoded.push(if position <= chunk.len() { letter } else { '=' });
        }
    }
    encoded
}

fn decode_base64(text: &str) -> ValR {
    meter::charge_bytes(8 * text.len());
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let value = BASE64.iter().position(|known| *known == letter);
        let value = value.ok_or_else(|| Error::str("cannot decode: this is not base64"))?;
        bits = (bits << 6 | value as u32) & 0xff_ffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    Ok(Val::text(String::from_utf8_lossy(&bytes)))
}

/// Compiles the pattern of a call with pattern and flags and runs `work` on it and the input as characters.
fn regex(mut cv: Cv<'_, Cage>, work: fn(&Pattern, &[char]) -> ValR) -> ValR {
    let flags = cv.0.pop_var();
    let pattern = cv.0.pop_var();
    let flags = match flags.kind {
        Kind::Null => Flags::default(),
        _ => Flags::parse(flags.try_text()?)
            .map_err(|letter| Error::str(format_args!("{letter:?} is no flag of a regular expression")))?,
    };
    let pattern = Pattern::compile(pattern.try_text()?, flags)
        .map_err(|why| Error::str(format_args!("{pattern} is no regular expression: {why}")))?;
    let text = cv.1.try_text()?;
    meter::charge_bytes(8 * text.len());
    let text: Vec<char> = text.chars().collect();
    work(&pattern, &text)
}

fn part(text: &[char], (start, end): Span) -> Val {
    meter::charge_bytes(4 * (end - start));
    Val::text(text[start..end].iter().collect::<String>())
}

fn field(name: &str, value: Val) -> (Rc<String>, Val) {
    (Rc::new(name.to_owned()), value)
}

/// Describes the matches as `match` of jq does.
fn find(pattern: &Pattern, text: &[char]) -> ValR {
    let describe = |span: Option<Span>| match span {
        Some((start, end)) => [
            ("offset", Val::from(start)),
            ("length", Val::from(end - start)),
            ("string", part(text, (start, end))),
        ],
        None => [("offset", Val::from(-1_isize)), ("length", Val::from(0_usize)), ("string", Val::default())],
    };
    let capture = |(span, name): (&Option<Span>, &Option<Rc<String>>)| {
        let name = name.as_ref().map(|name| Kind::Text(Rc::clone(name)).into()).unwrap_or_default();
        Val::object(describe(*span).into_iter().chain([("name", name)]).map(|(key, value)| field(key, value)))
    };
    let matches = pattern.matches(text).into_iter().map(|groups| {
        let captures: Val = groups.iter().skip(1).zip(pattern.names()).map(capture).collect();
        let whole = describe(groups.first().copied().flatten());
        Val::object(whole.into_iter().chain([("captures", captures)]).map(|(key, value)| field(key, value)))
    });
    Ok(matches.collect())
}

/// Cuts the text at the matches: between two strings stands an object with the named groups of the match.
fn pieces(pattern: &Pattern, text: &[char]) -> ValR {
    let mut pieces = Vec::new();
    let mut from = 0;
    for groups in pattern.matches(text) {
        let Some((start, end)) = groups.first().copied().flatten() else { continue };
        pieces.push(part(text, (from, start)));
        let named = groups.iter().skip(1).zip(pattern.names()).filter_map(|(span, name)| {
            let value = span.map(|span| part(text, span)).unwrap_or_default();
            name.as_ref().map(|name| (Rc::clone(name), value))
        });
        pieces.push(Val::object(named));
        from = end;
    }
    pieces.push(part(text, (from, text.len())));
    Ok(pieces.into_iter().collect())
}
