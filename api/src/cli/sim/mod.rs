//! `promptsales sim`: the whole product under simulated time, faults and crashes, checked against the invariants.

mod product;
mod report;
mod runs;

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use clap::Args;
use promptsales_engine::runtime::Context;
use promptsales_engine::testkit::simulation::{History, Plan, Violation, run as simulate, shrink};

use self::product::{Product, Works};
use self::report::Report;

/// What is simulated.
#[derive(Debug, Args)]
pub(crate) struct SimArgs {
    /// The seed of the first simulation.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The number of simulations, each with the next seed. Every third one has an owner and a stand-by.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// The steps of each.
    #[arg(long, default_value_t = 150)]
    steps: u64,
    /// How many simulations run at the same time; their histories do not depend on it.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=64))]
    jobs: u64,
    /// Takes these steps alone, by their numbers, separated by commas; for one seed.
    #[arg(long, value_delimiter = ',')]
    only: Vec<u64>,
    /// Writes down what happens; for one seed.
    #[arg(long)]
    trace: bool,
}

/// Runs simulations, prints a line for each and what all of them came to; a violated invariant ends them.
pub(crate) fn run(args: &SimArgs) -> anyhow::Result<()> {
    let works = Works::new()?;
    let begun = Context::real().monotonic();
    let (next, stopped) = (AtomicU64::new(args.seed), AtomicBool::new(false));
    let lines = Mutex::new(Lines { next: args.seed, ..Lines::default() });
    std::thread::scope(|scope| {
        for _ in 0..args.jobs.min(args.seeds) {
            scope.spawn(|| {
                while !stopped.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= args.seed.saturating_add(args.seeds) {
                        return;
                    }
                    let result = simulate(Product::new(seed, &works), &args.plan(seed));
                    stopped.fetch_or(result.is_err(), Ordering::Relaxed);
                    lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner).put(seed, result);
                }
            });
        }
    });
    let Lines { failed, mut report, .. } =
        lines.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(found) = failed {
        return Err(fail(args, &works, found));
    }
    report.took = begun.elapsed();
    write!(std::io::stderr(), "{report}")?;
    Ok(())
}

impl SimArgs {
    fn plan(&self, seed: u64) -> Plan {
        let plan = Plan { traced: self.trace, ..Plan::new(seed, self.steps) };
        let only: BTreeSet<u64> = self.only.iter().copied().collect();
        if only.is_empty() { plan } else { plan.only(&only) }
    }
}

/// Makes a violation smaller, and prints its history.
fn fail(args: &SimArgs, works: &Works, found: Violation) -> anyhow::Error {
    let seed = found.seed;
    // A reader that has gone away is no reason to fail in another way.
    let mut out = std::io::stderr();
    let _ = writeln!(out, "{found}\nits history is being made smaller; this takes a while");
    let small = shrink(|| Product::new(seed, works), &args.plan(seed), found);
    let _ = writeln!(out, "\nof {} steps {} are left:", args.steps, small.steps.len());
    small.trace.iter().for_each(|line| drop(writeln!(out, "{line}")));
    let numbers: Vec<_> = small.steps.iter().map(ToString::to_string).collect();
    let command = format!("promptsales sim --seed {seed} --steps {}", args.steps);
    let _ = writeln!(out, "\nthe whole again:  {command}");
    let _ = writeln!(out, "what is left:     {command} --trace --only {}", numbers.join(","));
    small.into()
}

/// The results, printed in the order of the seeds.
#[derive(Default)]
struct Lines {
    next: u64,
    waiting: std::collections::BTreeMap<u64, Result<History, Violation>>,
    report: Report,
    failed: Option<Violation>,
}

impl Lines {
    fn put(&mut self, seed: u64, result: Result<History, Violation>) {
        self.waiting.insert(seed, result);
        while let Some(result) = self.waiting.remove(&self.next) {
            self.next += 1;
            match result {
                Ok(history) if self.failed.is_none() => {
                    // A reader that has gone away is no reason to stop.
                    let mut out = std::io::stdout();
                    history.trace.iter().for_each(|line| drop(writeln!(out, "{line}")));
                    let _ = writeln!(out, "{history}");
                    self.report.take(&history);
                }
                Ok(_) => {}
                Err(violation) => self.failed = self.failed.take().or(Some(violation)),
            }
        }
    }
}
