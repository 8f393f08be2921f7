//! Problems of a definition as a compiler shows them: with the line of the text, and a mark below the place.

use std::fmt::Write as _;

use promptsales_engine::workflow::definition::{Problem, Severity};

/// The most letters of a line that are shown.
const WIDEST: usize = 160;

/// Shows a problem of a text.
pub(super) fn show(file: &str, source: &str, problem: &Problem) -> String {
    let severity = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let Problem { pointer, line, column, message, fix, .. } = problem;
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    let mut shown = format!("{severity}: {message}\n{margin}--> {file}:{line}:{column}");
    if !pointer.is_empty() {
        let _ = write!(shown, " {pointer}");
    }
    let index = usize::try_from(*line).unwrap_or(usize::MAX) - 1;
    if let Some(text) = source.lines().nth(index) {
        let column = usize::try_from(*column).unwrap_or(usize::MAX) - 1;
        let (text, before) =
            (visible(text), text.chars().take(column).map(|c| if c == '\t' { '\t' } else { ' ' }));
        let mark = format!("{}{}", before.collect::<String>(), "^".repeat(word(source, index, column)));
        let _ = write!(shown, "\n{margin} |\n{number} | {text}\n{margin} | {mark}");
    }
    let _ = write!(shown, "\n{margin} = {fix}\n");
    shown
}

/// A line without what a terminal would take for more than text.
fn visible(line: &str) -> String {
    let mut text: String =
        line.chars().take(WIDEST).map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect();
    if line.chars().nth(WIDEST).is_some() {
        text.push('…');
    }
    text.trim_end().to_owned()
}

/// The length of the word that begins at a place; at least 1.
fn word(source: &str, line: usize, column: usize) -> usize {
    let rest = source.lines().nth(line).unwrap_or_default().chars().skip(column);
    let mut inside = rest.take(WIDEST.saturating_sub(column));
    let Some(first) = inside.next() else { return 1 };
    let length = match first {
        '"' | '\'' => inside.position(|c| c == first).map_or(1, |end| end + 2),
        _ => 1 + inside.take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.')).count(),
    };
    length.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(line: u32, column: u32) -> Problem {
        Problem {
            severity: Severity::Error,
            pointer: "/do/0/a/cal".to_owned(),
            line,
            column,
            message: "`cal` is not a field here".to_owned(),
            fix: "did you mean `call`?".to_owned(),
            kind: None,
        }
    }

    #[test]
    fn the_line_is_shown_with_a_mark_below_the_place() {
        let source = "do:\n  - a: { cal: \u{1b}[1m }\n";
        let expected = "error: `cal` is not a field here\n --> x.yaml:2:10 /do/0/a/cal\n  |\n2 |   - a: { cal: \u{fffd}[1m }\n  |          ^^^\n  = did you mean `call`?\n";
        assert_eq!(show("x.yaml", source, &problem(2, 10)), expected);
    }

    #[test]
    fn places_outside_of_the_text_do_no_harm() {
        for (line, column) in [(1, 1), (1, 900), (9, 9), (2, 3)] {
            let shown = show("-", "'a b': 1\n\t\"é", &problem(line, column));
            assert!(shown.contains("did you mean"), "{shown}");
        }
        assert!(show("-", "'a b': 1", &problem(1, 1)).contains("| ^^^^^\n"));
        assert!(show("-", "", &problem(1, 1)).starts_with("error"));
    }
}
