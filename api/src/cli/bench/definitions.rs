//! `bench definitions`: whether runs take longer where very many definitions are registered.
//!
//! Two servers, one with nothing but the workflow of the runs and one with the others, are loaded in turns, so that a
//! slow moment of the machine does not count for one of them alone.

use std::sync::Arc;

use anyhow::Context as _;

use super::api::Api;
use super::args::DefinitionsArgs;
use super::child::{Child, resolve};
use super::figure::{Figure, Goal, Unit};
use super::floor::Floors;
use super::ledger::Ledger;
use super::load::{self, Arrival, Plan};
use super::report::{Report, Row, median, ratio};
use super::request::Work;
use super::runs::{NAME, source};
use super::site::Site;
use super::store::Store;
use super::trial::{Trial, probe};

/// A server on a store.
type Served = (Child, Arc<Ledger>);

/// Makes stores and loads servers on them.
pub(super) async fn run(site: &Site, args: &DefinitionsArgs) -> anyhow::Result<Report> {
    let plain = site.store("plain", site.server.as_ref()).await?;
    let full = site.store("full", site.server.as_ref()).await?;
    on(site, args, &plain, &full).await
}

/// Loads servers on two stores in turns, one of which comes to be full before.
pub(super) async fn on(
    site: &Site,
    args: &DefinitionsArgs,
    plain: &Store,
    full: &Store,
) -> anyhow::Result<Report> {
    let mut report = site.report("definitions");
    let plain: Served = (plain.start(&[]).await?, plain.ledger(1));
    let full: Served = (full.start(&[]).await?, full.ledger(1));
    let plan = args.load.plan(Work::Run);
    let mut answer_bytes = 0;
    for (child, ledger) in [&plain, &full] {
        Api::new(&child.base).register(source(NAME)).await?;
        answer_bytes = probe(&child.base, plan.work, ledger).await?;
    }
    fill(site, args, &full).await?;
    let floors = Floors::measure(site, plan, answer_bytes).await?;
    let (mut rows, mut ratios) = (Vec::new(), Vec::new());
    for round in 1..=args.rounds {
        let alone = turn(site, plan, &plain, format!("runs, {round}")).await?;
        let beside = turn(site, plan, &full, format!("runs among others, {round}")).await?;
        ratios.push(ratio(beside.requests_per_second, alone.requests_per_second));
        rows.extend([alone, beside]);
    }
    plain.0.stop().await?;
    full.0.stop().await?;

    floors.add_load(&mut report);
    rows.iter().for_each(|row| report.load(row));
    let last = rows.last().context("there are no rounds")?;
    floors.compare(&mut report, last, last.requests_per_second);
    let each: Vec<_> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
    let share = median(ratios);
    let text = format!("{share:.2}, the median of {}", each.join(", "));
    report.number("ratio to the same alone", share, text);
    let (definitions, finished) = (args.definitions, args.finished);
    let work = format!("runs of 5 actions among {definitions} definitions and {finished} finished runs");
    let rate = Goal::new("", Unit::PerSecond, last.requests_per_second);
    let share = Goal::new("to the same alone", Unit::Share, share).bound(0.9);
    report.figures.push(Figure::new(work, vec![rate, share]));
    Ok(report)
}

/// Registers the other definitions, and lets runs come and go.
async fn fill(site: &Site, args: &DefinitionsArgs, (child, ledger): &Served) -> anyhow::Result<()> {
    let api = Api::new(&child.base);
    for number in 1..=args.definitions {
        site.say(format!("registering definition {number}"));
        api.register(source(&format!("bench-other-{number:06}"))).await?;
    }
    if args.finished > 0 {
        site.say(format!("{} runs to be there", args.finished));
        let plan = Plan::sweep(args.load.connections, Work::Run);
        let sweep = Arrival::Sweep { from: 0, count: args.finished };
        let outcome = load::run(plan, sweep, resolve(&child.base).await?, ledger.clone()).await?;
        let failed = outcome.errors + outcome.refused;
        let why = outcome.first_error.or(outcome.first_refusal).unwrap_or_default();
        anyhow::ensure!(failed == 0, "{failed} runs could not be put there: {why}");
    }
    Ok(())
}

/// Loads one of the servers.
async fn turn(site: &Site, plan: Plan, (child, ledger): &Served, name: String) -> anyhow::Result<Row> {
    Trial { site, base: &child.base, ledger, name: "runs", plan }.run(Arrival::Closed, name).await
}
