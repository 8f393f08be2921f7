//! A run that goes on in another version of its workflow.
//!
//! Its state is renamed: tasks that are in both versions keep what they are at, wherever they stand now. Where the run
//! is in a task that is gone, or of another type, somebody has to say with which task of the same list it goes on.
//! A wait is over when the new version says, counted from its beginning; a listener that has heard nothing yet
//! listens as the new version says. A call that was sent is what it was when it was sent.

use std::collections::BTreeMap;

use serde_json::Value;

use super::event::RunEvent;
use super::path;
use super::state::{Frame, List, Phase, RunState};
use super::terms::Part;
use super::turn::Turn;
use crate::workflow::definition::{Compensate, Definition, Kind, Node, NodeId, Then};
use crate::workflow::difference::{Effect, names};

/// Where the tasks of a run are in another version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::workflow) struct Renaming {
    /// The JSON pointers of tasks, from the old to the new.
    pub(super) tasks: BTreeMap<String, String>,
    /// The lists that go on with another task: by their instance path, and its place in the new version.
    pub(super) turns: BTreeMap<String, usize>,
}

impl RunState {
    /// What would become of the run in another version.
    pub fn effect_of(
        &self,
        old: &Definition,
        new: &Definition,
        choices: &BTreeMap<String, String>,
    ) -> Effect {
        match self.renaming(old, new, choices) {
            Err(tasks) => Effect::MustChoose { tasks },
            Ok(_) if self.is_unaffected(old, new) => Effect::Unaffected,
            Ok(_) => Effect::Follows,
        }
    }

    /// Finds where the run's tasks are in another version; `choices` says for tasks that are gone which ones to go on
    /// with.
    ///
    /// # Errors
    ///
    /// The JSON pointers of the tasks that are gone and of which nobody said it: those that the run is in, and those
    /// whose work it may have to undo in the way that they say.
    pub(in crate::workflow) fn renaming(
        &self,
        old: &Definition,
        new: &Definition,
        choices: &BTreeMap<String, String>,
    ) -> Result<Renaming, Vec<String>> {
        let found: BTreeMap<String, &Node> =
            names(new).into_iter().map(|(name, id)| (name, &new.nodes[id])).collect();
        let by_reference: BTreeMap<&str, String> =
            names(old).into_iter().map(|(name, id)| (old.nodes[id].reference.as_str(), name)).collect();
        let mut renaming = Renaming::default();
        for (reference, name) in &by_reference {
            let same = found.get(name).filter(|node| {
                old.node(reference)
                    .is_some_and(|was| was.kind.name() == node.kind.name() && was.role == node.role)
            });
            if let Some(node) = same {
                renaming.tasks.insert((*reference).to_owned(), node.reference.clone());
            }
        }
        let mut lost = Vec::new();
        for (at, frame) in self.frames.iter().filter(|(at, _)| !at.is_empty()) {
            let reference = path::reference(at);
            let parent = path::reference(&frame.parent);
            let parent_stays = frame.parent.is_empty() || renaming.tasks.contains_key(&parent);
            if renaming.tasks.contains_key(&reference) || !parent_stays {
                continue;
            }
            if !renaming.choose(new, choices, &reference, path::list_of(at), frame.part) {
                lost.push(reference);
            }
        }
        for (at, list) in &self.lists {
            let Some(turn) = list.turn else { continue };
            let tasks = old.list(&path::reference(at));
            let Some(node) = tasks.get(turn).map(|id| &old.nodes[*id]) else { continue };
            let chosen = || renaming.tasks.contains_key(&node.reference);
            if !chosen() && !renaming.choose(new, choices, &node.reference, at, list.part) {
                lost.push(node.reference.clone());
            }
        }
        for call in self.calls.values().filter(|call| call.is_open_or_done()) {
            let reference = path::reference(&call.path);
            if renaming.tasks.contains_key(&reference) || !old.node(&reference).is_some_and(undoes_itself) {
                continue;
            }
            // What undoes it stands in the old version alone.
            match choices.get(&reference).filter(|to| new.node(to).is_some_and(undoes_itself)) {
                Some(to) => drop(renaming.tasks.insert(reference, to.clone())),
                None => lost.push(reference),
            }
        }
        lost.sort_unstable();
        lost.dedup();
        if lost.is_empty() { Ok(renaming) } else { Err(lost) }
    }

    /// True if nothing is different of what the run is in or may come to.
    fn is_unaffected(&self, old: &Definition, new: &Definition) -> bool {
        let same_head = ["output", "timeout", "use", "evaluate"]
            .into_iter()
            .all(|field| old.document.get(field) == new.document.get(field));
        let lists_stay = self.lists.iter().all(|(at, list)| {
            let reference = path::reference(at);
            let active = self.frames.keys().find(|frame| !frame.is_empty() && path::list_of(frame) == *at);
            let from = list.turn.or_else(|| active.map(|frame| path::index_of(frame))).unwrap_or(0);
            same_from(old, new, &reference, from)
        });
        // Branches, and what stands around lists, are compared as a whole.
        let others =
            self.frames.iter().filter(|(at, frame)| !at.is_empty() && matches!(frame.part, Part::Branch(_)));
        let branches_stay = others.into_iter().all(|(at, _)| {
            let reference = path::reference(at);
            old.document.pointer(&reference) == new.document.pointer(&reference)
        });
        same_head && lists_stay && branches_stay
    }
}

impl Renaming {
    /// Has a list go on with the task that was chosen for one that is gone. False if none was, or it does not fit.
    fn choose(
        &mut self,
        new: &Definition,
        choices: &BTreeMap<String, String>,
        gone: &str,
        list: &str,
        part: Part,
    ) -> bool {
        let Some(node) = choices.get(gone).and_then(|to| new.node(to)) else { return false };
        if matches!(part, Part::Branch(_)) || self.list(&path::reference(list)).as_deref() != Some(&node.list)
        {
            return false;
        }
        self.turns.insert(list.to_owned(), node.index);
        true
    }

    /// Where a list is in the new version, by its JSON pointer.
    fn list(&self, list: &str) -> Option<String> {
        let (owner, body) = split(list);
        if owner.is_empty() {
            return Some(list.to_owned());
        }
        Some(format!("{}{body}", self.tasks.get(owner)?))
    }

    /// The new instance path of a task or a list; that of what is gone is marked, and is no place.
    pub(super) fn path(&self, old: &str) -> String {
        let mut segments = old.split('/').skip(1).peekable();
        let (mut new, mut plain) = (String::new(), String::new());
        while segments.peek().is_some() {
            let body = body_of(&mut segments);
            let (Some(place), Some(task)) = (segments.next(), segments.next()) else {
                return format!("{new}/{body}");
            };
            let marks = task.find(['[', '#']).map_or("", |at| &task[at..]);
            let name = &task[..task.len() - marks.len()];
            plain = format!("{plain}/{body}/{place}/{name}");
            let Some(to) = self.tasks.get(&plain) else { return format!("/-{old}") };
            new = format!("{new}/{body}/{}/{}{marks}", path::index_of(to), path::name(to));
        }
        new
    }
}

/// Takes the name of a list off a pointer: one segment, or two.
fn body_of<'a>(segments: &mut impl Iterator<Item = &'a str>) -> String {
    let first = segments.next().unwrap_or_default();
    match first {
        "catch" | "foreach" | "fork" => format!("{first}/{}", segments.next().unwrap_or_default()),
        _ => first.to_owned(),
    }
}

/// The owner of a list and the rest of its pointer.
fn split(list: &str) -> (&str, &str) {
    for body in ["/catch/do", "/foreach/do", "/fork/branches", "/try", "/do"] {
        if let Some(owner) = list.strip_suffix(body) {
            return (owner, &list[owner.len()..]);
        }
    }
    (list, "")
}

/// True if two versions say the same of a list from one of its tasks on, and nothing leads back before it.
fn same_from(old: &Definition, new: &Definition, list: &str, from: usize) -> bool {
    let tail = |definition: &Definition, from: usize| -> Vec<(String, Value)> {
        let tasks: &[NodeId] = definition.list(list);
        let nodes = tasks.iter().skip(from).map(|id| &definition.nodes[*id]);
        nodes
            .map(|node| {
                (node.name.clone(), definition.document.pointer(node.text()).cloned().unwrap_or_default())
            })
            .collect()
    };
    let tasks = old.list(list);
    let names: Vec<&str> = tasks.iter().map(|id| old.nodes[*id].name.as_str()).collect();
    let goes_back = tasks.iter().skip(from).any(|id| {
        let node = &old.nodes[*id];
        let mut thens = vec![&node.then];
        match &node.kind {
            Kind::Switch { cases } => thens.extend(cases.iter().map(|case| &case.then)),
            Kind::Try(catch) => thens.extend(&catch.then),
            _ => {}
        }
        thens.into_iter().any(|then| match then {
            Then::Task(name) => names.iter().position(|other| other == name).is_some_and(|at| at < from),
            Then::Continue | Then::Exit | Then::End => false,
        })
    });
    !goes_back && tail(old, from) == tail(new, from)
}

impl Turn<'_> {
    /// Goes on in the version that this transition works with.
    pub(in crate::workflow) fn migrate(
        &mut self,
        old: &Definition,
        renaming: Renaming,
        reason: Option<String>,
    ) -> Value {
        let Renaming { tasks, turns } = renaming;
        let (version, digest) = (self.definition.version.clone(), self.definition.digest.clone());
        self.emit(RunEvent::Migrated { version, digest, tasks: tasks.clone(), turns, reason });
        let waiting: Vec<String> = self.state.frames.keys().filter(|at| !at.is_empty()).cloned().collect();
        let before: BTreeMap<&str, &str> =
            tasks.iter().map(|(old, new)| (new.as_str(), old.as_str())).collect();
        for at in waiting {
            let reference = path::reference(&at);
            let was = before.get(reference.as_str()).and_then(|was| old.node(was));
            let said = was.and_then(|was| old.document.pointer(was.text()));
            if said != self.definition.document.pointer(self.node(&at).text()) {
                self.wait_anew(&at);
            }
        }
        self.go_on_after_act()
    }

    /// Begins a wait or a listener again, of which the new version says something else.
    fn wait_anew(&mut self, at: &str) {
        let Some(frame) = self.state.frames.get(at) else { return };
        match (&frame.phase, &self.node(at).kind) {
            (Phase::Waiting { .. }, Kind::Wait { span }) => {
                let begun = frame.started_at;
                match self.span(span, &self.input(at), &self.scene(at)) {
                    Ok(span) => {
                        let until = begun.plus(span).max(self.cx.now.plus(super::turn::SOONEST));
                        self.emit(RunEvent::WaitStarted { path: at.to_owned(), until });
                    }
                    Err(e) => self.fault(at, e),
                }
            }
            (Phase::Listening(listening), Kind::Listen(_))
                if listening.taken.is_empty() && listening.met.is_empty() && !listening.closed =>
            {
                self.listen(at);
            }
            _ => {}
        }
    }
}

impl RunState {
    /// Renames everything that the run is at.
    pub(super) fn rename(&mut self, renaming: &Renaming) {
        for (list, index) in &renaming.turns {
            let raw = self.frames.iter().find(|(at, _)| !at.is_empty() && path::list_of(at) == list);
            let data = raw.map(|(_, frame)| frame.raw.clone());
            let data =
                data.or_else(|| self.lists.get(list).map(|list| list.data.clone())).unwrap_or_default();
            // The place is that of the new version; it is set below, behind the renaming of places.
            let _ = self.turn_to(list, *index, &data);
        }
        let path = |old: &str| if old.is_empty() { String::new() } else { renaming.path(old) };
        let frames = std::mem::take(&mut self.frames);
        let renamed = |(at, frame): (String, Frame)| {
            let (parent, key) = (path(&frame.parent), path(&frame.key));
            (path(&at), Frame { parent, key, ..frame })
        };
        self.frames = frames.into_iter().map(renamed).collect();
        let lists = std::mem::take(&mut self.lists);
        self.lists = lists
            .into_iter()
            .map(|(at, list)| {
                let chosen = renaming.turns.contains_key(&at);
                let index = |old: usize| renaming.index(&at, old);
                let turn = if chosen { list.turn } else { list.turn.map(index) };
                let visits = list.visits.iter().map(|(old, count)| (index(*old), *count)).collect();
                (path(&at), List { owner: path(&list.owner), turn, visits, ..list })
            })
            .collect();
        for work in &mut self.agenda {
            match work {
                super::state::Work::Task(at) | super::state::Work::List(at) => *at = path(at),
            }
        }
        for call in self.calls.values_mut() {
            call.path = path(&call.path);
            call.key = path(&call.key);
            call.unwinding = call.unwinding.as_deref().map(path);
            for holder in &mut call.holders {
                holder.path = path(&holder.path);
            }
        }
        let timers = std::mem::take(&mut self.timers);
        self.timers = timers
            .into_iter()
            .map(|(name, due)| match name.split_once(':') {
                Some((kind, at)) if at.starts_with('/') => (format!("{kind}:{}", path(at)), due),
                _ => (name, due),
            })
            .collect();
    }
}

impl Renaming {
    /// The new place of a task in its list; far behind all others where it is gone.
    fn index(&self, list: &str, old: usize) -> usize {
        let prefix = format!("{}/{old}/", path::reference(list));
        let to = self.tasks.range(prefix.clone()..).find(|(from, _)| from.starts_with(&prefix));
        // The first that begins so is the task itself: what is inside of it is longer.
        to.map_or(usize::MAX - old, |(_, to)| path::index_of(to))
    }
}

/// Whether a task says by itself how it is undone.
fn undoes_itself(node: &Node) -> bool {
    match &node.kind {
        Kind::Call(spec) => matches!(spec.compensate, Compensate::By { .. }),
        Kind::Run(spec) => matches!(spec.compensate, Compensate::By { .. }),
        _ => false,
    }
}
