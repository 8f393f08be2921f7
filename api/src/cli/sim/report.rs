//! What all simulations came to.

use std::fmt;
use std::time::Duration;

use promptsales_engine::testkit::simulation::{Counts, History};

/// The sum of histories, and how long they took.
#[derive(Debug, Default)]
pub(super) struct Report {
    counts: Counts,
    pairs: u64,
    pub(super) took: Duration,
}

impl Report {
    pub(super) fn take(&mut self, history: &History) {
        self.counts.merge(&history.counts);
        self.pairs += u64::from(history.seats == 2);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seeds, steps) = (self.counts.of("seeds"), self.counts.of("steps"));
        let seconds = self.took.as_secs_f64();
        writeln!(
            f,
            "\nno invariant was violated in {seeds} histories, {} of an owner and a stand-by",
            self.pairs
        )?;
        for (kind, times) in self.counts.iter().filter(|(kind, _)| *kind != "seeds") {
            writeln!(f, "  {times:>10}  {kind}")?;
        }
        writeln!(
            f,
            "{seconds:.1} s: {:.0} steps and {:.2} seeds each second",
            steps as f64 / seconds,
            seeds as f64 / seconds
        )
    }
}
