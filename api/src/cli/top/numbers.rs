//! The numbers of the header, out of the metrics.

use std::collections::BTreeMap;
use std::time::Duration;

use promptsales_engine::telemetry::names;
use serde_json::{Value, json};

/// The metrics at one moment: by name and labels as they are written.
#[derive(Debug, Clone, Default)]
pub(super) struct Numbers(BTreeMap<String, f64>);

/// What changed between two moments.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Rates {
    /// Commands answered per second.
    pub(super) commands: f64,
    /// Commits per second.
    pub(super) commits: f64,
    /// Events of runs and effects ended per second.
    pub(super) effects: f64,
}

impl Numbers {
    /// Reads the text format of Prometheus.
    pub(super) fn read(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let one = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Self(lines.filter_map(one).collect())
    }

    /// The sum of a metric over its labels.
    pub(super) fn sum(&self, name: &str) -> f64 {
        let is_of = |of: &str| of == name || of.strip_prefix(name).is_some_and(|rest| rest.starts_with('{'));
        self.0.iter().filter(|(of, _)| is_of(of)).map(|(_, value)| value).fold(0.0, |sum, value| sum + value)
    }

    /// The p99 of commits in milliseconds; `None` where there were none of late.
    pub(super) fn commit_p99_ms(&self) -> Option<f64> {
        let of = format!("{}{{quantile=\"0.99\"}}", names::COMMIT_SECONDS);
        self.0.get(&of).filter(|p99| p99.is_finite() && **p99 > 0.0).map(|p99| p99 * 1_000.0)
    }

    /// What changed since an earlier moment. A server that was restarted counts from nothing again.
    pub(super) fn since(&self, before: &Self, passed: Duration) -> Rates {
        let seconds = passed.as_secs_f64().max(0.001);
        let rate = |name: &str| (self.sum(name) - before.sum(name)).max(0.0) / seconds;
        let commits = format!("{}_count", names::COMMIT_SECONDS);
        Rates { commands: rate(names::COMMANDS), commits: rate(&commits), effects: rate(names::EFFECTS) }
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "liveActors": self.sum(names::LIVE), "inQuarantine": self.sum(names::IN_QUARANTINE),
            "deadLetters": self.sum(names::DEAD_LETTERS), "overdue": self.sum(names::OVERDUE),
            "nudges": self.sum(names::NUDGES), "restarts": self.sum(names::RESTARTS),
            "refused": self.sum(names::REFUSED), "commitP99Ms": self.commit_p99_ms(),
        })
    }
}

impl Rates {
    pub(super) fn json(self) -> Value {
        let Self { commands, commits, effects } = self;
        json!({ "commandsPerSecond": commands, "commitsPerSecond": commits, "effectsPerSecond": effects })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_summed_over_their_labels() {
        let before = Numbers::read("promptsales_commands_total{kind=\"lead\"} 10\n");
        let text = "# TYPE promptsales_commands_total counter\n\
            promptsales_commands_total{kind=\"lead\",outcome=\"accepted\"} 20\n\
            promptsales_commands_total{kind=\"run\",outcome=\"accepted\"} 5\n\
            promptsales_commit_seconds{quantile=\"0.99\"} 0.0042\n\
            promptsales_commit_seconds_count 7\npromptsales_live_actors 3\n";
        let now = Numbers::read(text);
        assert_eq!((now.sum(names::COMMANDS), now.sum(names::LIVE)), (25.0, 3.0));
        assert_eq!(now.commit_p99_ms(), Some(4.2));
        let rates = now.since(&before, Duration::from_secs(5));
        assert_eq!((rates.commands, rates.commits), (3.0, 1.4));
        assert_eq!(before.since(&now, Duration::from_secs(5)).commands, 0.0, "after a restart");
    }
}
