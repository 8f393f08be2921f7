//! `bench all`: one benchmark after another, on as few stores as will do, with the whole table at the end.

use std::time::Duration;

use serde_json::json;

use super::args::{
    ActorsArgs, AllArgs, CommandsArgs, Common, DefinitionsArgs, EventsArgs, LoadArgs, OverloadArgs,
    ParkedArgs, PreloadArgs, Rate, ReadsArgs, RunLoadArgs, RunsArgs, SoakArgs, StartArgs, TasksArgs,
    TimersArgs,
};
use super::figure::{Figure, markdown, plain};
use super::preload::Preload;
use super::report::Report;
use super::site::Site;
use super::{
    actors, commands, definitions, events, overload, parked, reads, runs, soak, start, tasks, timers,
};
use crate::config::DatabaseUrl;

const EVENTS: u64 = 10_000_000;
const ENTITIES: u32 = 1_000_000;
/// Events of the long lead.
const LONG: u64 = 1_000_000;
/// How long the soak of a check is.
const QUICK_SOAK: Duration = Duration::from_secs(20);

/// Sizes and lengths: in full, or those of a check.
#[derive(Clone, Copy)]
struct Sizes {
    /// What the full sizes are divided by.
    divisor: u32,
    seconds: u64,
    warmup: u64,
    soak: Duration,
}

/// What has been found so far.
struct Findings<'a> {
    site: &'a Site,
    is_json: bool,
    reports: Vec<Report>,
    figures: Vec<Figure>,
    failures: Vec<String>,
}

/// Runs everything. What fails is in the table, which is printed in any case.
pub(super) async fn run(site: &Site, args: &AllArgs) -> anyhow::Result<()> {
    let sizes = Sizes::new(args);
    let is_json = args.common.json;
    let mut findings =
        Findings { site, is_json, reports: Vec::new(), figures: Vec::new(), failures: Vec::new() };
    Box::pin(on_sqlite(sizes, &mut findings)).await?;
    match &site.server {
        Some(server) => Box::pin(on_postgres(sizes, server, &mut findings)).await?,
        None => {
            findings.figures.push(Figure::missing("commands and runs on PostgreSQL", "needs --database-url"));
        }
    }
    Box::pin(of_runs(sizes, &mut findings)).await?;
    let store = site.store("actors", None).await?;
    let found = Box::pin(actors::on(site, &sizes.actors(), store)).await;
    findings.take("live actors, addressable entities", found);
    findings.finish(args)
}

/// Everything that can be run on one store, the loads that add most to it last.
async fn on_sqlite(sizes: Sizes, findings: &mut Findings<'_>) -> anyhow::Result<()> {
    let site = findings.site;
    let mut store = site.store("sqlite", None).await?;
    site.say("preload");
    store.fill(sizes.preload(LONG)).await?;
    let found = Box::pin(commands::on(site, &sizes.commands(false), &store)).await;
    findings.take("durable commands on SQLite", found);
    let found = Box::pin(commands::on(site, &sizes.commands(true), &store)).await;
    findings.take("the same with an Idempotency-Key on each", found);
    findings.take("read one entity; list 20", Box::pin(reads::on(site, &sizes.reads(), &store)).await);
    findings.take("start after kill -9 under load", Box::pin(start::on(site, &sizes.start(), &store)).await);
    findings.take("batches of events", Box::pin(events::on(site, &sizes.events(), &store)).await);
    let found = Box::pin(overload::on(site, &sizes.overload(), &store)).await;
    findings.take("commands, twice the peak", found);
    let found = Box::pin(soak::on(site, &sizes.soak(), &store, sizes.soak)).await;
    findings.take("memory and write-ahead log under load", found);
    Ok(())
}

async fn on_postgres(sizes: Sizes, server: &DatabaseUrl, findings: &mut Findings<'_>) -> anyhow::Result<()> {
    let site = findings.site;
    let mut store = site.store("postgres", Some(server)).await?;
    site.say("preload");
    let found = match store.fill(sizes.preload(0)).await {
        Ok(()) => Box::pin(commands::on(site, &sizes.commands(false), &store)).await,
        Err(error) => Err(error),
    };
    findings.take("durable commands on PostgreSQL", found);
    let store = site.store("postgres-runs", Some(server)).await?;
    let found = Box::pin(runs::on(site, &sizes.runs(), &store)).await;
    findings.take("runs of five actions, launches accepted, on PostgreSQL", found);
    Ok(())
}

/// What is measured of runs, each on a store of its own.
async fn of_runs(sizes: Sizes, findings: &mut Findings<'_>) -> anyhow::Result<()> {
    let site = findings.site;
    let store = site.store("runs", None).await?;
    let found = Box::pin(runs::on(site, &sizes.runs(), &store)).await;
    findings.take("runs of five actions, launches accepted", found);
    let (plain, full) = (site.store("plain", None).await?, site.store("full", None).await?);
    let found = Box::pin(definitions::on(site, &sizes.definitions(), &plain, &full)).await;
    findings.take("runs among many definitions", found);
    let store = site.store("parked", None).await?;
    let found = Box::pin(parked::on(site, &sizes.parked(), &store)).await;
    findings.take("memory of parked runs", found);
    let store = site.store("timers", None).await?;
    let found = Box::pin(timers::on(site, &sizes.timers(), &store)).await;
    findings.take("runs due at the same second", found);
    let store = site.store("tasks", None).await?;
    findings.take("one run of many tasks", Box::pin(tasks::on(site, &sizes.tasks(), &store)).await);
    Ok(())
}

impl Findings<'_> {
    /// Takes a report, or why there is none.
    fn take(&mut self, work: &str, found: anyhow::Result<Report>) {
        match found {
            Ok(report) => {
                if !self.is_json {
                    self.site.print(&format!("{report}\n"));
                }
                self.figures.extend(report.figures.iter().cloned());
                self.failures.extend(report.failure().map(|failure| format!("{work}: {failure}")));
                self.reports.push(report);
            }
            Err(error) => {
                self.figures.push(Figure::missing(work, format!("{error:#}")));
                self.failures.push(format!("{work}: {error:#}"));
            }
        }
    }

    fn finish(self, args: &AllArgs) -> anyhow::Result<()> {
        let text = match (args.common.json, args.markdown) {
            (true, _) => {
                let all = json!({ "reports": self.reports, "figures": self.figures });
                serde_json::to_string_pretty(&all)? + "\n"
            }
            (false, true) => markdown(&self.figures),
            (false, false) => plain(&self.figures),
        };
        self.site.print(&text);
        if args.quick && !args.common.json {
            self.site.print("\nA check of the machinery: sizes and lengths are not those of the table.\n");
        }
        anyhow::ensure!(self.failures.is_empty(), "{}", self.failures.join("; "));
        Ok(())
    }
}

impl Sizes {
    fn new(args: &AllArgs) -> Self {
        if args.quick {
            return Self { divisor: 10, seconds: 2, warmup: 1, soak: QUICK_SOAK };
        }
        let soak = Duration::from_secs(u64::from(args.soak_minutes) * 60);
        Self { divisor: 1, seconds: 10, warmup: 3, soak }
    }

    fn preload(self, long: u64) -> Preload {
        let (divisor, entities) = (u64::from(self.divisor), ENTITIES / self.divisor);
        Preload { events: EVENTS / divisor, entities, long: long / divisor }
    }

    fn load(self) -> LoadArgs {
        LoadArgs { connections: 256, keys: 10_000, seconds: self.seconds, warmup: self.warmup }
    }

    fn commands(self, key_per_request: bool) -> CommandsArgs {
        CommandsArgs {
            load: self.load(),
            rate: Rate::Auto,
            key_per_request,
            hot_key: !key_per_request,
            no_by_hand: false,
            preload: PreloadArgs::default(),
            server: None,
            common: Common::default(),
        }
    }

    fn reads(self) -> ReadsArgs {
        let (preload, common) = (PreloadArgs::default(), Common::default());
        ReadsArgs { load: self.load(), rate: Rate::Auto, preload, common }
    }

    fn events(self) -> EventsArgs {
        let (preload, common) = (PreloadArgs::default(), Common::default());
        EventsArgs { load: self.load(), rate: Rate::Auto, preload, common }
    }

    fn run_load(self) -> RunLoadArgs {
        RunLoadArgs { connections: 64, seconds: self.seconds, warmup: self.warmup }
    }

    fn runs(self) -> RunsArgs {
        RunsArgs { load: self.run_load(), common: Common::default() }
    }

    fn definitions(self) -> DefinitionsArgs {
        let (definitions, finished) = (1_000 / self.divisor, 100_000 / self.divisor);
        let (load, common) = (self.run_load(), Common::default());
        DefinitionsArgs { load, definitions, finished, rounds: 3, common }
    }

    fn parked(self) -> ParkedArgs {
        let (runs, common) = (100_000 / self.divisor, Common::default());
        ParkedArgs { runs, first: 5_000, connections: 64, common }
    }

    fn timers(self) -> TimersArgs {
        let (runs, common) = (20_000 / self.divisor, Common::default());
        TimersArgs { runs, lead: 30, at_rest: false, connections: 64, common }
    }

    fn tasks(self) -> TasksArgs {
        TasksArgs { tasks: 100_000 / self.divisor, common: Common::default() }
    }

    fn start(self) -> StartArgs {
        StartArgs {
            rounds: 3,
            seconds: self.seconds.min(5),
            connections: 256,
            cold: 1_000,
            long: 0,
            preload: PreloadArgs::default(),
            common: Common::default(),
        }
    }

    fn actors(self) -> ActorsArgs {
        ActorsArgs {
            live: 100_000 / self.divisor,
            addressable: 10_000_000 / self.divisor,
            live_cap: 20_000,
            seconds: self.seconds * 3,
            connections: 256,
            common: Common::default(),
        }
    }

    fn overload(self) -> OverloadArgs {
        let (preload, common) = (PreloadArgs::default(), Common::default());
        OverloadArgs { load: self.load(), many: 512, queue_age_ms: None, preload, common }
    }

    fn soak(self) -> SoakArgs {
        SoakArgs {
            minutes: 1,
            rate: 5_000 / self.divisor,
            connections: 256,
            keys: 10_000,
            preload: PreloadArgs::default(),
            common: Common::default(),
        }
    }
}
