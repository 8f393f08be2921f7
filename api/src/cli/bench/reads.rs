//! `bench reads`: the state of one lead, and the newest twenty.

use super::args::ReadsArgs;
use super::figure::{Figure, Goal, Unit};
use super::floor::measured_echo;
use super::report::Report;
use super::request::Work;
use super::site::Site;
use super::store::Store;
use super::trial::{Trial, probe};

/// Events and leads where nothing is said.
const EVENTS: u64 = 100_000;

/// Makes a store and reads from a server on it.
pub(super) async fn run(site: &Site, args: &ReadsArgs) -> anyhow::Result<Report> {
    let mut store = site.store("store", site.server.as_ref()).await?;
    store.fill(args.preload.or(EVENTS, args.load.keys)).await?;
    on(site, args, &store).await
}

/// Reads from a server on a store that holds leads.
pub(super) async fn on(site: &Site, args: &ReadsArgs, store: &Store) -> anyhow::Result<Report> {
    let mut report = site.report("reads");
    site.say("starting the server");
    let child = store.start(&[]).await?;
    let keys = args.load.keys.min(store.preloaded.entities);
    anyhow::ensure!(keys > 0, "there is nothing to read: use --preload");
    let ledger = store.ledger(keys);
    for (work, name) in [(Work::Read, "read one"), (Work::List, "list 20")] {
        let plan = args.load.plan(work);
        let answer_bytes = probe(&child.base, work, &ledger).await?;
        let (echo_name, echo_ratio) = match work {
            Work::List => ("echo of a list, closed", "list 20 to its echo"),
            Work::Read | Work::Record(_) | Work::Events | Work::Run | Work::Start(_) | Work::Launch => {
                ("echo of one, closed", "read one to its echo")
            }
        };
        let echo = measured_echo(site, plan, echo_name, answer_bytes).await?;
        let trial = Trial { site, base: &child.base, ledger: &ledger, name, plan };
        let closed = trial.closed().await?;
        let open = trial.open(args.rate, &closed).await?;
        for row in [&echo, &closed, &open] {
            report.load(row);
        }
        report.ratio(echo_ratio, closed.requests_per_second, echo.requests_per_second);
        let rate = Goal::new("", Unit::PerSecond, closed.requests_per_second);
        let late = Goal::new("p99 of the open loop", Unit::Millis, open.p99_ms());
        report.figures.push(match work {
            Work::List => Figure::new("list 20", vec![rate.bound(15_000.0), late.bound(10.0)]),
            Work::Read | Work::Record(_) | Work::Events | Work::Run | Work::Start(_) | Work::Launch => {
                Figure::new(format!("read one entity, {keys} keys"), vec![rate.bound(40_000.0), late])
            }
        });
    }
    child.stop().await?;
    Ok(report)
}
