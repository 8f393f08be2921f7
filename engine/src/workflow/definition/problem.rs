//! What is wrong with a definition: where, what, and what to do about it.

use std::fmt;

use serde::Serialize;

use super::places::{Places, Position};
use crate::workflow::error::ERROR_STEM;

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
    /// The line of that place in the text, from 1; where nothing stands there, of the nearest place around it.
    pub line: u32,
    /// Its column, from 1, in characters.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub fix: String,
    /// The specification's error type: `configuration`, where the specification knows what is asked for and it is
    /// not run here.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`: {}; {}", self.position(), self.pointer, self.message, self.fix)
    }
}

impl Problem {
    /// Where in the text it is.
    pub fn position(&self) -> Position {
        Position { line: self.line, column: self.column }
    }
}

/// The line of a problem whose place has not been looked up.
const UNPLACED: u32 = 0;

/// The problems found so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Problems(Vec<Problem>);

impl Problems {
    /// The most that are listed; a definition with more is broken in one way many times.
    const MOST: usize = 100;

    pub(crate) fn error(&mut self, pointer: &str, message: impl Into<String>, fix: impl Into<String>) {
        self.add(Severity::Error, pointer, message.into(), fix.into(), None);
    }

    /// Refuses what the specification has and is not run here.
    pub(crate) fn unsupported(&mut self, pointer: &str, message: impl Into<String>, fix: impl Into<String>) {
        let kind = Some(format!("{ERROR_STEM}configuration"));
        self.add(Severity::Error, pointer, message.into(), fix.into(), kind);
    }

    pub(crate) fn warning(&mut self, pointer: &str, message: impl Into<String>, fix: impl Into<String>) {
        self.add(Severity::Warning, pointer, message.into(), fix.into(), None);
    }

    /// The problems in the order of the text that they are found in, each with its place there.
    pub(crate) fn in_text(mut self, source: &str) -> Vec<Problem> {
        if self.0.iter().any(|problem| problem.line == UNPLACED) {
            let places = Places::of(source);
            for problem in self.0.iter_mut().filter(|problem| problem.line == UNPLACED) {
                let Position { line, column } = places.find(&problem.pointer);
                (problem.line, problem.column) = (line, column);
            }
        }
        self.0.sort_by_key(Problem::position);
        self.0
    }

    /// True if there is no room for one more error.
    pub(crate) fn is_full(&self) -> bool {
        self.0.iter().filter(|problem| problem.severity == Severity::Error).count() >= Self::MOST
    }

    /// True if the definition is refused.
    pub(crate) fn refuses(&self) -> bool {
        self.0.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// True if nothing was found.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn add(&mut self, severity: Severity, pointer: &str, message: String, fix: String, kind: Option<String>) {
        let (pointer, line, column) = (pointer.to_owned(), UNPLACED, UNPLACED);
        let problem = Problem { severity, pointer, line, column, message, fix, kind };
        if self.0.contains(&problem) {
            return;
        }
        // An error is never lost for warnings: a definition is refused by what stands here.
        let warned = |found: &Problem| found.severity == Severity::Warning;
        if self.0.len() >= Self::MOST
            && severity == Severity::Error
            && let Some(last) = self.0.iter().rposition(warned)
        {
            self.0.remove(last);
        }
        if self.0.len() < Self::MOST {
            self.0.push(problem);
        }
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}
