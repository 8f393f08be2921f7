//! Extensions (`use.extensions`): tasks before and behind other tasks.
//!
//! A task that is extended becomes a `do` under its own name and reference, with the tasks of the extensions before
//! and behind it. What those put out is dropped, so that data flows as without them; a task before it that leaves
//! by `exit` takes its place, with what it put out.

use serde_json::{Map, Value};

use super::compiler::{Compiler, Place};
use super::fields::{Fields, join};
use super::ir::{Kind, Node, NodeId, Role};

/// What an extension can extend: every type of task by its name, `composite` for `do`, and `all`.
const EXTENDABLE: [&str; 15] = [
    "all",
    "call",
    "composite",
    "do",
    "emit",
    "extension",
    "for",
    "fork",
    "listen",
    "raise",
    "run",
    "set",
    "switch",
    "try",
    "wait",
];

/// An extension.
#[derive(Clone, Copy)]
pub(super) struct Extension<'a> {
    /// Its place among the extensions.
    index: usize,
    name: &'a str,
    extend: &'a str,
    when: Option<&'a Value>,
    before: Option<&'a Value>,
    after: Option<&'a Value>,
}

impl<'a> Compiler<'a> {
    /// Reads the extensions, and compiles their tasks once where they stand.
    pub(super) fn read_extensions(&mut self, value: &'a Value) {
        let Value::Array(items) = value else {
            self.problems.error("/use/extensions", "expected a list", "write `- name: { extend: ... }`");
            return;
        };
        let mut all = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let place = format!("/use/extensions/{index}");
            let Some((name, value)) = self.named(item, &place) else { continue };
            let at = join(&place, name);
            let Some(mut fields) = Fields::open(value, &at, &mut self.problems) else { continue };
            fields.require("extend", &mut self.problems);
            let extend = fields.text("extend", &mut self.problems).unwrap_or("all");
            if !EXTENDABLE.contains(&extend) {
                let fix = "use `all`, `composite`, or a type of task like `call`";
                self.problems.error(&join(&at, "extend"), format!("`{extend}` cannot be extended"), fix);
            }
            let [when, before, after] = ["when", "before", "after"].map(|field| fields.get(field));
            fields.close(&mut self.problems);
            if before.is_none() && after.is_none() {
                self.problems.error(&at, "the extension has no tasks", "add `before` or `after`");
            }
            all.push(Extension { index, name, extend, when, before, after });
        }
        self.extending = Some((String::new(), String::new()));
        for extension in &all {
            let at = format!("/use/extensions/{}/{}", extension.index, extension.name);
            if let Some(when) = extension.when {
                self.expression(when, &join(&at, "when"), Place::Extension);
            }
            for (name, list) in [("before", extension.before), ("after", extension.after)] {
                if let Some(list) = list {
                    self.on_trial(|compiler| compiler.list(list, &join(&at, name)));
                }
            }
        }
        self.extending = None;
        self.extensions = all;
    }

    /// The extensions of a task.
    fn extensions_of(&self, value: &Value) -> Vec<Extension<'a>> {
        let Some(kind) = Self::kind_name(value) else { return Vec::new() };
        let wanted = |extension: &&Extension<'_>| match extension.extend {
            "extension" => self.extending.is_some(),
            _ if self.extending.is_some() => false,
            "all" => true,
            "composite" => kind == "do",
            other => kind == other,
        };
        self.extensions.iter().filter(wanted).copied().collect()
    }

    /// Compiles a task, with the extensions around it.
    pub(super) fn task(&mut self, name: &str, value: &Value, list: &str, index: usize) -> NodeId {
        let extensions = self.extensions_of(value);
        // An extension of extensions does not extend itself.
        let own = extensions.is_empty() || self.extended;
        if own {
            return self.plain(name, value, list, index);
        }
        // Each is compiled once for its problems and once for what runs, not twice for each task around it.
        if self.on_trial {
            return self.plain(name, value, list, index);
        }
        if !self.quiet {
            self.on_trial(|compiler| compiler.plain(name, value, list, index));
        }
        self.extended = self.extending.is_some();
        let node = self.quietly(|compiler| compiler.extended(name, value, list, index, &extensions));
        self.extended = false;
        node
    }

    fn extended(
        &mut self,
        name: &str,
        value: &Value,
        list: &str,
        index: usize,
        extensions: &[Extension<'a>],
    ) -> NodeId {
        let mut around = self.node(name, list, index);
        let at = around.reference.clone();
        if let Some(mut fields) = Fields::open(value, &at, &mut self.problems) {
            self.common(&mut fields, &mut around);
        }
        around.kind = Kind::Do;
        if !self.has_room(&at) {
            self.nodes.push(around);
            return self.nodes.len() - 1;
        }
        self.depth += 1;
        let inside = join(&at, "do");
        let text = self.source_of(&at);
        let mut ids = Vec::new();
        for extension in extensions {
            if let Some(before) = extension.before {
                let spot = (inside.as_str(), ids.len());
                ids.push(self.beside(extension, before, Role::Before, spot, (&text, &at)));
            }
        }
        let mut inner = self.node(name, &inside, ids.len());
        inner.role = Role::Extended;
        let place = inner.reference.clone();
        let mapped = self.source.replace((place.clone(), text.clone()));
        if let Some(mut fields) = Fields::open(value, &place, &mut self.problems) {
            let metadata = self.metadata(&mut fields, &mut inner);
            inner.kind = self.kind(&mut fields, metadata).unwrap_or(Kind::Broken);
            inner.source = Some(text.clone());
        }
        self.source = mapped;
        self.nodes.push(inner);
        ids.push(self.nodes.len() - 1);
        for extension in extensions.iter().rev() {
            if let Some(after) = extension.after {
                let spot = (inside.as_str(), ids.len());
                ids.push(self.beside(extension, after, Role::After, spot, (&text, &at)));
            }
        }
        self.depth -= 1;
        self.lists.insert(inside, ids);
        self.nodes.push(around);
        self.nodes.len() - 1
    }

    /// Compiles the tasks of an extension before or behind a task, which is given by its text and its reference.
    fn beside(
        &mut self,
        extension: &Extension<'_>,
        tasks: &Value,
        role: Role,
        (list, index): (&str, usize),
        (text, reference): (&str, &str),
    ) -> NodeId {
        let part = if role == Role::Before { "before" } else { "after" };
        let at = format!("/use/extensions/{}/{}", extension.index, extension.name);
        let mut node = Node::named(&format!("{}.{part}", extension.name), list, index);
        node.source = Some(join(&at, part));
        node.role = role;
        let extends = Some((text.to_owned(), reference.to_owned()));
        node.extends = extends.clone();
        let outer = std::mem::replace(&mut self.extending, extends);
        if let Some(when) = extension.when {
            node.condition = self.expression(when, &join(&at, "when"), Place::Extension);
        }
        let body = join(&node.reference, "do");
        let mapped = self.source.replace((body.clone(), join(&at, part)));
        self.list(tasks, &body);
        self.source = mapped;
        self.extending = outer;
        node.kind = Kind::Do;
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Compiles the functions once where they stand.
    pub(super) fn check_functions(&mut self) {
        let empty = Map::new();
        for (name, body) in self.functions.unwrap_or(&empty) {
            let at = join("/use/functions", name);
            self.check_name(name, &at);
            self.calling.push(name.clone());
            self.on_trial(|compiler| compiler.plain_at(name, body, &at));
            self.calling.pop();
        }
    }
}
