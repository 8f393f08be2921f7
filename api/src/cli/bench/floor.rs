//! What the machine can do at best: commits without a server, and a server without commits.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::serve::ListenerExt;
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::child::{Child, resolve};
use super::ledger::Ledger;
use super::load::{self, Arrival, Plan};
use super::now;
use super::report::{Report, Row};
use super::site::Site;
use super::store::fresh;

const PAGE: [u8; 4_096] = [0x5a; 4_096];
const LENGTH: Duration = Duration::from_secs(2);
const ECHO_KEYS: u32 = 10_000;

/// What the machine can do at best, measured beside a load.
pub(super) struct Floors {
    bare_commits: f64,
    echo: Row,
}

impl Floors {
    /// Measures bare commits, and an echo of `answer_bytes` under the same load.
    pub(super) async fn measure(site: &Site, plan: Plan, answer_bytes: usize) -> anyhow::Result<Self> {
        let bare_commits = bare_commits(site).await?;
        Ok(Self { bare_commits, echo: measured_echo(site, plan, "echo, closed loop", answer_bytes).await? })
    }

    /// Adds the load of the echo; before those that are compared with it.
    pub(super) fn add_load(&self, report: &mut Report) {
        report.load(&self.echo);
    }

    /// Bare commits a second.
    pub(super) fn bare_commits(&self) -> f64 {
        self.bare_commits
    }

    /// Adds how a load compares, and how what it commits a second does.
    pub(super) fn compare(&self, report: &mut Report, row: &Row, commits: f64) {
        let (bare, rate) = (self.bare_commits, row.requests_per_second);
        report.number("bare commits/s", bare, format!("{bare:.0} (4 KiB append and fdatasync)"));
        report.ratio("ratio to echo", rate, self.echo.requests_per_second);
        report.ratio("ratio to bare commits", commits, bare);
    }
}

/// Loads a bare echo of `answer_bytes` in a closed loop.
pub(super) async fn measured_echo(
    site: &Site,
    plan: Plan,
    name: &str,
    answer_bytes: usize,
) -> anyhow::Result<Row> {
    site.say(format!("{name} ({} s)", plan.seconds()));
    let bytes = answer_bytes.max(2).to_string();
    let child = Child::start(&["bench", "echo", "--answer-bytes", &bytes].map(OsString::from), None).await?;
    let ledger = Arc::new(Ledger::new(fresh("bench"), ECHO_KEYS));
    let outcome = load::run(plan, Arrival::Closed, resolve(&child.base).await?, ledger).await?;
    child.kill().await?;
    Ok(Row::new(name, outcome))
}

/// Appends pages to a file where the stores are, each followed by fdatasync, and answers how many a second that makes.
pub(super) async fn bare_commits(site: &Site) -> anyhow::Result<f64> {
    site.say("bare commits (2 s)");
    let path = site.dir().join("commits");
    let mut worker = JoinSet::new();
    worker.spawn_blocking(move || append_and_sync(&path));
    worker.join_next().await.context("the commit loop did not run")??
}

fn append_and_sync(path: &PathBuf) -> anyhow::Result<f64> {
    let mut file = OpenOptions::new().create_new(true).append(true).open(path)?;
    let start = now();
    let mut commits = 0_u32;
    while start.elapsed() < LENGTH {
        file.write_all(&PAGE)?;
        file.sync_data()?;
        commits += 1;
    }
    let length = start.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(f64::from(commits) / length)
}

/// Serves any POST with a constant JSON document of `answer_bytes`, as bare as axum gets.
pub(super) async fn echo(answer_bytes: u32) -> anyhow::Result<()> {
    let answer = Bytes::from(format!("\"{}\"", "x".repeat(answer_bytes as usize - 2)));
    let handler = move |_body: Bytes| {
        let answer = answer.clone();
        async move { ([(CONTENT_TYPE, "application/json")], answer) }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    Ok(axum::serve(listener, Router::new().fallback(handler)).await?)
}
