//! The command line.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use promptsales_engine::runtime::{Context, Exit};

use crate::config::ServeArgs;

mod backup;
mod bench;
mod bulk;
mod check;
mod client;
mod demo;
mod operate;
mod rules;
mod runs;
mod serve;
mod sim;
mod top;
mod transfer;
mod workflow;

/// Marketing run as software: a durable engine for campaigns, content and leads.
#[derive(Debug, Parser)]
#[command(name = "promptsales", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Launches a real campaign on a throw-away store and shows what happens.
    Demo(demo::DemoArgs),
    /// Runs the server.
    Serve(ServeArgs),
    /// Brings the store's schema up to date.
    Migrate(ServeArgs),
    /// Checks settings, definitions and registry, without side effects.
    Check(ServeArgs),
    /// Runs a whole node under simulated time, faults and crashes, and checks the invariants.
    Sim(sim::SimArgs),
    /// The published benchmarks.
    Bench(bench::BenchArgs),
    /// Makes a checked copy of the store, while it is in use or stopped.
    Backup(backup::BackupArgs),
    /// Makes a store of a backup; it starts held.
    Restore(backup::RestoreArgs),
    /// Writes a store as JSON lines that check themselves.
    Export(transfer::ExportArgs),
    /// Makes a store of what `export` wrote; it starts held.
    Import(transfer::ImportArgs),
    /// Lists the effects of a restored store that wait for its release.
    Held(backup::HeldArgs),
    /// Ends the hold on a restored store.
    Release(backup::ReleaseArgs),
    /// Shows the supervision tree of a running server, live.
    Top(top::TopArgs),
    /// Works with workflows: checks and tests files, and asks a running server.
    Workflow(workflow::WorkflowArgs),
    /// Works with automation rules.
    Rule(rules::RuleArgs),
    /// Works with runs of a running server.
    Run(runs::RunArgs),
    /// Works with entities of a running server.
    Entity(client::EntityArgs),
    /// Works with commands that were set aside since they brought their entity down.
    Deadletter(operate::DeadletterArgs),
    /// Works with entities and runs that were set aside since they keep failing.
    Quarantine(operate::QuarantineArgs),
}

/// How a command that needs no answer of its own ends.
pub enum Ended {
    /// Done.
    Done,
    /// Something asked for the end of the process.
    Asked(Exit),
}

/// Runs a command. Exit codes: 0 done, 1 failed, 2 wrong use.
pub fn run(cli: Cli) -> ExitCode {
    let result = match cli.command {
        Command::Sim(args) => sim::run(&args).map(|()| Ended::Done),
        Command::Demo(args) => block_on(demo::run(args)),
        Command::Serve(args) => block_on(serve::run(args)),
        Command::Migrate(args) => block_on(check::migrate(args)),
        Command::Check(args) => block_on(check::run(args)),
        Command::Bench(args) => block_on(async { bench::run(args).await.map(|()| Ended::Done) }),
        Command::Backup(args) => block_on(backup::backup(args)),
        Command::Restore(args) => block_on(backup::restore(args)),
        Command::Export(args) => block_on(transfer::export(args)),
        Command::Import(args) => block_on(transfer::import(args)),
        Command::Held(args) => block_on(backup::held(args)),
        Command::Release(args) => block_on(backup::release(args)),
        Command::Top(args) => block_on(top::run(args)),
        Command::Workflow(args) => block_on(workflow::run(args)),
        Command::Rule(args) => block_on(rules::run(args)),
        Command::Run(args) => block_on(runs::run(args)),
        Command::Entity(args) => block_on(client::entity(args)),
        Command::Deadletter(args) => block_on(operate::deadletter(args)),
        Command::Quarantine(args) => block_on(operate::quarantine(args)),
    };
    match result {
        Ok(Ended::Done) => ExitCode::SUCCESS,
        Ok(Ended::Asked(exit)) => {
            say(&exit.reason);
            ExitCode::from(exit.code.max(1))
        }
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// True where whoever read the output has read enough.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    causes.any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Says why the process ends. Where that cannot be written, as on a full disk, the exit code has to do.
fn say(reason: &str) {
    let _ = writeln!(std::io::stderr(), "error: {reason}");
}

fn block_on<F: Future<Output = anyhow::Result<Ended>>>(work: F) -> anyhow::Result<Ended> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(work);
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    ended
}

/// Sleeps, where a command polls a server.
async fn pause(duration: std::time::Duration) {
    Context::real().sleep(duration).await;
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn arguments_of_the_server_stand_anywhere() {
        for line in
            ["run list --json", "run --json list", "workflow show x --version 1.0.0 --server http://a"]
        {
            let words = std::iter::once("promptsales").chain(line.split(' '));
            assert!(Cli::try_parse_from(words).is_ok(), "{line}");
        }
    }
}
