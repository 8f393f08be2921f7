//! `bench timers`: runs that wait until the same moment, and how long after it the last of them goes on.
//!
//! Each run ends in the transition in which its wait does, so that when it ended is when it was woken: the time that
//! the journal has of it, of the server's clock, by which timers are due as well.

use std::time::Duration;

use anyhow::Context as _;
use promptsales_engine::clock::Timestamp;
use promptsales_engine::runtime::Context;
use serde_json::Value;

use super::api::Api;
use super::args::TimersArgs;
use super::figure::{Figure, Goal, Unit};
use super::floor::Floors;
use super::flow::Flow;
use super::load::{Arrival, Plan};
use super::report::Report;
use super::request::Work;
use super::site::Site;
use super::store::Store;
use super::trial::{Trial, probe};

/// How long the bare echo is loaded.
const ECHO: Duration = Duration::from_secs(2);
/// How long after the moment the runs are looked at for the first time, and between times.
const LOOK: Duration = Duration::from_secs(5);
/// How many times they are looked at until all have ended.
const LOOKS: u32 = 60;
/// Entities that may be live, where the others are to be at rest.
const CAP: &str = "64";
const SECOND_MS: i64 = 1_000;

/// Makes a store and starts runs on a server on it.
pub(super) async fn run(site: &Site, args: &TimersArgs) -> anyhow::Result<Report> {
    let store = site.store("timers", site.server.as_ref()).await?;
    on(site, args, &store).await
}

/// Starts runs on a server on a store, which all wait until the same moment.
pub(super) async fn on(site: &Site, args: &TimersArgs, store: &Store) -> anyhow::Result<Report> {
    let mut report = site.report("timers");
    let few: &[&str] = if args.at_rest { &["--live-entities", CAP] } else { &[] };
    let child = store.start(few).await?;
    let (api, cx) = (Api::new(&child.base), Context::real());
    api.register(Flow::Due { ms: 0 }.source()).await?;
    let ledger = store.ledger(1);
    let plan = |ms| Plan::sweep(args.connections, Work::Start(Flow::Due { ms }));
    let first = plan(cx.now().ms() + SECOND_MS);
    let answer_bytes = probe(&child.base, first.work, &ledger).await?;
    let floors = Floors::measure(site, Plan { measured: ECHO, ..first }, answer_bytes).await?;

    let lead_ms = i64::from(args.lead) * SECOND_MS;
    let due = Timestamp::from_ms((cx.now().ms() + lead_ms) / SECOND_MS * SECOND_MS);
    let trial = Trial { site, base: &child.base, ledger: &ledger, name: "runs", plan: plan(due.ms()) };
    let arrival = Arrival::Sweep { from: 0, count: args.runs };
    let started = trial.run(arrival, "runs started that wait".to_owned()).await?;
    anyhow::ensure!(cx.now() < due, "starting took longer than {} s: use a longer --lead", args.lead);
    site.say("waiting until they are due");
    cx.sleep_until(due.plus(LOOK)).await;
    let lates_ms = lates(&api, due, args.runs).await?;
    child.stop().await?;

    floors.add_load(&mut report);
    report.load(&started);
    floors.compare(&mut report, &started, started.requests_per_second);
    let at = |share: f64| lates_ms[((lates_ms.len() - 1) as f64 * share) as usize];
    let (half, most, last) = (at(0.5), at(0.99), at(1.0));
    let early = lates_ms.iter().filter(|late| **late < 0).count();
    report.number("early", early as f64, format!("{early} of {}", lates_ms.len()));
    report.number("late, ms", last as f64, format!("{half} half of them, {most} 99 %, {last} the last"));
    if early > 0 {
        report.wrong(format!("{early} timers were early"));
    }
    let per_second = f64::from(args.runs) * 1_000.0 / (last.max(1) as f64);
    report.ratio("woken, to bare commits", per_second, floors.bare_commits());
    let which = if args.at_rest { "at rest" } else { "live" };
    let work = format!("{} runs, {which}, due at the same second, {}", args.runs, store.engine());
    let last = Goal::new("the last one after", Unit::Millis, last as f64).bound(2_000.0);
    report.figures.push(Figure::new(work, vec![last]));
    Ok(report)
}

/// How long after the moment each of the newest runs ended, in milliseconds and in order, once all have.
async fn lates(api: &Api, due: Timestamp, runs: u32) -> anyhow::Result<Vec<i64>> {
    for look in 0..LOOKS {
        if look > 0 {
            tokio::time::sleep(LOOK).await;
        }
        let (mut seen, mut lates_ms) = (0, Vec::new());
        api.list("/api/v1/runs", |run| {
            seen += 1;
            lates_ms.extend(ended(run)?.map(|at| at.ms() - due.ms()));
            Ok(seen < runs)
        })
        .await?;
        anyhow::ensure!(seen == runs, "{seen} runs are listed of {runs}");
        if lates_ms.len() == runs as usize {
            lates_ms.sort_unstable();
            return Ok(lates_ms);
        }
    }
    anyhow::bail!("not all runs have ended")
}

/// When a run completed.
fn ended(run: &Value) -> anyhow::Result<Option<Timestamp>> {
    let Some(text) = run["endedAt"].as_str() else { return Ok(None) };
    anyhow::ensure!(run["status"] == "completed", "a run has not completed: {run}");
    text.parse().ok().map(Some).with_context(|| format!("`{text}` is no time"))
}
