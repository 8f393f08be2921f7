//! The order of values: null, false, true, numbers, strings, arrays, objects.

use std::cmp::Ordering;

use super::super::meter;
use super::{Kind, Val};

impl Kind {
    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Int(_) | Self::Wide(_) | Self::Float(_) => 2,
            Self::Text(_) => 3,
            Self::Array(_) => 4,
            Self::Object(_) => 5,
        }
    }

    pub(super) fn as_integer(&self) -> Option<i128> {
        match self {
            Self::Int(value) => Some(i128::from(*value)),
            Self::Wide(value) => Some(i128::from(*value)),
            _ => None,
        }
    }

    pub(super) fn as_float(&self) -> f64 {
        match self {
            Self::Int(value) => *value as f64,
            Self::Wide(value) => *value as f64,
            Self::Float(value) => *value,
            _ => f64::NAN,
        }
    }
}

/// Compares numbers; not-a-number is below all others and, so that sorting has a total order, equal to itself.
fn compare_numbers(left: &Kind, right: &Kind) -> Ordering {
    if let (Some(left), Some(right)) = (left.as_integer(), right.as_integer()) {
        return left.cmp(&right);
    }
    let (left, right) = (left.as_float(), right.as_float());
    left.partial_cmp(&right).unwrap_or_else(|| right.is_nan().cmp(&left.is_nan()))
}

impl Ord for Val {
    fn cmp(&self, other: &Self) -> Ordering {
        meter::step();
        match (&self.kind, &other.kind) {
            (Kind::Bool(left), Kind::Bool(right)) => left.cmp(right),
            (Kind::Text(left), Kind::Text(right)) => {
                meter::charge_bytes(left.len().min(right.len()));
                left.cmp(right)
            }
            (Kind::Array(left), Kind::Array(right)) => left.items.cmp(&right.items),
            (Kind::Object(left), Kind::Object(right)) => {
                let sorted = |map: &super::Map| {
                    meter::charge(2 * map.len() as u64);
                    let mut keys: Vec<_> = map.keys().cloned().collect();
                    keys.sort_unstable();
                    keys
                };
                meter::charge_bytes(left.bytes.min(right.bytes));
                let (left_keys, right_keys) = (sorted(&left.map), sorted(&right.map));
                left_keys.cmp(&right_keys).then_with(|| {
                    let pairs = left_keys.iter().map(|key| left.map[key].cmp(&right.map[key]));
                    pairs.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
                })
            }
            (left, right) if left.rank() == 2 && right.rank() == 2 => compare_numbers(left, right),
            (left, right) => left.rank().cmp(&right.rank()),
        }
    }
}

impl PartialOrd for Val {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Val {
    fn eq(&self, other: &Self) -> bool {
        let not_a_number = matches!(self.kind, Kind::Float(value) if value.is_nan());
        !not_a_number && self.cmp(other).is_eq()
    }
}

impl Eq for Val {}
