//! What the benchmarks can be told.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use super::load::Plan;
use super::preload::Preload;
use super::request::Work;
use crate::config::DatabaseUrl;

/// What every benchmark can be told.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Common {
    /// Prints one JSON document.
    #[arg(long)]
    pub(super) json: bool,
    /// Where the throw-away store is made, so that you choose the disk [default: the temporary directory].
    #[arg(long)]
    pub(super) data_dir: Option<PathBuf>,
    /// A PostgreSQL on which throw-away databases are made beside the one named, for the store to be in one.
    #[arg(long, value_name = "URL")]
    pub(super) database_url: Option<DatabaseUrl>,
}

/// How a server is loaded.
#[derive(Debug, Clone, Args)]
pub(super) struct LoadArgs {
    /// Keep-alive connections, each with one request in flight.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) connections: u32,
    /// Leads that the requests go to, chosen at random.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(super) keys: u32,
    /// Measured seconds of each load.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(super) seconds: u64,
    /// Seconds of each load that are not measured.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(0..=600))]
    pub(super) warmup: u64,
}

/// What is in the store before the server starts.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(super) struct PreloadArgs {
    /// Events put into the store before the server starts.
    #[arg(long, value_name = "EVENTS")]
    pub(super) preload: Option<u64>,
    /// Leads that they are spread over.
    #[arg(long, value_name = "LEADS", value_parser = clap::value_parser!(u32).range(1..=90_000_000))]
    pub(super) preload_entities: Option<u32>,
}

#[derive(Debug, Args)]
pub(super) struct CommandsArgs {
    #[command(flatten)]
    pub(super) load: LoadArgs,
    /// Requests per second of the open loop; `auto` is 70 % of the closed loop's figure.
    #[arg(long, default_value = "auto")]
    pub(super) rate: Rate,
    /// Sends an Idempotency-Key with each command.
    #[arg(long)]
    pub(super) key_per_request: bool,
    /// Also sends all commands to one lead.
    #[arg(long)]
    pub(super) hot_key: bool,
    /// Leaves out the same work by hand.
    #[arg(long)]
    pub(super) no_by_hand: bool,
    #[command(flatten)]
    pub(super) preload: PreloadArgs,
    /// Loads a server that is already running, which keeps the leads made, instead of starting one.
    #[arg(long, conflicts_with_all = ["preload", "preload_entities", "database_url"])]
    pub(super) server: Option<String>,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Debug, Args)]
pub(super) struct ReadsArgs {
    #[command(flatten)]
    pub(super) load: LoadArgs,
    /// Requests per second of the open loops; `auto` is 70 % of the closed loop's figure.
    #[arg(long, default_value = "auto")]
    pub(super) rate: Rate,
    /// 100,000 events unless something else is said.
    #[command(flatten)]
    pub(super) preload: PreloadArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Debug, Args)]
pub(super) struct EventsArgs {
    #[command(flatten)]
    pub(super) load: LoadArgs,
    /// Batches per second of the open loop; `auto` is 70 % of the closed loop's figure.
    #[arg(long, default_value = "auto")]
    pub(super) rate: Rate,
    #[command(flatten)]
    pub(super) preload: PreloadArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Debug, Args)]
pub(super) struct RunsArgs {
    #[command(flatten)]
    pub(super) load: RunLoadArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

/// How a server is loaded with runs.
#[derive(Debug, Clone, Args)]
pub(super) struct RunLoadArgs {
    /// Keep-alive connections, each with one run under way.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) connections: u32,
    /// Measured seconds of each load.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(super) seconds: u64,
    /// Seconds of each load that are not measured.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(0..=600))]
    pub(super) warmup: u64,
}

impl RunLoadArgs {
    /// What all loads have in common.
    pub(super) fn plan(&self, work: Work) -> Plan {
        let (warmup, measured) = (Duration::from_secs(self.warmup), Duration::from_secs(self.seconds));
        Plan { connections: self.connections, warmup, measured, work }
    }
}

#[derive(Debug, Args)]
pub(super) struct ParkedArgs {
    /// Runs that are parked.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=90_000_000))]
    pub(super) runs: u32,
    /// Runs parked before memory is first looked at, so that connections, pools and caches are not counted.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) first: u32,
    /// Connections that they are started through.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) connections: u32,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Debug, Args)]
pub(super) struct TimersArgs {
    /// Runs that wait until the same second.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) runs: u32,
    /// Seconds from the start of the first one until they are due.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub(super) lead: u32,
    /// Has nearly all of them at rest by then, so that each has to be loaded from the journal.
    #[arg(long)]
    pub(super) at_rest: bool,
    /// Connections that they are started through.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) connections: u32,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Debug, Args)]
pub(super) struct TasksArgs {
    /// Tasks of the one run.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(200..=900_000))]
    pub(super) tasks: u32,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Debug, Args)]
pub(super) struct DefinitionsArgs {
    #[command(flatten)]
    pub(super) load: RunLoadArgs,
    /// Definitions registered beside the one that is run.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub(super) definitions: u32,
    /// Runs that have ended before.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=90_000_000))]
    pub(super) finished: u32,
    /// Times that each of the two is loaded.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) rounds: u32,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Debug, Args)]
pub(super) struct StartArgs {
    /// Times that the server is killed and started again.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) rounds: u32,
    /// Seconds of load before each kill.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(super) seconds: u64,
    /// Connections of that load.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) connections: u32,
    /// Commands after each start, each to another lead.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) cold: u32,
    /// Events of the one long lead.
    #[arg(long, default_value_t = 1_000_000)]
    pub(super) long: u64,
    /// 10,000,000 events over 1,000,000 leads unless something else is said.
    #[command(flatten)]
    pub(super) preload: PreloadArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Debug, Args)]
pub(super) struct ActorsArgs {
    /// Leads that are brought to life.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(super) live: u32,
    /// Leads that can be addressed.
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u32).range(1..=90_000_000))]
    pub(super) addressable: u32,
    /// Leads that may be live at a time while all are addressed at random.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(super) live_cap: u32,
    /// Seconds for which they are addressed.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(super) seconds: u64,
    /// Connections of that load.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) connections: u32,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Debug, Args)]
pub(super) struct OverloadArgs {
    #[command(flatten)]
    pub(super) load: LoadArgs,
    /// Connections of the load that is twice the peak.
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) many: u32,
    /// The server's `--queue-age-ms`, where it is not to be its own.
    #[arg(long, value_name = "MILLISECONDS")]
    pub(super) queue_age_ms: Option<u32>,
    #[command(flatten)]
    pub(super) preload: PreloadArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Debug, Args)]
pub(super) struct SoakArgs {
    /// Minutes of load.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=2_880))]
    pub(super) minutes: u32,
    /// Commands a second.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) rate: u32,
    /// Connections that they come through.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) connections: u32,
    /// Leads that they go to, chosen at random.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(super) keys: u32,
    #[command(flatten)]
    pub(super) preload: PreloadArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Debug, Args)]
pub(super) struct AllArgs {
    /// Checks the machinery: sizes ten times smaller and short loads.
    #[arg(long)]
    pub(super) quick: bool,
    /// Prints the table as Markdown.
    #[arg(long, conflicts_with = "json")]
    pub(super) markdown: bool,
    /// Minutes of the soak.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=2_880))]
    pub(super) soak_minutes: u32,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Debug, Args)]
pub(super) struct EchoArgs {
    /// Bytes of JSON in each answer.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    pub(super) answer_bytes: u32,
}

/// The arrival rate of the open loop.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rate {
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

impl LoadArgs {
    /// The load of a kind of request.
    pub(super) fn plan(&self, work: Work) -> Plan {
        Plan {
            connections: self.connections,
            warmup: Duration::from_secs(self.warmup),
            measured: Duration::from_secs(self.seconds),
            work,
        }
    }
}

impl PreloadArgs {
    /// What is asked for, or else so many events over so many leads.
    pub(super) fn or(self, events: u64, entities: u32) -> Preload {
        let events = self.preload.unwrap_or(events);
        let most = u32::try_from(events).unwrap_or(u32::MAX);
        let entities = self.preload_entities.unwrap_or(entities).min(most);
        Preload { events, entities, long: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_lead_is_without_an_event() {
        let asked = PreloadArgs { preload: Some(50), preload_entities: None };
        let Preload { events, entities, long } = asked.or(7, 1_000);
        assert_eq!((events, entities, long), (50, 50, 0));
        let Preload { events, entities, .. } = PreloadArgs::default().or(2_000, 1_000);
        assert_eq!((events, entities), (2_000, 1_000));
    }
}
