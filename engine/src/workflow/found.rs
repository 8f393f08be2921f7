//! What runs are found by: see [`Index`](crate::projection::index::Index).

use serde_json::Value;

use super::machine::Status;
use crate::projection::index::{Field, Term};

/// The fields of every run, beside its attributes.
pub const FIELDS: [&str; 7] = ["status", "workflow", "version", "key", "parent", "startedAt", "endedAt"];

/// What the fields of attributes begin with.
pub const ATTRIBUTE: &str = "attr.";

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
