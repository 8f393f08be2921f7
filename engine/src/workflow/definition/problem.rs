//! What is wrong with a definition: where, what, and what to do about it.

use std::fmt;

use serde::Serialize;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The definition is refused.
    Error,
    /// The definition is taken; the author should look.
    Warning,
}

/// One problem of a definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The JSON pointer of the place.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}; {}", self.pointer, self.message, self.fix)
    }
}

/// The problems found so far.
#[derive(Debug, Clone, Default)]
pub(in crate::workflow) struct Problems(Vec<Problem>);

impl Problems {
    /// The most that are listed; a definition with more is broken in one way many times.
    const MOST: usize = 100;

    pub(in crate::workflow) fn error(
        &mut self,
        pointer: &str,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add(Severity::Error, pointer, message.into(), fix.into());
    }

    pub(in crate::workflow) fn warning(
        &mut self,
        pointer: &str,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add(Severity::Warning, pointer, message.into(), fix.into());
    }

    pub(in crate::workflow) fn into_vec(self) -> Vec<Problem> {
        self.0
    }

    fn add(&mut self, severity: Severity, pointer: &str, message: String, fix: String) {
        let problem = Problem { severity, pointer: pointer.to_owned(), message, fix };
        if self.0.len() < Self::MOST && !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }
}
