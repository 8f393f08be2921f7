//! Expressions: jq in a cage.
//!
//! Expressions come from users. One that is wrong, hostile or merely unlucky may fail its own run and nothing else: it
//! reads no environment and no clock but the run's, ends within its limits, and cannot take the process down.
//! The same expression with the same data always gives the same value.
//!
//! The cage has these bars, from outside to inside:
//!
//! 1. `lex.rs` bounds length, nesting and operators, before jaq's recursive parser sees the source.
//! 2. `check.rs` walks the syntax tree and refuses recursion and what reaches the machine.
//! 3. `builtins/` is the list of functions that there are; loops among them are native.
//! 4. `meter.rs` charges each term that jaq runs and each value it touches, and watches the stack.
//! 5. `value/` knows the size and depth of each value before it exists.
//! 6. `pattern/` are regular expressions that are charged for each step.
//!
//! Numbers: integers stay exact from `i64::MIN` to `u64::MAX`; a result that is a whole number is an integer.

mod builtins;
mod check;
mod error;
mod lex;
mod meter;
mod pattern;
mod program;
mod template;
#[cfg(test)]
mod tests;
mod value;

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

pub use error::{CompileError, EvalError};
pub use template::Template;

use program::{Inputs, Program};

/// Levels of nesting that values can have whatever [`Limits`] says, because dropping them recurses.
const MAX_DEPTH: usize = 256;

/// Limits of one evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Operations, where one is a step of the interpreter, a value touched, or 64 bytes of text.
    pub fuel: u64,
    /// Size of any one value in bytes, about that of its JSON.
    pub max_bytes: usize,
    /// Levels of nesting of any one value; at most 256 count.
    pub max_depth: usize,
    /// Outputs that [`Expression::evaluate_all`] returns.
    pub max_outputs: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { fuel: 1_000_000, max_bytes: 1024 * 1024, max_depth: 100, max_outputs: 1 }
    }
}

impl Limits {
    fn capped(&self) -> Self {
        Self { max_depth: self.max_depth.min(MAX_DEPTH), ..self.clone() }
    }
}

/// A compiled, caged jq filter. Cheap to clone.
#[derive(Clone)]
pub struct Expression(Arc<Program>);

impl Expression {
    /// Compiles a source, without `${ }` around it, with global variables, named without `$`.
    ///
    /// # Errors
    ///
    /// The source is too large, is no jq, or uses what is refused or unknown.
    pub fn compile(source: &str, variables: &[&str]) -> Result<Self, CompileError> {
        Program::compile(source, variables).map(|program| Self(Arc::new(program)))
    }

    /// Evaluates to the first output, or null if there is none.
    ///
    /// Takes the values of the variables in the order of [`Self::compile`] and the run's recorded clock, in
    /// milliseconds since the Unix epoch. Needs 1.25 MiB of stack at worst, in a debug build.
    ///
    /// # Errors
    ///
    /// The expression fails, or passes a limit.
    pub fn evaluate(
        &self,
        input: &Value,
        variables: &[&Value],
        now_ms: i64,
        limits: &Limits,
    ) -> Result<Value, EvalError> {
        let inputs = Inputs::new(input, variables);
        self.0.evaluate(&inputs, now_ms, &limits.capped())
    }

    /// Evaluates to all outputs, as [`Self::evaluate`] does to the first.
    ///
    /// # Errors
    ///
    /// The expression fails, passes a limit, or has more than [`Limits::max_outputs`].
    pub fn evaluate_all(
        &self,
        input: &Value,
        variables: &[&Value],
        now_ms: i64,
        limits: &Limits,
    ) -> Result<Vec<Value>, EvalError> {
        let inputs = Inputs::new(input, variables);
        self.0.evaluate_all(&inputs, now_ms, &limits.capped())
    }

    /// Returns the source that this was compiled from.
    pub fn source(&self) -> &str {
        self.0.source()
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Expression").field(&self.source()).finish()
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.0.is_same(&other.0)
    }
}

/// Returns the operations that evaluations on this thread have taken so far, for a difference to be made of two of them.
/// An evaluation that passed a limit has taken as many as it could have.
pub fn spent() -> u64 {
    meter::spent()
}

/// Returns the inside of a runtime expression `${ ... }`, or nothing if the text is none.
///
/// An expression is the whole text (the strict mode of the Open Workflow Specification, section "Runtime
/// expressions"); to put values into a text, use jq: `${ "Dear \(.name)" }`.
pub fn unwrap_expression(text: &str) -> Option<&str> {
    Some(text.trim().strip_prefix("${")?.strip_suffix('}')?.trim())
}
