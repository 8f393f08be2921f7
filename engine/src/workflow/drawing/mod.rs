//! Drawings: a definition, and a run of it, as a picture that stands by itself (SVG 1.1).
//!
//! A pure function in three steps. `build.rs` reads a definition into a graph (`graph.rs`): tasks with what a person
//! wants to know of them (`look.rs`), the ways between them (`flow.rs`), and how a saga is undone (`saga.rs`). The
//! layout (`layout/`) gives every part its place in a tree of boxes (`scene.rs`), in whole pixels, so that no two
//! boxes overlap and no line crosses a box. `render.rs` writes the tree down.
//!
//! * The same definition gives the same bytes.
//! * Text is measured by a table of widths (`text.rs`), clipped where it is too long, and always escaped.
//! * A drawing shows at most [`MOST_TASKS`] tasks; lists that are too much are folded into the task that holds them.

use super::action::Actions;
use super::definition::Definition;

mod build;
mod flow;
mod graph;
mod layout;
mod look;
mod palette;
mod progress;
mod render;
mod saga;
mod scene;
mod text;

#[cfg(test)]
mod tests;

pub use progress::{Progress, Wait};

/// The most tasks that a drawing shows one by one.
pub const MOST_TASKS: usize = 1_000;

/// Draws a definition, and how far a run of it is, as an SVG document.
///
/// The actions say which calls can be undone. The document is UTF-8 and self-contained: it has no scripts, refers to
/// nothing outside, and follows the reader's colour scheme.
pub fn draw(definition: &Definition, actions: &Actions, progress: Option<&Progress>) -> String {
    let graph = build::build(definition, actions, progress);
    let scene = layout::arrange(graph);
    render::render(definition, progress, &scene)
}
