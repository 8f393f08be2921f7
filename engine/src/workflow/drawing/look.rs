//! What a task looks like: its icon, what is said of it, and what it holds. A type of task is an arm of [`look`].

use std::time::Duration;

use serde_json::Value;

use super::graph::{Icon, Line};
use super::text::one_line;
use crate::workflow::definition::{
    Backoff, Catch, Definition, Form, Formula, Kind, Node, Parallel, Retry, Span,
};

/// The longest text that is kept of one thing, in characters.
pub(super) const LONGEST: usize = 300;

/// What a task looks like.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) icon: Icon,
    pub(super) lines: Vec<Line>,
    pub(super) holds: Holds,
}

/// What a task holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// No tasks.
    Nothing,
    /// A list of tasks, at this place inside of it.
    List(&'static str),
    /// Tasks side by side.
    Branches,
    /// What is tried, and what is done with errors.
    Tries,
}

impl Holds {
    /// Where its lists stand inside of it.
    pub(super) fn lists(self) -> &'static [&'static str] {
        match self {
            Self::Nothing => &[],
            Self::List("do") => &["do"],
            Self::List(_) => &["foreach/do"],
            Self::Branches => &["fork/branches"],
            Self::Tries => &["try", "catch/do"],
        }
    }
}

/// Says what a task looks like.
pub(super) fn look(definition: &Definition, node: &Node) -> Look {
    let source = definition.document.pointer(node.text()).unwrap_or(&Value::Null);
    let leaf = |icon, text: String| Look { icon, lines: vec![Line::plain(text)], holds: Holds::Nothing };
    match &node.kind {
        Kind::Do => Look { icon: Icon::List, lines: Vec::new(), holds: Holds::List("do") },
        Kind::Set { value } => leaf(Icon::Data, set(value, &source["set"])),
        Kind::Switch { cases } => leaf(Icon::Choice, format!("one of {}", counted(cases.len(), "way"))),
        Kind::For(spec) => {
            let mut lines = vec![Line::plain(format!(
                "each {} in {}",
                spec.each,
                formula(&spec.items, &source["for"]["in"])
            ))];
            lines.extend(spec.parallel.map(|parallel| match parallel {
                Parallel::Most => Line::plain("side by side"),
                Parallel::Up(most) => Line::plain(format!("side by side, {most} at once")),
            }));
            let condition = spec.condition.as_ref();
            lines.extend(
                condition.map(|c| {
                    Line::marked(Icon::Condition, format!("while {}", formula(c, &source["while"])))
                }),
            );
            Look { icon: Icon::Loop, lines, holds: Holds::List("do") }
        }
        Kind::Fork { compete } => {
            let text = if *compete { "the first to end wins" } else { "all of them, side by side" };
            Look { icon: Icon::Fork, lines: vec![Line::plain(text)], holds: Holds::Branches }
        }
        Kind::Call(call) => leaf(Icon::Call, call.action.clone()),
        Kind::Wait { span } => leaf(Icon::Clock, length(span)),
        Kind::Emit { event } => {
            let kind = source["emit"]["event"]["with"]["type"].as_str();
            let kind = kind.map_or_else(|| formula(event, &Value::Null), str::to_owned);
            leaf(Icon::Signal, format!("sends {kind}"))
        }
        Kind::Listen(spec) => {
            let acts = spec.foreach.as_ref().is_some_and(|foreach| foreach.acts);
            let holds = if acts { Holds::List("foreach/do") } else { Holds::Nothing };
            let lines = vec![Line::plain(format!("waits for {}", spec.to.in_words()))];
            Look { icon: Icon::Signal, lines, holds }
        }
        Kind::Run(run) => leaf(Icon::Call, format!("workflow {}", run.name)),
        Kind::Raise { error } => leaf(Icon::Error, raised(error, definition, &source["raise"]["error"])),
        Kind::Try(_) => Look { icon: Icon::Shield, lines: Vec::new(), holds: Holds::Tries },
        Kind::Broken => leaf(Icon::Other, "cannot be read".to_owned()),
    }
}

/// What is said of every type of task: its condition and its timeout.
pub(super) fn common(node: &Node) -> Vec<Line> {
    let condition = node.condition.as_ref();
    let condition = condition.map(|c| Line::marked(Icon::Condition, format!("only if {}", expression(c))));
    let timeout =
        node.timeout.as_ref().map(|span| Line::marked(Icon::Clock, format!("at most {}", length(span))));
    condition.into_iter().chain(timeout).collect()
}

/// What is said of the errors that a `try` handles.
pub(super) fn caught(catch: &Catch) -> Vec<Line> {
    let filter = &catch.filter;
    let mut wanted: Vec<String> = Vec::new();
    wanted.extend(filter.kind.as_deref().map(|kind| last_part(kind).to_owned()));
    wanted.extend(filter.status.map(|status| status.to_string()));
    let others = [("title", &filter.title), ("detail", &filter.detail), ("at", &filter.instance)];
    wanted.extend(others.iter().filter_map(|(name, text)| Some(format!("{name} {}", text.as_ref()?))));
    let errors =
        if wanted.is_empty() { "every error".to_owned() } else { format!("errors: {}", wanted.join(", ")) };
    let mut lines = vec![Line::plain(errors)];
    for (name, condition) in [("if", &catch.when), ("unless", &catch.except_when)] {
        let condition = condition.as_ref();
        lines.extend(condition.map(|c| Line::marked(Icon::Condition, format!("{name} {}", expression(c)))));
    }
    lines.extend(catch.retry.iter().flat_map(retried));
    lines
}

/// What is said of a policy to try again.
fn retried(retry: &Retry) -> Vec<Line> {
    let times = match retry.count {
        Some(count) => format!("tries again up to {}", counted(count as usize, "time")),
        None if retry.duration.is_some() => "tries again".to_owned(),
        None => "tries again without end".to_owned(),
    };
    let within = retry.duration.as_ref().map_or_else(String::new, |span| format!(" within {}", length(span)));
    let growth = match retry.backoff {
        Backoff::Constant => "",
        Backoff::Linear => ", then longer each time",
        Backoff::Exponential => ", doubling",
    };
    let mut lines = vec![Line::marked(Icon::Loop, format!("{times}{within}"))];
    lines.extend(
        retry.delay.as_ref().map(|span| Line::marked(Icon::Clock, format!("after {}{growth}", length(span)))),
    );
    lines
}

/// The text of an expression.
pub(super) fn expression(expression: &Formula) -> String {
    formula(expression, &Value::Null)
}

/// The text of a formula, as it was written.
fn formula(formula: &Formula, source: &Value) -> String {
    match &formula.form {
        Form::Expression(expression) => one_line(expression.source(), LONGEST),
        Form::Template(_) => one_line(&source.to_string(), LONGEST),
    }
}

/// A length of time, for a person.
pub(super) fn length(span: &Span) -> String {
    match span {
        Span::Fixed(span) => spoken(*span),
        Span::Computed(computed) => expression(computed),
    }
}

fn spoken(span: Duration) -> String {
    let mut left = span.as_millis();
    if left == 0 {
        return "no time".to_owned();
    }
    let units =
        [(86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1_000, "second"), (1, "millisecond")];
    let mut parts = Vec::new();
    for (unit, name) in units {
        let count = left / unit;
        left %= unit;
        if count > 0 {
            parts.push(counted(usize::try_from(count).unwrap_or(usize::MAX), name));
        }
    }
    parts.join(" ")
}

/// A number of things.
pub(super) fn counted(count: usize, name: &str) -> String {
    let end = if count == 1 { "" } else { "s" };
    format!("{count} {name}{end}")
}

fn set(value: &Formula, source: &Value) -> String {
    match source.as_object() {
        Some(fields) => {
            let names: Vec<&str> = fields.keys().map(String::as_str).collect();
            one_line(&names.join(", "), LONGEST)
        }
        None => formula(value, source),
    }
}

fn raised(error: &Formula, definition: &Definition, source: &Value) -> String {
    let shared = source.as_str().and_then(|name| definition.document.pointer(&format!("/use/errors/{name}")));
    let source = shared.unwrap_or(source);
    let (kind, status) = (source["type"].as_str(), &source["status"]);
    let title = source["title"].as_str().or_else(|| kind.map(last_part));
    match title {
        Some(title) if status.is_u64() => one_line(&format!("{title} ({status})"), LONGEST),
        Some(title) => one_line(title, LONGEST),
        None => formula(error, source),
    }
}

/// What a URI ends in: that which tells types of errors apart.
fn last_part(uri: &str) -> &str {
    uri.rsplit(['/', ':']).find(|part| !part.is_empty()).unwrap_or(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_spoken() {
        for (ms, text) in [
            (0, "no time"),
            (259_200_000, "3 days"),
            (5_400_000, "1 hour 30 minutes"),
            (1_001, "1 second 1 millisecond"),
        ] {
            assert_eq!(spoken(Duration::from_millis(ms)), text);
        }
    }

    #[test]
    fn types_of_errors_are_told_by_their_end() {
        assert_eq!(last_part("https://example.com/errors/timeout"), "timeout");
        assert_eq!(last_part("urn:promptsales:error:budget_gone"), "budget_gone");
        assert_eq!(last_part("plain"), "plain");
    }
}
