//! What reshapes data on its way: schemas and formulas.

use std::fmt;

use serde_json::Value;

use super::super::expression::{Expression, Template};

/// What becomes of data on its way: a schema that it must fit, and a formula that reshapes it.
#[derive(Debug, Default)]
pub struct Shaping {
    /// The schema.
    pub schema: Option<Schema>,
    /// The reshaping; none leaves the data as it is.
    pub formula: Option<Formula>,
}

/// A JSON Schema.
pub struct Schema(pub(super) jsonschema::Validator);

impl Schema {
    /// Checks a value.
    ///
    /// # Errors
    ///
    /// The first few places that do not fit, in one sentence.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        let shown = |e: jsonschema::ValidationError<'_>| {
            let at = e.instance_path().to_string();
            if at.is_empty() { e.to_string() } else { format!("`{at}`: {e}") }
        };
        let errors: Vec<String> = self.0.iter_errors(value).take(3).map(shown).collect();
        if errors.is_empty() { Ok(()) } else { Err(clip(&errors.join("; "))) }
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Schema")
    }
}

/// An expression, or a value with expressions in it, and the variables that it uses.
#[derive(Debug)]
pub struct Formula {
    pub(in crate::workflow) form: Form,
    pub(in crate::workflow) variables: Vec<String>,
}

/// The two forms of a formula.
#[derive(Debug)]
pub(in crate::workflow) enum Form {
    Expression(Expression),
    Template(Template),
}

/// Cuts a sentence that has grown out of user data.
pub(crate) fn clip(text: &str) -> String {
    const MOST: usize = 500;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    let head: String = text.chars().take(MOST).collect();
    format!("{head}…")
}
