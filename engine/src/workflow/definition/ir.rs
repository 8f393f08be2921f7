//! The intermediate form: what a definition compiles to.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use serde_json::Value;

use super::events::ListenSpec;
use super::handling::Catch;
use super::schedule::Schedule;
use super::shaping::{Formula, Shaping};

/// A task's place in the arena of its definition.
pub type NodeId = usize;

/// A checked, compiled workflow definition.
#[derive(Debug)]
pub struct Definition {
    /// The namespace that the document names.
    pub namespace: String,
    /// The workflow's name, unique within a tenant.
    pub name: String,
    /// The semantic version.
    pub version: String,
    /// The title for a person.
    pub title: Option<String>,
    /// What it is for, in Markdown.
    pub summary: Option<String>,
    /// The BLAKE3 digest of the source text, in hexadecimal.
    pub digest: String,
    /// The parsed document.
    pub document: Value,
    /// True if the whole run is a saga.
    pub saga: bool,
    /// What becomes of the run's input.
    pub input: Shaping,
    /// What becomes of the last task's output.
    pub output: Shaping,
    /// How long a run may take.
    pub timeout: Option<Span>,
    /// The tasks.
    pub nodes: Vec<Node>,
    /// The tasks of every list, by the list's JSON pointer; `/do` is the first.
    pub lists: HashMap<String, Vec<NodeId>>,
    /// The types of events that some task listens to.
    pub signals: BTreeSet<String>,
    /// True if some task listens to events whatever their type is.
    pub hears_all: bool,
    /// The types of events that a schedule waits for.
    pub starters: BTreeSet<String>,
    /// The workflows that it runs.
    pub runs: BTreeSet<String>,
    /// When runs begin by themselves.
    pub schedule: Option<Schedule>,
    /// The time zone that the schedule goes by, as the IANA names it; UTC if absent.
    pub time_zone: Option<String>,
    /// What a run is found by from its start.
    pub attributes: Option<Formula>,
    /// How long a run that has ended keeps its events; absent for as long as the node says.
    pub retention: Option<Duration>,
    /// How long after its end a run is deleted; absent for as long as the node says.
    pub deletion: Option<Duration>,
    /// The secrets that it may use.
    pub secrets: BTreeSet<String>,
    pub(in crate::workflow) by_reference: HashMap<String, NodeId>,
}

impl Definition {
    /// The task at a JSON pointer.
    pub fn node(&self, reference: &str) -> Option<&Node> {
        self.by_reference.get(reference).map(|id| &self.nodes[*id])
    }

    /// The tasks of a list, by the list's JSON pointer; none if there is no such list.
    pub fn list(&self, reference: &str) -> &[NodeId] {
        self.lists.get(reference).map_or(&[], Vec::as_slice)
    }

    /// True if some task runs another workflow in a version that it names.
    pub fn runs_version(&self, name: &str, version: &str) -> bool {
        let runs = |node: &Node| {
            let Kind::Run(spec) = &node.kind else { return false };
            spec.name == name && spec.version.as_deref() == Some(version)
        };
        self.runs.contains(name) && self.nodes.iter().any(runs)
    }

    /// The task itself, where extensions stand around it.
    pub(in crate::workflow) fn extended<'a>(&'a self, node: &'a Node) -> &'a Node {
        let inside = self.list(&format!("{}/do", node.reference));
        inside.iter().map(|id| &self.nodes[*id]).find(|inner| inner.role == Role::Extended).unwrap_or(node)
    }
}

/// One task.
#[derive(Debug)]
pub struct Node {
    /// Its JSON pointer: `/do/0/check`.
    pub reference: String,
    /// Its name.
    pub name: String,
    /// The JSON pointer of its text, where that is not the reference: in functions and extensions.
    pub source: Option<String>,
    /// The task that it extends, by the JSON pointer of that one's text and its reference.
    pub extends: Option<(String, String)>,
    /// Its part in an extension.
    pub role: Role,
    /// The JSON pointer of the list that it stands in.
    pub list: String,
    /// Its place in that list.
    pub index: usize,
    /// The condition without which it is skipped.
    pub condition: Option<Formula>,
    /// What becomes of its raw input.
    pub input: Shaping,
    /// What becomes of its raw output.
    pub output: Shaping,
    /// What becomes of the run's context.
    pub export: Shaping,
    /// How long it may take.
    pub timeout: Option<Span>,
    /// Where it goes on.
    pub then: Then,
    /// True if it is a scope that compensates.
    pub saga: bool,
    /// What its run is found by once it has completed.
    pub attributes: Option<Formula>,
    /// What it does.
    pub kind: Kind,
}

impl Node {
    /// A task about which nothing is known but its place.
    pub(super) fn named(name: &str, list: &str, index: usize) -> Self {
        Self {
            reference: super::fields::join(&format!("{list}/{index}"), name),
            name: name.to_owned(),
            source: None,
            extends: None,
            role: Role::Plain,
            list: list.to_owned(),
            index,
            condition: None,
            input: Shaping::default(),
            output: Shaping::default(),
            export: Shaping::default(),
            timeout: None,
            then: Then::Continue,
            saga: false,
            attributes: None,
            kind: Kind::Broken,
        }
    }

    /// The JSON pointer of its text.
    pub fn text(&self) -> &str {
        self.source.as_deref().unwrap_or(&self.reference)
    }
}

/// What a task does.
#[derive(Debug)]
pub enum Kind {
    /// Runs tasks one after the other.
    Do,
    /// Sets the data.
    Set {
        /// The new data.
        value: Formula,
    },
    /// Chooses where to go on.
    Switch {
        /// The cases, in their order.
        cases: Vec<Case>,
    },
    /// Runs tasks for each item.
    For(ForSpec),
    /// Runs tasks side by side.
    Fork {
        /// True if the first to end is the only one that counts.
        compete: bool,
    },
    /// Calls an action.
    Call(CallSpec),
    /// Waits for a time.
    Wait {
        /// How long.
        span: Span,
    },
    /// Sends an event.
    Emit {
        /// Gives its attributes and data.
        event: Formula,
    },
    /// Waits for events.
    Listen(Box<ListenSpec>),
    /// Runs another workflow.
    Run(RunSpec),
    /// Raises an error.
    Raise {
        /// The error's members.
        error: Formula,
    },
    /// Runs tasks and handles their errors.
    Try(Box<Catch>),
    /// What could not be compiled; only in definitions that are refused.
    Broken,
}

impl Kind {
    /// The name of the task type.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Do => "do",
            Self::Set { .. } => "set",
            Self::Switch { .. } => "switch",
            Self::For(_) => "for",
            Self::Fork { .. } => "fork",
            Self::Call(_) => "call",
            Self::Wait { .. } => "wait",
            Self::Emit { .. } => "emit",
            Self::Listen(_) => "listen",
            Self::Run(_) => "run",
            Self::Raise { .. } => "raise",
            Self::Try(_) => "try",
            Self::Broken => "broken",
        }
    }
}

/// A case of a switch.
#[derive(Debug)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// The condition; none for the default.
    pub when: Option<Formula>,
    /// Where to go on.
    pub then: Then,
}

/// A loop.
#[derive(Debug)]
pub struct ForSpec {
    /// The variable that holds the item.
    pub each: String,
    /// The variable that holds the index.
    pub at: String,
    /// Gives the items.
    pub items: Formula,
    /// The condition to go on with the next item.
    pub condition: Option<Formula>,
    /// How many items are under way at once; none where they go one after the other.
    pub parallel: Option<Parallel>,
}

/// How many iterations run side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parallel {
    /// As many as the engine allows.
    Most,
    /// At most so many.
    Up(u32),
}

/// A call of an action.
#[derive(Debug)]
pub struct CallSpec {
    /// The action's wire name.
    pub action: String,
    /// The version that was asked for.
    pub version: Option<String>,
    /// Gives the arguments.
    pub arguments: Formula,
    /// The arguments as written.
    pub with: Value,
    /// How it is taken back.
    pub compensate: Compensate,
}

/// A run of another workflow.
#[derive(Debug)]
pub struct RunSpec {
    /// The namespace that the other workflow must have.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its version; none for the latest.
    pub version: Option<String>,
    /// Gives its input.
    pub input: Formula,
    /// True to wait for its end.
    pub awaited: bool,
    /// True if the task gives null, whatever the other workflow gives.
    pub silent: bool,
    /// How it is taken back.
    pub compensate: Compensate,
}

/// The part that a task has in an extension of another one (`use.extensions`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// None.
    Plain,
    /// The task that is extended; where it leads to another task, that one stands in the list around.
    Extended,
    /// The tasks before: what they put out is dropped, unless one of them leaves by `exit`.
    Before,
    /// The tasks behind: what they put out is dropped.
    After,
}

/// How a call is taken back in a saga.
#[derive(Debug)]
pub enum Compensate {
    /// As the action says.
    Action,
    /// Not at all.
    Never,
    /// By another action.
    By {
        /// Its wire name.
        action: String,
        /// Gives its arguments.
        arguments: Formula,
        /// The arguments as written.
        with: Value,
    },
}

/// Where to go on after a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// With the next task of the list.
    Continue,
    /// Behind the list.
    Exit,
    /// Nowhere: the run is complete.
    End,
    /// With a task of the same list.
    Task(String),
}

/// A length of time.
#[derive(Debug)]
pub enum Span {
    /// Known from the definition.
    Fixed(Duration),
    /// An expression that gives ISO 8601 text.
    Computed(Formula),
}
