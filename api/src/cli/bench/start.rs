//! `bench start`: from kill -9 under load until ready, the first cold commands, and the first touch of a long lead.

use std::time::Duration;

use super::args::StartArgs;
use super::child::{Child, resolve};
use super::client::Connection;
use super::figure::{Figure, Goal, Unit};
use super::ledger::Ledger;
use super::load::{self, Arrival, Plan};
use super::now;
use super::preload::{Preload, long_prefix};
use super::report::{Report, Row};
use super::request::{Idempotency, Request, Work};
use super::site::Site;
use super::store::Store;
use super::trial::Trial;

const EVENTS: u64 = 10_000_000;
const ENTITIES: u32 = 1_000_000;
/// Connections that the cold commands come through.
const COLD_CONNECTIONS: u32 = 16;
/// The load before the kill goes on so much longer than its seconds, so that the kill comes under it.
const BEYOND: Duration = Duration::from_secs(60);

/// What one start showed, in milliseconds.
struct Round {
    ready_ms: f64,
    first_touch_ms: Option<f64>,
    cold: Row,
}

/// Makes a store and starts servers on it.
pub(super) async fn run(site: &Site, args: &StartArgs) -> anyhow::Result<Report> {
    let mut store = site.store("store", site.server.as_ref()).await?;
    let preload = args.preload.or(EVENTS, ENTITIES);
    store.fill(Preload { long: args.long, ..preload }).await?;
    on(site, args, &store).await
}

/// Starts servers on a store, each after the one before was killed under load.
pub(super) async fn on(site: &Site, args: &StartArgs, store: &Store) -> anyhow::Result<Report> {
    let mut report = site.report("start");
    let entities = store.preloaded.entities;
    anyhow::ensure!(entities > 0, "there is nothing to start with: use --preload");
    let ledger = store.ledger(entities);
    let mut child = store.start(&[]).await?;
    let mut rounds = Vec::new();
    for number in 0..args.rounds {
        site.say(format!("load before kill {} ({} s)", number + 1, args.seconds));
        kill_under_load(args, child, &ledger).await?;
        let begun = now();
        child = store.start(&[]).await?;
        child.ready().await?;
        let ready_ms = begun.elapsed().as_secs_f64() * 1_000.0;
        let first_touch_ms = if store.preloaded.long > 0 { Some(touch(&child, store).await?) } else { None };
        let count = args.cold.min(entities);
        let from = entities.saturating_sub(count.saturating_mul(number + 1));
        let plan = plan(COLD_CONNECTIONS, Duration::ZERO);
        let trial = Trial { site, base: &child.base, ledger: &ledger, name: "cold", plan };
        let name = format!("cold commands, start {}", number + 1);
        let cold = trial.run(Arrival::Sweep { from, count }, name).await?;
        rounds.push(Round { ready_ms, first_touch_ms, cold });
    }
    site.say("looking for what was acknowledged");
    let verified = ledger.verify(&child.base).await?;
    child.stop().await?;
    store.wrote(ledger.events());
    tell(&mut report, args, store, &rounds);
    report.verified(verified, "commands", "after the last kill -9");
    Ok(report)
}

fn plan(connections: u32, measured: Duration) -> Plan {
    Plan { connections, warmup: Duration::ZERO, measured, work: Work::Record(Idempotency::None) }
}

/// Loads a server for some seconds and kills it while the load goes on.
async fn kill_under_load(
    args: &StartArgs,
    child: Child,
    ledger: &std::sync::Arc<Ledger>,
) -> anyhow::Result<()> {
    let length = Duration::from_secs(args.seconds);
    let address = resolve(&child.base).await?;
    let load = load::run(plan(args.connections, length + BEYOND), Arrival::Closed, address, ledger.clone());
    let kill = async {
        tokio::time::sleep(length).await;
        child.kill().await
    };
    let (loaded, killed) = tokio::join!(load, kill);
    killed?;
    anyhow::ensure!(loaded?.per_second > 0.0, "the server answered nothing before it was killed");
    Ok(())
}

/// Reads the long lead for the first time, and answers how long that took in milliseconds.
async fn touch(child: &Child, store: &Store) -> anyhow::Result<f64> {
    let address = resolve(&child.base).await?;
    let mut connection = Connection::open(address).await?;
    let health = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\n\r\n");
    anyhow::ensure!(connection.exchange(health.as_bytes()).await?.status == 200, "the server is not well");
    let mut request = Request::new(address, &long_prefix(&store.prefix), "run", Work::Read);
    let begun = now();
    let answer = connection.exchange(request.patch(0, || 0)).await?;
    anyhow::ensure!(answer.status == 200, "the long lead was answered with {}", answer.status);
    Ok(begun.elapsed().as_secs_f64() * 1_000.0)
}

fn tell(report: &mut Report, args: &StartArgs, store: &Store, rounds: &[Round]) {
    let worst = |of: &dyn Fn(&Round) -> f64| rounds.iter().map(of).fold(0.0, f64::max);
    let all = |of: &dyn Fn(&Round) -> f64| {
        rounds.iter().map(|round| format!("{:.1}", of(round))).collect::<Vec<_>>().join(", ")
    };
    for round in rounds {
        report.load(&round.cold);
    }
    let ready = |round: &Round| round.ready_ms;
    let cold = |round: &Round| round.cold.p99_ms();
    let touch = |round: &Round| round.first_touch_ms.unwrap_or(0.0);
    report.number("ready after, ms", worst(&ready), all(&ready));
    report.number("cold commands' p99, ms", worst(&cold), all(&cold));
    let Preload { entities, long, .. } = store.preloaded;
    let events = store.events();
    report.number("entities", f64::from(entities), format!("{entities}, with {events} events in the store"));
    let work = format!("start with {entities} entities and {events} events after kill -9 under load");
    let goal = Goal::new("ready after", Unit::Millis, worst(&ready)).bound(1_000.0).aim(300.0);
    report.figures.push(Figure::new(work, vec![goal]));
    let goal = Goal::new("p99", Unit::Millis, worst(&cold)).bound(50.0).aim(20.0);
    let work = format!("its first {} cold commands, {COLD_CONNECTIONS} connections", args.cold.min(entities));
    report.figures.push(Figure::new(work, vec![goal]));
    if long > 0 {
        report.number("first touch, ms", worst(&touch), all(&touch));
        let goal = Goal::new("", Unit::Millis, worst(&touch)).bound(10.0).aim(2.0);
        report.figures.push(Figure::new(format!("first touch of an entity with {long} events"), vec![goal]));
    }
}
