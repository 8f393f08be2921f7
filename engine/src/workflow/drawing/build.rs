//! Reads a definition into the graph that is drawn.

use std::collections::{BTreeSet, VecDeque};

use super::MOST_TASKS;
use super::flow::{Flow, item_of};
use super::graph::{Body, Card, Graph, IN, Icon, Item, Line, Mark, OUT, Sign};
use super::look::{Holds, Look, caught, common, counted, look};
use super::progress::Progress;
use super::{saga, text};
use crate::workflow::action::Actions;
use crate::workflow::definition::{Catch, Definition, Kind, Node};

/// Reads a definition, and the progress of a run, into a graph.
pub(super) fn build(definition: &Definition, actions: &Actions, progress: Option<&Progress>) -> Graph {
    let (open, more) = plan(definition);
    let builder = Builder { definition, actions, progress, open, more };
    builder.whole()
}

/// The lists whose tasks are drawn, and those of them that are cut short, with the number of tasks that are drawn.
fn plan(definition: &Definition) -> (BTreeSet<String>, Option<(String, usize)>) {
    let (mut open, mut left) = (BTreeSet::new(), MOST_TASKS);
    let mut next = VecDeque::from(["/do".to_owned()]);
    while let Some(list) = next.pop_front() {
        let tasks = definition.list(&list);
        if tasks.len() > left {
            // What is too much is folded; only the run's own list is shown in part.
            if list == "/do" {
                open.insert(list.clone());
                return (open, Some((list, left)));
            }
            continue;
        }
        left -= tasks.len();
        for id in tasks {
            let node = &definition.nodes[*id];
            let inside = look(definition, node).holds.lists();
            next.extend(inside.iter().map(|place| format!("{}/{place}", node.reference)));
        }
        open.insert(list);
    }
    (open, None)
}

struct Builder<'a> {
    definition: &'a Definition,
    actions: &'a Actions,
    progress: Option<&'a Progress>,
    open: BTreeSet<String>,
    more: Option<(String, usize)>,
}

impl Builder<'_> {
    /// The whole run between its start and its end. A run that is a saga has a boundary around its tasks.
    fn whole(&self) -> Graph {
        let start = Mark { sign: Sign::Start, text: "Start".to_owned(), shown: None };
        let text = self.progress.map_or_else(|| "End".to_owned(), |progress| progress.status().to_owned());
        let end = Mark { sign: Sign::End, text, shown: self.progress.map(Progress::run) };
        if !self.definition.saga {
            let mut graph = self.list("/do", false, true);
            graph.items[IN].body = Body::Mark(start);
            graph.items[OUT].body = Body::Mark(end);
            return graph;
        }
        let mut inside = self.list("/do", true, true);
        saga::link(&mut inside, true);
        let card = Card {
            icon: Icon::Undo,
            name: "Saga".to_owned(),
            lines: vec![Line::plain("if a step fails, what was done is undone in reverse order")],
            state: None,
            saga: true,
            hint: Vec::new(),
        };
        let item = |rank, body| Item { rank, body, undo: None };
        let (start, end) = (item(0, Body::Mark(start)), item(usize::MAX, Body::Mark(end)));
        let mut graph =
            Graph { items: vec![start, end, item(1, Body::List(card, inside))], ..Graph::default() };
        for (from, to) in [(IN, item_of(0)), (item_of(0), OUT)] {
            graph.edges.push(super::graph::Edge { from, to, label: None });
        }
        graph
    }

    /// The graph of a list.
    fn list(&self, reference: &str, in_saga: bool, outermost: bool) -> Graph {
        let all = self.definition.list(reference);
        let most =
            self.more.as_ref().filter(|(list, _)| list == reference).map_or(all.len(), |(_, most)| *most);
        let tasks = &all[..most.min(all.len())];
        let gate = |rank| Item { rank, body: Body::Gate, undo: None };
        let mut graph = Graph { items: vec![gate(0), gate(usize::MAX)], ..Graph::default() };
        for (at, id) in tasks.iter().enumerate() {
            let item = self.task(&self.definition.nodes[*id], in_saga);
            graph.items.push(Item { rank: 2 * at + 1, ..item });
        }
        let hidden = all.len() - tasks.len();
        let more = (hidden > 0).then_some(graph.items.len());
        if more.is_some() {
            let name = format!("{} more", counted(hidden, "task"));
            let lines = vec![Line::plain("too many to be drawn one by one")];
            let card = Card { icon: Icon::List, name, lines, state: None, saga: false, hint: Vec::new() };
            graph.items.push(Item { rank: 2 * most + 1, body: Body::Task(card), undo: None });
        }
        Flow { definition: self.definition, tasks, more, outermost }.connect(&mut graph);
        if in_saga && !outermost {
            saga::link(&mut graph, false);
        }
        graph
    }

    /// A task with all that is inside of it.
    fn task(&self, node: &Node, in_saga: bool) -> Item {
        let Look { icon, lines, holds } = look(self.definition, node);
        let mut card = self.card(node, icon, lines);
        let body = match holds {
            _ if !self.is_open(node, holds) => {
                let inside = format!("{}/", node.reference);
                let count = self.definition.nodes.iter().filter(|n| n.reference.starts_with(&inside)).count();
                card.lines.push(Line::marked(Icon::List, format!("{}, folded", counted(count, "task"))));
                Body::Task(card)
            }
            Holds::Nothing => Body::Task(card),
            Holds::List(place) => {
                let inner = in_saga || node.saga;
                let mut graph = self.list(&format!("{}/{place}", node.reference), inner, false);
                if node.saga {
                    graph.links.clear();
                    saga::link(&mut graph, true);
                }
                Body::List(card, graph)
            }
            Holds::Branches => {
                let branches = self.definition.list(&format!("{}/fork/branches", node.reference));
                let item = |id: &usize| self.task(&self.definition.nodes[*id], in_saga);
                Body::Branches(card, branches.iter().map(item).collect())
            }
            Holds::Tries => self.tries(node, card, in_saga),
        };
        let item = Item { rank: 0, body, undo: None };
        let undo = match in_saga {
            true => saga::undo(node, self.actions).or_else(|| saga::undo_inside(&item)),
            false => None,
        };
        Item { undo, ..item }
    }

    fn is_open(&self, node: &Node, holds: Holds) -> bool {
        let is_list =
            |place: &&&str| self.definition.lists.contains_key(&format!("{}/{place}", node.reference));
        let mut lists = holds.lists().iter().filter(is_list);
        lists.all(|place| self.open.contains(&format!("{}/{place}", node.reference)))
    }

    fn tries(&self, node: &Node, card: Card, in_saga: bool) -> Body {
        let tried = self.list(&format!("{}/try", node.reference), in_saga, false);
        let Kind::Try(catch) = &node.kind else { return Body::Task(card) };
        let Catch { handles, retry, .. } = catch.as_ref();
        let lines = caught(catch);
        let hint = lines.iter().map(|line| line.text.clone()).collect();
        let head =
            Card { icon: Icon::Error, name: "on error".to_owned(), lines, state: None, saga: false, hint };
        let body = match handles {
            true => Body::List(head, self.list(&format!("{}/catch/do", node.reference), in_saga, false)),
            false => Body::Task(head),
        };
        let caught = Box::new(Item { rank: 0, body, undo: None });
        Body::Try { card, tried, caught, retries: retry.is_some() }
    }

    fn card(&self, node: &Node, icon: Icon, mut lines: Vec<Line>) -> Card {
        // The first line says of what type it is.
        let kind = node.kind.name();
        match lines.first_mut() {
            Some(line) => line.text = format!("{kind} · {}", line.text),
            None => lines.push(Line::plain(kind)),
        }
        lines.extend(common(node));
        let mut hint = vec![format!("{} at {}", node.name, node.reference)];
        if let Kind::Call(call) = &node.kind {
            let summary = self.actions.get(&call.action).map(|info| info.summary.to_owned());
            hint.extend(summary);
        }
        hint.extend(lines.iter().map(|line| line.text.clone()));
        let state = self.progress.map(|progress| progress.of(&node.reference));
        let name = text::one_line(&node.name, super::look::LONGEST);
        Card { icon, name, lines, state, saga: node.saga, hint }
    }
}
