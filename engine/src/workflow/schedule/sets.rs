//! Sets of events that start a run together.

use std::collections::{BTreeMap, VecDeque};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::workflow::action::WorkflowError;
use crate::workflow::definition::{Consumption, EventFilter, Formula, Strategy};
use crate::workflow::topic::constant;

/// Sets of events that are not complete, which a schedule keeps.
const MOST_SETS: usize = 1_000;

/// Events that belong together, by the filter that each meets.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Set {
    keys: BTreeMap<String, Value>,
    events: BTreeMap<usize, Value>,
}

/// Takes an event in; if a run begins with it, gives the events that it begins with.
pub(super) fn taken(on: &Consumption, sets: &mut VecDeque<Set>, event: Value) -> Option<Vec<Value>> {
    if on.is_open() {
        return Some(vec![event]);
    }
    for (index, filter) in on.filters.iter().enumerate() {
        if !filter.matches(&event, &plainly) {
            continue;
        }
        if on.strategy != Strategy::All {
            fits(filter, &BTreeMap::new(), &event)?;
            return Some(vec![event]);
        }
        let free = sets
            .iter()
            .position(|set| !set.events.contains_key(&index) && fits(filter, &set.keys, &event).is_some());
        let place = free.unwrap_or(sets.len());
        if free.is_none() {
            sets.push_back(Set::default());
        }
        let set = &mut sets[place];
        match fits(filter, &set.keys, &event) {
            Some(keys) => set.keys.extend(keys),
            None => {
                sets.remove(place);
                continue;
            }
        }
        set.events.insert(index, event);
        if set.events.len() == on.filters.len() {
            return sets.remove(place).map(|set| set.events.into_values().collect());
        }
        while sets.len() > MOST_SETS {
            sets.pop_front();
        }
        return None;
    }
    None
}

/// The correlations that an event sets in a set; none if it does not belong there.
fn fits(
    filter: &EventFilter,
    keys: &BTreeMap<String, Value>,
    event: &Value,
) -> Option<BTreeMap<String, Value>> {
    let mut expected = keys.clone();
    for correlation in &filter.correlate {
        if let Some(expect) = &correlation.expect {
            expected.insert(correlation.name.clone(), constant(expect, &Value::Null)?);
        }
    }
    filter.correlates(event, &expected, &plainly)
}

/// Evaluates outside of runs.
fn plainly(formula: &Formula, dot: &Value) -> Result<Value, WorkflowError> {
    constant(formula, dot).ok_or_else(|| WorkflowError::standard("expression", 400, "it cannot be evaluated"))
}
