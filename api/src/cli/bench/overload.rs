//! `bench overload`: what becomes of a load twice what the server can take.

use std::pin::pin;
use std::time::Duration;

use super::args::OverloadArgs;
use super::child::{Child, resolve};
use super::cpus::Apart;
use super::figure::{Figure, Goal, Unit};
use super::load::{self, Arrival, Outcome, Plan};
use super::now;
use super::report::{Report, Row, ratio};
use super::request::{Idempotency, Work};
use super::site::Site;
use super::soak::Series;
use super::store::Store;
use super::trial::Trial;

/// How often memory is looked at.
const EVERY: Duration = Duration::from_millis(250);
/// How many times as long as at half the peak what is admitted may take.
const TIMES: f64 = 3.0;
/// By how much the second half's most memory may be above the first half's.
const FLAT: f64 = 0.1;

/// Makes a store and loads a server on it.
pub(super) async fn run(site: &Site, args: &OverloadArgs) -> anyhow::Result<Report> {
    let mut store = site.store("overload", site.server.as_ref()).await?;
    site.say("preload");
    store.fill(args.preload.or(0, args.load.keys)).await?;
    on(site, args, &store).await
}

/// Finds the peak of a server on a store, then sends half of it and twice of it, whatever the answers do.
pub(super) async fn on(site: &Site, args: &OverloadArgs, store: &Store) -> anyhow::Result<Report> {
    let mut report = site.report("overload");
    // Otherwise a load beyond what the machine can make would be what is measured.
    let apart = Apart::for_server();
    let age = args.queue_age_ms.map(|ms| ["--queue-age-ms".to_owned(), ms.to_string()]);
    let age: Vec<&str> = age.iter().flatten().map(String::as_str).collect();
    let (child, ledger) = (store.start(&age).await?, store.ledger(args.load.keys));
    apart.iter().for_each(Apart::for_load);
    let plan = args.load.plan(Work::Record(Idempotency::None));
    let trial = Trial { site, base: &child.base, ledger: &ledger, name: "commands", plan };
    let peak = trial.closed().await?;
    let rate = |times: f64| ((peak.requests_per_second * times) as u32).max(1);
    let half = trial.run(Arrival::Open(rate(0.5)), format!("half of it, {}/s open", rate(0.5))).await?;

    let plan = Plan { connections: args.many, ..plan };
    site.say(format!("twice of it, {}/s open ({} s)", rate(2.0), plan.seconds()));
    let (mut outcome, memory) = {
        let address = resolve(&child.base).await?;
        watched(load::run(plan, Arrival::Open(rate(2.0)), address, ledger.clone()), &child).await?
    };
    child.ready().await?;
    let refused = std::mem::take(&mut outcome.refused);
    let told = outcome.first_refusal.take();
    let admitted = outcome.latency.len().saturating_sub(outcome.unsent);
    let share = ratio(refused as f64, (refused + admitted) as f64);
    let twice = Row::new(format!("twice of it, {}/s open", rate(2.0)), outcome);
    site.say("looking for what was acknowledged");
    let verified = ledger.verify(&child.base).await?;
    child.stop().await?;
    store.wrote(ledger.events());

    if let Some(Apart { counts: (server, load), .. }) = &apart {
        let text = format!("{server} for the server and {load} for the load, apart");
        report.number("processors", *server as f64, text);
    }
    let rates = [None, Some(rate(0.5)), Some(rate(2.0))];
    for (row, rate) in [&peak, &half, &twice].into_iter().zip(rates) {
        report.load(&Row { rate, ..row.clone() });
    }
    let text = format!("{:.1} % of what came, such as {}", share * 100.0, told.unwrap_or_default());
    report.number("refused", share, text);
    report.ratio("p99 to that at half", twice.p99_ms(), half.p99_ms());
    report.number("memory, MiB", memory.growth(), memory.text().unwrap_or_default());
    report.verified(verified, "commands", "on the running server");
    report.figures = figures(args, &half, &twice, share, &memory);
    Ok(report)
}

/// Runs a load, and looks at the server's memory meanwhile.
async fn watched(
    load: impl Future<Output = anyhow::Result<Outcome>>,
    child: &Child,
) -> anyhow::Result<(Outcome, Series)> {
    let (begun, mut memory, mut load) = (now(), Series::default(), pin!(load));
    loop {
        tokio::select! {
            biased;
            outcome = &mut load => return Ok((outcome?, memory)),
            () = tokio::time::sleep(EVERY) => {
                let mib = child.memory()?.rss_kib as f64 / 1_024.0;
                memory.0.push((begun.elapsed().as_secs_f64(), mib));
            }
        }
    }
}

fn figures(args: &OverloadArgs, half: &Row, twice: &Row, share: f64, memory: &Series) -> Vec<Figure> {
    let rate = |row: &Row| Goal::new("", Unit::PerSecond, row.requests_per_second);
    let late = Goal::new("p99", Unit::Millis, half.p99_ms());
    let (connections, many) = (args.load.connections, args.many);
    let work = format!("commands, half the peak, open loop, {connections} connections");
    let first = Figure::new(work, vec![rate(half), late]);
    let late = Goal::new("p99 of what was admitted", Unit::Millis, twice.p99_ms());
    let goals = vec![
        rate(twice),
        late.bound(half.p99_ms() * TIMES),
        Goal::new("memory, growth in the second half", Unit::Growth, memory.growth()).bound(FLAT),
    ];
    let refused = share * 100.0;
    let work = format!("twice the peak, open loop, {many} connections; {refused:.0} % refused with 429");
    vec![first, Figure::new(work, goals)]
}
