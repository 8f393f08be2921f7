//! How a field is compared with a constant, and how that is said.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use crate::rule::shown::told;

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// The same value.
    Eq,
    /// Another value, or none.
    Ne,
    /// A number that is greater, or a text that comes later.
    Gt,
    /// The same, or equal.
    Gte,
    /// A number that is less, or a text that comes earlier.
    Lt,
    /// The same, or equal.
    Lte,
    /// One of the values of a list.
    In,
    /// A text in which this text stands, or a list with this item.
    Contains,
    /// A text that begins so.
    StartsWith,
    /// A text that ends so.
    EndsWith,
    /// Any value, or none.
    Exists,
}

impl Operation {
    /// All of them, by their names.
    pub(super) const ALL: [(&str, Self); 11] = [
        ("eq", Self::Eq),
        ("ne", Self::Ne),
        ("gt", Self::Gt),
        ("gte", Self::Gte),
        ("lt", Self::Lt),
        ("lte", Self::Lte),
        ("in", Self::In),
        ("contains", Self::Contains),
        ("startsWith", Self::StartsWith),
        ("endsWith", Self::EndsWith),
        ("exists", Self::Exists),
    ];

    /// Says what a constant must be, if this one cannot be compared with.
    pub(super) fn refuses(self, value: &Value) -> Option<&'static str> {
        let fits = match self {
            Self::Eq | Self::Ne | Self::Contains => !value.is_null(),
            Self::Gt | Self::Gte | Self::Lt | Self::Lte => value.is_number() || value.is_string(),
            Self::In => {
                value.as_array().is_some_and(|items| !items.is_empty() && !items.contains(&Value::Null))
            }
            Self::StartsWith | Self::EndsWith => value.is_string(),
            Self::Exists => value.is_boolean(),
        };
        let wanted = match self {
            Self::Eq | Self::Ne | Self::Contains => "a value; to ask whether there is one, use `exists`",
            Self::Gt | Self::Gte | Self::Lt | Self::Lte => "a number or a text",
            Self::In => "a list of values",
            Self::StartsWith | Self::EndsWith => "a text",
            Self::Exists => "`true` or `false`",
        };
        (!fits).then_some(wanted)
    }

    /// True if what was found is as the constant wants it.
    pub(super) fn holds(self, found: Option<&Value>, value: &Value) -> bool {
        let Some(found) = found else {
            return match self {
                Self::Ne => true,
                Self::Exists => *value == Value::Bool(false),
                Self::Eq | Self::Gt | Self::Gte | Self::Lt | Self::Lte => false,
                Self::In | Self::Contains | Self::StartsWith | Self::EndsWith => false,
            };
        };
        let ordered = |fits: fn(Ordering) -> bool| order(found, value).is_some_and(fits);
        match self {
            Self::Eq => is_same(found, value),
            Self::Ne => !is_same(found, value),
            Self::Gt => ordered(Ordering::is_gt),
            Self::Gte => ordered(Ordering::is_ge),
            Self::Lt => ordered(Ordering::is_lt),
            Self::Lte => ordered(Ordering::is_le),
            Self::In => value.as_array().is_some_and(|items| items.iter().any(|item| is_same(found, item))),
            Self::Contains => match (found, value) {
                (Value::Array(items), value) => items.iter().any(|item| is_same(item, value)),
                (Value::String(text), Value::String(part)) => text.contains(part.as_str()),
                _ => false,
            },
            Self::StartsWith => texts(found, value).is_some_and(|(text, part)| text.starts_with(part)),
            Self::EndsWith => texts(found, value).is_some_and(|(text, part)| text.ends_with(part)),
            Self::Exists => *value == Value::Bool(true),
        }
    }

    /// True if what was found is of a type that can be compared with the constant.
    pub(super) fn fits_type(self, found: &Value, value: &Value) -> bool {
        match self {
            Self::Eq | Self::Ne | Self::In | Self::Exists => true,
            Self::Gt | Self::Gte | Self::Lt | Self::Lte => order(found, value).is_some(),
            Self::Contains => found.is_array() || texts(found, value).is_some(),
            Self::StartsWith | Self::EndsWith => texts(found, value).is_some(),
        }
    }

    /// What a field should do, or should not.
    pub(super) fn in_words(self, value: &Value, wanted: bool) -> String {
        let told = told(value);
        let (does, is_wanted) = match self {
            Self::Eq => (format!("be {told}"), wanted),
            Self::Ne => (format!("be {told}"), !wanted),
            Self::Gt => (format!("be more than {told}"), wanted),
            Self::Gte => (format!("be at least {told}"), wanted),
            Self::Lt => (format!("be less than {told}"), wanted),
            Self::Lte => (format!("be at most {told}"), wanted),
            Self::In => (format!("be one of {told}"), wanted),
            Self::Contains => (format!("contain {told}"), wanted),
            Self::StartsWith => (format!("begin with {told}"), wanted),
            Self::EndsWith => (format!("end with {told}"), wanted),
            Self::Exists => ("be there".to_owned(), (*value == Value::Bool(true)) == wanted),
        };
        if is_wanted { does } else { format!("not {does}") }
    }
}

/// Equality in which 1 and 1.0 are one number.
fn is_same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => order_numbers(left, right) == Some(Ordering::Equal),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| is_same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let in_right =
                |(name, value): (&String, &Value)| right.get(name).is_some_and(|other| is_same(value, other));
            left.len() == right.len() && left.iter().all(in_right)
        }
        (left, right) => left == right,
    }
}

/// The order of two numbers or two texts; other values have none.
fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => order_numbers(left, right),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

/// Whole numbers are compared exactly, as expressions do it.
fn order_numbers(left: &Number, right: &Number) -> Option<Ordering> {
    match (left.as_i128(), right.as_i128()) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}

fn texts<'a>(left: &'a Value, right: &'a Value) -> Option<(&'a str, &'a str)> {
    left.as_str().zip(right.as_str())
}
