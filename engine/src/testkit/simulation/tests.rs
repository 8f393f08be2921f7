//! Simulations of tallies: both forms hold, and each thing that is broken on purpose is found.

use serde_json::Value;

use super::*;
use crate::effect::Connectors;
use crate::journal::Journal;
use crate::runtime::NodeSeed;
use crate::testkit::catalog;
use crate::testkit::sabotage::{self, Sabotage};

#[derive(Default)]
struct OnlyTallies(Tallies);

impl Subject for OnlyTallies {
    async fn start(&mut self, seat: Seat) -> Result<Node, String> {
        let Seat { journal, leasing, config, cx } = seat;
        let (journal, connectors): (Arc<dyn Journal>, _) = (journal, Connectors::default());
        let seed = NodeSeed {
            journal,
            leasing,
            prepare: None,
            index: None,
            rules: None,
            catalog: catalog(),
            connectors,
            config,
            cx,
        };
        Node::start(seed).await.map_err(|e| e.to_string())
    }

    fn command(&mut self, chance: &mut Chance, _: &Info) -> Option<Command> {
        Some(self.0.command(chance))
    }

    fn read(&mut self, chance: &mut Chance, _: &Info) -> Option<StreamKey> {
        Some(self.0.read(chance))
    }

    fn heard(&mut self, command: &Command, outcome: &Outcome) {
        self.0.heard(command, outcome);
    }

    fn adds(&self, command: &Command) -> Option<i64> {
        self.0.adds(command)
    }

    fn shows(&self, stream: &StreamKey, state: &Value) -> Option<i64> {
        self.0.shows(stream, state)
    }

    async fn check(&mut self, node: &Node, events: &[Event]) -> Result<(), Broken> {
        self.0.check(node, events).await
    }
}

fn simulate(plan: &Plan) -> Result<History, Violation> {
    run(OnlyTallies::default(), plan)
}

/// Runs plans of a form and says what all of them came to.
fn hold(seats: usize, seeds: std::ops::Range<u64>, steps: u64) -> Counts {
    let mut counts = Counts::default();
    for seed in seeds {
        let plan = Plan::with_seats(seed, steps, seats);
        let history = simulate(&plan).unwrap_or_else(|found| {
            let small = shrink(OnlyTallies::default, &plan, found);
            panic!("{small}\n{:?}\n{}", small.steps, small.trace.join("\n"))
        });
        counts.merge(&history.counts);
    }
    counts
}

#[test]
fn no_fault_of_one_node_loses_repeats_or_ages_anything() {
    let counts = hold(1, 0..12, 400);
    for kind in [
        "crash",
        "crash with a torn write",
        "append unknown, lost",
        "clock jump",
        "pause",
        "end in good order",
    ] {
        assert!(counts.of(kind) > 0, "there was no `{kind}`: {counts:?}");
    }
    assert_eq!(counts.of("histories of a key left undecided"), 0);
    assert!(counts.of("operations checked for linearizability") > 500, "{counts:?}");
}

#[test]
fn no_fault_of_owner_or_standby_loses_repeats_or_ages_anything() {
    let counts = hold(2, 0..12, 400);
    assert!(counts.of("answered not the owner") > 0, "{counts:?}");
    assert!(counts.of("lives") > 24, "{counts:?}");
}

#[test]
fn a_seed_gives_one_history() {
    for seed in 0..3 {
        for seats in [1, 2] {
            let plan = Plan { traced: true, ..Plan::with_seats(seed, 150, seats) };
            let [one, other] = [(); 2].map(|()| simulate(&plan).unwrap());
            let differs = one.trace.iter().zip(&other.trace).find(|(one, other)| one != other);
            assert_eq!(differs, None, "seed {seed}");
            assert_eq!(one, other);
        }
    }
}

/// Finds the first seed that shows what is broken, and makes it small.
fn found(what: Sabotage, seats: usize) -> Violation {
    sabotage::with(what, || {
        for seed in 0..40 {
            let plan = Plan::with_seats(seed, 300, seats);
            if let Err(violation) = simulate(&plan) {
                let small = shrink(OnlyTallies::default, &plan, violation);
                println!("{what:?}: {small}\n{}", small.trace.join("\n"));
                assert!(small.steps.len() < 60, "it is not small: {:?}", small.steps);
                assert!(!small.trace.is_empty());
                return small;
            }
        }
        panic!("no seed shows {what:?}");
    })
}

#[test]
fn a_fence_that_was_removed_is_found() {
    let invariant = found(Sabotage::FenceRemoved, 2).broken.invariant;
    assert!([invariant::SEQUENCE, invariant::ORDER].contains(&invariant), "{invariant}");
}

#[test]
fn a_reply_before_the_commit_is_found() {
    let invariant = found(Sabotage::ReplyBeforeCommit, 1).broken.invariant;
    let of_replies = [invariant::ANSWER, invariant::REPLIED, invariant::ORDER];
    assert!(of_replies.contains(&invariant), "{invariant}");
}

#[test]
fn deduplication_that_was_dropped_is_found() {
    assert_eq!(found(Sabotage::DedupDropped, 1).broken.invariant, invariant::ANSWER);
}

#[test]
fn a_timer_that_fires_early_is_found() {
    assert_eq!(found(Sabotage::TimerEarly, 1).broken.invariant, invariant::TIMER);
}
