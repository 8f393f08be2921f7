//! From a document to a condition.

use serde_json::Value;

use super::{Clause, Condition, Field, Operation};
use crate::rule::formula::Formula;
use crate::rule::reader::Reader;
use crate::workflow::definition::{Fields, join, kind_of, suggestion};
use crate::workflow::expression::unwrap_expression;

/// What to do where a condition should be.
const WRITE: &str = "write a clause, like `{ field: event.data.total, op: gte, value: 100 }`, `all`, `any`, `not`, or \
                     an expression in `${ }`";

/// What to do with the list of an `all` or `any`.
const WRITE_LIST: &str = "write a list of clauses, like `- { field: event.data.total, op: gte, value: 100 }`";

impl Condition {
    /// Reads the condition at a place of a document.
    pub(in crate::rule) fn read(reader: &mut Reader, value: &Value, at: &str) -> Option<Self> {
        if !reader.count_part(at) {
            return None;
        }
        match value {
            Value::String(text) if unwrap_expression(text).is_some() => {
                if !reader.count_test(at) {
                    return None;
                }
                let formula = Formula::read(reader, value, at)?;
                Some(Self::Expression { text: text.trim().to_owned(), formula })
            }
            Value::Object(_) => read_mapping(reader, value, at),
            Value::Array(_) => {
                reader.error(at, "a list does not say whether all or any must hold", "write `all: [...]`");
                None
            }
            other => {
                let message = match other {
                    Value::String(_) => "the text is no expression".to_owned(),
                    other => format!("expected a condition, found {}", kind_of(other)),
                };
                reader.error(at, message, WRITE);
                None
            }
        }
    }
}

fn read_mapping(reader: &mut Reader, value: &Value, at: &str) -> Option<Condition> {
    let mut fields = reader.open(value, at)?;
    let [all, any, not] = ["all", "any", "not"].map(|name| fields.get(name).map(|value| (name, value)));
    let is_clause = ["field", "op", "value"].iter().any(|name| fields.has(name));
    let forms = [all, any, not].iter().flatten().count() + usize::from(is_clause);
    let is_empty = value.as_object().is_none_or(|fields| fields.is_empty());
    let mut read = Vec::new();
    if is_clause {
        read.push(read_clause(reader, &mut fields).map(Condition::Clause));
    } else {
        // Asked for so that they are known where a name is mistyped.
        for name in ["field", "op", "value"] {
            fields.get(name);
        }
    }
    read.extend(all.map(|(name, value)| read_list(reader, value, &join(at, name)).map(Condition::All)));
    read.extend(any.map(|(name, value)| read_list(reader, value, &join(at, name)).map(Condition::Any)));
    read.extend(not.map(|(name, value)| {
        let inner = Condition::read(reader, value, &join(at, name))?;
        Some(Condition::Not(Box::new(inner)))
    }));
    match forms {
        1 => {}
        0 if is_empty => reader.error(at, "the condition is empty", WRITE),
        // What stands there instead is told as unknown.
        0 => {}
        _ => {
            let message = "a condition is one of `all`, `any`, `not` and a clause";
            reader.error(at, message, "put each into a list under `all`");
        }
    }
    fields.close(&mut reader.problems);
    read.pop().flatten()
}

fn read_list(reader: &mut Reader, value: &Value, at: &str) -> Option<Vec<Condition>> {
    let items = reader.list(value, at, WRITE_LIST)?.iter().enumerate();
    let read: Vec<_> =
        items.map(|(index, item)| Condition::read(reader, item, &format!("{at}/{index}"))).collect();
    read.into_iter().collect()
}

fn read_clause(reader: &mut Reader, fields: &mut Fields<'_>) -> Option<Clause> {
    let field = reader.text(fields, "field").and_then(|text| {
        let refused = |(message, fix): (String, String)| reader.error(&fields.pointer("field"), message, fix);
        Field::parse(text).map_err(refused).ok()
    });
    let operation = reader.text(fields, "op").and_then(|name| {
        let known = Operation::ALL.iter().find(|(known, _)| *known == name);
        if known.is_none() {
            let names = Operation::ALL.map(|(name, _)| name);
            let fix = suggestion(name, names, || format!("use one of `{}`", names.join("`, `")));
            reader.error(&fields.pointer("op"), format!("`{name}` is no operation"), fix);
        }
        known.map(|(_, operation)| *operation)
    });
    let value = match (operation, fields.get("value")) {
        (Some(Operation::Exists), None) => Value::Bool(true),
        (_, Some(value)) => value.clone(),
        (Some(_), None) => {
            let message = "`value` is missing";
            reader.error(&fields.at, message, "add `value`, the constant that is compared with");
            return None;
        }
        (None, None) => return None,
    };
    let (field, operation) = (field?, operation?);
    let at = fields.pointer("value");
    if has_expression(&value) {
        let fix = "compare with an expression, like `when: ${ .entity.a >= .entity.b }`";
        reader.error(&at, "a clause compares with a constant", fix);
        return None;
    }
    if let Some(wanted) = operation.refuses(&value) {
        let name = Operation::ALL.iter().find(|(_, known)| *known == operation).map_or("", |(name, _)| name);
        let message = format!("`{name}` does not compare with {}", kind_of(&value));
        reader.error(&at, message, format!("write {wanted}"));
        return None;
    }
    Some(Clause { field, operation, value })
}

/// True if a text in `${ }` stands in a value.
fn has_expression(value: &Value) -> bool {
    match value {
        Value::String(text) => unwrap_expression(text).is_some(),
        Value::Array(items) => items.iter().any(has_expression),
        Value::Object(fields) => fields.values().any(has_expression),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
