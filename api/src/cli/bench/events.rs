//! `bench events`: CloudEvents in batches, and whether they are known again after a kill.

use super::args::EventsArgs;
use super::child::resolve;
use super::commands::size;
use super::figure::{Figure, Goal, Unit};
use super::floor::Floors;
use super::report::Report;
use super::request::{BATCH, Work};
use super::site::Site;
use super::store::Store;
use super::trial::{self, Trial, probe};

/// Makes a store and sends batches to a server on it.
pub(super) async fn run(site: &Site, args: &EventsArgs) -> anyhow::Result<Report> {
    let mut store = site.store("store", site.server.as_ref()).await?;
    store.fill(args.preload.or(0, args.load.keys)).await?;
    on(site, args, &store).await
}

/// Sends batches to a server on a store, kills it, and sends some of them again.
pub(super) async fn on(site: &Site, args: &EventsArgs, store: &Store) -> anyhow::Result<Report> {
    let mut report = site.report("events");
    site.say("starting the server");
    let child = store.start(&[]).await?;
    let plan = args.load.plan(Work::Events);
    let ledger = store.ledger(args.load.keys);
    let answer_bytes = probe(&child.base, plan.work, &ledger).await?;
    let floors = Floors::measure(site, plan, answer_bytes).await?;
    let by_hand = trial::by_hand(site, site.server_of(store), plan, args.load.keys).await?;
    let batches = Trial { site, base: &child.base, ledger: &ledger, name: "batches of 100", plan };
    let closed = batches.closed().await?;
    let open = batches.open(args.rate, &closed).await?;

    site.say("looking for what was acknowledged");
    child.kill().await?;
    let child = store.start(&[]).await?;
    let verified = ledger.verify_batches(resolve(&child.base).await?).await?;
    child.stop().await?;
    store.wrote(ledger.events());

    floors.add_load(&mut report);
    for row in [&by_hand, &closed, &open] {
        report.load(row);
    }
    let per_second = closed.requests_per_second * f64::from(BATCH);
    report.number("events/s", per_second, format!("{per_second:.0}"));
    floors.compare(&mut report, &closed, closed.requests_per_second);
    report.ratio("ratio to by hand", closed.requests_per_second, by_hand.requests_per_second);
    size(store, &mut report).await?;
    report.verified(verified, "events", "sent again after kill -9");
    let rate = Goal::new("", Unit::EventsPerSecond, per_second).bound(60_000.0).aim(120_000.0);
    let late = Goal::new("p99 of the open loop", Unit::Millis, open.p99_ms());
    let work = format!("batches of 100 events (`POST /api/v1/events`), {}", store.engine());
    report.figures.push(Figure::new(work, vec![rate, late]));
    let by_hand = by_hand.requests_per_second * f64::from(BATCH);
    let rate = Goal::new("", Unit::EventsPerSecond, by_hand);
    report.figures.push(Figure::new("beside it: by hand, a statement a batch, empty tables", vec![rate]));
    Ok(report)
}
