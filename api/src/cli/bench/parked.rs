//! `bench parked`: what a run takes in memory while it waits for long and is at rest.
//!
//! Half of the runs sleep, half listen for an event of their own. Few entities may be live, so that a run goes to rest
//! within a second or two; memory is looked at before and after, once all are.

use std::time::Duration;

use anyhow::Context as _;
use promptsales_engine::telemetry::names::LIVE;

use super::api::Api;
use super::args::ParkedArgs;
use super::child::Child;
use super::figure::{Figure, Goal, Unit};
use super::floor::Floors;
use super::flow::Flow;
use super::load::{Arrival, Plan};
use super::machine::Memory;
use super::now;
use super::report::Report;
use super::request::Work;
use super::site::Site;
use super::store::Store;
use super::trial::{Trial, probe};

/// Entities that may be live.
const CAP: u32 = 64;
/// How long the bare echo is loaded.
const ECHO: Duration = Duration::from_secs(2);
const EVERY: Duration = Duration::from_millis(250);
/// How long a server is left alone before its memory is looked at.
const SETTLE: Duration = Duration::from_secs(5);
/// How long it may take until all are at rest.
const LONGEST: Duration = Duration::from_secs(300);
/// Runs that are looked at afterwards: the newest.
const SAMPLE: usize = 1_000;

/// Makes a store and parks runs on a server on it.
pub(super) async fn run(site: &Site, args: &ParkedArgs) -> anyhow::Result<Report> {
    let store = site.store("parked", site.server.as_ref()).await?;
    on(site, args, &store).await
}

/// Parks runs on a server on a store, and compares its memory before and after.
pub(super) async fn on(site: &Site, args: &ParkedArgs, store: &Store) -> anyhow::Result<Report> {
    let mut report = site.report("parked");
    let cap = CAP.to_string();
    let child = store.start(&["--live-entities", &cap]).await?;
    let empty = settled(&child).await?;
    let api = Api::new(&child.base);
    api.register(Flow::Parked.source()).await?;
    let ledger = store.ledger(1);
    let plan = Plan::sweep(args.connections, Work::Start(Flow::Parked));
    let answer_bytes = probe(&child.base, plan.work, &ledger).await?;
    let floors = Floors::measure(site, Plan { measured: ECHO, ..plan }, answer_bytes).await?;
    let trial = Trial { site, base: &child.base, ledger: &ledger, name: "parked", plan };
    let park = |from, count| trial.run(Arrival::Sweep { from, count }, "runs started and parked".to_owned());
    park(0, args.first).await?;
    at_rest(&api).await?;
    let before = settled(&child).await?;
    let parked = park(args.first, args.runs).await?;
    let begun = now();
    at_rest(&api).await?;
    let rested = begun.elapsed().as_secs_f64();
    let after = settled(&child).await?;
    let waiting = waiting(&api).await?;
    child.stop().await?;
    let child = store.start(&["--live-entities", &cap]).await?;
    let anew = settled(&child).await?;
    child.stop().await?;

    floors.add_load(&mut report);
    report.load(&parked);
    floors.compare(&mut report, &parked, parked.requests_per_second);
    report.number("at rest after, s", rested, format!("{rested:.1}, all but {CAP}"));
    report.number("waiting", waiting as f64, format!("{waiting} of the newest {SAMPLE} looked at"));
    let runs = f64::from(args.runs);
    let each = grown(&mut report, "bytes a parked run", before, after, runs);
    let everything = runs + f64::from(args.first);
    let fresh = grown(&mut report, "of one started anew", empty, anew, everything);
    let rate = Goal::new("started at", Unit::PerSecond, parked.requests_per_second);
    let resident = Goal::new("resident each", Unit::Bytes, each).bound(512.0).aim(100.0);
    let fresh = Goal::new("of a server started anew", Unit::Bytes, fresh);
    let work = format!("{} parked runs, half asleep, half listening, {}", args.runs, store.engine());
    report.figures.push(Figure::new(work, vec![resident, fresh, rate]));
    Ok(report)
}

/// Adds by how much a server is larger than before, and answers how many bytes that makes for each run.
fn grown(report: &mut Report, name: &'static str, before: Memory, after: Memory, runs: f64) -> f64 {
    let mib = |kib: u64| kib as f64 / 1_024.0;
    let bytes = |before: u64, after: u64| (after as f64 - before as f64) * 1_024.0 / runs;
    let (each, own) =
        (bytes(before.rss_kib, after.rss_kib), bytes(before.anonymous_kib, after.anonymous_kib));
    let (from, to) = (mib(before.rss_kib), mib(after.rss_kib));
    let text = format!("{each:.0}: {from:.1} MiB before, {to:.1} MiB with {runs} more; {own:.0} no file's");
    report.number(name, each, text);
    each
}

/// Waits until no more entities are live than may be.
async fn at_rest(api: &Api) -> anyhow::Result<()> {
    let all = async {
        while api.metrics().await?.sum(LIVE).is_none_or(|live| live > f64::from(CAP)) {
            tokio::time::sleep(EVERY).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(LONGEST, all).await.context("the runs do not go to rest")?
}

async fn settled(child: &Child) -> anyhow::Result<Memory> {
    tokio::time::sleep(SETTLE).await;
    child.memory()
}

/// How many of the newest runs wait.
async fn waiting(api: &Api) -> anyhow::Result<usize> {
    let (mut seen, mut waiting) = (0, 0);
    api.list("/api/v1/runs", |run| {
        seen += 1;
        waiting += usize::from(run["status"] == "waiting");
        Ok(seen < SAMPLE)
    })
    .await?;
    anyhow::ensure!(waiting == seen, "{} of {seen} runs do not wait", seen - waiting);
    Ok(waiting)
}
