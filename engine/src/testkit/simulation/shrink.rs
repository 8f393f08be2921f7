//! Makes a history that violates an invariant smaller: steps are left out as long as the same invariant is violated.
//!
//! First everything after the step at which it shows, then whole kinds of steps, then ever smaller pieces (Zeller and
//! Hildebrandt's delta debugging, 2002).

use std::collections::BTreeSet;

use super::{Plan, Subject, Violation, run};

/// The most runs that are spent on it.
const RUNS: usize = 150;

/// Makes a violation smaller; what comes back has its trace.
pub fn shrink<S: Subject>(make: impl Fn() -> S, plan: &Plan, found: Violation) -> Violation {
    let mut search = Search { plan: plan.clone(), invariant: found.broken.invariant, best: found, runs: 0 };
    search.kinds(&make);
    search.pieces(&make);
    let traced = Plan { traced: true, ..search.plan };
    run(make(), &traced).err().unwrap_or(search.best)
}

struct Search {
    /// The smallest plan so far.
    plan: Plan,
    invariant: &'static str,
    best: Violation,
    runs: usize,
}

impl Search {
    /// True if the plan with these steps alone still violates the invariant; it is the smallest then.
    fn still<S: Subject>(&mut self, make: &impl Fn() -> S, numbers: &BTreeSet<u64>) -> bool {
        if self.runs >= RUNS {
            return false;
        }
        self.runs += 1;
        let plan = self.plan.only(numbers);
        match run(make(), &plan) {
            Err(violation) if violation.broken.invariant == self.invariant => {
                (self.plan, self.best) = (plan, violation);
                true
            }
            Err(_) | Ok(_) => false,
        }
    }

    fn kinds<S: Subject>(&mut self, make: &impl Fn() -> S) {
        let kinds: BTreeSet<_> = self.plan.steps.iter().map(|step| step.what.kind()).collect();
        for kind in kinds {
            let rest = self.plan.steps.iter().filter(|step| step.what.kind() != kind);
            let rest: BTreeSet<_> = rest.map(|step| step.number).collect();
            self.still(make, &rest);
        }
    }

    fn pieces<S: Subject>(&mut self, make: &impl Fn() -> S) {
        let mut size = self.plan.steps.len().div_ceil(2);
        while size > 0 && self.runs < RUNS {
            let mut at = 0;
            // From the end: what comes after the step at which it shows goes first.
            while at * size < self.plan.steps.len() {
                let numbers: Vec<_> = self.plan.steps.iter().map(|step| step.number).collect();
                let end = numbers.len() - at * size;
                let start = end.saturating_sub(size);
                let rest = numbers[..start].iter().chain(&numbers[end..]).copied().collect();
                if !self.still(make, &rest) {
                    at += 1;
                }
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
    }
}
