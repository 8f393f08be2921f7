//! `bench runs`: runs of workflows, awaited over HTTP, and launches of campaigns.
//!
//! The workflow calls five actions of the product that need nothing outside; each reads what the one before gave. The
//! engine takes them in one transition, so that a run is one commit; what each gave stands in the journal by itself.

use serde_json::json;

use super::api::Api;
use super::args::RunsArgs;
use super::figure::{Figure, Goal, Unit};
use super::floor::Floors;
use super::flow;
use super::report::{Report, Row};
use super::request::Work;
use super::site::Site;
use super::store::Store;
use super::trial::{Trial, probe};

/// The name of the workflow, in every store.
pub(super) const NAME: &str = "bench-five";

/// Five actions in a row, as the workflow of a name.
pub(super) fn source(name: &str) -> String {
    let tasks = (1..=5).map(|n| {
        json!({ format!("check{n}"): {
            "call": "brief.check",
            "with": { "brief": "${ $workflow.input.brief }" },
            "output": { "as": "{ pieces: (.pieces | length), approval }" },
        } })
    });
    flow::source(name, &tasks.collect())
}

/// Makes a store and starts runs on a server on it.
pub(super) async fn run(site: &Site, args: &RunsArgs) -> anyhow::Result<Report> {
    let store = site.store("store", site.server.as_ref()).await?;
    on(site, args, &store).await
}

/// Starts runs on a server on a store.
pub(super) async fn on(site: &Site, args: &RunsArgs, store: &Store) -> anyhow::Result<Report> {
    let mut report = site.report("runs");
    site.say("starting the server");
    let child = store.start(&[]).await?;
    Api::new(&child.base).register(source(NAME)).await?;
    let ledger = store.ledger(1);
    let plan = args.load.plan(Work::Run);
    let answer_bytes = probe(&child.base, Work::Run, &ledger).await?;
    let floors = Floors::measure(site, plan, answer_bytes).await?;
    let trial = |name, plan| Trial { site, base: &child.base, ledger: &ledger, name, plan };
    let one = super::load::Plan { connections: 1, ..plan };
    let idle = trial("runs of 5 actions, one at a time", one).closed().await?;
    let closed = trial("runs of 5 actions", plan).closed().await?;
    let launches = args.load.plan(Work::Launch);
    probe(&child.base, Work::Launch, &ledger).await?;
    let launched = trial("launches accepted", launches).closed().await?;
    child.stop().await?;

    floors.add_load(&mut report);
    for row in [&idle, &closed, &launched] {
        report.load(row);
    }
    floors.compare(&mut report, &closed, closed.requests_per_second);
    report.figures = figures(&idle, &closed, &launched, args.load.connections, store.engine());
    Ok(report)
}

fn figures(idle: &Row, closed: &Row, launched: &Row, connections: u32, engine: &str) -> Vec<Figure> {
    let rate = |row: &Row| Goal::new("", Unit::PerSecond, row.requests_per_second);
    let (least, aim) = if engine.contains("SQLite") { (3_000.0, 5_000.0) } else { (2_000.0, 3_500.0) };
    let p50 = Goal::new("p50", Unit::Millis, idle.p50_ms()).bound(4.0);
    let p99 = Goal::new("p99", Unit::Millis, idle.p99_ms()).bound(10.0);
    vec![
        Figure::new(
            format!("runs of 5 in-process actions, awaited, {connections} at once, {engine}"),
            vec![rate(closed).bound(least).aim(aim)],
        ),
        Figure::new(format!("one such run on an idle server, {engine}"), vec![p50, p99]),
        Figure::new(
            format!("campaign launches accepted, the ones before them under way, {engine}"),
            vec![rate(launched).bound(1_700.0).aim(4_000.0)],
        ),
    ]
}
