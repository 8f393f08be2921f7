//! Whether what a scenario names is there: a name that is not would make it pass or fail for the wrong reason.

use std::collections::BTreeSet;

use super::Failure;
use super::script::Scenario;
use crate::workflow::definition::{CallSpec, Compensate, Definition, Kind, RunSpec, suggestion};
use crate::workflow::machine::reference;

/// What a workflow has that can be named.
struct Names<'a> {
    definition: &'a Definition,
    tasks: BTreeSet<&'a str>,
    actions: BTreeSet<&'a str>,
    /// The workflows that it runs, each with its namespace and without.
    workflows: BTreeSet<String>,
}

/// Finds the names of a scenario that its workflow does not have.
pub(super) fn check(definition: &Definition, scenario: &Scenario) -> Vec<Failure> {
    let names = Names {
        definition,
        tasks: definition.nodes.iter().map(|node| node.name.as_str()).collect(),
        actions: definition.nodes.iter().flat_map(|node| called(&node.kind)).collect(),
        workflows: definition.nodes.iter().flat_map(|node| run_by(&node.kind)).collect(),
    };
    let expect = &scenario.expect;
    let mut found = Vec::new();
    for (field, keys) in
        [("actions", scenario.actions.keys().collect::<Vec<_>>()), ("undo", scenario.undo.keys().collect())]
    {
        found.extend(keys.into_iter().filter_map(|key| names.task_or_action(field, key)));
    }
    found.extend(scenario.workflows.keys().filter_map(|key| names.task_or_workflow("workflows", key)));
    found.extend(scenario.signals.iter().filter_map(|signal| names.signal(&signal.name)));
    for (field, tasks) in expect.task_names() {
        found.extend(tasks.iter().filter_map(|task| names.task(field, task)));
    }
    found.extend(expect.never.iter().filter_map(|name| names.any("expect.never", name)));
    for call in expect.calls.iter().flatten() {
        found.extend(call.action.iter().filter_map(|action| names.action("expect.calls", action)));
        let workflows = call.workflow.iter();
        found.extend(workflows.filter_map(|workflow| names.workflow("expect.calls", workflow)));
        found.extend(call.task.iter().filter_map(|task| names.task("expect.calls", task)));
    }
    found
}

/// The actions that a task calls.
fn called(kind: &Kind) -> Vec<&str> {
    match kind {
        Kind::Call(CallSpec { action, compensate, .. }) => match compensate {
            Compensate::By { action: undoing, .. } => vec![action, undoing],
            Compensate::Action | Compensate::Never => vec![action],
        },
        Kind::Run(RunSpec { compensate: Compensate::By { action, .. }, .. }) => vec![action],
        _ => Vec::new(),
    }
}

/// The workflow that a task runs, with its namespace and without.
fn run_by(kind: &Kind) -> Vec<String> {
    match kind {
        Kind::Run(RunSpec { namespace, name, .. }) => vec![name.clone(), format!("{namespace}/{name}")],
        _ => Vec::new(),
    }
}

impl Names<'_> {
    fn is_task(&self, name: &str) -> bool {
        self.tasks.contains(name) || self.definition.node(&reference(name)).is_some()
    }

    fn task(&self, field: &str, name: &str) -> Option<Failure> {
        let known = || self.tasks.iter().copied();
        (!self.is_task(name)).then(|| missing(field, name, "a task of the workflow", known()))
    }

    fn action(&self, field: &str, name: &str) -> Option<Failure> {
        let known = || self.actions.iter().copied();
        let there = self.actions.contains(name);
        (!there).then(|| missing(field, name, "an action that the workflow calls", known()))
    }

    fn task_or_action(&self, field: &str, name: &str) -> Option<Failure> {
        let known = || self.tasks.union(&self.actions).copied();
        let there = self.is_task(name) || self.actions.contains(name);
        (!there).then(|| missing(field, name, "a task of the workflow, or an action that it calls", known()))
    }

    fn workflow(&self, field: &str, name: &str) -> Option<Failure> {
        let known = || self.workflows.iter().map(String::as_str);
        let there = self.workflows.contains(name);
        (!there).then(|| missing(field, name, "a workflow that the workflow runs", known()))
    }

    fn task_or_workflow(&self, field: &str, name: &str) -> Option<Failure> {
        let known = || self.tasks.iter().copied().chain(self.workflows.iter().map(String::as_str));
        let there = self.is_task(name) || self.workflows.contains(name);
        (!there).then(|| missing(field, name, "a task of the workflow, or a workflow that it runs", known()))
    }

    /// A task, an action or a workflow.
    fn any(&self, field: &str, name: &str) -> Option<Failure> {
        if self.workflows.contains(name) { None } else { self.task_or_action(field, name) }
    }

    fn signal(&self, name: &str) -> Option<Failure> {
        let known = || self.definition.signals.iter().map(String::as_str);
        let there = self.definition.hears_all || self.definition.signals.contains(name);
        (!there).then(|| missing("signals", name, "a signal that the workflow listens to", known()))
    }
}

fn missing<'a>(
    field: &str,
    name: &str,
    expected: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Failure {
    let others = known.clone();
    let hint = suggestion(name, known, || match others.collect::<Vec<_>>().join("`, `") {
        none if none.is_empty() => "there is none".to_owned(),
        names => format!("there are `{names}`"),
    });
    Failure { what: field.to_owned(), expected: expected.to_owned(), actual: format!("`{name}`; {hint}") }
}
