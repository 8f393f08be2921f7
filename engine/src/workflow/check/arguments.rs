//! Whether the arguments of a call can fit the action's JSON Schema, as far as that is known before a run.

use serde_json::{Map, Value};

use super::Problems;
use crate::workflow::definition::{clip, suggestion};
use crate::workflow::expression::unwrap_expression;

/// Checks arguments against the schema of an action's input. Expressions pass: their values are not known.
pub(super) fn check(schema: &Value, arguments: &Value, at: &str, problems: &mut Problems) {
    match arguments {
        value if !has_expression(value) => check_literal(schema, value, at, problems),
        Value::Object(fields) => check_fields(schema, fields, at, problems),
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for (index, item) in items.iter().enumerate() {
                    check(schema, item, &format!("{at}/{index}"), problems);
                }
            }
        }
        _ => {}
    }
}

fn check_fields(schema: &Value, fields: &Map<String, Value>, at: &str, problems: &mut Problems) {
    check_required(schema, fields, at, problems);
    let Some(known) = schema.get("properties").and_then(Value::as_object) else { return };
    for (name, value) in fields {
        let pointer = format!("{at}/{name}");
        match known.get(name) {
            Some(schema) => check(schema, value, &pointer, problems),
            None if schema.get("additionalProperties") == Some(&Value::Bool(false)) => {
                refuse_unknown(name, known, &pointer, problems);
            }
            None => {}
        }
    }
}

fn check_literal(schema: &Value, value: &Value, at: &str, problems: &mut Problems) {
    // Fields are looked at one by one, so that each problem stands at its own place.
    if let (Value::Object(fields), Some(_)) = (value, schema.get("properties")) {
        return check_fields(schema, fields, at, problems);
    }
    let Ok(validator) = jsonschema::validator_for(schema) else { return };
    for error in validator.iter_errors(value).take(3) {
        let pointer = format!("{at}{}", error.instance_path());
        problems.error(&pointer, clip(&error.to_string()), "give a value that fits the action's input");
    }
}

fn check_required(schema: &Value, fields: &Map<String, Value>, at: &str, problems: &mut Problems) {
    let required = schema.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            problems.error(at, format!("the argument `{name}` is missing"), format!("add `{name}`"));
        }
    }
}

fn refuse_unknown(name: &str, known: &Map<String, Value>, at: &str, problems: &mut Problems) {
    let known: Vec<&str> = known.keys().map(String::as_str).collect();
    let fix = suggestion(name, known.iter().copied(), || match known.join("`, `") {
        none if none.is_empty() => "remove it; the action takes no arguments".to_owned(),
        names => format!("remove it, or use one of `{names}`"),
    });
    problems.error(at, format!("the action has no argument `{name}`"), fix);
}

fn has_expression(value: &Value) -> bool {
    match value {
        Value::String(text) => unwrap_expression(text).is_some(),
        Value::Array(items) => items.iter().any(has_expression),
        Value::Object(fields) => fields.values().any(has_expression),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
