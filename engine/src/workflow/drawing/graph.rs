//! The graph that is drawn: items, what they hold, and the ways between them.

use super::progress::{Shown, State};

/// A list of tasks with the ways between them. The first item is where it begins, the second where it ends.
#[derive(Debug, Default)]
pub(super) struct Graph {
    pub(super) items: Vec<Item>,
    pub(super) edges: Vec<Edge>,
    pub(super) links: Vec<Link>,
}

/// Where a graph begins.
pub(super) const IN: usize = 0;
/// Where a graph ends.
pub(super) const OUT: usize = 1;

/// Something that has a place of its own.
#[derive(Debug)]
pub(super) struct Item {
    /// The place in the order of the list; a way to an item of a higher rank leads forward.
    pub(super) rank: usize,
    pub(super) body: Body,
    /// How it is undone in a saga.
    pub(super) undo: Option<Undo>,
}

/// What an item is.
#[derive(Debug)]
pub(super) enum Body {
    /// The edge of the list that an item stands in; nothing is drawn.
    Gate,
    /// A small mark.
    Mark(Mark),
    /// A task without tasks of its own, or whose tasks are folded.
    Task(Card),
    /// A task that runs a list.
    List(Card, Graph),
    /// A task that runs others side by side.
    Branches(Card, Vec<Item>),
    /// A task that tries a list, what it does with errors, and whether it tries again.
    Try { card: Card, tried: Graph, caught: Box<Item>, retries: bool },
}

/// A small mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) sign: Sign,
    pub(super) text: String,
    /// How the run stands that ends here.
    pub(super) shown: Option<Shown>,
}

/// What a mark stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// Where a run begins.
    Start,
    /// Where a run ends.
    End,
    /// Where a run ends out of the middle.
    Stop,
    /// A jump to a task whose line would be too long.
    Jump,
}

/// What is said of a task.
#[derive(Debug, Clone)]
pub(super) struct Card {
    pub(super) icon: Icon,
    pub(super) name: String,
    pub(super) lines: Vec<Line>,
    pub(super) state: Option<State>,
    /// True at the boundary of a saga.
    pub(super) saga: bool,
    /// What else there is to know, for those who point at it.
    pub(super) hint: Vec<String>,
}

/// A line under the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) icon: Option<Icon>,
    pub(super) text: String,
}

impl Line {
    /// A line without an icon.
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self { icon: None, text: text.into() }
    }

    /// A line with an icon.
    pub(super) fn marked(icon: Icon, text: impl Into<String>) -> Self {
        Self { icon: Some(icon), text: text.into() }
    }
}

/// The small pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Icon {
    /// A call.
    Call,
    /// Tasks one after the other.
    List,
    /// Data.
    Data,
    /// A choice.
    Choice,
    /// A loop.
    Loop,
    /// Tasks side by side.
    Fork,
    /// A length of time.
    Clock,
    /// Something that comes in.
    Signal,
    /// An error.
    Error,
    /// What stands between an error and the run.
    Shield,
    /// A condition.
    Condition,
    /// A way back.
    Undo,
    /// Anything else.
    Other,
}

/// A way from one item to another.
#[derive(Debug)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) label: Option<Label>,
}

/// What is written on a way.
#[derive(Debug, Clone)]
pub(super) struct Label {
    pub(super) text: String,
    /// The whole of it, for those who point at it.
    pub(super) hint: String,
}

/// How an item is undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Undo {
    /// What undoes it.
    pub(super) by: String,
    /// The same in a sentence.
    pub(super) hint: String,
}

/// The undoing of one item goes on with that of another, or leads out at [`IN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Mark {
    /// The text as it is written.
    pub(super) fn written(&self) -> String {
        let arrow = if self.sign == Sign::Jump { "→ " } else { "" };
        format!("{arrow}{}", self.text)
    }
}

impl Graph {
    /// True if something in it is undone.
    pub(super) fn undoes(&self) -> bool {
        self.items.iter().any(|item| item.undo.is_some())
    }

    /// True if a way leads forward.
    pub(super) fn is_forward(&self, edge: &Edge) -> bool {
        self.items[edge.from].rank < self.items[edge.to].rank
    }
}

impl Item {
    /// True if something in it is undone.
    pub(super) fn undoes_inside(&self) -> bool {
        match &self.body {
            Body::Gate | Body::Mark(_) | Body::Task(_) => false,
            Body::List(_, graph) => graph.undoes(),
            Body::Branches(_, branches) => branches.iter().any(|branch| branch.undo.is_some()),
            Body::Try { tried, caught, .. } => tried.undoes() || caught.undoes_inside(),
        }
    }
}

impl Card {
    /// All lines under the name: what the task is, how it stands, and what it waits for.
    pub(super) fn rows(&self) -> Vec<Row<'_>> {
        let about =
            self.lines.iter().map(|line| Row { icon: line.icon, text: &line.text, role: Role::About });
        let state = self.state.as_ref();
        let stands = state.into_iter().flat_map(|state| &state.lines);
        let stands = stands.map(|text| Row { icon: None, text, role: Role::State });
        let waits = state.into_iter().flat_map(|state| &state.waits);
        let waits = waits.map(|text| Row { icon: Some(Icon::Clock), text, role: Role::Wait });
        about.chain(stands).chain(waits).collect()
    }
}

/// A line under the name of a task.
pub(super) struct Row<'a> {
    pub(super) icon: Option<Icon>,
    pub(super) text: &'a str,
    pub(super) role: Role,
}

/// What a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// What the task is.
    About,
    /// How it stands.
    State,
    /// What it waits for.
    Wait,
}
