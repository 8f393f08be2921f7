//! Arithmetic: integers stay exact, results that are whole numbers are integers.

use std::ops::{Add, Div, Mul, Neg, Rem, Sub};
use std::rc::Rc;

use jaq_core::ops::Math;

use super::super::meter;
use super::{Error, Kind, Object, Val, ValR};

/// Largest magnitude up to which every integer has a float of its own: 2^53.
const EXACT_FLOAT: f64 = 9_007_199_254_740_992.0;

/// Makes a number of a float: an integer if it is a whole one, so that 1.5 * 2 is 3 and not 3.0.
pub(in super::super) fn normal(value: f64) -> Val {
    meter::charge(1);
    if value.fract() == 0.0 && value.abs() <= EXACT_FLOAT {
        return Kind::Int(value as i64).into();
    }
    Kind::Float(value).into()
}

/// Makes a number of an integer: exact where JSON can hold it, else a float.
pub(super) fn integer(value: i128) -> Val {
    meter::charge(1);
    if let Ok(value) = i64::try_from(value) {
        return Kind::Int(value).into();
    }
    match u64::try_from(value) {
        Ok(value) => Kind::Wide(value).into(),
        Err(_) => Kind::Float(value as f64).into(),
    }
}

/// Two numbers: both integers, or both floats.
enum Pair {
    Integers(i128, i128),
    Floats(f64, f64),
}

impl Kind {
    fn is_number(&self) -> bool {
        matches!(self, Self::Int(_) | Self::Wide(_) | Self::Float(_))
    }

    fn pair(&self, other: &Self) -> Option<Pair> {
        if !self.is_number() || !other.is_number() {
            return None;
        }
        Some(match (self.as_integer(), other.as_integer()) {
            (Some(left), Some(right)) => Pair::Integers(left, right),
            _ => Pair::Floats(self.as_float(), other.as_float()),
        })
    }
}

impl Add for Val {
    type Output = ValR;

    fn add(self, right: Self) -> ValR {
        meter::step();
        match (self.kind, right.kind) {
            (Kind::Null, kind) | (kind, Kind::Null) => Ok(kind.into()),
            (Kind::Text(mut left), Kind::Text(right)) => {
                meter::admit(left.len() + right.len(), 0);
                let copied = if Rc::get_mut(&mut left).is_some() { 0 } else { left.len() };
                meter::charge_bytes(copied + right.len());
                Rc::make_mut(&mut left).push_str(&right);
                Ok(Kind::Text(left).into())
            }
            (Kind::Array(mut left), Kind::Array(right)) => {
                meter::admit(left.bytes + right.bytes, left.depth.max(right.depth) + 1);
                let array = Rc::make_mut(&mut left);
                for item in &right.items {
                    array.push(item.clone());
                }
                Ok(Kind::Array(left).into())
            }
            (Kind::Object(mut left), Kind::Object(right)) => {
                let object = Rc::make_mut(&mut left);
                for (key, value) in &right.map {
                    object.insert(Rc::clone(key), value.clone());
                }
                Ok(Kind::Object(left).into())
            }
            (left, right) => match left.pair(&right) {
                Some(Pair::Integers(left, right)) => Ok(integer(left + right)),
                Some(Pair::Floats(left, right)) => Ok(normal(left + right)),
                None => Err(Error::math(left.into(), Math::Add, right.into())),
            },
        }
    }
}

impl Sub for Val {
    type Output = ValR;

    fn sub(self, right: Self) -> ValR {
        meter::step();
        match (self.kind, right.kind) {
            (Kind::Array(left), Kind::Array(right)) => {
                let removed: std::collections::BTreeSet<&Self> = right.items.iter().collect();
                Ok(left.items.iter().filter(|item| !removed.contains(item)).cloned().collect())
            }
            (left, right) => match left.pair(&right) {
                Some(Pair::Integers(left, right)) => Ok(integer(left - right)),
                Some(Pair::Floats(left, right)) => Ok(normal(left - right)),
                None => Err(Error::math(left.into(), Math::Sub, right.into())),
            },
        }
    }
}

impl Mul for Val {
    type Output = ValR;

    fn mul(self, right: Self) -> ValR {
        meter::step();
        match (self.kind, right.kind) {
            (Kind::Text(text), count) | (count, Kind::Text(text)) if count.is_number() => {
                Ok(repeat(&text, count.as_float()))
            }
            (Kind::Object(left), Kind::Object(right)) => Ok(Kind::Object(merge(left, &right)).into()),
            (left, right) => match left.pair(&right) {
                Some(Pair::Integers(a, b)) => {
                    Ok(a.checked_mul(b).map_or_else(|| normal(a as f64 * b as f64), integer))
                }
                Some(Pair::Floats(left, right)) => Ok(normal(left * right)),
                None => Err(Error::math(left.into(), Math::Mul, right.into())),
            },
        }
    }
}

/// Repeats a text, null for no times, as jq does.
fn repeat(text: &str, count: f64) -> Val {
    if count.is_nan() || count <= 0.0 {
        return Val::default();
    }
    let count = count.ceil() as usize;
    let bytes = text.len().saturating_mul(count);
    meter::admit(bytes, 0);
    meter::charge_bytes(bytes);
    Val::text(text.repeat(if text.is_empty() { 0 } else { count }))
}

/// Merges objects recursively; what is no object on both sides is taken from the right.
fn merge(mut left: Rc<Object>, right: &Object) -> Rc<Object> {
    let object = Rc::make_mut(&mut left);
    for (key, value) in &right.map {
        meter::step();
        let merged = match (object.map.get(key).map(|old| &old.kind), &value.kind) {
            (Some(Kind::Object(old)), Kind::Object(new)) => Kind::Object(merge(Rc::clone(old), new)).into(),
            _ => value.clone(),
        };
        object.insert(Rc::clone(key), merged);
    }
    left
}

impl Div for Val {
    type Output = ValR;

    fn div(self, right: Self) -> ValR {
        meter::step();
        match (&self.kind, &right.kind) {
            (Kind::Text(text), Kind::Text(separator)) => {
                meter::charge_bytes(text.len());
                Ok(split(text, separator))
            }
            (left, divisor) => match left.pair(divisor) {
                Some(Pair::Integers(_, 0)) => Err(Error::str(format_args!("cannot divide {self} by zero"))),
                Some(Pair::Integers(a, b)) if a % b == 0 => Ok(integer(a / b)),
                Some(Pair::Integers(a, b)) => Ok(normal(a as f64 / b as f64)),
                Some(Pair::Floats(_, 0.0)) => Err(Error::str(format_args!("cannot divide {self} by zero"))),
                Some(Pair::Floats(a, b)) => Ok(normal(a / b)),
                None => Err(Error::math(self, Math::Div, right)),
            },
        }
    }
}

/// Splits a text; by nothing into its characters.
fn split(text: &str, separator: &str) -> Val {
    if text.is_empty() {
        return Val::from_iter([]);
    }
    if separator.is_empty() {
        return text.chars().map(Val::text).collect();
    }
    text.split(separator).map(Val::text).collect()
}

impl Rem for Val {
    type Output = ValR;

    fn rem(self, right: Self) -> ValR {
        meter::step();
        let (a, b) = match self.kind.pair(&right.kind) {
            Some(Pair::Integers(a, b)) => (a, b),
            Some(Pair::Floats(a, b)) if a.is_nan() || b.is_nan() => return Ok(normal(f64::NAN)),
            // As in jq, fractions are cut off; the casts saturate at the ends of i64.
            Some(Pair::Floats(a, b)) => (i128::from(a as i64), i128::from(b as i64)),
            None => return Err(Error::math(self, Math::Rem, right)),
        };
        if b == 0 {
            return Err(Error::str(format_args!("cannot divide {self} by zero")));
        }
        Ok(integer(a % b.abs()))
    }
}

impl Neg for Val {
    type Output = ValR;

    fn neg(self) -> ValR {
        meter::step();
        match (self.kind.as_integer(), self.kind.is_number()) {
            (Some(value), _) => Ok(integer(-value)),
            (None, true) => Ok(normal(-self.kind.as_float())),
            (None, false) => Err(Error::typ(self, "number")),
        }
    }
}
