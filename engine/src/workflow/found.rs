//! What runs are found by, and what can be asked of that: see [`Index`](crate::projection::index::Index).

use serde_json::Value;

use super::machine::Status;
use crate::clock::Timestamp;
use crate::projection::index::{Field, Term, Test};

/// The fields of every run, beside its attributes.
pub const FIELDS: [&str; 7] = ["status", "workflow", "version", "key", "parent", "startedAt", "endedAt"];

/// What the fields of attributes begin with.
pub const ATTRIBUTE: &str = "attr.";

/// The filters of runs: their names, and what passes each.
pub const FILTERS: &[(&str, &str)] = &[
    ("status", "only runs of these statuses, joined by commas"),
    ("workflow", "only runs of these workflows, joined by commas"),
    ("version", "only runs of this version"),
    ("key", "only runs that were started under this key"),
    ("parent", "only runs that this run has started"),
    ("since", "only runs started at or after this moment (RFC 3339)"),
    ("until", "only runs started before this moment (RFC 3339)"),
    ("endedSince", "only runs that ended at or after this moment (RFC 3339)"),
    ("endedUntil", "only runs that ended before this moment (RFC 3339)"),
    (
        "attr.NAME",
        "only runs with this search attribute; `attr.NAME.from` and `attr.NAME.below` are bounds of numbers, texts \
         or times",
    ),
];

/// The most filters that are asked at once, and the most values of one filter.
const MOST: usize = 16;

/// A filter that cannot be asked: which, where it is one, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrongFilter {
    /// One of them.
    #[error("`{name}`: {reason}")]
    One {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There are too many.
    #[error("use {MOST} filters at most, and {MOST} values in each")]
    TooMany,
}

/// Whether there is a filter of this name.
pub fn is_filter(name: &str) -> bool {
    name.starts_with(ATTRIBUTE) || FILTERS.iter().any(|(known, _)| *known == name)
}

/// What filters ask of runs.
///
/// # Errors
///
/// [`WrongFilter`].
pub fn tests(filters: &[(String, String)]) -> Result<Vec<(String, Test)>, WrongFilter> {
    let asked = |(name, text): &(String, String)| {
        test(name, text).map_err(|reason| WrongFilter::One { name: name.clone(), reason })
    };
    let tests: Vec<_> = filters.iter().map(asked).collect::<Result<_, _>>()?;
    let counts = tests.iter().map(|(_, test)| if let Test::Is(any) = test { any.len() } else { 1 });
    match counts.chain([tests.len()]).any(|count| count > MOST) {
        true => Err(WrongFilter::TooMany),
        false => Ok(tests),
    }
}

/// What a filter asks.
fn test(name: &str, text: &str) -> Result<(String, Test), String> {
    let time = || text.parse::<Timestamp>().map(Term::time).map_err(|e| e.to_string());
    let any = || Test::Is(text.split(',').map(Term::text).collect());
    let test = match name {
        "status" => {
            let unknown = |one: &&str| !Status::ALL.iter().any(|known| known.name() == *one);
            if let Some(one) = text.split(',').find(unknown) {
                let names = Status::ALL.map(Status::name).join("`, `");
                return Err(format!("there is no status `{one}`; use `{names}`"));
            }
            (name, any())
        }
        "workflow" => (name, any()),
        "version" | "key" | "parent" => (name, Test::Is(vec![Term::text(text)])),
        "since" => ("startedAt", Test::From(time()?)),
        "until" => ("startedAt", Test::Below(time()?)),
        "endedSince" => ("endedAt", Test::From(time()?)),
        "endedUntil" => ("endedAt", Test::Below(time()?)),
        _ => return attribute_test(name, text),
    };
    Ok((test.0.to_owned(), test.1))
}

fn attribute_test(name: &str, text: &str) -> Result<(String, Test), String> {
    let Some(of) = name.strip_prefix(ATTRIBUTE) else {
        let names: Vec<_> = FILTERS.iter().map(|(name, _)| *name).collect();
        return Err(format!("there is no such filter; use `{}`", names.join("`, `")));
    };
    let mut meant = Term::meant(text);
    let (of, bound) = of.split_once('.').map_or((of, None), |(of, bound)| (of, Some(bound)));
    let test = match bound {
        None => Test::Is(meant),
        Some("from") => Test::From(meant.swap_remove(0)),
        Some("below") => Test::Below(meant.swap_remove(0)),
        Some(_) => return Err("use `attr.NAME`, `attr.NAME.from` or `attr.NAME.below`".to_owned()),
    };
    if !is_attribute(of) {
        return Err(format!("`{of}` cannot be the name of an attribute"));
    }
    Ok((format!("{ATTRIBUTE}{of}"), test))
}

/// Whether a text can be the name of an attribute.
pub fn is_attribute(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    name.len() <= 64 && name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(is_plain)
}

/// Reads what a run is found by from how it is shown. One that is set aside needs attention, and nothing else of it is
/// known.
pub fn fields(run: Option<&Value>) -> Vec<Field> {
    let Some(run) = run else {
        return vec![("status".to_owned(), Term::text(Status::NeedsAttention.name()))];
    };
    let own = FIELDS.iter().filter_map(|name| Some(((*name).to_owned(), term(&run[name])?)));
    let mut fields: Vec<Field> = own.collect();
    for (name, value) in run["attributes"].as_object().into_iter().flatten() {
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        fields.extend(values.iter().filter_map(|value| Some((format!("{ATTRIBUTE}{name}"), term(value)?))));
    }
    fields
}

fn term(value: &Value) -> Option<Term> {
    match value {
        Value::String(text) => Some(Term::text(text)),
        Value::Number(number) => number.as_f64().map(Term::Number),
        Value::Bool(flag) => Some(Term::Text(flag.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_run_is_found_by_what_it_is_and_by_its_attributes() {
        let run = json!({
            "id": "run_1", "workflow": "w", "version": "1.0.0", "status": "waiting", "input": {}, "error": null,
            "startedAt": "2026-01-01T00:00:00.000Z", "endedAt": null,
            "attributes": { "region": "CR", "score": 12, "tags": ["a", "b"], "paid": true, "at": "2026-01-01T01:00:00+01:00" },
        });
        let text = |text: &str| Term::Text(text.to_owned());
        let wanted = [
            ("status", text("waiting")),
            ("workflow", text("w")),
            ("version", text("1.0.0")),
            ("startedAt", text("2026-01-01T00:00:00.000Z")),
            ("attr.at", text("2026-01-01T00:00:00.000Z")),
            ("attr.paid", text("true")),
            ("attr.region", text("CR")),
            ("attr.score", Term::Number(12.0)),
            ("attr.tags", text("a")),
            ("attr.tags", text("b")),
        ];
        let mut found = fields(Some(&run));
        found.sort_by(|a, b| a.partial_cmp(b).unwrap());
        let mut wanted: Vec<_> = wanted.map(|(name, term)| (name.to_owned(), term)).into();
        wanted.sort_by(|a, b| a.partial_cmp(b).unwrap());
        assert_eq!(found, wanted);
    }
}
