//! The ways between the tasks of a list: what follows, jumps, the cases of a switch.

use std::collections::BTreeMap;

use super::graph::{Body, Edge, Graph, IN, Item, Label, Mark, OUT, Sign};
use super::look::formula;
use super::text::one_line;
use crate::workflow::definition::{Definition, Kind, Node, Then};

/// Jumps over other tasks that a list has as lines; more of them are marks that name where they go.
const MOST_JUMPS: usize = 40;

/// The longest label, in characters.
const LONGEST_LABEL: usize = 80;

/// A place that a task goes on at, and what is written on the way there.
struct Way<'a> {
    then: &'a Then,
    label: Option<Label>,
    /// True if it goes on with the next task whatever the directive says.
    next: bool,
}

/// The tasks of a list that are drawn, in their order, and where each stands among the items of the graph.
pub(super) struct Flow<'a> {
    pub(super) definition: &'a Definition,
    pub(super) tasks: &'a [usize],
    /// The item that stands for those that are not drawn.
    pub(super) more: Option<usize>,
    /// True for the list of the run itself.
    pub(super) outermost: bool,
}

/// The item of the task at a place of its list.
pub(super) fn item_of(place: usize) -> usize {
    place + 2
}

impl Flow<'_> {
    /// Adds the ways to a graph that has an item for each task.
    pub(super) fn connect(&self, graph: &mut Graph) {
        let first = if self.tasks.is_empty() { self.more.unwrap_or(OUT) } else { item_of(0) };
        graph.edges.push(Edge { from: IN, to: first, label: None });
        let names: BTreeMap<&str, usize> = self
            .tasks
            .iter()
            .enumerate()
            .map(|(at, id)| (self.definition.nodes[*id].name.as_str(), at))
            .collect();
        let mut jumps = 0;
        for (at, id) in self.tasks.iter().enumerate() {
            let node = &self.definition.nodes[*id];
            for way in self.ways(node) {
                self.connect_one(graph, &names, at, way, &mut jumps);
            }
        }
        if let Some(more) = self.more {
            graph.edges.push(Edge { from: more, to: OUT, label: None });
        }
        merge(&mut graph.edges);
    }

    fn connect_one(
        &self,
        graph: &mut Graph,
        names: &BTreeMap<&str, usize>,
        at: usize,
        way: Way<'_>,
        jumps: &mut usize,
    ) {
        let next = if at + 1 < self.tasks.len() { item_of(at + 1) } else { self.more.unwrap_or(OUT) };
        let (from, label) = (item_of(at), way.label);
        let to = match way.then {
            _ if way.next => next,
            Then::Continue => next,
            Then::Exit => OUT,
            Then::End if self.outermost => OUT,
            Then::End => return self.mark(graph, at, Sign::Stop, "End of the run", label),
            Then::Task(name) => names.get(name.as_str()).map_or(self.more.unwrap_or(OUT), |at| item_of(*at)),
        };
        if to != next {
            *jumps += 1;
            if *jumps > MOST_JUMPS {
                let text = match way.then {
                    Then::Task(name) => name.as_str(),
                    Then::Continue | Then::Exit | Then::End => "the end",
                };
                return self.mark(graph, at, Sign::Jump, text, label);
            }
        }
        graph.edges.push(Edge { from, to, label });
    }

    /// Adds a way to a mark of its own.
    fn mark(&self, graph: &mut Graph, at: usize, sign: Sign, text: &str, label: Option<Label>) {
        let from = item_of(at);
        let mark = Mark { sign, text: text.to_owned(), shown: None };
        // Marks stand behind their task and before the next one.
        let rank = graph.items[from].rank + 1;
        graph.edges.push(Edge { from, to: graph.items.len(), label });
        graph.items.push(Item { rank, body: Body::Mark(mark), undo: None });
    }

    /// The ways that lead on from a task.
    fn ways<'n>(&self, node: &'n Node) -> Vec<Way<'n>> {
        let plain = |then| Way { then, label: None, next: false };
        let mut ways = Vec::new();
        let source = self.definition.document.pointer(&node.reference);
        match &node.kind {
            Kind::Switch { cases } => {
                for (at, case) in cases.iter().enumerate() {
                    let source = source.and_then(|s| s["switch"][at].get(&case.name)).map(|s| &s["when"]);
                    let when = case.when.as_ref();
                    let hint = when.map(|when| format!("if {}", formula(when, source.unwrap_or_default())));
                    let hint = hint.unwrap_or_else(|| "otherwise".to_owned());
                    ways.push(Way { label: labelled(&case.name, &hint), ..plain(&case.then) });
                }
                if cases.iter().all(|case| case.when.is_some()) {
                    ways.push(Way { label: labelled("otherwise", "if no case holds"), ..plain(&node.then) });
                }
            }
            Kind::Raise { .. } => {}
            Kind::Try(catch) => {
                ways.push(plain(&node.then));
                let other = catch.then.as_ref().filter(|then| **then != node.then);
                ways.extend(
                    other
                        .map(|then| Way { label: labelled("caught", "after a caught error"), ..plain(then) }),
                );
            }
            _ => ways.push(plain(&node.then)),
        }
        if node.condition.is_some() && (node.then != Then::Continue || ways.is_empty()) {
            ways.push(Way {
                label: labelled("if skipped", "if its condition does not hold"),
                next: true,
                ..plain(&node.then)
            });
        }
        ways
    }
}

fn labelled(text: &str, hint: &str) -> Option<Label> {
    Some(Label { text: one_line(text, LONGEST_LABEL), hint: format!("{text}: {hint}") })
}

/// Makes one way of those that lead from one item to the same other.
fn merge(edges: &mut Vec<Edge>) {
    let mut merged: Vec<Edge> = Vec::new();
    let mut known: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for edge in edges.drain(..) {
        match known.get(&(edge.from, edge.to)) {
            None => {
                known.insert((edge.from, edge.to), merged.len());
                merged.push(edge);
            }
            Some(first) => {
                let first = &mut merged[*first];
                first.label = match (first.label.take(), edge.label) {
                    (Some(one), Some(other)) => Some(Label {
                        text: one_line(&format!("{} · {}", one.text, other.text), LONGEST_LABEL),
                        hint: one_line(&format!("{}; {}", one.hint, other.hint), 400),
                    }),
                    (one, other) => one.or(other),
                };
            }
        }
    }
    *edges = merged;
}
