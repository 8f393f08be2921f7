//! `promptsales bench`: the published benchmarks, made to be run again by whoever doubts them.
//!
//! Each measures work that is on stable storage before it is answered, beside what the same machine can do at best (a
//! bare HTTP echo, a bare loop of synced appends) and beside the same work as one would write it by hand, in the same
//! run. Afterwards it kills the server, starts it again on the same store, and looks for what was acknowledged (but for
//! runs and launches). `all` runs them one after another and prints one table.

mod actors;
mod all;
mod api;
mod args;
mod by_hand;
mod child;
mod client;
mod commands;
mod cpus;
mod definitions;
mod events;
mod figure;
mod floor;
mod flow;
mod ledger;
mod load;
mod machine;
mod overload;
mod parked;
mod preload;
mod reads;
mod report;
mod request;
mod runs;
mod site;
mod soak;
mod start;
mod store;
mod tasks;
mod timers;
mod trial;

use std::time::Instant;

use args::{
    ActorsArgs, AllArgs, CommandsArgs, Common, DefinitionsArgs, EchoArgs, EventsArgs, OverloadArgs,
    ParkedArgs, ReadsArgs, RunsArgs, SoakArgs, StartArgs, TasksArgs, TimersArgs,
};
use by_hand::ByHandArgs;
use clap::{Args, Subcommand};
use figure::plain;
use report::Report;
use site::Site;
use tokio::signal::unix::{SignalKind, signal};

/// Runs the published benchmarks.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// Durable commands over HTTP: throughput, latency and what a commit carries.
    Commands(CommandsArgs),
    /// Reading one lead, and listing twenty.
    Reads(ReadsArgs),
    /// CloudEvents in batches of a hundred.
    Events(EventsArgs),
    /// Runs of workflows, awaited, and launches of campaigns.
    Runs(RunsArgs),
    /// Memory of runs that sleep or listen, and are at rest.
    Parked(ParkedArgs),
    /// Runs that wait until the same second: how late the last one goes on.
    Timers(TimersArgs),
    /// One run of very many tasks: whether the last ones are as fast as the first.
    Tasks(TasksArgs),
    /// Runs of workflows among very many definitions.
    Definitions(DefinitionsArgs),
    /// The start after kill -9 under load, the first cold commands, the first touch of a long lead.
    Start(StartArgs),
    /// Memory of live leads, and of many addressable ones under a cap.
    Actors(ActorsArgs),
    /// Half of what the server can take, and twice as much: what is refused, and how long the rest waits.
    Overload(OverloadArgs),
    /// Memory and write-ahead log under a load that goes on.
    Soak(SoakArgs),
    /// All of them, and the whole table.
    All(AllArgs),
    /// The bare HTTP server that loads are compared with.
    #[command(hide = true)]
    Echo(EchoArgs),
    /// The server that does the same work as one would write it by hand.
    #[command(hide = true)]
    ByHand(ByHandArgs),
}

/// Runs the benchmark asked for, until done or interrupted; either way no child and no store is left behind.
///
/// # Errors
///
/// When a server cannot be started or reached, when any request was not answered with 200, or when acknowledged work
/// is missing afterwards. The figures have been printed by then if there are any.
pub(crate) async fn run(args: BenchArgs) -> anyhow::Result<()> {
    let common = match &args.bench {
        Bench::Commands(args) => &args.common,
        Bench::Reads(args) => &args.common,
        Bench::Events(args) => &args.common,
        Bench::Runs(args) => &args.common,
        Bench::Parked(args) => &args.common,
        Bench::Timers(args) => &args.common,
        Bench::Tasks(args) => &args.common,
        Bench::Definitions(args) => &args.common,
        Bench::Start(args) => &args.common,
        Bench::Actors(args) => &args.common,
        Bench::Overload(args) => &args.common,
        Bench::Soak(args) => &args.common,
        Bench::All(args) => &args.common,
        Bench::Echo(args) => return floor::echo(args.answer_bytes).await,
        Bench::ByHand(args) => return by_hand::run(args).await,
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let site = Site::new(common)?;
    let done = tokio::select! {
        biased;
        done = Box::pin(measure(&site, &args.bench, common)) => done,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
        _ = terminate.recv() => Err(anyhow::anyhow!("terminated")),
    };
    let cleared = site.clear().await;
    done.and(cleared)
}

async fn measure(site: &Site, bench: &Bench, common: &Common) -> anyhow::Result<()> {
    let report = match bench {
        Bench::Commands(args) => Box::pin(commands::run(site, args)).await?,
        Bench::Reads(args) => Box::pin(reads::run(site, args)).await?,
        Bench::Events(args) => Box::pin(events::run(site, args)).await?,
        Bench::Runs(args) => Box::pin(runs::run(site, args)).await?,
        Bench::Parked(args) => Box::pin(parked::run(site, args)).await?,
        Bench::Timers(args) => Box::pin(timers::run(site, args)).await?,
        Bench::Tasks(args) => Box::pin(tasks::run(site, args)).await?,
        Bench::Definitions(args) => Box::pin(definitions::run(site, args)).await?,
        Bench::Start(args) => Box::pin(start::run(site, args)).await?,
        Bench::Actors(args) => Box::pin(actors::run(site, args)).await?,
        Bench::Overload(args) => Box::pin(overload::run(site, args)).await?,
        Bench::Soak(args) => Box::pin(soak::run(site, args)).await?,
        Bench::All(args) => return Box::pin(all::run(site, args)).await,
        Bench::Echo(_) | Bench::ByHand(_) => return Ok(()),
    };
    finish(site, &report, common)
}

fn finish(site: &Site, report: &Report, common: &Common) -> anyhow::Result<()> {
    let text = if common.json {
        serde_json::to_string_pretty(report)? + "\n"
    } else {
        format!("{report}\n{}", plain(&report.figures))
    };
    site.print(&text);
    report.failure().map_or(Ok(()), |failure| Err(anyhow::anyhow!(failure)))
}

/// The time that durations are measured with.
#[expect(clippy::disallowed_methods, reason = "measures real time, also where the engine's is simulated")]
fn now() -> Instant {
    Instant::now()
}
