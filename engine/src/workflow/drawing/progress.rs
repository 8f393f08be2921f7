//! How far a run is, gathered by the tasks of its definition.

use std::collections::BTreeMap;

use crate::workflow::machine::{TaskItem, TaskStatus};

/// How far a run is.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    status: String,
    tallies: BTreeMap<String, Tally>,
    waits: BTreeMap<String, Vec<Vec<String>>>,
}

/// One thing that a run waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// The JSON pointer of the task; empty for the run itself.
    pub task: String,
    /// The wire name of what kind of thing it is.
    pub kind: String,
    /// What for, in words.
    pub what: String,
    /// Until when, as RFC 3339 text, if that is known.
    pub until: Option<String>,
}

impl Wait {
    /// The same in words, a few to a line.
    fn lines(&self) -> Vec<String> {
        let what = &self.what;
        let what = match self.kind.as_str() {
            "attention" => format!("needs attention: {what}"),
            "compensation" => what.clone(),
            "settling" => format!("settles before it is undone: {what}"),
            _ => format!("waits for {what}"),
        };
        let until = self.until.as_ref().map(|until| format!("until {}", brief(until)));
        std::iter::once(what).chain(until).collect()
    }
}

/// How often a task ended in which way, all iterations and visits together.
#[derive(Debug, Clone, Default)]
struct Tally {
    counts: BTreeMap<Shown, u64>,
    attempts: u32,
}

/// How a task is shown. The order is that in which a sum of several is called by one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shown {
    /// Waiting for something.
    Waiting,
    /// At work.
    Running,
    /// Ended in an error.
    Faulted,
    /// Undone.
    Compensated,
    /// Ended before its time.
    Cancelled,
    /// Ended well.
    Completed,
    /// Not run: its condition did not hold.
    Skipped,
    /// Not begun.
    Unreached,
}

impl Shown {
    /// Every state, in the order of the legend.
    pub(super) const ALL: [Self; 8] = [
        Self::Completed,
        Self::Running,
        Self::Waiting,
        Self::Faulted,
        Self::Compensated,
        Self::Cancelled,
        Self::Skipped,
        Self::Unreached,
    ];

    /// The state in words.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Faulted => "faulted",
            Self::Compensated => "compensated",
            Self::Cancelled => "cancelled",
            Self::Completed => "completed",
            Self::Skipped => "skipped",
            Self::Unreached => "not reached",
        }
    }
}

impl From<TaskStatus> for Shown {
    fn from(status: TaskStatus) -> Self {
        match status {
            TaskStatus::Running => Self::Running,
            TaskStatus::Waiting => Self::Waiting,
            TaskStatus::Completed => Self::Completed,
            TaskStatus::Faulted => Self::Faulted,
            TaskStatus::Skipped => Self::Skipped,
            TaskStatus::Cancelled => Self::Cancelled,
            TaskStatus::Compensated => Self::Compensated,
        }
    }
}

/// The state of a task, and what there is to say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    pub(super) shown: Shown,
    /// In words; none where there is nothing to say.
    pub(super) lines: Vec<String>,
    /// What it waits for.
    pub(super) waits: Vec<String>,
}

impl Progress {
    /// The progress of a run: its status by its wire name, its tasks, and what it waits for.
    pub fn new(status: &str, tasks: &[TaskItem], waits: &[Wait]) -> Self {
        let mut progress = Self { status: status.to_owned(), ..Self::default() };
        for task in tasks {
            let tally = progress.tallies.entry(task.reference.clone()).or_default();
            *tally.counts.entry(Shown::from(task.status)).or_default() += 1;
            tally.attempts = tally.attempts.max(task.attempts);
        }
        for wait in waits {
            progress.waits.entry(wait.task.clone()).or_default().push(wait.lines());
        }
        progress
    }

    /// The status of the run by its wire name.
    pub(super) fn status(&self) -> &str {
        &self.status
    }

    /// How the run as a whole is shown.
    pub(super) fn run(&self) -> Shown {
        let same = |shown: &&Shown| shown.name() == self.status;
        match self.status.as_str() {
            "suspended" | "needs-attention" => Shown::Waiting,
            "pending" => Shown::Unreached,
            _ => Shown::ALL.iter().find(same).copied().unwrap_or(Shown::Running),
        }
    }

    /// What the run as a whole waits for.
    pub(super) fn run_waits(&self) -> Vec<String> {
        self.waits.get("").map_or_else(Vec::new, |waits| waits.concat())
    }

    /// The state of the task at a JSON pointer.
    pub(super) fn of(&self, reference: &str) -> State {
        let waits = match self.waits.get(reference).map_or(&[][..], Vec::as_slice) {
            [first, rest @ ..] if rest.len() > 1 => {
                let more = format!("and {} more like it", rest.len());
                first.iter().cloned().chain([more]).collect()
            }
            few => few.concat(),
        };
        let Some(tally) = self.tallies.get(reference) else {
            return State { shown: Shown::Unreached, lines: Vec::new(), waits };
        };
        let shown = tally.counts.keys().next().copied().unwrap_or(Shown::Unreached);
        State { shown, lines: tally.lines(shown), waits }
    }
}

impl Tally {
    fn lines(&self, shown: Shown) -> Vec<String> {
        let times: u64 = self.counts.values().sum();
        let attempts = match self.attempts {
            0 | 1 => String::new(),
            attempts if times > 1 => format!(", up to {attempts} attempts"),
            attempts => format!(", {attempts} attempts"),
        };
        if times <= 1 {
            return vec![format!("{}{attempts}", shown.name())];
        }
        if self.counts.len() == 1 {
            return vec![format!("{times} times {}{attempts}", shown.name())];
        }
        let counts: Vec<String> =
            self.counts.iter().map(|(shown, count)| format!("{count} {}", shown.name())).collect();
        let pairs = counts.chunks(2).map(|pair| pair.join(", "));
        std::iter::once(format!("{times} times{attempts}")).chain(pairs).collect()
    }
}

/// A moment without what nobody reads of it: `2026-03-01 12:00 UTC`.
fn brief(moment: &str) -> String {
    match moment.split_once('T') {
        Some((day, time)) => format!("{day} {} UTC", time.get(..5).unwrap_or(time)),
        None => moment.to_owned(),
    }
}
