//! A model of appends, take-overs and unknown commits, checked exhaustively for small sizes.
//!
//! It has the names of the code: [`Fence`](super::Fence) (epoch and incarnation, and the commits of the partition's
//! row), [`Ownership`](crate::partition::Ownership) (heartbeat, claim), and how an unknown append is resolved. The
//! store decides with its own clock who may claim; each node's clock may be slow within its bound, and a node may be
//! paused between any two of its steps (which is what a fast clock comes to), restarted, and cut off from any answer.
//! What is not modelled: that a store loses what it has committed, which is the matter of the fault tests.

use stateright::{Checker, HasDiscoveries, Model, Property};

use super::Position;
use state::{Applied, Bounds, Defect, NODES, Resolved, Step, World, Writing};

mod state;
mod world;

/// The model, or a variant of it with a defect.
#[derive(Debug, Clone, Copy)]
struct Journal {
    commands: usize,
    bounds: Bounds,
    defect: Defect,
}

const LOST: &str = "an acknowledged command stands where it was said to";
const TWICE: &str = "no command is applied twice";
const GAPS: &str = "positions are gap-free and in the order of commit";
const EPOCHS: &str = "epochs never fall along the log";
const STALE: &str = "whoever serves has seen every acknowledged command";
const ALONE: &str = "one node serves at a time";

impl Model for Journal {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.commands)]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        world.steps(steps);
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        next.make(step, self.defect);
        (next != *world).then_some(next)
    }

    fn within_boundary(&self, world: &World) -> bool {
        world.is_within(self.bounds)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(LOST, |_, world: &World| {
                told(world)
                    .all(|(c, position)| world.log.iter().any(|s| (s.position, s.command) == (position, c)))
            }),
            Property::always(TWICE, |model: &Self, world: &World| {
                let times = |command| world.log.iter().filter(|s| s.command == command).count();
                (0..model.commands).all(|command| times(command) <= 1)
            }),
            Property::always(GAPS, |_, world: &World| {
                (1..).zip(&world.log).all(|(position, s)| s.position == position)
            }),
            Property::always(EPOCHS, |_, world: &World| world.log.is_sorted_by_key(|s| s.epoch)),
            Property::always(STALE, |_, world: &World| {
                let has_seen = |node, c| world.serving(node).is_none_or(|v| v.iter().any(|s| s.command == c));
                told(world).all(|(c, _)| (0..NODES).all(|node| has_seen(node, c)))
            }),
            Property::always(ALONE, |_, world: &World| serving(world).count() <= 1),
            Property::sometimes("a partition is taken over and goes on", |_, world: &World| {
                world.log.first().zip(world.log.last()).is_some_and(|(first, last)| first.epoch < last.epoch)
            }),
            Property::sometimes("an append is under way while another node serves", |_, world: &World| {
                world.under_way.iter().any(|append| serving(world).any(|node| node != append.by.node))
            }),
            Property::sometimes("an append is fenced", |_, world: &World| {
                writing(world).any(|w| matches!(w, Writing::Answered(_, Applied::Fenced)))
            }),
            Property::sometimes("an unknown append turns out to be committed", |_, world: &World| {
                writing(world).any(|w| matches!(w, Writing::Resolved(_, Resolved::Committed { .. })))
            }),
            Property::sometimes("an unknown append turns out to be lost", |_, world: &World| {
                writing(world).any(|w| matches!(w, Writing::Resolved(_, Resolved::Lost { .. })))
            }),
            Property::sometimes("an unknown append is left to a later owner", |_, world: &World| {
                writing(world).any(|w| matches!(w, Writing::Resolved(_, Resolved::Fenced)))
            }),
            Property::sometimes("a repeated command is answered from the log", |_, world: &World| {
                world.told.iter().flatten().any(|told| told.replayed)
            }),
            Property::sometimes("every command is acknowledged", |_, world: &World| {
                world.told.iter().all(Option::is_some)
            }),
        ]
    }
}

/// The commands whose clients have been told that they stand, and where.
fn told(world: &World) -> impl Iterator<Item = (usize, Position)> {
    let told = world.told.iter().enumerate();
    told.filter_map(|(command, told)| told.map(|told| (command, told.position)))
}

/// The nodes that would answer now.
fn serving(world: &World) -> impl Iterator<Item = usize> {
    (0..NODES).filter(|node| world.serving(*node).is_some())
}

/// How the appends of owners stand.
fn writing(world: &World) -> impl Iterator<Item = Writing> {
    world.nodes.iter().filter_map(|node| node.held.as_ref()).map(|held| held.writing)
}

/// Two commands; the partition is taken over once.
fn journal(defect: Defect, under_way: usize) -> Journal {
    let bounds = Bounds { epochs: 2, commits: 4, restarts: 0, under_way };
    Journal { commands: 2, bounds, defect }
}

#[test]
fn the_journal_keeps_its_promises_whatever_the_order_of_steps() {
    let checker = journal(Defect::None, 1).checker().threads(2).spawn_bfs().join();
    assert!(checker.is_done(), "it was exhaustive");
    checker.assert_properties();
}

#[test]
fn the_same_holds_where_a_node_restarts_and_the_partition_goes_to_and_fro() {
    let bounds = Bounds { epochs: 3, commits: 4, restarts: 1, under_way: 2 };
    let checker =
        Journal { commands: 1, bounds, defect: Defect::None }.checker().threads(2).spawn_bfs().join();
    assert!(checker.is_done(), "it was exhaustive");
    for promise in [LOST, TWICE, GAPS, EPOCHS, STALE, ALONE] {
        checker.assert_no_discovery(promise);
    }
}

#[test]
fn a_defect_of_the_fence_or_of_the_lease_is_found() {
    let broken = [
        (Defect::NoFence, TWICE),
        (Defect::NoCommitsInFence, TWICE),
        (Defect::ResolvedByReading, TWICE),
        (Defect::LeaseFromAnswer, ALONE),
        (Defect::NoMargin, ALONE),
        (Defect::TailBeforeTakeOver, STALE),
    ];
    for (defect, promise) in broken {
        let wanted = HasDiscoveries::AnyOf([promise].into());
        let checker = journal(defect, 2).checker().threads(2).finish_when(wanted).spawn_bfs().join();
        assert!(checker.discovery(promise).is_some(), "{defect:?} breaks: {promise}");
    }
}
