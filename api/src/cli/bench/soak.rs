//! `bench soak`: whether memory and write-ahead log stay flat under a load that goes on.

use std::pin::pin;
use std::time::Duration;

use super::args::SoakArgs;
use super::child::resolve;
use super::commands::size;
use super::figure::{Figure, Goal, Unit};
use super::load::{self, Arrival, Plan};
use super::now;
use super::report::{Report, Row};
use super::request::{Idempotency, Work};
use super::site::Site;
use super::store::Store;

/// How often memory and log are looked at, at most.
const SAMPLES: u32 = 720;
const SHORTEST: Duration = Duration::from_millis(500);
const WARMUP: Duration = Duration::from_secs(5);
/// By how much the second half's most may be above the first half's for something to be flat.
const FLAT: f64 = 0.1;

/// Values over time, in seconds.
#[derive(Default)]
pub(super) struct Series(pub(super) Vec<(f64, f64)>);

/// Makes a store and loads a server on it for long.
pub(super) async fn run(site: &Site, args: &SoakArgs) -> anyhow::Result<Report> {
    let mut store = site.store("soak", site.server.as_ref()).await?;
    store.fill(args.preload.or(0, args.keys)).await?;
    on(site, args, &store, Duration::from_secs(u64::from(args.minutes) * 60)).await
}

/// Loads a server on a store at a steady rate, and looks at its memory and log meanwhile.
pub(super) async fn on(
    site: &Site,
    args: &SoakArgs,
    store: &Store,
    length: Duration,
) -> anyhow::Result<Report> {
    let mut report = site.report("soak");
    let child = store.start(&[]).await?;
    let ledger = store.ledger(args.keys);
    let work = Work::Record(Idempotency::None);
    let plan = Plan { connections: args.connections, warmup: WARMUP, measured: length, work };
    site.say(format!("commands, {}/s ({} s)", args.rate, plan.seconds()));
    let mut load =
        pin!(load::run(plan, Arrival::Open(args.rate), resolve(&child.base).await?, ledger.clone()));
    let every = (length / SAMPLES).max(SHORTEST);
    let (begun, mut memory, mut log) = (now(), Series::default(), Series::default());
    let outcome = loop {
        tokio::select! {
            biased;
            outcome = &mut load => break outcome?,
            () = tokio::time::sleep(every) => {
                let at = begun.elapsed();
                if at < WARMUP {
                    continue;
                }
                memory.0.push((at.as_secs_f64(), child.memory()?.rss_kib as f64 / 1_024.0));
                if let Some(bytes) = store.log_size() {
                    log.0.push((at.as_secs_f64(), bytes as f64 / 1_048_576.0));
                }
            }
        }
    };
    site.say("looking for what was acknowledged");
    let verified = ledger.verify(&child.base).await?;
    child.stop().await?;
    store.wrote(ledger.events());

    report
        .load(&Row { rate: Some(args.rate), ..Row::new(format!("commands, {}/s open", args.rate), outcome) });
    let minutes = length.as_secs_f64() / 60.0;
    for (name, series) in [("memory, MiB", &memory), ("write-ahead log, MiB", &log)] {
        let Some(text) = series.text() else { continue };
        report.number(name, series.slope_per_hour(), text);
        let most = Goal::new("at most", Unit::Mib, series.most(0, series.0.len()));
        let growth = Goal::new("growth in the second half", Unit::Growth, series.growth()).bound(FLAT);
        let work = format!("{name} after {minutes:.1} min of load at {}/s", args.rate);
        report.figures.push(Figure::new(work, vec![most, growth]));
    }
    size(store, &mut report).await?;
    report.verified(verified, "commands", "on the running server");
    Ok(report)
}

impl Series {
    /// The most of the samples from one number to another.
    pub(super) fn most(&self, from: usize, to: usize) -> f64 {
        self.0[from..to].iter().map(|(_, value)| *value).fold(0.0, f64::max)
    }

    /// The share by which the most of the second half is above the most of the first.
    pub(super) fn growth(&self) -> f64 {
        let half = self.0.len() / 2;
        let (first, second) = (self.most(0, half), self.most(half, self.0.len()));
        if first > 0.0 { second / first - 1.0 } else { 0.0 }
    }

    /// The slope of the line that fits best (least squares), per hour.
    fn slope_per_hour(&self) -> f64 {
        let count = self.0.len() as f64;
        let (x, y) =
            self.0.iter().fold((0.0, 0.0), |(x, y), (at, value)| (x + at / count, y + value / count));
        let (up, down) = self.0.iter().fold((0.0, 0.0), |(up, down), (at, value)| {
            (up + (at - x) * (value - y), down + (at - x) * (at - x))
        });
        if down > 0.0 { up / down * 3_600.0 } else { 0.0 }
    }

    pub(super) fn text(&self) -> Option<String> {
        let ((_, first), (_, last)) = (self.0.first()?, self.0.last()?);
        let (most, slope) = (self.most(0, self.0.len()), self.slope_per_hour());
        Some(format!("{first:.0} first, {last:.0} last, {most:.0} most, {slope:+.1} an hour"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_slope_and_a_flat_one_none() {
        let rising = Series((0..100_u32).map(|at| (f64::from(at), f64::from(at) * 2.0 + 5.0)).collect());
        assert!((rising.slope_per_hour() - 7_200.0).abs() < 1e-6);
        assert!((rising.growth() - (203.0 / 103.0 - 1.0)).abs() < 1e-9);
        let flat = Series(vec![(0.0, 7.0), (1.0, 7.0), (2.0, 7.0)]);
        assert_eq!((flat.slope_per_hour(), flat.growth()), (0.0, 0.0));
        assert_eq!(flat.text().as_deref(), Some("7 first, 7 last, 7 most, +0.0 an hour"));
        assert_eq!((Series::default().text(), Series::default().growth()), (None, 0.0));
    }
}
