//! The layout: gives every item of a graph its place.
//!
//! A list is a grid (`grid.rs`). Ways lead from the bottom of a task through the gap under its row to the top of
//! another; one that passes over rows runs through cells of the grid that are empty, one that leads back through a
//! lane at the left (`list.rs`). In the gaps every bundle of ways has a height of its own (`gap.rs`). What holds other
//! tasks is laid out from the inside out (`block.rs`).

use super::graph::Graph;
use super::scene::Placed;

mod block;
mod gap;
mod grid;
mod list;
mod trace;

pub(super) use block::{HEAD, ROW};

/// Gives everything in a graph its place.
pub(super) fn arrange(graph: Graph) -> Placed {
    list::list(graph)
}
