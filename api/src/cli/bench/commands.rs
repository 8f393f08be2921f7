//! `bench commands`: durable commands, and whether what was acknowledged outlives a kill.

use std::sync::Arc;

use super::args::CommandsArgs;
use super::child::Child;
use super::figure::{Figure, Goal, Unit};
use super::floor::Floors;
use super::ledger::Ledger;
use super::load::Plan;
use super::now;
use super::report::{Report, Row, ratio};
use super::request::{Idempotency, Work};
use super::site::Site;
use super::store::{Store, fresh};
use super::trial::{self, Trial, probe};
use crate::config::DatabaseUrl;

/// The loads of one run.
struct Loads {
    closed: Row,
    open: Row,
    hot: Option<Row>,
    /// Events of the one lead.
    hot_events: u64,
    by_hand: Option<Row>,
}

/// Makes a store and loads a server on it, or loads the server that was named.
pub(super) async fn run(site: &Site, args: &CommandsArgs) -> anyhow::Result<Report> {
    if let Some(base) = &args.server {
        let base = base.trim_end_matches('/');
        let ledger = Arc::new(Ledger::new(fresh("bench"), args.load.keys));
        let mut report = site.report("commands");
        loads(site, args, base, &ledger, None, &mut report).await?;
        report.verified(ledger.verify(base).await?, "commands", "on the running server");
        return Ok(report);
    }
    let mut store = site.store("store", site.server.as_ref()).await?;
    site.say("preload");
    store.fill(args.preload.or(0, args.load.keys)).await?;
    on(site, args, &store).await
}

/// Loads a server on a store, kills it, and looks for what was acknowledged.
pub(super) async fn on(site: &Site, args: &CommandsArgs, store: &Store) -> anyhow::Result<Report> {
    let mut report = site.report("commands");
    site.say("starting the server");
    let child = store.start(&[]).await?;
    let ledger = store.ledger(args.load.keys);
    let loads = loads(site, args, &child.base, &ledger, site.server_of(store), &mut report).await?;
    store.wrote(loads.hot_events);
    let bytes_per_event = aftermath(site, child, store, &ledger, &mut report).await?;
    report.figures = figures(args, store, &loads, bytes_per_event);
    Ok(report)
}

async fn loads(
    site: &Site,
    args: &CommandsArgs,
    base: &str,
    ledger: &Arc<Ledger>,
    server: Option<&DatabaseUrl>,
    report: &mut Report,
) -> anyhow::Result<Loads> {
    let plan = args.plan();
    let answer_bytes = probe(base, plan.work, ledger).await?;
    let floors = Floors::measure(site, plan, answer_bytes).await?;
    let by_hand =
        if args.no_by_hand { None } else { Some(trial::by_hand(site, server, plan, args.load.keys).await?) };
    let commands = Trial { site, base, ledger, name: "commands", plan };
    let closed = commands.closed().await?;
    let open = commands.open(args.rate, &closed).await?;
    let hot = if args.hot_key {
        let ledger = Arc::new(Ledger::new(format!("{}-hot", ledger.prefix), 1));
        let row = Trial { ledger: &ledger, name: "one lead", ..commands }.closed().await?;
        Some((row, ledger.verify(base).await?, ledger.events()))
    } else {
        None
    };

    floors.add_load(report);
    for row in by_hand.iter().chain([&closed, &open]).chain(hot.iter().map(|(row, ..)| row)) {
        report.load(row);
    }
    floors.compare(report, &closed, closed.requests_per_second);
    if let Some(by_hand) = &by_hand {
        report.ratio("ratio to by hand", closed.requests_per_second, by_hand.requests_per_second);
    }
    if let Some((hot, verified, _)) = &hot {
        report.ratio("one lead to many", hot.requests_per_second, closed.requests_per_second);
        report.verified(*verified, "commands to the one lead", "on the running server");
    }
    if let (Some(closed), Some(open)) = (closed.commands_per_fsync, open.commands_per_fsync) {
        report.number("commands per fsync", closed, format!("{closed:.1} closed, {open:.1} open"));
    }
    let hot_events = hot.as_ref().map_or(0, |(.., events)| *events);
    Ok(Loads { closed, open, hot: hot.map(|(row, ..)| row), hot_events, by_hand })
}

/// Kills the server, starts another on the same store, and reads back what was acknowledged; answers the bytes that an
/// event takes.
async fn aftermath(
    site: &Site,
    child: Child,
    store: &Store,
    ledger: &Ledger,
    report: &mut Report,
) -> anyhow::Result<f64> {
    site.say("looking for what was acknowledged");
    let killed = now();
    child.kill().await?;
    let child = store.start(&[]).await?;
    let restart_ms = u64::try_from(killed.elapsed().as_millis())?;
    let verified = ledger.verify(&child.base).await?;
    child.stop().await?;
    store.wrote(ledger.events());
    let bytes_per_event = size(store, report).await?;
    let what = format!("commands to {} leads", verified.leads);
    let when = format!("after kill -9 and a restart of {restart_ms} ms");
    report.verified(verified, &what, &when);
    Ok(bytes_per_event)
}

/// Adds what the store takes on disk, and answers the bytes per event. No server may be running.
pub(super) async fn size(store: &Store, report: &mut Report) -> anyhow::Result<f64> {
    let (bytes, events) = (store.size().await?, store.events());
    let (mib, each) = (bytes as f64 / 1_048_576.0, ratio(bytes as f64, events as f64));
    let before = match store.preloaded.total() {
        0 => String::new(),
        preloaded => format!(", {preloaded} of them there before"),
    };
    let text = format!("{each:.0} ({mib:.1} MiB for {events} events{before}, {})", store.engine());
    report.number("bytes on disk per event", each, text);
    Ok(each)
}

fn figures(args: &CommandsArgs, store: &Store, loads: &Loads, bytes_per_event: f64) -> Vec<Figure> {
    let connections = args.load.connections;
    let with = if args.key_per_request { " with an Idempotency-Key on each" } else { "" };
    let (keys, events, engine) = (args.load.keys, store.preloaded.total(), store.engine());
    let work = format!(
        "durable commands over HTTP{with}, {engine}, {keys} keys, {connections} connections, {events} events \
         already there"
    );
    let rate = Goal::new("", Unit::PerSecond, loads.closed.requests_per_second);
    let late = Goal::new("p99 of the open loop", Unit::Millis, loads.open.p99_ms());
    let goals = match (args.key_per_request, store.is_in_database()) {
        (false, false) => vec![rate.bound(30_000.0).aim(45_000.0), late.bound(15.0)],
        (false, true) => vec![rate.bound(20_000.0).aim(29_600.0), late.bound(25.0)],
        (true, false) => vec![rate.bound(25_000.0), late],
        (true, true) => vec![rate, late],
    };
    let mut figures = vec![Figure::new(work, goals)];
    if let Some(by_hand) = &loads.by_hand {
        let rate = Goal::new("", Unit::PerSecond, by_hand.requests_per_second);
        let key = if args.key_per_request { ", a key on each" } else { "" };
        let engine = store.engine();
        let work = format!(
            "beside it: by hand on {engine} (axum, sqlx, a transaction a command{key}), empty tables"
        );
        figures.push(Figure::new(work, vec![rate]));
    }
    if let Some(hot) = &loads.hot {
        let share = ratio(hot.requests_per_second, loads.closed.requests_per_second);
        let share = Goal::new("of the rate of spread keys", Unit::Share, share).bound(0.5).aim(1.0);
        let rate = Goal::new("", Unit::PerSecond, hot.requests_per_second);
        let work = format!("one hot key, {}, {connections} connections", store.engine());
        figures.push(Figure::new(work, vec![rate, share]));
    }
    if !store.is_in_database() && !args.key_per_request {
        let bytes = Goal::new("", Unit::Bytes, bytes_per_event).bound(400.0).aim(250.0);
        figures.push(Figure::new("on disk per event of the benchmark, indexes included", vec![bytes]));
    }
    figures
}

impl CommandsArgs {
    fn plan(&self) -> Plan {
        let idempotency = if self.key_per_request { Idempotency::PerRequest } else { Idempotency::None };
        self.load.plan(Work::Record(idempotency))
    }
}
