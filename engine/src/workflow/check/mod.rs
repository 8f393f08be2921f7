//! What is checked when a definition is registered: everything that can be known before a run, all at once.

use std::collections::BTreeSet;

use serde_json::Value;

use super::action::Actions;
use super::definition::{
    Compensate, Definition, Draft, Kind, Node, NodeId, Problem, Problems, Role, Severity, Then, draft,
    suggestion,
};

mod arguments;

#[cfg(test)]
mod tests;

/// A definition that can be run, and what its author should look at.
#[derive(Debug)]
pub struct Checked {
    /// The definition.
    pub definition: Definition,
    /// What is allowed and probably not meant.
    pub warnings: Vec<Problem>,
}

/// A definition that is refused.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the definition has {} problems, the first at {}", problems.len(), first(problems))]
pub struct Refused {
    /// All that is wrong, and warnings.
    pub problems: Vec<Problem>,
}

/// Compiles a definition's text and checks it against the actions there are.
///
/// # Errors
///
/// [`Refused`], with every problem that was found.
pub fn check(source: &str, actions: &Actions) -> Result<Checked, Refused> {
    let Draft { definition, mut problems } = draft(source);
    if let Some(definition) = &definition {
        check_flow(definition, &mut problems);
        check_calls(definition, actions, &mut problems);
        check_retries(definition, &mut problems);
    }
    let problems = problems.in_text(source);
    let refused = problems.iter().any(|problem| problem.severity == Severity::Error);
    match definition {
        Some(definition) if !refused => Ok(Checked { definition, warnings: problems }),
        Some(_) | None => Err(Refused { problems }),
    }
}

fn first(problems: &[Problem]) -> String {
    let error = problems.iter().find(|problem| problem.severity == Severity::Error);
    error.map_or_else(String::new, Problem::to_string)
}

/// Flow: `then` leads to a task of the same list, and every task can be reached.
fn check_flow(definition: &Definition, problems: &mut Problems) {
    let mut lists: Vec<_> = definition.lists.iter().collect();
    lists.sort();
    for (reference, tasks) in lists {
        if is_around_extended(definition, tasks) {
            continue;
        }
        let branches = is_branches(definition, reference);
        for id in tasks {
            let node = &definition.nodes[*id];
            for (pointer, then) in directives(definition, node) {
                check_then(definition, tasks, branches, &pointer, then, problems);
            }
        }
        if !branches {
            warn_unreachable(definition, tasks, problems);
        }
    }
}

/// True for the list that an extended task became: where it leads is checked with the list around.
fn is_around_extended(definition: &Definition, tasks: &[NodeId]) -> bool {
    tasks.iter().any(|id| definition.nodes[*id].role == Role::Extended)
}

fn is_branches(definition: &Definition, list: &str) -> bool {
    let owner = list.strip_suffix("/fork/branches").and_then(|owner| definition.node(owner));
    owner.is_some_and(|node| matches!(node.kind, Kind::Fork { .. }))
}

/// All places of a task that say where to go on.
fn directives<'a>(definition: &'a Definition, node: &'a Node) -> Vec<(String, &'a Then)> {
    let mut found = vec![(format!("{}/then", node.reference), &node.then)];
    match &definition.extended(node).kind {
        Kind::Switch { cases } => {
            for (index, case) in cases.iter().enumerate() {
                let name = &case.name;
                found.push((format!("{}/switch/{index}/{name}/then", node.reference), &case.then));
            }
        }
        Kind::Try(catch) => {
            found.extend(catch.then.iter().map(|then| (format!("{}/catch/then", node.reference), then)));
        }
        _ => {}
    }
    found
}

fn check_then(
    definition: &Definition,
    tasks: &[NodeId],
    branches: bool,
    pointer: &str,
    then: &Then,
    problems: &mut Problems,
) {
    let Then::Task(name) = then else { return };
    if branches {
        let message = format!("`then: {name}` cannot leave the branch of a fork");
        problems.error(pointer, message, "put the tasks of the branch into a `do`");
        return;
    }
    // In a list of thousands each unknown name is compared with thousands.
    if problems.is_full() || tasks.iter().any(|id| &definition.nodes[*id].name == name) {
        return;
    }
    let elsewhere = definition.nodes.iter().find(|node| &node.name == name);
    match elsewhere {
        Some(other) => {
            let message = format!("`{name}` stands in another list, at `{}`", other.reference);
            problems.error(
                pointer,
                message,
                "go on with a task of the same list, or `exit` and go on outside",
            );
        }
        None => {
            let names: Vec<&str> = tasks.iter().map(|id| definition.nodes[*id].name.as_str()).collect();
            let known = names.iter().copied().chain(["continue", "exit", "end"]);
            let fix = suggestion(name, known, || {
                let some = &names[..names.len().min(10)];
                format!("use `continue`, `exit`, `end`, or a task of the list, like `{}`", some.join("`, `"))
            });
            problems.error(pointer, format!("there is no task `{name}`"), fix);
        }
    }
}

fn warn_unreachable(definition: &Definition, tasks: &[NodeId], problems: &mut Problems) {
    let mut reached = BTreeSet::new();
    let mut open = vec![0];
    while let Some(index) = open.pop() {
        if index < tasks.len() && reached.insert(index) {
            open.extend(successors(definition, tasks, index));
        }
    }
    for (index, id) in tasks.iter().enumerate() {
        if !reached.contains(&index) {
            let fix = "remove it, or let a `then` go to it";
            problems.warning(&definition.nodes[*id].reference, "the task is never reached", fix);
        }
    }
}

fn successors(definition: &Definition, tasks: &[NodeId], index: usize) -> Vec<usize> {
    let node = &definition.nodes[tasks[index]];
    let mut thens: Vec<&Then> = Vec::new();
    let mut falls_through = true;
    match &definition.extended(node).kind {
        Kind::Switch { cases } => {
            thens.extend(cases.iter().map(|case| &case.then));
            falls_through = cases.iter().all(|case| case.when.is_some());
        }
        Kind::Raise { .. } => falls_through = false,
        Kind::Try(catch) => thens.extend(&catch.then),
        _ => {}
    }
    if falls_through {
        thens.push(&node.then);
    }
    // A task that is skipped goes on with the next one, whatever its `then` says.
    let skipped = node.condition.as_ref().map(|_| index + 1);
    let named = |name: &String| tasks.iter().position(|id| &definition.nodes[*id].name == name);
    let target = |then: &Then| match then {
        Then::Continue => Some(index + 1),
        Then::Exit | Then::End => None,
        // What leads nowhere is a problem of its own; what follows is not blamed for it.
        Then::Task(name) => Some(named(name).unwrap_or(index + 1)),
    };
    thens.into_iter().filter_map(target).chain(skipped).collect()
}

/// Calls: the action exists, and its arguments can fit.
fn check_calls(definition: &Definition, actions: &Actions, problems: &mut Problems) {
    for node in &definition.nodes {
        let Kind::Call(call) = &node.kind else { continue };
        let at = &node.reference;
        check_call(&call.action, &call.with, at, actions, problems);
        check_version(&call.action, call.version.as_deref(), at, actions, problems);
        if let Compensate::By { action, with, .. } = &call.compensate {
            check_call(action, with, &format!("{at}/metadata/compensate"), actions, problems);
        }
    }
}

/// A function of the default catalog that is asked for by its version.
fn check_version(action: &str, version: Option<&str>, at: &str, actions: &Actions, problems: &mut Problems) {
    let (Some(version), Some(info)) = (version, actions.get(action)) else { return };
    if info.version != version {
        let message = format!("`{action}` has no version {version}");
        problems.error(&format!("{at}/call"), message, format!("use `{action}:{}@default`", info.version));
    }
}

fn check_call(action: &str, with: &Value, at: &str, actions: &Actions, problems: &mut Problems) {
    match actions.get(action) {
        Some(info) => arguments::check(&info.input, with, &format!("{at}/with"), problems),
        None => {
            problems.error(
                &format!("{at}/call"),
                format!("there is no action `{action}`"),
                suggestion(action, actions.iter().map(|info| info.name), || {
                    "use one of the actions that are registered, or register one of this name".to_owned()
                }),
            );
        }
    }
}

fn check_retries(definition: &Definition, problems: &mut Problems) {
    for node in &definition.nodes {
        let Kind::Try(catch) = &node.kind else { continue };
        let Some(retry) = &catch.retry else { continue };
        if retry.count.is_none() && retry.duration.is_none() {
            let pointer = format!("{}/catch/retry", node.reference);
            let fix = "add `limit: { attempt: { count: ... } }` or `limit: { duration: ... }`";
            problems.warning(&pointer, "the task is retried without end", fix);
        }
    }
}
