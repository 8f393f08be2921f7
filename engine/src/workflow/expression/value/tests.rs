//! Sizes and depths stay true whatever is done to a value.

use jaq_core::ValT as _;
use jaq_core::path::Opt;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Measures a value from scratch.
fn measured(value: &Val) -> (usize, usize) {
    let fresh = Val::from_json(&value.to_json());
    (fresh.bytes(), fresh.depth())
}

fn child() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(1)),
        Just(json!("text")),
        Just(json!([])),
        Just(json!([[1], {"a": [[]]}])),
        Just(json!({"a": {"b": {"c": 1}}})),
    ]
}

proptest! {
    #[test]
    fn updates_keep_the_measure(steps in prop::collection::vec((0..4_usize, "[a-c]", 0..5_isize, prop::option::of(child())), 1..30)) {
        let mut object = Val::object([]);
        let mut array = Val::from_iter([]);
        for (kind, key, position, new) in steps {
            let new = new.as_ref().map(Val::from_json);
            let given = |_| new.clone().map(Ok).into_iter();
            match kind {
                0 => object = object.map_index(&Val::text(key), Opt::Optional, given).expect("a field"),
                1 => array = array.map_index(&Val::from(position), Opt::Optional, given).expect("an element"),
                2 => array = (array + Val::from_iter(new)).expect("a sum"),
                _ => object = object.without(&[Val::text(key)]).expect("a removal"),
            }
            prop_assert_eq!((object.bytes(), object.depth()), measured(&object));
            prop_assert_eq!((array.bytes(), array.depth()), measured(&array));
        }
    }
}

#[test]
fn values_are_ordered_as_in_jq() {
    let ascending = json!([
        null, false, true, -1.5, 0, 1, 1.5, 9_007_199_254_740_993_i64, u64::MAX, "", "A", "a", "ä", [], [0], [0, 0],
        [1], {}, {"a": 2}, {"a": 1, "b": 1}, {"b": 0}
    ]);
    let values: Vec<Val> = ascending.as_array().expect("an array").iter().map(Val::from_json).collect();
    for (left, one) in values.iter().enumerate() {
        for (right, other) in values.iter().enumerate() {
            assert_eq!(one.cmp(other), left.cmp(&right), "{one} and {other}");
        }
    }
}
