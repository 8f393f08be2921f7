//! Which signals the tasks of a run listen to.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::script::ScriptedSignal;
use crate::clock::Timestamp;
use crate::workflow::definition::{Consumption, EventFilter, Formula, Strategy, Until};
use crate::workflow::topic::constant;

/// True if a task that listens takes a signal now. `met` has the filters that it has met, those of `until` behind
/// the others.
pub(super) fn hears(
    to: &Consumption,
    met: Option<&BTreeSet<usize>>,
    signal: &ScriptedSignal,
    now: Timestamp,
) -> bool {
    let event = json!({ "specversion": "1.0", "type": signal.name, "time": now, "data": signal.data });
    let meets = |strategy: Strategy, filters: &[EventFilter], from: usize| {
        filters.iter().enumerate().any(|(index, filter)| {
            let is_met = met.is_some_and(|met| met.contains(&(from + index)));
            !(strategy == Strategy::All && is_met) && filter.matches(&event, &known)
        })
    };
    let ends = match &to.until {
        Some(Until::Consumed(until)) => {
            until.is_open() || meets(until.strategy, &until.filters, to.filters.len())
        }
        Some(Until::Condition(_)) | None => false,
    };
    ends || to.is_open() || meets(to.strategy, &to.filters, 0)
}

/// What an expression over an attribute gives. One that looks at the run may give anything, and is taken to fit: the
/// run itself has the last word.
fn known(formula: &Formula, dot: &Value) -> Result<Value, crate::workflow::action::WorkflowError> {
    if !formula.variables.is_empty() {
        return Ok(Value::Bool(true));
    }
    Ok(constant(formula, dot).unwrap_or(Value::Null))
}
