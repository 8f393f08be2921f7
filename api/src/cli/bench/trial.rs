//! One load against one server, and what the server's metrics tell of it.

use std::ffi::{OsStr, OsString};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use promptsales_engine::telemetry::names::COMMIT_ENTRIES;

use super::api::Api;
use super::args::Rate;
use super::child::{Child, resolve};
use super::client::Connection;
use super::ledger::Ledger;
use super::load::{self, Arrival, Plan};
use super::report::{Row, ratio};
use super::request::{Request, Work};
use super::site::Site;
use super::store::fresh;
use crate::config::DatabaseUrl;

/// The share of the closed loop's throughput at which the open loop runs.
const OPEN_SHARE: f64 = 0.7;
const PATIENCE: Duration = Duration::from_secs(10);

/// A kind of load against one server.
pub(super) struct Trial<'a> {
    pub(super) site: &'a Site,
    pub(super) base: &'a str,
    pub(super) ledger: &'a Arc<Ledger>,
    /// What the requests are called.
    pub(super) name: &'static str,
    pub(super) plan: Plan,
}

impl Trial<'_> {
    /// Sends requests as fast as they are answered.
    ///
    /// # Errors
    ///
    /// When nothing at all is answered, among others.
    pub(super) async fn closed(&self) -> anyhow::Result<Row> {
        let row = self.run(Arrival::Closed, format!("{}, closed loop", self.name)).await?;
        let why = || row.first_error.clone().unwrap_or_default();
        anyhow::ensure!(row.requests_per_second > 0.0, "the server answered nothing: {}", why());
        Ok(row)
    }

    /// Sends requests at a rate, by default at a share of what the closed loop reached.
    pub(super) async fn open(&self, rate: Rate, closed: &Row) -> anyhow::Result<Row> {
        let rate = match rate {
            Rate::Auto => ((closed.requests_per_second * OPEN_SHARE) as u32).max(1),
            Rate::PerSecond(rate) => rate,
        };
        let row = self.run(Arrival::Open(rate), format!("{}, {rate}/s open", self.name)).await?;
        Ok(Row { rate: Some(rate), ..row })
    }

    pub(super) async fn run(&self, arrival: Arrival, name: String) -> anyhow::Result<Row> {
        self.site.say(match arrival {
            Arrival::Closed | Arrival::Open(_) => format!("{name} ({} s)", self.plan.seconds()),
            Arrival::Sweep { count, .. } => format!("{name} ({count} requests)"),
        });
        let before = commits(self.base).await;
        let outcome = load::run(self.plan, arrival, resolve(self.base).await?, self.ledger.clone()).await?;
        let after = commits(self.base).await;
        let per_fsync = before.zip(after).filter(|_| matches!(self.plan.work, Work::Record(_)));
        let per_fsync = per_fsync.map(|(before, after)| ratio(after.0 - before.0, after.1 - before.1));
        Ok(Row { commands_per_fsync: per_fsync, ..Row::new(name, outcome) })
    }
}

/// Sends one request and answers the size of its answer's body in bytes; a command goes to a lead of its own, and so
/// does the key of a run.
pub(super) async fn probe(base: &str, work: Work, ledger: &Ledger) -> anyhow::Result<usize> {
    let prefix = match work {
        Work::Record(_) | Work::Start(_) => format!("{}-probe", ledger.prefix),
        Work::Read | Work::List | Work::Events | Work::Run | Work::Launch => ledger.prefix.clone(),
    };
    let address = resolve(base).await?;
    let mut request = Request::new(address, &prefix, &fresh("probe"), work);
    let exchange = async {
        let mut connection = Connection::open(address).await?;
        let answer = connection.exchange(request.patch(0, || 0)).await?;
        let text = || String::from_utf8_lossy(&answer.body[..answer.body.len().min(300)]).into_owned();
        anyhow::ensure!(
            work.is_done(answer.status, answer.body),
            "{work:?} was answered with {}: {}",
            answer.status,
            text()
        );
        Ok(answer.body.len())
    };
    let answered = tokio::time::timeout(PATIENCE, exchange).await;
    answered.map_err(anyhow::Error::from).flatten().with_context(|| format!("{base} cannot be loaded"))
}

/// Does the same work against rows that are kept by hand, in a file or a database of their own.
pub(super) async fn by_hand(
    site: &Site,
    server: Option<&DatabaseUrl>,
    plan: Plan,
    keys: u32,
) -> anyhow::Result<Row> {
    let database = match server {
        Some(server) => Some(site.database(server).await?),
        None => None,
    };
    let mut args = ["bench", "by-hand", "--data-dir"].map(OsString::from).to_vec();
    args.push(site.dir().join(fresh("by-hand")).into_os_string());
    let child = Child::start(&args, database.as_ref().map(|url| OsStr::new(url.expose()))).await?;
    let ledger = Arc::new(Ledger::new(fresh("bench"), keys));
    let row = Trial { site, base: &child.base, ledger: &ledger, name: "by hand", plan }.closed().await?;
    child.kill().await?;
    Ok(row)
}

/// The entries committed so far and the commits that carried them, if the server tells.
async fn commits(base: &str) -> Option<(f64, f64)> {
    let metrics = Api::new(base).metrics().await.ok()?;
    let sum = |suffix| metrics.sum(&format!("{COMMIT_ENTRIES}{suffix}"));
    Some((sum("_sum")?, sum("_count")?))
}
