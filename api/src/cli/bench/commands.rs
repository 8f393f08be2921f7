//! `bench commands`: the steps of one run.

use std::ffi::OsStr;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use indicatif::ProgressBar;
use promptsales_engine::telemetry::names::COMMIT_ENTRIES;

use super::child::{Child, resolve};
use super::client::{Idempotency, key};
use super::ledger::{Ledger, Verified};
use super::load::{self, Arrival, Outcome, Plan};
use super::machine::{self, Machine};
use super::report::{Aftermath, Report, Row};
use super::{CommandsArgs, Rate, floor, now};

/// The share of the closed loop's throughput at which the open loop runs.
const OPEN_SHARE: f64 = 0.7;

/// The server under load.
enum Subject {
    /// Ours, on a throw-away store.
    Started { child: Box<Child>, store: PathBuf },
    /// Somebody's, at this URL.
    Given(String),
}

/// Runs all loads, looks for what was acknowledged, and prints the report.
pub(super) async fn run(args: CommandsArgs) -> anyhow::Result<()> {
    let parent = args.data_dir.clone().unwrap_or_else(std::env::temp_dir);
    std::fs::create_dir_all(&parent)?;
    let dir = tempfile::Builder::new().prefix("promptsales-bench-").tempdir_in(&parent)?;
    let progress = ProgressBar::new_spinner();
    progress.enable_steady_tick(Duration::from_millis(250));

    let measured = Box::pin(measure(&args, dir.path(), &progress)).await;
    progress.finish_and_clear();
    let report = measured?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    report.failure().map_or(Ok(()), |failure| Err(anyhow::anyhow!(failure)))
}

async fn measure(args: &CommandsArgs, dir: &Path, progress: &ProgressBar) -> anyhow::Result<Report> {
    let plan = args.plan();
    let seconds = args.warmup + args.seconds;
    progress.set_message("bare commits (2 s)");
    let bare = floor::commits_per_second(dir).await?;

    progress.set_message("starting the server");
    let subject = match &args.server {
        Some(base) => Subject::Given(base.trim_end_matches('/').to_owned()),
        None => Subject::start(dir.join("store")).await?,
    };
    let base = subject.base();
    let prefix = format!("bench-{:016x}", RandomState::new().hash_one(0));
    let answer_bytes = probe(base, &prefix).await?;

    progress.set_message(format!("echo, closed loop ({seconds} s)"));
    let echo = echo(plan, answer_bytes, Arc::new(Ledger::new(prefix.clone(), args.keys))).await?;

    let ledger = Arc::new(Ledger::new(prefix, args.keys));
    progress.set_message(format!("commands, closed loop ({seconds} s)"));
    let closed = loaded(plan, Arrival::Closed, base, &ledger).await?;
    let failed = || closed.first_error.clone().unwrap_or_default();
    anyhow::ensure!(closed.requests_per_second > 0.0, "the server answered no command: {}", failed());
    let rate = args.rate.per_second(closed.requests_per_second);
    progress.set_message(format!("commands, open loop at {rate}/s ({seconds} s)"));
    let open = loaded(plan, Arrival::Open(rate), base, &ledger).await?;

    progress.set_message("looking for what was acknowledged");
    let aftermath = subject.aftermath(&ledger).await?;
    let parent = dir.parent().unwrap_or(dir);
    Ok(Report {
        benchmark: "commands",
        version: env!("CARGO_PKG_VERSION"),
        build: if cfg!(debug_assertions) { "debug" } else { "release" },
        command: again(),
        machine: Machine::describe(parent),
        bare_commits_per_second: bare,
        ratio_to_echo: ratio(closed.requests_per_second, echo.requests_per_second),
        ratio_to_bare_commits: ratio(closed.requests_per_second, bare),
        echo,
        closed,
        open,
        aftermath,
    })
}

/// Sends one command outside the measured keys, and answers the size of its answer's body in bytes.
async fn probe(base: &str, prefix: &str) -> anyhow::Result<usize> {
    let url = format!("{base}/api/v1/leads/~{}/commands/record-activity", key(&format!("{prefix}-probe"), 0));
    let body = serde_json::json!({ "activity": "opened", "score": 1, "tag": "spring" });
    let request = reqwest::Client::new().post(&url).json(&body).timeout(Duration::from_secs(10));
    let answer = request.send().await.with_context(|| format!("could not reach {base}"))?;
    let (status, text) = (answer.status(), answer.text().await?);
    anyhow::ensure!(status == reqwest::StatusCode::OK, "{url} was answered with {status}: {text}");
    Ok(text.len())
}

async fn echo(plan: Plan, answer_bytes: usize, ledger: Arc<Ledger>) -> anyhow::Result<Row> {
    let bytes = answer_bytes.max(2).to_string();
    let args = ["bench", "echo", "--answer-bytes", &bytes].map(OsStr::new);
    let child = Child::start(&args).await?;
    let outcome = load::run(plan, Arrival::Closed, resolve(&child.base).await?, ledger).await?;
    child.kill().await?;
    Ok(Row::new(outcome, None, None))
}

async fn loaded(plan: Plan, arrival: Arrival, base: &str, ledger: &Arc<Ledger>) -> anyhow::Result<Row> {
    let before = commits(base).await;
    let outcome: Outcome = load::run(plan, arrival, resolve(base).await?, ledger.clone()).await?;
    let after = commits(base).await;
    let per_fsync = before.zip(after).map(|(before, after)| ratio(after.0 - before.0, after.1 - before.1));
    let rate = match arrival {
        Arrival::Closed => None,
        Arrival::Open(rate) => Some(rate),
    };
    Ok(Row::new(outcome, rate, per_fsync))
}

/// The entries committed so far and the commits that carried them, if the server tells.
async fn commits(base: &str) -> Option<(f64, f64)> {
    let request = reqwest::Client::new().get(format!("{base}/metrics")).timeout(Duration::from_secs(10));
    let text = request.send().await.ok()?.error_for_status().ok()?.text().await.ok()?;
    Some((total(&text, "_sum")?, total(&text, "_count")?))
}

/// The sum of all series of the commit histogram that end in `suffix` (Prometheus text format 0.0.4).
fn total(metrics: &str, suffix: &str) -> Option<f64> {
    let name = format!("{COMMIT_ENTRIES}{suffix}");
    let series = metrics.lines().filter_map(|line| line.strip_prefix(&name));
    let series = series.filter(|rest| rest.starts_with([' ', '{']));
    series.filter_map(|rest| rest.rsplit(' ').next()?.parse().ok()).reduce(|sum: f64, value| sum + value)
}

fn ratio(value: f64, of: f64) -> f64 {
    if of > 0.0 { value / of } else { 0.0 }
}

impl Subject {
    async fn start(store: PathBuf) -> anyhow::Result<Self> {
        let args = ["serve", "--dev", "--listen", "127.0.0.1:0", "--data-dir"].map(OsStr::new);
        let child = Box::new(Child::start(&[&args[..], &[store.as_os_str()]].concat()).await?);
        Ok(Self::Started { child, store })
    }

    fn base(&self) -> &str {
        match self {
            Self::Started { child, .. } => &child.base,
            Self::Given(base) => base,
        }
    }

    /// Reads everything back; a server of ours is killed first, so that what it tells comes from its store.
    async fn aftermath(self, ledger: &Ledger) -> anyhow::Result<Aftermath> {
        let (child, store) = match self {
            Self::Given(base) => return Ok(Aftermath::new(ledger, ledger.verify(&base).await?)),
            Self::Started { child, store } => (child, store),
        };
        let killed = now();
        child.kill().await?;
        let Self::Started { child, store } = Self::start(store).await? else {
            anyhow::bail!("the server did not come back");
        };
        let restart_ms = u64::try_from(killed.elapsed().as_millis())?;
        let verified = ledger.verify(&child.base).await?;
        child.stop().await?;
        let bytes = machine::size(&store)?;
        let aftermath = Aftermath::new(ledger, verified);
        let bytes_per_event = Some(ratio(bytes as f64, aftermath.events as f64));
        Ok(Aftermath {
            restart_ms: Some(restart_ms),
            bytes_on_disk: Some(bytes),
            bytes_per_event,
            ..aftermath
        })
    }
}

impl Aftermath {
    fn new(ledger: &Ledger, verified: Verified) -> Self {
        let events = ledger.events();
        Self { verified, restart_ms: None, events, bytes_on_disk: None, bytes_per_event: None }
    }
}

impl Rate {
    fn per_second(self, closed: f64) -> u32 {
        match self {
            Self::Auto => ((closed * OPEN_SHARE) as u32).max(1),
            Self::PerSecond(rate) => rate,
        }
    }
}

impl CommandsArgs {
    fn plan(&self) -> Plan {
        Plan {
            connections: self.connections,
            warmup: Duration::from_secs(self.warmup),
            measured: Duration::from_secs(self.seconds),
            idempotency: if self.key_per_request { Idempotency::PerRequest } else { Idempotency::None },
        }
    }
}

/// The command line that runs the same again.
fn again() -> String {
    std::env::args().skip(1).fold("promptsales".to_owned(), |line, word| line + " " + &word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_the_series_of_all_lanes() {
        let text = "# TYPE promptsales_commit_entries summary\n\
                    promptsales_commit_entries{lane=\"0\",quantile=\"0.5\"} 9\n\
                    promptsales_commit_entries_sum{lane=\"0\"} 12.5\n\
                    promptsales_commit_entries_sum{lane=\"1\"} 3\n\
                    promptsales_commit_entries_count 4\n";
        assert_eq!((total(text, "_sum"), total(text, "_count")), (Some(15.5), Some(4.0)));
        assert_eq!(total("", "_sum"), None);
    }
}
