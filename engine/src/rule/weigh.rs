//! Weighing an event by a rule: a pure function.

use serde_json::{Value, json};

use super::told::Outcome;
use super::{Miss, Verdict};
use super::{Rendered, Rule};

/// The most rules that may have fired between a first cause and an event, for a rule to fire again.
pub const MOST_HOPS: u8 = 8;

/// What a rule makes of an event that it wants.
#[derive(Debug, Clone)]
pub struct Weighed {
    /// What becomes of it.
    pub outcome: Outcome,
    /// The clause that does not hold.
    pub miss: Option<Miss>,
    /// What went wrong.
    pub detail: Option<String>,
    /// The key that the rule's limits count by.
    pub key: Option<String>,
    /// What is to be done.
    pub actions: Vec<Rendered>,
}

impl Weighed {
    fn of(outcome: Outcome) -> Self {
        Self { outcome, miss: None, detail: None, key: None, actions: Vec::new() }
    }

    /// A rule that cannot be evaluated.
    pub fn broken(detail: String) -> Self {
        Self { detail: Some(detail), ..Self::of(Outcome::Broken) }
    }
}

/// Weighs an event, given in the JSON format, and the state of the entity that it is about; none where the filters of the
/// rule do not want it.
pub fn weigh(rule: &Rule, event: &Value, entity: Value, hops: u8) -> Option<Weighed> {
    rule.on.passes(event).ok()?;
    let facts = json!({ "event": event, "entity": entity });
    match rule.when.as_ref().map(|condition| condition.check(&facts)) {
        Some(Verdict::No(miss)) => {
            return Some(Weighed { miss: Some(miss), ..Weighed::of(Outcome::ConditionNotMet) });
        }
        Some(Verdict::Broken(detail)) => return Some(Weighed::broken(detail)),
        Some(Verdict::Yes) | None => {}
    }
    if hops >= MOST_HOPS {
        let detail = format!("{hops} rules have fired in a row, each for what the one before it did");
        return Some(Weighed { detail: Some(detail), ..Weighed::of(Outcome::Loop) });
    }
    let actions: Result<Vec<_>, _> = rule.then.iter().map(|then| then.render(&facts)).collect();
    let key = rule.limits.as_ref().map(|limits| limits.key(&facts)).transpose();
    Some(match (actions, key) {
        (Err(detail), _) | (_, Err(detail)) => Weighed::broken(detail),
        (Ok(actions), Ok(key)) => {
            let outcome = if key.is_some() { Outcome::Limited } else { Outcome::Fired };
            Weighed { key, actions, ..Weighed::of(outcome) }
        }
    })
}
