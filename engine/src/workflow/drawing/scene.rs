//! A tree of boxes with their places, as the layout gives it to the renderer.

use super::graph::{Card, Icon, Label, Mark, Undo};

/// A point, in pixels from the corner of the box that holds it.
pub(super) type Point = (i32, i32);

/// Something with its place and what is inside of it.
#[derive(Debug)]
pub(super) struct Placed {
    /// The left upper corner in the box around it.
    pub(super) at: Point,
    pub(super) width: i32,
    pub(super) height: i32,
    /// Where ways come in at the top and leave at the bottom, from the left.
    pub(super) port: i32,
    pub(super) what: What,
    pub(super) children: Vec<Placed>,
    pub(super) wires: Vec<Wire>,
}

/// What a box is.
#[derive(Debug)]
pub(super) enum What {
    /// Nothing to be seen.
    Group,
    /// A task.
    Task(Card),
    /// A task around others, with the height of its head.
    Frame(Card, i32),
    /// What is tried.
    Tried,
    /// A small mark.
    Mark(Mark),
    /// How a task is undone.
    Chip(Undo),
    /// What is written on a way.
    Pill(Label),
}

/// A line.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) points: Vec<Point>,
    pub(super) stroke: Stroke,
    pub(super) arrow: bool,
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stroke {
    /// The way of a run.
    Flow,
    /// The way of an error.
    Error,
    /// The way back of a saga.
    Undo,
    /// What ways part or meet at.
    Bar,
}

impl Placed {
    /// Something without parts, in the corner.
    pub(super) fn new(what: What, width: i32, height: i32) -> Self {
        let (children, wires) = (Vec::new(), Vec::new());
        Self { at: (0, 0), width, height, port: width / 2, what, children, wires }
    }

    /// The same at a place.
    pub(super) fn placed(mut self, x: i32, y: i32) -> Self {
        self.at = (x, y);
        self
    }
}

impl Wire {
    /// A line with an arrow at its end.
    pub(super) fn arrow(stroke: Stroke, points: Vec<Point>) -> Self {
        Self { points, stroke, arrow: true }
    }

    /// A line.
    pub(super) fn line(stroke: Stroke, points: Vec<Point>) -> Self {
        Self { points, stroke, arrow: false }
    }
}

impl Icon {
    /// Every icon.
    pub(super) const ALL: [Self; 13] = [
        Self::Call,
        Self::List,
        Self::Data,
        Self::Choice,
        Self::Loop,
        Self::Fork,
        Self::Clock,
        Self::Signal,
        Self::Error,
        Self::Shield,
        Self::Condition,
        Self::Undo,
        Self::Other,
    ];
}
