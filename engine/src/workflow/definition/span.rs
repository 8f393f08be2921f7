//! Lengths of time: inline fields, or ISO 8601 text.

use std::time::Duration;

use serde_json::Value;

use super::compiler::{Compiler, Place};
use super::fields::Fields;
use super::ir::Span;
use super::problem::Problems;
use crate::workflow::expression::unwrap_expression;

/// The longest length that a definition can name: a hundred years.
const MOST: Duration = Duration::from_secs(100 * 366 * 86_400);

const UNITS: [(&str, u64); 5] = [
    ("days", 86_400_000),
    ("hours", 3_600_000),
    ("minutes", 60_000),
    ("seconds", 1_000),
    ("milliseconds", 1),
];

impl<'a> Compiler<'a> {
    /// Reads a length of time.
    pub(super) fn span(&mut self, value: &Value, at: &str, place: Place) -> Option<Span> {
        match value {
            Value::String(text) if unwrap_expression(text).is_some() => {
                self.expression(value, at, place).map(Span::Computed)
            }
            other => self.fixed_span(other, at).map(Span::Fixed),
        }
    }

    /// Reads a length of time that is no expression.
    pub(super) fn fixed_span(&mut self, value: &Value, at: &str) -> Option<Duration> {
        read_fixed(value, at, &mut self.problems)
    }
}

/// Reads a length of time that is no expression, in either form.
pub(crate) fn read_fixed(value: &Value, at: &str, problems: &mut Problems) -> Option<Duration> {
    let Value::String(text) = value else { return read_inline(value, at, problems) };
    match parse_iso(text) {
        Ok(span) => Some(span),
        Err(message) => {
            problems.error(at, message, "write it like `PT1H30M` or `{ hours: 1, minutes: 30 }`");
            None
        }
    }
}

fn read_inline(value: &Value, at: &str, problems: &mut Problems) -> Option<Duration> {
    let mut fields = Fields::open(value, at, problems)?;
    let mut total = Some(0u64);
    let mut found = false;
    for (unit, ms) in UNITS {
        let Some(value) = fields.get(unit) else { continue };
        found = true;
        let Some(count) = value.as_u64() else {
            let fix = "write a whole number that is not negative";
            problems.error(&fields.pointer(unit), "not a count", fix);
            continue;
        };
        total = total.and_then(|t| t.checked_add(count.checked_mul(ms)?));
    }
    fields.close(problems);
    if !found {
        problems.error(at, "the duration is empty", "give at least one of days to milliseconds");
        return None;
    }
    let span = total.map(Duration::from_millis).filter(|span| *span <= MOST);
    if span.is_none() {
        problems.error(at, "the duration is longer than a hundred years", "shorten it");
    }
    span
}

/// Parses an ISO 8601 duration of fixed length: weeks, days, hours, minutes, seconds.
///
/// # Errors
///
/// What is wrong with it. Years and months are refused, since their length is not fixed.
pub(in crate::workflow) fn parse_iso(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not an ISO 8601 duration");
    let body = text.strip_prefix('P').filter(|body| !body.is_empty()).ok_or_else(wrong)?;
    let (days, time) = match body.split_once('T') {
        Some((_, "")) => return Err(wrong()),
        Some((days, time)) => (days, time),
        None => (body, ""),
    };
    if days.contains(['Y', 'M']) {
        return Err(format!("`{text}` counts years or months, whose length is not fixed"));
    }
    let mut ms = 0f64;
    for (part, units) in [
        (days, &[('W', 604_800_000f64), ('D', 86_400_000f64)][..]),
        (time, &[('H', 3_600_000f64), ('M', 60_000f64), ('S', 1_000f64)][..]),
    ] {
        ms += parse_units(part, units).ok_or_else(wrong)?;
    }
    if ms > MOST.as_millis() as f64 {
        return Err(format!("`{text}` is longer than a hundred years"));
    }
    Ok(Duration::from_millis(ms.round() as u64))
}

fn parse_units(mut text: &str, units: &[(char, f64)]) -> Option<f64> {
    let mut total = 0f64;
    for (unit, ms) in units {
        let Some((number, rest)) = text.split_once(*unit) else { continue };
        let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let number: f64 = number.parse().ok().filter(|_| plain)?;
        total += number * ms;
        text = rest;
    }
    text.is_empty().then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_durations_of_fixed_length_are_read() {
        let cases = [
            ("PT30S", Some(30_000)),
            ("P1DT2H", Some(93_600_000)),
            ("PT0.5S", Some(500)),
            ("P2W", Some(1_209_600_000)),
            ("PT1H30M", Some(5_400_000)),
            ("P1M", None),
            ("P1Y", None),
            ("PT", None),
            ("P", None),
            ("PT1M1H", None),
            ("30S", None),
            ("PT-1S", None),
            ("P999999999D", None),
        ];
        for (text, ms) in cases {
            assert_eq!(parse_iso(text).ok().map(|d| d.as_millis()), ms, "{text}");
        }
    }
}
