//! Whether an event is one that is wanted.

use std::collections::BTreeMap;

use serde_json::Value;

use super::compiler::{Compiler, Place};
use super::events::{Consumption, Correlation, EventFilter, Wanted};
use super::shaping::{Form, Formula};
use crate::workflow::action::WorkflowError;
use crate::workflow::expression::{Expression, Limits};

impl EventFilter {
    /// True if it is known when the listener begins which correlation an event must have.
    pub fn is_keyed(&self) -> bool {
        !self.correlate.is_empty() && self.correlate.iter().all(|correlation| correlation.expect.is_some())
    }

    /// True if the attributes of an event are those that are wanted. An expression that fails over what somebody
    /// sent does not fit; who listens is not to blame.
    pub(in crate::workflow) fn matches(&self, event: &Value, evaluate: Evaluate<'_>) -> bool {
        self.with.iter().all(|(name, wanted)| {
            let found = event.get(name).unwrap_or(&Value::Null);
            match wanted {
                Wanted::Literal(value, None) => value == found,
                Wanted::Literal(value, Some(pattern)) => {
                    let fits = || evaluate(pattern, found).is_ok_and(|fits| fits == Value::Bool(true));
                    value == found || (found.is_string() && fits())
                }
                Wanted::Formula(formula) => match evaluate(formula, found) {
                    Ok(Value::Bool(fits)) => fits,
                    Ok(Value::Null) | Err(_) => false,
                    Ok(value) => value == *found,
                },
            }
        })
    }

    /// The correlations that an event sets, given those that are set; none if it does not fit them.
    pub(in crate::workflow) fn correlates(
        &self,
        event: &Value,
        expected: &BTreeMap<String, Value>,
        evaluate: Evaluate<'_>,
    ) -> Option<BTreeMap<String, Value>> {
        let mut keys = BTreeMap::new();
        for Correlation { name, from, .. } in &self.correlate {
            let value = evaluate(from, event).ok()?;
            match expected.get(name) {
                Some(expected) if *expected != value => return None,
                Some(_) => {}
                None if value.is_null() => return None,
                None => drop(keys.insert(name.clone(), value)),
            }
        }
        Some(keys)
    }
}

/// Evaluates a formula over a value.
pub(in crate::workflow) type Evaluate<'a> = &'a dyn Fn(&Formula, &Value) -> Result<Value, WorkflowError>;

/// Reads `schedule.on` by itself; none if it is not sound.
pub(in crate::workflow) fn consumption_of(value: &Value) -> Option<Consumption> {
    let mut compiler = Compiler::default();
    let found = compiler.consumption(value, "/schedule/on", Place::Schedule);
    found.filter(|_| compiler.problems.is_empty())
}

/// An expression that tells whether a text as a whole fits a regular expression; none if it is no such expression,
/// and the text is meant as it stands, as an address with a query may be.
pub(super) fn matching(pattern: &str) -> Option<Formula> {
    let quoted = serde_json::to_string(&format!("^(?:{pattern})$")).unwrap_or_default();
    let expression = Expression::compile(&format!("test({quoted})"), &[]).ok()?;
    expression.evaluate(&Value::String(String::new()), &[], 0, &Limits::default()).ok()?;
    Some(Formula { form: Form::Expression(expression), variables: Vec::new() })
}
