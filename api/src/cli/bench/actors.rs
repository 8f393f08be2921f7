//! `bench actors`: what a live entity takes in memory, and how many can be addressed under a cap.

use std::pin::pin;
use std::time::Duration;

use super::args::ActorsArgs;
use super::child::{Child, resolve};
use super::figure::{Figure, Goal, Unit};
use super::load::{self, Arrival, Plan};
use super::machine::Memory;
use super::preload::Preload;
use super::report::{Report, Row};
use super::request::{Idempotency, Work};
use super::site::Site;
use super::store::Store;

/// Leads touched before memory is first looked at, so that connections and pools are not counted.
const FIRST: u32 = 2_000;
/// Connections that the leads are touched through.
const CONNECTIONS: u32 = 16;
/// How long a server is left alone before its memory is looked at.
const SETTLE: Duration = Duration::from_secs(2);
const EVERY: Duration = Duration::from_millis(250);
const LIMIT_MIB: f64 = 512.0;

/// Makes a store, fills it and looks at servers on it.
pub(super) async fn run(site: &Site, args: &ActorsArgs) -> anyhow::Result<Report> {
    let store = site.store("actors", site.server.as_ref()).await?;
    on(site, args, store).await
}

/// Fills a store and looks at servers on it.
pub(super) async fn on(site: &Site, args: &ActorsArgs, mut store: Store) -> anyhow::Result<Report> {
    let entities = args.addressable.max(args.live + FIRST);
    site.say("preload");
    store.fill(Preload { events: entities.into(), entities, long: 0 }).await?;
    let mut report = site.report("actors");
    live(site, args, &store, &mut report).await?;
    addressable(site, args, &store, &mut report).await?;
    Ok(report)
}

/// Brings leads to life one after another, and compares memory before and after.
async fn live(site: &Site, args: &ActorsArgs, store: &Store, report: &mut Report) -> anyhow::Result<()> {
    site.say(format!("touching {} leads", args.live));
    let room = (args.live + 2 * FIRST).to_string();
    let child = store.start(&["--live-entities", &room]).await?;
    touch(&child, store, Arrival::Sweep { from: 0, count: FIRST }).await?;
    tokio::time::sleep(SETTLE).await;
    let before = child.memory()?;
    touch(&child, store, Arrival::Sweep { from: FIRST, count: args.live }).await?;
    tokio::time::sleep(SETTLE).await;
    let after = child.memory()?;
    child.stop().await?;
    let grown = after.rss_kib.saturating_sub(before.rss_kib) as f64;
    let each = grown / f64::from(args.live);
    let mib = |kib: u64| kib as f64 / 1_024.0;
    let (count, from, to) = (args.live, mib(before.rss_kib), mib(after.rss_kib));
    let text = format!("{each:.1} KiB each: {from:.0} MiB before, {to:.0} MiB with {count} more live");
    report.number("live actors", each, text);
    let goal = Goal::new("each", Unit::KibEach, each).bound(10.0).aim(8.0);
    let count = Goal::new("", Unit::Entities, f64::from(count)).bound(100_000.0);
    report.figures.push(Figure::new("live actors, ractor included", vec![count, goal]));
    Ok(())
}

async fn touch(child: &Child, store: &Store, arrival: Arrival) -> anyhow::Result<()> {
    let plan = plan(CONNECTIONS, 0, Work::Read);
    let ledger = store.ledger(store.preloaded.entities);
    let outcome = load::run(plan, arrival, resolve(&child.base).await?, ledger).await?;
    let (failed, why) = (outcome.errors + outcome.refused, outcome.first_error.or(outcome.first_refusal));
    anyhow::ensure!(failed == 0, "{failed} leads could not be read: {}", why.unwrap_or_default());
    Ok(())
}

/// Sends commands to leads at random, many more of them than may be live, and watches memory.
async fn addressable(
    site: &Site,
    args: &ActorsArgs,
    store: &Store,
    report: &mut Report,
) -> anyhow::Result<()> {
    let entities = store.preloaded.entities;
    site.say(format!("commands to {entities} leads at random ({} s)", args.seconds));
    let cap = args.live_cap.to_string();
    let child = store.start(&["--live-entities", &cap]).await?;
    let ledger = store.ledger(entities);
    let plan = plan(args.connections, args.seconds, Work::Record(Idempotency::None));
    let mut load = pin!(load::run(plan, Arrival::Closed, resolve(&child.base).await?, ledger.clone()));
    let mut most = Memory::default();
    let outcome = loop {
        tokio::select! {
            biased;
            outcome = &mut load => break outcome?,
            () = tokio::time::sleep(EVERY) => {
                let held = child.memory()?;
                most = if held.rss_kib > most.rss_kib { held } else { most };
            }
        }
    };
    let peak = child.memory()?.peak_kib as f64 / 1_024.0;
    child.stop().await?;
    store.wrote(ledger.events());
    report.load(&Row::new("commands at random", outcome));
    let anonymous = most.anonymous_kib as f64 / 1_024.0;
    let text = format!("{peak:.0} MiB at most, {anonymous:.0} MiB of it no file's, {cap} live at a time");
    report.number("memory", peak, text);
    report.number("addressable", f64::from(entities), format!("{entities} entities"));
    let count = Goal::new("", Unit::Entities, f64::from(entities)).bound(10_000_000.0);
    let memory = Goal::new("resident", Unit::Mib, peak).bound(LIMIT_MIB);
    let work = format!("addressable entities, commands at random, {cap} live at a time");
    report.figures.push(Figure::new(work, vec![count, memory]));
    Ok(())
}

fn plan(connections: u32, seconds: u64, work: Work) -> Plan {
    Plan { connections, warmup: Duration::ZERO, measured: Duration::from_secs(seconds), work }
}
