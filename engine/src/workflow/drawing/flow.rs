//! The ways between the tasks of a list: what follows, jumps, the cases of a switch.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::{Body, Edge, Graph, IN, Item, Label, Mark, OUT, Sign};
use super::look::{counted, expression};
use super::text::one_line;
use crate::workflow::definition::{Definition, Kind, Node, Role, Then};

/// Jumps over other tasks that a list has as lines; more of them are marks that name where they go.
const MOST_JUMPS: usize = 40;

/// Marks that a task leads to; the ways to more of them are counted.
const MOST_MARKS: usize = 20;

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
        let mut jumps = BTreeSet::new();
        for at in 0..self.tasks.len() {
            self.connect_task(graph, &names, at, &mut jumps);
        }
        if let Some(more) = self.more {
            graph.edges.push(Edge { from: more, to: OUT, label: None });
        }
        merge(&mut graph.edges);
    }

    /// Adds the ways of one task. `jumps` has the ends of the lines that pass over other tasks.
    fn connect_task(
        &self,
        graph: &mut Graph,
        names: &BTreeMap<&str, usize>,
        at: usize,
        jumps: &mut BTreeSet<(usize, usize)>,
    ) {
        let node = &self.definition.nodes[self.tasks[at]];
        let next = if at + 1 < self.tasks.len() { item_of(at + 1) } else { self.more.unwrap_or(OUT) };
        let from = item_of(at);
        let mut marks = Marks { from, known: BTreeMap::new(), left: 0 };
        for Way { then, label, next: goes_on } in self.ways(node) {
            let to = match then {
                _ if goes_on => next,
                Then::Continue => next,
                // What an extended task leads to stands in the list around; the tasks behind it come first.
                Then::Exit | Then::Task(_) if node.role == Role::Extended => next,
                Then::Exit => OUT,
                Then::End if self.outermost => OUT,
                Then::End => {
                    marks.add(graph, Sign::Stop, "End of the run", label);
                    continue;
                }
                Then::Task(name) => {
                    names.get(name.as_str()).map_or(self.more.unwrap_or(OUT), |at| item_of(*at))
                }
            };
            let fits = to == next || jumps.len() < MOST_JUMPS || jumps.contains(&(from, to));
            if fits {
                if to != next {
                    jumps.insert((from, to));
                }
                graph.edges.push(Edge { from, to, label });
                continue;
            }
            let text = match then {
                Then::Task(name) => name.as_str(),
                Then::Continue | Then::Exit | Then::End => "the end",
            };
            marks.add(graph, Sign::Jump, text, label);
        }
        marks.close(graph);
    }

    /// The ways that lead on from a task.
    fn ways<'n>(&'n self, node: &'n Node) -> Vec<Way<'n>> {
        let plain = |then| Way { then, label: None, next: false };
        let own = self.definition.extended(node);
        // Where extensions stand around it, its own end of the run is inside of them.
        let leaves = |then: &Then| std::ptr::eq(own, node) || *then != Then::End;
        let mut ways = Vec::new();
        match &own.kind {
            Kind::Switch { cases } => {
                for case in cases.iter().filter(|case| leaves(&case.then)) {
                    let when = case.when.as_ref();
                    let hint = when
                        .map_or_else(|| "otherwise".to_owned(), |when| format!("if {}", expression(when)));
                    ways.push(Way { label: labelled(&case.name, &hint), ..plain(&case.then) });
                }
                if cases.iter().all(|case| case.when.is_some()) {
                    ways.push(Way { label: labelled("otherwise", "if no case holds"), ..plain(&node.then) });
                }
            }
            Kind::Raise { .. } => {}
            Kind::Try(catch) => {
                ways.push(plain(&node.then));
                let other = catch.then.as_ref().filter(|then| **then != node.then && leaves(then));
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

/// The marks behind a task: one for each place that it leads to, and one for those that are too many.
struct Marks<'a> {
    from: usize,
    known: BTreeMap<(bool, &'a str), usize>,
    /// The ways that have no mark.
    left: usize,
}

impl<'a> Marks<'a> {
    /// Adds a way to a mark.
    fn add(&mut self, graph: &mut Graph, sign: Sign, text: &'a str, label: Option<Label>) {
        let key = (sign == Sign::Stop, text);
        let to = match self.known.get(&key) {
            Some(to) => *to,
            None if self.known.len() == MOST_MARKS => return self.left += 1,
            None => {
                let to = self.item(graph, sign, text.to_owned());
                self.known.insert(key, to);
                to
            }
        };
        graph.edges.push(Edge { from: self.from, to, label });
    }

    /// Leads the ways that have no mark to one that says how many they are.
    fn close(self, graph: &mut Graph) {
        if self.left > 0 {
            let to = self.item(graph, Sign::Jump, counted(self.left, "more case"));
            graph.edges.push(Edge { from: self.from, to, label: None });
        }
    }

    fn item(&self, graph: &mut Graph, sign: Sign, text: String) -> usize {
        let mark = Mark { sign, text, shown: None };
        // Marks stand behind their task and before the next one.
        let rank = graph.items[self.from].rank + 1;
        graph.items.push(Item { rank, body: Body::Mark(mark), undo: None });
        graph.items.len() - 1
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
