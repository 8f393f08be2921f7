//! `promptsales bench`: the published benchmarks, made to be run again by whoever doubts them.
//!
//! `commands` measures one thing, a command that is on stable storage before it is answered, beside what the same
//! machine can do at best: a bare HTTP echo and a bare loop of synced appends, in the same run. Afterwards it kills
//! the server, starts it again on the same store, and looks for every command that was acknowledged.

mod child;
mod client;
mod commands;
mod floor;
mod ledger;
mod load;
mod machine;
mod report;

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Instant;

use clap::{Args, Subcommand};
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
    /// The bare HTTP server that `commands` compares with.
    #[command(hide = true)]
    Echo(EchoArgs),
}

#[derive(Debug, Args)]
struct CommandsArgs {
    /// Keep-alive connections, each with one request in flight.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: u32,
    /// Leads that the commands go to, chosen at random.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    keys: u32,
    /// Measured seconds of each load.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Seconds of each load that are not measured.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(0..=600))]
    warmup: u64,
    /// Requests per second of the open loop; `auto` is 70 % of the closed loop's figure.
    #[arg(long, default_value = "auto")]
    rate: Rate,
    /// Sends an Idempotency-Key with each command.
    #[arg(long)]
    key_per_request: bool,
    /// Prints one JSON document.
    #[arg(long)]
    json: bool,
    /// Where the throw-away store is made, so that you choose the disk [default: the temporary directory].
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Loads a server that is already running, which keeps the leads made, instead of starting one.
    #[arg(long)]
    server: Option<String>,
}

#[derive(Debug, Args)]
struct EchoArgs {
    /// Bytes of JSON in each answer.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    answer_bytes: u32,
}

/// The arrival rate of the open loop.
#[derive(Debug, Clone, Copy)]
enum Rate {
    /// A share of what the closed loop reached.
    Auto,
    PerSecond(u32),
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            _ => text
                .parse()
                .ok()
                .filter(|rate| (1..=10_000_000).contains(rate))
                .map(Self::PerSecond)
                .ok_or_else(|| "expected `auto` or a number from 1 to 10000000".to_owned()),
        }
    }
}

/// Runs the benchmark asked for, until done or interrupted; either way no child and no store is left behind.
///
/// # Errors
///
/// When a server cannot be started or reached, when any request was not answered with 200, or when an acknowledged
/// command is missing afterwards. The figures have been printed by then if there are any.
pub(crate) async fn run(args: BenchArgs) -> anyhow::Result<()> {
    match args.bench {
        Bench::Echo(args) => floor::echo(args.answer_bytes).await,
        Bench::Commands(args) => {
            let mut terminate = signal(SignalKind::terminate())?;
            tokio::select! {
                biased;
                done = Box::pin(commands::run(args)) => done,
                _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
                _ = terminate.recv() => anyhow::bail!("terminated"),
            }
        }
    }
}

/// The time that durations are measured with.
#[expect(clippy::disallowed_methods, reason = "measures real time, also where the engine's is simulated")]
fn now() -> Instant {
    Instant::now()
}
