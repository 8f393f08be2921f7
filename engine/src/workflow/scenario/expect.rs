//! What is expected of a scenario, and how it differs from what came.

use serde::Deserialize;
use serde_json::Value;

use super::log::Called;
use super::play::Ending;
use super::script::Span;
use super::{Failure, iso};
use crate::workflow::action::ACTION_ERROR_STEM;
use crate::workflow::definition::clip;
use crate::workflow::machine::{reference, task_name};

/// The statuses that a scenario can end with.
const STATUSES: [&str; 9] = [
    "completed",
    "faulted",
    "compensated",
    "cancelled",
    "waiting",
    "running",
    "suspended",
    "needs-attention",
    "refused",
];

/// What is expected. Tasks are named by their name, their JSON pointer or their instance path.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Expectations {
    /// The status at the end: `completed`, `faulted`, `compensated`, `cancelled`; `waiting`, `suspended` or
    /// `needs-attention` where nothing more comes; `refused` where the run does not start.
    pub status: Option<String>,
    /// The output. Of a mapping the fields that stand here, with others beside them, at every depth.
    pub output: Option<Value>,
    /// The whole output.
    pub output_is: Option<Value>,
    /// The error that the run ended in.
    pub error: Option<ErrorExpected>,
    /// Tasks that begin in this order; others may begin between them.
    pub tasks: Option<Vec<String>>,
    /// All tasks that begin, in their order.
    pub tasks_are: Option<Vec<String>>,
    /// Tasks that do not begin, actions that are not called, and workflows that are not run.
    pub never: Vec<String>,
    /// Calls that are made, and runs of other workflows that are started, in this order; others may come between them.
    pub calls: Option<Vec<CallExpected>>,
    /// All tasks whose calls are undone, in the order of their undoing.
    pub compensated: Option<Vec<String>>,
    /// How long the run takes.
    pub(super) duration: Option<Span>,
    /// How long it takes at most.
    pub(super) within: Option<Span>,
}

/// An error that is expected.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ErrorExpected {
    /// The code of an action's error.
    pub code: Option<String>,
    /// The type; of the specification's own errors the last part will do: `timeout`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The status.
    pub status: Option<u16>,
    /// The title.
    pub title: Option<String>,
    /// A part of the detail.
    pub detail: Option<String>,
}

/// A call that is expected, or a run of another workflow.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallExpected {
    /// The action.
    pub action: Option<String>,
    /// The workflow: `NAME` or `NAMESPACE/NAME`.
    pub workflow: Option<String>,
    /// The task.
    pub task: Option<String>,
    /// The arguments of the action; as with [`Expectations::output`], others may stand beside them.
    pub arguments: Option<Value>,
    /// The input of the workflow, likewise.
    pub input: Option<Value>,
}

impl Expectations {
    /// What means nothing: the field, and why.
    pub(super) fn wrong(&self) -> Option<(String, String)> {
        if let Some(status) = self.status.as_deref().filter(|status| !STATUSES.contains(status)) {
            let known = STATUSES.join("`, `");
            return Some((".status".to_owned(), format!("`{status}` is not a status; use one of `{known}`")));
        }
        let calls = self.calls.iter().flatten().enumerate();
        let mut wrong = calls.filter_map(|(index, call)| Some((index, call.wrong()?)));
        if let Some((index, reason)) = wrong.next() {
            return Some((format!(".calls[{index}]"), reason.to_owned()));
        }
        let asks = self.status.is_some()
            || self.output.is_some()
            || self.output_is.is_some()
            || self.error.is_some()
            || !self.never.is_empty()
            || self.duration.or(self.within).is_some()
            || self.calls.is_some()
            || self.task_names().next().is_some();
        (!asks).then(|| (String::new(), "nothing is expected".to_owned()))
    }

    /// The fields that name tasks.
    pub(super) fn task_names(&self) -> impl Iterator<Item = (&'static str, &Vec<String>)> {
        let fields = [
            ("expect.tasks", &self.tasks),
            ("expect.tasksAre", &self.tasks_are),
            ("expect.compensated", &self.compensated),
        ];
        fields.into_iter().filter_map(|(field, tasks)| Some((field, tasks.as_ref()?)))
    }

    /// Says how what came differs from what is expected.
    pub(super) fn compare(&self, ending: &Ending) -> Vec<Failure> {
        let mut found = Vec::new();
        if let Some(status) = self.status.as_ref().filter(|status| **status != ending.status) {
            found.push(Failure::new("status", status, &ending.status));
        }
        found.extend(self.output.as_ref().and_then(|output| subset("output", output, &ending.output)));
        if let Some(output) = self.output_is.as_ref().filter(|output| !same(output, &ending.output)) {
            found.push(Failure::new("outputIs", output, &ending.output));
        }
        found.extend(self.error.iter().flat_map(|error| error.compare(&ending.error)));
        found.extend(self.compare_tasks(ending));
        found.extend(self.compare_calls(&ending.log.calls));
        let lasted = Span(ending.lasted);
        if let Some(duration) = self.duration.filter(|duration| *duration != lasted) {
            found.push(Failure::new("duration", iso(duration.0), iso(lasted.0)));
        }
        if let Some(within) = self.within.filter(|within| *within < lasted) {
            found.push(Failure::new("within", format!("at most {}", iso(within.0)), iso(lasted.0)));
        }
        found
    }

    fn compare_tasks(&self, ending: &Ending) -> Vec<Failure> {
        let mut found = Vec::new();
        let log = &ending.log;
        if let Some(tasks) = &self.tasks {
            let mut begun = log.tasks.iter();
            let missed = tasks.iter().find(|task| !begun.any(|path| is_task(task, path)));
            if let Some(missed) = missed {
                let expected = format!("{}, where `{missed}` does not come in its turn", listed(tasks));
                found.push(Failure::new("tasks", expected, listed(&names(&log.tasks))));
            }
        }
        for (field, expected, actual) in
            [("tasksAre", &self.tasks_are, &log.tasks), ("compensated", &self.compensated, &log.undone)]
        {
            let Some(expected) = expected else { continue };
            let fits = expected.len() == actual.len()
                && expected.iter().zip(actual).all(|(task, path)| is_task(task, path));
            if !fits {
                found.push(Failure::new(field, listed(expected), listed(&names(actual))));
            }
        }
        for name in &self.never {
            let begun = log.tasks.iter().find(|path| is_task(name, path));
            let called = log.calls.iter().find(|call| call.is_of(name)).map(|call| &call.path);
            if let Some(path) = begun.or(called) {
                found.push(Failure::new("never", format!("not `{name}`"), format!("`{path}`")));
            }
        }
        found
    }

    fn compare_calls(&self, made: &[Called]) -> Option<Failure> {
        let mut next = 0;
        for expected in self.calls.iter().flatten() {
            let place = made.iter().skip(next).position(|call| expected.fits(call));
            let Some(place) = place else { return Some(expected.missing(next, made)) };
            next += place + 1;
        }
        None
    }
}

impl ErrorExpected {
    fn compare(&self, actual: &Value) -> Vec<Failure> {
        let kind = actual["type"].as_str().unwrap_or_default();
        let code = kind.strip_prefix(ACTION_ERROR_STEM);
        let mut found = Vec::new();
        let mut check = |field: &str, fits: bool, expected: String, actual: &Value| {
            if !fits {
                found.push(Failure::new(format!("error.{field}"), expected, actual));
            }
        };
        if let Some(expected) = &self.code {
            check("code", code == Some(expected), expected.clone(), &actual["type"]);
        }
        if let Some(expected) = &self.kind {
            let last = kind.rsplit('/').next() == Some(expected);
            check("type", kind == expected || last, expected.clone(), &actual["type"]);
        }
        if let Some(expected) = self.status {
            check("status", actual["status"] == expected, expected.to_string(), &actual["status"]);
        }
        if let Some(expected) = &self.title {
            check("title", actual["title"] == **expected, expected.clone(), &actual["title"]);
        }
        if let Some(expected) = &self.detail {
            let there = actual["detail"].as_str().is_some_and(|detail| detail.contains(expected));
            check("detail", there, format!("a text with `{expected}` in it"), &actual["detail"]);
        }
        found
    }
}

impl CallExpected {
    /// Why it means nothing, if it does.
    fn wrong(&self) -> Option<&'static str> {
        match (&self.action, &self.workflow) {
            (None, None) if self.task.is_none() => Some("a call needs an `action`, a `workflow` or a `task`"),
            (Some(_), Some(_)) => Some("a call is of either an `action` or a `workflow`"),
            (Some(_), None) if self.input.is_some() => Some("an action has `arguments`, and no `input`"),
            (None, Some(_)) if self.arguments.is_some() => {
                Some("a workflow has an `input`, and no `arguments`")
            }
            _ if self.arguments.is_some() && self.input.is_some() => {
                Some("a call has either `arguments` or an `input`")
            }
            _ => None,
        }
    }

    fn names(&self, call: &Called) -> bool {
        self.action.as_ref().is_none_or(|action| *action == call.action)
            && self.workflow.as_ref().is_none_or(|name| call.workflow().is_some() && call.is_of(name))
            && self.task.as_ref().is_none_or(|task| is_task(task, &call.path))
    }

    /// What it is to be given, with the name of the field.
    fn given(&self) -> Option<(&'static str, &Value)> {
        let arguments = self.arguments.as_ref().map(|arguments| ("arguments", arguments));
        arguments.or_else(|| Some(("input", self.input.as_ref()?)))
    }

    fn fits(&self, call: &Called) -> bool {
        self.names(call)
            && self.given().is_none_or(|(_, expected)| subset("", expected, call.given()).is_none())
    }

    /// Says what came instead of this call behind the first `from` ones.
    fn missing(&self, from: usize, made: &[Called]) -> Failure {
        let name = self.action.as_ref().or(self.workflow.as_ref()).or(self.task.as_ref());
        let what = format!("calls: `{}`", name.map_or("", String::as_str));
        let near = made.iter().skip(from).find(|call| self.names(call));
        let differs = near.zip(self.given());
        if let Some(difference) =
            differs.and_then(|(call, (field, expected))| subset(field, expected, call.given()))
        {
            return Failure { what: format!("{what} {}", difference.what), ..difference };
        }
        let later: Vec<String> = made.iter().skip(from).map(Called::name).collect();
        Failure::new(what, "a call, in its turn", format!("then come {}", listed(&later)))
    }
}

impl Failure {
    fn new(what: impl Into<String>, expected: impl ToString, actual: impl ToString) -> Self {
        let (expected, actual) = (expected.to_string(), actual.to_string());
        Self { what: what.into(), expected, actual }
    }
}

/// True if a task is named by its name, its JSON pointer or its instance path.
fn is_task(named: &str, path: &str) -> bool {
    named == path || named == task_name(path) || named == reference(path)
}

fn names(paths: &[String]) -> Vec<String> {
    paths.iter().map(|path| task_name(path).to_owned()).collect()
}

fn listed(names: &[String]) -> String {
    format!("[{}]", names.join(", "))
}

/// The first place where a value has not what is expected of it; more fields do no harm.
fn subset(at: &str, expected: &Value, actual: &Value) -> Option<Failure> {
    match (expected, actual) {
        (Value::Object(fields), Value::Object(found)) => fields.iter().find_map(|(name, expected)| {
            let place = format!("{at}/{name}");
            match found.get(name) {
                Some(actual) => subset(&place, expected, actual),
                None => Some(Failure::new(place, clip(&expected.to_string()), "nothing")),
            }
        }),
        (Value::Array(items), Value::Array(found)) if items.len() == found.len() => {
            let pairs = items.iter().zip(found).enumerate();
            pairs
                .into_iter()
                .find_map(|(i, (expected, actual))| subset(&format!("{at}/{i}"), expected, actual))
        }
        _ if same(expected, actual) => None,
        _ => Some(Failure::new(at, clip(&expected.to_string()), clip(&actual.to_string()))),
    }
}

/// Equality in which `1` and `1.0` are one number.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || x.as_f64() == y.as_f64(),
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y)),
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(name, x)| y.get(name).is_some_and(|y| same(x, y)))
        }
        _ => a == b,
    }
}
