//! Conditions over the facts of a rule: an event and the state of an entity.
//!
//! ```yaml
//! all:                                                          # or any: [ ..., ... ], or not: ...
//!   - { field: event.data.total, op: gte, value: 100 }
//!   - { field: entity.tags, op: contains, value: known }
//!   - { field: 'event.data."shop.name"', op: in, value: [north, south] }
//!   - { field: entity.blockedAt, op: exists, value: false }
//!   - ${ (.event.data.items | length) > 3 }
//! ```
//!
//! A field is a dotted path from `event` or `entity` on; numbers count the items of a list from 0, and a part with dots
//! in it stands in quotes. The operations are `eq`, `ne`, `gt`, `gte`, `lt`, `lte`, `in`, `contains` (a text its part, a
//! list its item), `startsWith`, `endsWith` and `exists`. Numbers are compared with numbers and texts with texts, by
//! their code points; what is of another type does not fit. What is null counts as missing, and what is missing fits
//! `ne` and `exists: false` alone.
//!
//! An expression gives true or false; where it gives something else, or fails, the condition is broken, unless the
//! clauses around it decide without it, in whatever order they stand.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::formula::Formula;
use super::shown::{kept, told};
use crate::workflow::definition::{clip, kind_of};

mod field;
mod operation;
mod read;

#[cfg(test)]
mod tests;

pub use field::Field;
pub use operation::Operation;

/// What must hold for a rule to act.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// All of these.
    All(Vec<Self>),
    /// One of these at least.
    Any(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// A comparison.
    Clause(Clause),
    /// An expression.
    Expression {
        /// Its text, with `${ }`.
        text: String,
        /// The same, compiled.
        formula: Formula,
    },
}

/// The comparison of a field with a constant.
#[derive(Debug, Clone, PartialEq)]
pub struct Clause {
    /// What is compared.
    pub field: Field,
    /// How.
    pub operation: Operation,
    /// With what.
    pub value: Value,
}

/// What a condition says of facts.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It holds.
    Yes,
    /// It does not hold.
    No(Miss),
    /// It cannot be told: where, and why.
    Broken(String),
}

/// Why a condition does not hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Miss {
    /// The JSON pointer, within `when`, of the clause that decided.
    pub clause: String,
    /// A sentence that names the clause and the value: "`entity.score` is 12, and should be at least 50".
    pub text: String,
    /// The value, or its beginning as text where it has more than 256 bytes of JSON.
    pub found: Option<Value>,
}

impl Condition {
    /// Looks at the facts.
    pub fn check(&self, facts: &Value) -> Verdict {
        self.ask(facts, "", true)
    }

    /// True if it may read the entity's state.
    pub fn reads_entity(&self) -> bool {
        match self {
            Self::All(inner) | Self::Any(inner) => inner.iter().any(Self::reads_entity),
            Self::Not(inner) => inner.reads_entity(),
            Self::Clause(clause) => clause.field.is_of_entity(),
            Self::Expression { formula, .. } => formula.reads_entity(),
        }
    }

    /// Asks whether it is as wanted: whether it holds or, within a `not`, does not.
    fn ask(&self, facts: &Value, at: &str, wanted: bool) -> Verdict {
        match self {
            Self::All(inner) if wanted => every(inner, facts, &format!("{at}/all"), wanted),
            Self::All(inner) => some(inner, facts, &format!("{at}/all"), wanted),
            Self::Any(inner) if wanted => some(inner, facts, &format!("{at}/any"), wanted),
            Self::Any(inner) => every(inner, facts, &format!("{at}/any"), wanted),
            Self::Not(inner) => inner.ask(facts, &format!("{at}/not"), !wanted),
            Self::Clause(clause) => clause.ask(facts, at, wanted),
            Self::Expression { text, formula } => ask_expression(text, formula, facts, at, wanted),
        }
    }
}

impl Clause {
    fn ask(&self, facts: &Value, at: &str, wanted: bool) -> Verdict {
        let Self { field, operation, value } = self;
        let found = field.find(facts);
        if operation.holds(found, value) == wanted {
            return Verdict::Yes;
        }
        let is = match found {
            None => "is missing".to_owned(),
            Some(found) if operation.fits_type(found, value) => format!("is {}", told(found)),
            Some(found) => format!("is {}, which is {}", told(found), kind_of(found)),
        };
        let text = format!("`{field}` {is}, and should {}", operation.in_words(value, wanted));
        Verdict::No(Miss { clause: at.to_owned(), text, found: found.map(kept) })
    }
}

/// Whether each of several conditions is as wanted; the first that is not decides.
fn every(inner: &[Condition], facts: &Value, at: &str, wanted: bool) -> Verdict {
    let mut verdict = Verdict::Yes;
    for (index, condition) in inner.iter().enumerate() {
        match condition.ask(facts, &format!("{at}/{index}"), wanted) {
            Verdict::Yes => {}
            no @ Verdict::No(_) => return no,
            broken @ Verdict::Broken(_) if verdict == Verdict::Yes => verdict = broken,
            Verdict::Broken(_) => {}
        }
    }
    verdict
}

/// Whether one of several conditions is as wanted; if none is, the last tells why.
fn some(inner: &[Condition], facts: &Value, at: &str, wanted: bool) -> Verdict {
    let mut broken = None;
    let mut last = None;
    for (index, condition) in inner.iter().enumerate() {
        match condition.ask(facts, &format!("{at}/{index}"), wanted) {
            Verdict::Yes => return Verdict::Yes,
            Verdict::No(miss) => last = Some(miss),
            Verdict::Broken(why) => broken = broken.or(Some(why)),
        }
    }
    match (broken, last) {
        (Some(why), _) => Verdict::Broken(why),
        (None, Some(miss)) if inner.len() > 1 => {
            let none = if wanted { "none of" } else { "each of" };
            let holds = if wanted { "holds" } else { "holds, and one should not" };
            let text = clip(&format!("{none} {} clauses {holds}; the last: {}", inner.len(), miss.text));
            Verdict::No(Miss { text, ..miss })
        }
        (None, Some(miss)) => Verdict::No(miss),
        (None, None) => {
            Verdict::No(Miss { clause: at.to_owned(), text: "there is no clause".to_owned(), found: None })
        }
    }
}

fn ask_expression(text: &str, formula: &Formula, facts: &Value, at: &str, wanted: bool) -> Verdict {
    match formula.evaluate(facts) {
        Ok(Value::Bool(holds)) if holds == wanted => Verdict::Yes,
        Ok(Value::Bool(holds)) => {
            let text = clip(&format!("`{text}` is {holds}, and should be {wanted}"));
            Verdict::No(Miss { clause: at.to_owned(), text, found: None })
        }
        Ok(other) => {
            Verdict::Broken(format!("`/when{at}`: a condition gives true or false, not {}", told(&other)))
        }
        Err(why) => Verdict::Broken(format!("`/when{at}`: {why}")),
    }
}
