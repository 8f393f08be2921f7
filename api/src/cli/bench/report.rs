//! What a run has to tell, as JSON and as a table.

use std::fmt;

use serde::Serialize;

use super::ledger::Verified;
use super::load::Outcome;
use super::machine::Machine;

/// All figures of one run of `bench commands`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub(super) benchmark: &'static str,
    pub(super) version: &'static str,
    /// How the binary was compiled: `release` or `debug`.
    pub(super) build: &'static str,
    /// Runs the same again.
    pub(super) command: String,
    pub(super) machine: Machine,
    pub(super) bare_commits_per_second: f64,
    pub(super) echo: Row,
    pub(super) closed: Row,
    pub(super) open: Row,
    pub(super) ratio_to_echo: f64,
    pub(super) ratio_to_bare_commits: f64,
    pub(super) aftermath: Aftermath,
}

/// One load.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
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

/// What was found after the loads.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Aftermath {
    pub(super) verified: Verified,
    /// Time from `kill -9` to listening again; absent where the server is not ours to kill.
    pub(super) restart_ms: Option<u64>,
    pub(super) events: u64,
    /// Of the store after an orderly stop.
    pub(super) bytes_on_disk: Option<u64>,
    pub(super) bytes_per_event: Option<f64>,
}

impl Row {
    pub(super) fn new(outcome: Outcome, rate: Option<u32>, commands_per_fsync: Option<f64>) -> Self {
        let quantile = |quantile| outcome.latency.value_at_quantile(quantile);
        Self {
            rate,
            requests_per_second: outcome.per_second,
            p50_us: quantile(0.5),
            p90_us: quantile(0.9),
            p99_us: quantile(0.99),
            p999_us: quantile(0.999),
            max_us: outcome.latency.max(),
            errors: outcome.errors,
            unsent: outcome.unsent,
            commands_per_fsync,
            first_error: outcome.first_error,
        }
    }

    fn line(&self, name: &str) -> String {
        let [p50, p90, p99, p999, max] =
            [self.p50_us, self.p90_us, self.p99_us, self.p999_us, self.max_us].map(millis);
        let rate = format!("{:.0}", self.requests_per_second);
        let row = format!("{name:<24}{rate:>11}{p50:>9}{p90:>9}{p99:>9}{p999:>9}{max:>9}{:>8}", self.errors);
        match self.unsent {
            0 => row,
            unsent => format!("{row}   {unsent} due but not sent"),
        }
    }
}

impl Report {
    /// Why the run is not a success, if it is not.
    pub(super) fn failure(&self) -> Option<String> {
        for (name, row) in [("echo", &self.echo), ("closed loop", &self.closed), ("open loop", &self.open)] {
            if row.errors > 0 {
                let first = row.first_error.as_deref().unwrap_or("unknown");
                return Some(format!("{} errors in the {name}, the first: {first}", row.errors));
            }
            if row.requests_per_second <= 0.0 {
                return Some(format!("nothing was answered in the {name}"));
            }
        }
        let lost = self.aftermath.verified.lost;
        (lost > 0).then(|| format!("{lost} acknowledged commands are missing"))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.build == "debug" {
            writeln!(f, "This is a debug build: its figures mean nothing.\n")?;
        }
        let open = format!("commands, {}/s open", self.open.rate.unwrap_or(0));
        let names = ["p50", "p90", "p99", "p99.9", "max"].map(|name| format!("{name:>9}")).concat();
        writeln!(f, "{:<24}{:>11}{names}{:>8}", "latency in ms", "requests/s", "errors")?;
        writeln!(f, "{}", self.echo.line("echo, closed loop"))?;
        writeln!(f, "{}", self.closed.line("commands, closed loop"))?;
        writeln!(f, "{}\n", self.open.line(&open))?;

        let mut fact = |name: &str, value: String| writeln!(f, "{name:<24}{value}");
        fact("bare commits/s", format!("{:.0} (4 KiB append and fdatasync)", self.bare_commits_per_second))?;
        fact("ratio to echo", format!("{:.2}", self.ratio_to_echo))?;
        fact("ratio to bare commits", format!("{:.2}", self.ratio_to_bare_commits))?;
        if let (Some(closed), Some(open)) = (self.closed.commands_per_fsync, self.open.commands_per_fsync) {
            fact("commands per fsync", format!("{closed:.1} closed, {open:.1} open"))?;
        }
        let after = &self.aftermath;
        if let (Some(bytes), Some(each)) = (after.bytes_on_disk, after.bytes_per_event) {
            let (mib, events) = (bytes as f64 / 1_048_576.0, after.events);
            fact("bytes on disk per event", format!("{each:.0} ({mib:.1} MiB for {events} events)"))?;
        }
        let Verified { leads, acknowledged, lost } = after.verified;
        let when = match after.restart_ms {
            Some(millis) => format!("after kill -9 and a restart of {millis} ms"),
            None => "on the running server".to_owned(),
        };
        fact("verified", format!("{acknowledged} commands to {leads} leads {when}: {lost} lost"))?;
        let Machine { cpu, cores, memory_mib, kernel, filesystem } = &self.machine;
        fact("machine", format!("{cpu}, {cores} cores, {memory_mib} MiB, Linux {kernel}, {filesystem}"))?;
        if filesystem == "tmpfs" {
            fact("", "The store was in memory: choose a disk with --data-dir.".to_owned())?;
        }
        fact("again", self.command.clone())
    }
}

fn millis(us: u64) -> String {
    format!("{:.2}", us as f64 / 1_000.0)
}
