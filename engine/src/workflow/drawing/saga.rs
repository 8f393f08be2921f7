//! How a saga is undone: which calls are taken back, by what, and in which order.

use std::collections::BTreeSet;

use super::graph::{Graph, IN, Item, Link, OUT, Undo};
use crate::workflow::action::Actions;
use crate::workflow::definition::{Compensate, Kind, Node};

/// The most places that the undoing of one task goes on at.
const MOST_LINKS: usize = 6;

/// How a task is undone, if it is a call that can be.
pub(super) fn undo(node: &Node, actions: &Actions) -> Option<Undo> {
    let Kind::Call(call) = &node.kind else { return None };
    match &call.compensate {
        Compensate::Never => None,
        Compensate::By { action, .. } => {
            Some(Undo { by: action.clone(), hint: format!("undone by the action {action}") })
        }
        Compensate::Action => {
            let compensates = actions.get(&call.action).is_some_and(|info| info.compensates);
            let hint = format!("{} takes back what it did", call.action);
            compensates.then(|| Undo { by: call.action.clone(), hint })
        }
    }
}

/// How a task is undone whose tasks are.
pub(super) fn undo_inside(item: &Item) -> Option<Undo> {
    let hint = "what was done inside is undone in reverse order".to_owned();
    item.undoes_inside().then(|| Undo { by: "its own calls".to_owned(), hint })
}

/// Links the undoing of each item with that of those which came before it on some way. `open` leads the undoing out
/// at the head of the list.
pub(super) fn link(graph: &mut Graph, open: bool) {
    let mut order: Vec<usize> = (0..graph.items.len()).collect();
    order.sort_by_key(|item| graph.items[*item].rank);
    let mut before: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); graph.items.len()];
    let mut into: Vec<Vec<usize>> = vec![Vec::new(); graph.items.len()];
    for edge in graph.edges.iter().filter(|edge| graph.is_forward(edge)) {
        into[edge.to].push(edge.from);
    }
    for item in order {
        let mut near = BTreeSet::new();
        for from in &into[item] {
            match graph.items[*from].undo {
                Some(_) => drop(near.insert(*from)),
                None if *from == IN => drop(near.insert(IN)),
                None => near.extend(before[*from].iter().copied()),
            }
        }
        before[item] = near.into_iter().rev().take(MOST_LINKS).collect();
    }
    for (from, item) in graph.items.iter().enumerate().filter(|(from, _)| *from != OUT) {
        if item.undo.is_some() {
            let to = before[from].iter().copied().filter(|to| open || *to != IN);
            graph.links.extend(to.map(|to| Link { from, to }));
        }
    }
}
