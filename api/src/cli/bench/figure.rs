//! The rows of the table of what the product is to reach: measured, at least, aim.

use std::fmt::Write as _;

use serde::Serialize;

/// One row of the table.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Figure {
    /// What was done.
    pub(super) work: String,
    pub(super) goals: Vec<Goal>,
    /// Why nothing was measured, if so.
    pub(super) missing: Option<String>,
}

/// One thing that was measured, and what it should be.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Goal {
    /// What is measured, where the unit does not tell.
    what: &'static str,
    unit: Unit,
    value: f64,
    /// The least that is good enough; the most where less is better.
    bound: Option<f64>,
    aim: Option<f64>,
}

/// What a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Unit {
    PerSecond,
    EventsPerSecond,
    Entities,
    Share,
    Millis,
    KibEach,
    Mib,
    Bytes,
    /// A share by which something grew.
    Growth,
    /// How many times as much as something else.
    Times,
}

impl Figure {
    pub(super) fn new(work: impl Into<String>, goals: Vec<Goal>) -> Self {
        Self { work: work.into(), goals, missing: None }
    }

    /// A row that could not be measured.
    pub(super) fn missing(work: impl Into<String>, why: impl Into<String>) -> Self {
        Self { work: work.into(), goals: Vec::new(), missing: Some(why.into()) }
    }

    fn cells(&self) -> [String; 5] {
        let join = |texts: Vec<String>| texts.join("; ");
        let measured = match &self.missing {
            Some(why) => format!("not measured: {why}"),
            None => join(self.goals.iter().map(|goal| goal.text(goal.value)).collect()),
        };
        let bounds = self.goals.iter().filter_map(|goal| Some(goal.limit(goal.bound?))).collect();
        let aims = self.goals.iter().filter_map(|goal| Some(goal.limit(goal.aim?))).collect();
        let bounded: Vec<bool> = self.goals.iter().filter_map(Goal::is_met).collect();
        let met = match (bounded.is_empty(), bounded.iter().all(|met| *met)) {
            (true, _) => "",
            (false, true) => "yes",
            (false, false) => "no",
        };
        [self.work.clone(), measured, join(bounds), join(aims), met.to_owned()]
    }
}

impl Goal {
    pub(super) const fn new(what: &'static str, unit: Unit, value: f64) -> Self {
        Self { what, unit, value, bound: None, aim: None }
    }

    pub(super) const fn bound(self, bound: f64) -> Self {
        Self { bound: Some(bound), ..self }
    }

    pub(super) const fn aim(self, aim: f64) -> Self {
        Self { aim: Some(aim), ..self }
    }

    fn is_met(&self) -> Option<bool> {
        let bound = self.bound?;
        Some(if self.unit.more_is_better() { self.value >= bound } else { self.value <= bound })
    }

    fn text(&self, value: f64) -> String {
        let number = self.unit.text(value);
        if self.what.is_empty() { number } else { format!("{} {number}", self.what) }
    }

    fn limit(&self, value: f64) -> String {
        let number = self.unit.text(value);
        let number = if self.unit.more_is_better() { number } else { format!("at most {number}") };
        if self.what.is_empty() { number } else { format!("{} {number}", self.what) }
    }
}

impl Unit {
    const fn more_is_better(self) -> bool {
        match self {
            Self::PerSecond | Self::EventsPerSecond | Self::Entities | Self::Share => true,
            Self::Millis | Self::KibEach | Self::Mib | Self::Bytes | Self::Growth | Self::Times => false,
        }
    }

    fn text(self, value: f64) -> String {
        match self {
            Self::PerSecond => format!("{}/s", grouped(value)),
            Self::EventsPerSecond => format!("{} events/s", grouped(value)),
            Self::Entities => grouped(value),
            Self::Share => format!("{value:.2}"),
            Self::Millis if value < 100.0 => format!("{value:.1} ms"),
            Self::Millis => format!("{} ms", grouped(value)),
            Self::KibEach => format!("{value:.1} KiB"),
            Self::Mib => format!("{value:.0} MiB"),
            Self::Bytes => format!("{value:.0} bytes"),
            Self::Growth => format!("{:+.1} %", value * 100.0),
            Self::Times => format!("{value:.2} times"),
        }
    }
}

/// The table as Markdown.
pub(super) fn markdown(figures: &[Figure]) -> String {
    let mut text = "| work | measured | at least | aim | met |\n|---|---|---|---|---|\n".to_owned();
    for figure in figures {
        let _ = writeln!(text, "| {} |", figure.cells().map(|cell| cell.replace('|', "\\|")).join(" | "));
    }
    text
}

/// The table for a terminal.
pub(super) fn plain(figures: &[Figure]) -> String {
    let heads = ["work", "measured", "at least", "aim", "met"].map(str::to_owned);
    let rows: Vec<[String; 5]> = std::iter::once(heads).chain(figures.iter().map(Figure::cells)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 5] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    text
}

/// A whole number with its thousands apart.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && digits.as_bytes()[at - 1].is_ascii_digit() {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_was_measured_and_whether_that_will_do() {
        let rate = Goal::new("", Unit::PerSecond, 31_234.4).bound(30_000.0).aim(45_000.0);
        let late = Goal::new("p99", Unit::Millis, 16.25).bound(15.0);
        let rows = [
            Figure::new("commands", vec![rate.clone()]),
            Figure::new("both", vec![rate, late]),
            Figure::missing("batches", "no route"),
        ];
        let expected = "| work | measured | at least | aim | met |\n|---|---|---|---|---|\n\
            | commands | 31,234/s | 30,000/s | 45,000/s | yes |\n\
            | both | 31,234/s; p99 16.2 ms | 30,000/s; p99 at most 15.0 ms | 45,000/s | no |\n\
            | batches | not measured: no route |  |  |  |\n";
        assert_eq!(markdown(&rows), expected);
        assert!(plain(&rows).starts_with("work      measured"), "{}", plain(&rows));
    }

    #[test]
    fn thousands_stand_apart() {
        let texts = [0.0, 999.4, 1_000.0, 10_000_000.0, -1_234.0].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "10,000,000", "-1,234"]);
    }
}
