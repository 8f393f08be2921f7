//! What a benchmark has to tell, as JSON and as a table.

use std::fmt;

use serde::Serialize;

use super::figure::Figure;
use super::ledger::Verified;
use super::load::Outcome;
use super::machine::Machine;

/// Everything that one benchmark found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    benchmark: &'static str,
    version: &'static str,
    /// How the binary was compiled: `release` or `debug`.
    build: &'static str,
    /// Runs the same again.
    command: String,
    machine: Machine,
    loads: Vec<Row>,
    facts: Vec<Fact>,
    /// Rows of the table of what is to be reached.
    pub(super) figures: Vec<Figure>,
    lost: u64,
    /// What is wrong beside the loads.
    wrong: Vec<String>,
}

/// One load.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    pub(super) name: String,
    /// Requests a second that an open loop was to send.
    pub(super) rate: Option<u32>,
    pub(super) requests_per_second: f64,
    pub(super) p50_us: u64,
    pub(super) p90_us: u64,
    pub(super) p99_us: u64,
    pub(super) p999_us: u64,
    pub(super) max_us: u64,
    pub(super) errors: u64,
    pub(super) first_error: Option<String>,
    /// Requests of an open loop that could not be sent in time.
    pub(super) unsent: u64,
    pub(super) commands_per_fsync: Option<f64>,
}

/// Something beside the loads.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Fact {
    name: &'static str,
    value: f64,
    text: String,
}

impl Row {
    pub(super) fn new(name: impl Into<String>, outcome: Outcome) -> Self {
        let quantile = |quantile| outcome.latency.value_at_quantile(quantile);
        Self {
            name: name.into(),
            rate: None,
            requests_per_second: outcome.per_second,
            p50_us: quantile(0.5),
            p90_us: quantile(0.9),
            p99_us: quantile(0.99),
            p999_us: quantile(0.999),
            max_us: outcome.latency.max(),
            errors: outcome.errors + outcome.refused,
            unsent: outcome.unsent,
            commands_per_fsync: None,
            first_error: outcome.first_error.or(outcome.first_refusal),
        }
    }

    /// The latency below which half of the requests stay, in milliseconds.
    pub(super) fn p50_ms(&self) -> f64 {
        self.p50_us as f64 / 1_000.0
    }

    /// The latency below which 99 % of the requests stay, in milliseconds.
    pub(super) fn p99_ms(&self) -> f64 {
        self.p99_us as f64 / 1_000.0
    }

    fn line(&self) -> String {
        let [p50, p90, p99, p999, max] =
            [self.p50_us, self.p90_us, self.p99_us, self.p999_us, self.max_us].map(millis);
        let (name, rate) = (&self.name, format!("{:.0}", self.requests_per_second));
        let row = format!("{name:<24}{rate:>11}{p50:>9}{p90:>9}{p99:>9}{p999:>9}{max:>9}{:>8}", self.errors);
        match self.unsent {
            0 => row,
            unsent => format!("{row}   {unsent} due but not sent"),
        }
    }
}

impl Report {
    pub(super) fn new(benchmark: &'static str, machine: Machine) -> Self {
        Self {
            benchmark,
            version: env!("CARGO_PKG_VERSION"),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
            command: again(std::env::args()),
            machine,
            loads: Vec::new(),
            facts: Vec::new(),
            figures: Vec::new(),
            lost: 0,
            wrong: Vec::new(),
        }
    }

    pub(super) fn load(&mut self, row: &Row) {
        self.loads.push(row.clone());
    }

    /// Adds a number that is no load's.
    pub(super) fn number(&mut self, name: &'static str, value: f64, text: impl Into<String>) {
        self.facts.push(Fact { name, value, text: text.into() });
    }

    /// Adds how a load compares with another: `of`, in words.
    pub(super) fn ratio(&mut self, name: &'static str, value: f64, of: f64) {
        let share = ratio(value, of);
        self.number(name, share, format!("{share:.2}"));
    }

    /// Adds what looking for acknowledged work found, and `when` that was.
    pub(super) fn verified(&mut self, verified: Verified, what: &str, when: &str) {
        let Verified { leads: _, acknowledged, lost } = verified;
        self.lost += lost;
        self.number("verified", lost as f64, format!("{acknowledged} {what} {when}: {lost} lost"));
    }

    /// Notes that something is wrong.
    pub(super) fn wrong(&mut self, what: String) {
        self.wrong.push(what);
    }

    /// Why the run is not a success, if it is not.
    pub(super) fn failure(&self) -> Option<String> {
        for row in &self.loads {
            if row.errors > 0 {
                let first = row.first_error.as_deref().unwrap_or("unknown");
                return Some(format!("{} errors in `{}`, the first: {first}", row.errors, row.name));
            }
            if row.requests_per_second <= 0.0 {
                return Some(format!("nothing was answered in `{}`", row.name));
            }
        }
        if let Some(wrong) = self.wrong.first() {
            return Some(wrong.clone());
        }
        let lost = self.lost;
        (lost > 0).then(|| format!("{lost} acknowledged commands or events are missing"))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.build == "debug" {
            writeln!(f, "This is a debug build: its figures mean nothing.\n")?;
        }
        if !self.loads.is_empty() {
            let names = ["p50", "p90", "p99", "p99.9", "max"].map(|name| format!("{name:>9}")).concat();
            writeln!(f, "{:<24}{:>11}{names}{:>8}", "latency in ms", "requests/s", "errors")?;
            for row in &self.loads {
                writeln!(f, "{}", row.line())?;
            }
            writeln!(f)?;
        }
        let mut fact = |name: &str, value: &str| writeln!(f, "{name:<24}{value}");
        for Fact { name, text, .. } in &self.facts {
            fact(name, text)?;
        }
        fact("machine", &self.machine.text())?;
        if self.machine.filesystem == "tmpfs" {
            fact("", "The store was in memory: choose a disk with --data-dir.")?;
        }
        fact("again", &self.command)
    }
}

/// How much of the second the first is; 0 where there is nothing to compare with.
pub(super) fn ratio(value: f64, of: f64) -> f64 {
    if of > 0.0 { value / of } else { 0.0 }
}

/// The middle one of some values; of two in the middle, the lower one.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
}

/// The command line that runs the same again; without the URL of a database, which may hold a password.
fn again(args: impl Iterator<Item = String>) -> String {
    let mut line = "promptsales".to_owned();
    let mut is_secret = false;
    for word in args.skip(1) {
        line.push(' ');
        line += match word.split_once('=') {
            _ if is_secret => "URL",
            Some(("--database-url", _)) => "--database-url=URL",
            _ => &word,
        };
        is_secret = word == "--database-url";
    }
    line
}

fn millis(us: u64) -> String {
    format!("{:.2}", us as f64 / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let medians = [vec![3.0, 1.0, 2.0], vec![4.0, 1.0], vec![]].map(median);
        assert_eq!(medians, [2.0, 1.0, 0.0]);
    }

    #[test]
    fn the_url_of_a_database_is_not_repeated() {
        for (line, expected) in [
            ("x bench all --database-url postgres://a:s@b --quick", "bench all --database-url URL --quick"),
            ("x bench all --database-url=postgres://a:s@b", "bench all --database-url=URL"),
        ] {
            assert_eq!(again(line.split(' ').map(str::to_owned)), format!("promptsales {expected}"));
        }
    }
}
