//! Reads the parts of a rule, and counts them: what a rule may cost is known before it is heard.

use serde_json::Value;

use super::action::check_receiver;
use super::formula::Formula;
use crate::workflow::definition::{Fields, Problem, Problems, clip, kind_of, read_document};

/// Filters, attributes and clauses that a rule may have.
const MOST_PARTS: usize = 1_000;

/// Expressions that a rule may have; compiling one takes half a millisecond.
const MOST_EXPRESSIONS: usize = 200;

/// Conditions that may be expressions; each may use up all that one evaluation is given.
const MOST_TESTS: usize = 16;

/// Reads a rule, or a part of one, and gathers what is wrong with it.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) problems: Problems,
    parts: usize,
    expressions: usize,
    tests: usize,
}

impl Reader {
    /// Reads a whole text.
    ///
    /// # Errors
    ///
    /// Every problem that was found, each with its place in the text.
    pub(super) fn read<T>(
        source: &str,
        part: impl FnOnce(&mut Self, &Value) -> Option<T>,
    ) -> Result<T, Vec<Problem>> {
        let document = read_document(source).map_err(|problem| vec![problem])?;
        let mut reader = Self::default();
        let found = part(&mut reader, &document);
        match found {
            Some(found) if !reader.problems.refuses() => Ok(found),
            Some(_) | None => Err(reader.problems.in_text(source)),
        }
    }

    /// Notes an error.
    pub(super) fn error(&mut self, at: &str, message: impl Into<String>, fix: impl Into<String>) {
        self.problems.error(at, message, fix);
    }

    /// Opens a mapping.
    pub(super) fn open<'a>(&mut self, value: &'a Value, at: &str) -> Option<Fields<'a>> {
        Fields::open(value, at, &mut self.problems)
    }

    /// Asks for a text that must be there.
    pub(super) fn text<'a>(&mut self, fields: &mut Fields<'a>, name: &'static str) -> Option<&'a str> {
        let value = fields.require(name, &mut self.problems)?;
        if !value.is_string() {
            let message = format!("expected text, found {}", kind_of(value));
            self.error(&fields.pointer(name), message, "put the value in quotes");
        }
        value.as_str()
    }

    /// Reads a text that may be an expression.
    pub(super) fn scalar(&mut self, value: &Value, at: &str) -> Option<Formula> {
        match value {
            Value::String(text) if text.is_empty() => {
                self.error(at, "the text is empty", "write a text, or an expression in `${ }`");
                None
            }
            Value::String(_) => Formula::read(self, value, at),
            other => {
                let message = format!("expected text, found {}", kind_of(other));
                self.error(at, message, "write a text in quotes, or an expression in `${ }`");
                None
            }
        }
    }

    /// Reads a text that is an id, or an expression that gives one.
    pub(super) fn id(&mut self, value: &Value, at: &str) -> Option<Formula> {
        let formula = self.scalar(value, at)?;
        if let Some(Err(e)) = formula.literal().and_then(Value::as_str).map(check_receiver) {
            self.error(at, e, "write an id, `PLURAL/~KEY`, or an expression in `${ }` that gives one");
            return None;
        }
        Some(formula)
    }

    /// Asks for a name that must be there: words of lower-case letters and digits with hyphens between them.
    pub(super) fn name(&mut self, fields: &mut Fields<'_>, name: &'static str) -> Option<String> {
        let text = self.text(fields, name)?;
        if !is_kebab_case(text) {
            let fix = "use 1 to 64 lower-case letters, digits and single hyphens, beginning with a letter";
            self.error(&fields.pointer(name), format!("`{}` is no name", clip(text)), fix);
            return None;
        }
        Some(text.to_owned())
    }

    /// Opens a list that has something in it, and says what belongs there where it is none.
    pub(super) fn list<'a>(&mut self, value: &'a Value, at: &str, fix: &str) -> Option<&'a [Value]> {
        match value {
            Value::Array(items) if items.is_empty() => self.error(at, "the list is empty", fix),
            Value::Array(items) => return Some(items),
            other => self.error(at, format!("expected a list, found {}", kind_of(other)), fix),
        }
        None
    }

    /// Counts a filter, an attribute or a clause; false if there are too many.
    pub(super) fn count_part(&mut self, at: &str) -> bool {
        self.parts += 1;
        if self.parts == MOST_PARTS + 1 {
            let message = format!("there are more than {MOST_PARTS} filters and clauses");
            self.error(at, message, "split the rule into several");
        }
        self.parts <= MOST_PARTS
    }

    /// Counts an expression; false if there are too many.
    pub(super) fn count_expression(&mut self, at: &str) -> bool {
        self.expressions += 1;
        if self.expressions == MOST_EXPRESSIONS + 1 {
            let message = format!("there are more than {MOST_EXPRESSIONS} expressions");
            self.error(at, message, "split the rule into several");
        }
        self.expressions <= MOST_EXPRESSIONS
    }

    /// Counts a condition that is an expression; false if there are too many.
    pub(super) fn count_test(&mut self, at: &str) -> bool {
        self.tests += 1;
        if self.tests == MOST_TESTS + 1 {
            let message = format!("there are more than {MOST_TESTS} conditions that are expressions");
            self.error(at, message, "write some of them as clauses, or several as one expression");
        }
        self.tests <= MOST_TESTS
    }
}

fn is_kebab_case(text: &str) -> bool {
    let sound =
        |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.len() <= 64 && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.split('-').all(sound)
}
