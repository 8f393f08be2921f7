//! The intermediate form of what a `try` does with errors.

use super::ir::{Span, Then};
use super::shaping::Formula;

/// How a `try` handles errors.
#[derive(Debug)]
pub struct Catch {
    /// The members that an error must have.
    pub filter: ErrorFilter,
    /// The variable that holds the error.
    pub variable: String,
    /// The condition to catch.
    pub when: Option<Formula>,
    /// The condition not to catch.
    pub except_when: Option<Formula>,
    /// How it is tried again.
    pub retry: Option<Retry>,
    /// True if there are tasks to run when it is caught.
    pub handles: bool,
    /// Where the error's path goes on.
    pub then: Option<Then>,
}

/// The members that an error must have to be caught.
#[derive(Debug, Default, Clone)]
pub struct ErrorFilter {
    /// The type.
    pub kind: Option<String>,
    /// The status.
    pub status: Option<u16>,
    /// The instance.
    pub instance: Option<String>,
    /// The title.
    pub title: Option<String>,
    /// The detail.
    pub detail: Option<String>,
}

/// How something is tried again.
#[derive(Debug)]
pub struct Retry {
    /// The condition to try again.
    pub when: Option<Formula>,
    /// The condition not to try again.
    pub except_when: Option<Formula>,
    /// The wait before the first retry.
    pub delay: Option<Span>,
    /// How the wait grows.
    pub backoff: Backoff,
    /// The most retries.
    pub count: Option<u32>,
    /// The longest time from the first start to the last retry.
    pub duration: Option<Span>,
    /// The longest time that one attempt may take.
    pub attempt: Option<Span>,
    /// What is added to a wait: between the first and the second.
    pub jitter: Option<(Span, Span)>,
}

/// How the wait between retries grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backoff {
    /// Not at all.
    Constant,
    /// By the delay each time.
    Linear,
    /// Twofold each time.
    Exponential,
}

impl Then {
    /// Reads a directive.
    pub fn parse(text: &str) -> Self {
        match text {
            "continue" => Self::Continue,
            "exit" => Self::Exit,
            "end" => Self::End,
            name => Self::Task(name.to_owned()),
        }
    }

    /// The directive as it is written.
    pub fn text(&self) -> &str {
        match self {
            Self::Continue => "continue",
            Self::Exit => "exit",
            Self::End => "end",
            Self::Task(name) => name,
        }
    }
}
