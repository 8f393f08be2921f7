//! What all tasks have in common: lists, names, data, flow.

use serde_json::{Map, Value};

use super::compiler::{Compiler, Place};
use super::fields::{Fields, join, kind_of};
use super::ir::{Kind, Node, NodeId, Then};

/// The fields that say of what type a task is. `for` stands before `do`, which it contains.
const TYPES: [&str; 12] =
    ["call", "emit", "for", "fork", "listen", "raise", "run", "set", "switch", "try", "wait", "do"];

/// The most tasks that are compiled for one definition, counted as often as functions and extensions repeat them.
const MOST_COMPILED: usize = 50_000;

/// The deepest that tasks may stand in each other, those of functions among those that call them.
const DEEPEST: usize = 100;

/// The longest task name, in bytes.
const LONGEST_NAME: usize = 128;

impl<'a> Compiler<'a> {
    /// Compiles a list of tasks.
    pub(super) fn list(&mut self, value: &Value, at: &str) {
        let Value::Array(items) = value else {
            let message = format!("expected a list of tasks, found {}", kind_of(value));
            self.problems.error(at, message, "write `- name: { ... }` for each task");
            return;
        };
        if items.is_empty() {
            self.problems.error(at, "there are no tasks", "add a task, or remove what holds the list");
        }
        let mut names: Vec<&str> = Vec::new();
        let mut ids = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let place = format!("{at}/{index}");
            let Some((name, task)) = self.named(item, &place) else { continue };
            if names.contains(&name) {
                let message = format!("`{name}` stands twice in this list");
                self.problems.error(&join(&place, name), message, "give the tasks different names");
            }
            names.push(name);
            ids.push(self.task(name, task, at, index));
        }
        self.lists.insert(at.to_owned(), ids);
    }

    /// Takes an item of a list apart that is a mapping of one name to a value.
    pub(super) fn named<'v>(&mut self, item: &'v Value, at: &str) -> Option<(&'v str, &'v Value)> {
        let one = item.as_object().filter(|map| map.len() == 1).and_then(|map| map.iter().next());
        let Some((name, value)) = one else {
            self.problems.error(at, "expected one name with its content", "write `- name: { ... }`");
            return None;
        };
        self.check_name(name, at);
        Some((name, value))
    }

    /// Checks a name that becomes a part of references and paths.
    pub(super) fn check_name(&mut self, name: &str, at: &str) {
        let plain = !name.is_empty()
            && name.len() <= LONGEST_NAME
            && !name.chars().any(|c| matches!(c, '/' | '~' | '[' | ']' | '#') || c.is_control());
        if !plain {
            let fix = format!("use 1 to {LONGEST_NAME} bytes without `/ ~ [ ] #` and control characters");
            self.problems.error(at, "the name cannot be used", fix);
        }
    }

    /// Whether one more task may be compiled; if not, what is too much is said at the end.
    pub(super) fn has_room(&mut self, reference: &str) -> bool {
        self.compiled += 1;
        let excess = if self.compiled > MOST_COMPILED {
            format!("functions and extensions make more than {MOST_COMPILED} tasks of it")
        } else if self.depth >= DEEPEST {
            format!("tasks and functions stand more than {DEEPEST} deep in each other")
        } else {
            return true;
        };
        let at = self.source_of(reference);
        self.excess.get_or_insert((at, excess));
        false
    }

    /// A task about which nothing is known but its place.
    pub(super) fn node(&self, name: &str, list: &str, index: usize) -> Node {
        let mut node = Node::named(name, list, index);
        let source = self.source_of(&node.reference);
        node.source = (source != node.reference).then_some(source);
        node.extends = self.extending.clone();
        node
    }

    /// Where the text of what has a reference stands.
    pub(super) fn source_of(&self, reference: &str) -> String {
        let mapped = self.source.as_ref().and_then(|(from, to)| {
            let rest = reference.strip_prefix(from.as_str())?;
            Some(format!("{to}{rest}"))
        });
        mapped.unwrap_or_else(|| reference.to_owned())
    }

    /// Compiles a task by itself.
    pub(super) fn plain(&mut self, name: &str, value: &Value, list: &str, index: usize) -> NodeId {
        let node = self.node(name, list, index);
        self.fill(node, value)
    }

    /// Compiles a task that stands in no list.
    pub(super) fn plain_at(&mut self, name: &str, value: &Value, at: &str) -> NodeId {
        let node = Node { reference: at.to_owned(), ..self.node(name, "", 0) };
        self.fill(node, value)
    }

    fn fill(&mut self, mut node: Node, value: &Value) -> NodeId {
        let at = node.reference.clone();
        if self.has_room(&at)
            && let Some(mut fields) = Fields::open(value, &at, &mut self.problems)
        {
            self.depth += 1;
            self.common(&mut fields, &mut node);
            let metadata = self.metadata(&mut fields, &mut node);
            if let Some(kind) = self.kind(&mut fields, metadata) {
                node.kind = kind;
            }
            if node.saga && !matches!(node.kind, Kind::Do) {
                let pointer = format!("{at}/metadata/saga");
                let fix = "put the task inside a `do` task that is marked, or mark the document";
                self.problems.error(&pointer, "only a `do` task can be marked as a saga", fix);
            }
            fields.close(&mut self.problems);
            self.depth -= 1;
        }
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// The name of the type of a task; none if it says of no type.
    pub(super) fn kind_name(value: &Value) -> Option<&'static str> {
        TYPES.into_iter().find(|name| value.get(name).is_some())
    }

    pub(super) fn common(&mut self, fields: &mut Fields<'_>, node: &mut Node) {
        let at = |name: &str| join(&node.reference, name);
        if let Some(value) = fields.get("if") {
            node.condition = self.expression(value, &at("if"), Place::TaskInput);
        }
        node.input = self.shaping(fields.get("input"), &at("input"), "from", Place::TaskInput);
        node.output = self.shaping(fields.get("output"), &at("output"), "as", Place::Task);
        node.export = self.shaping(fields.get("export"), &at("export"), "as", Place::Export);
        if let Some(value) = fields.get("timeout") {
            node.timeout = self.timeout(value, &at("timeout"), Place::Task);
        }
        if let Some(value) = fields.get("then") {
            node.then = self.then(value, &at("then"));
        }
    }

    /// Reads a flow directive.
    pub(super) fn then(&mut self, value: &Value, at: &str) -> Then {
        match value.as_str() {
            Some("continue") => Then::Continue,
            Some("exit") => Then::Exit,
            Some("end") => Then::End,
            Some(name) => Then::Task(name.to_owned()),
            None => {
                let message = format!("expected a task's name, found {}", kind_of(value));
                self.problems.error(at, message, "write `continue`, `exit`, `end` or a task's name");
                Then::Continue
            }
        }
    }

    pub(super) fn metadata<'v>(
        &mut self,
        fields: &mut Fields<'v>,
        node: &mut Node,
    ) -> Option<&'v Map<String, Value>> {
        let value = fields.get("metadata")?;
        let at = fields.pointer("metadata");
        Fields::open(value, &at, &mut self.problems)?;
        let map = value.as_object()?;
        node.saga = self.metadata_flag(map, "saga", &at);
        node.attributes = self.search_attributes(map, &at, Place::Export);
        Some(map)
    }

    pub(super) fn kind(
        &mut self,
        fields: &mut Fields<'_>,
        metadata: Option<&Map<String, Value>>,
    ) -> Option<Kind> {
        let at = fields.at.clone();
        let Some(kind) = TYPES.into_iter().find(|name| fields.has(name)) else {
            let fix = "add one of do, set, switch, for, fork, call, wait, emit, listen, raise, run, try";
            self.problems.error(&at, "the task does not say what it does", fix);
            return None;
        };
        self.check_metadata(kind, metadata, &at);
        match kind {
            "call" => self.call(fields, metadata),
            "for" => self.for_each(fields, metadata),
            "fork" => self.fork(fields),
            "listen" => self.listen(fields),
            "raise" => self.raise(fields),
            "set" => self.set(fields),
            "switch" => self.switch(fields),
            "try" => self.try_catch(fields),
            "wait" => self.wait(fields),
            "do" => {
                self.list(fields.get("do")?, &format!("{at}/do"));
                Some(Kind::Do)
            }
            "emit" => self.emit(fields),
            _ => self.run(fields, metadata),
        }
    }

    /// Metadata is open, but what means something elsewhere and nothing here is a mistake.
    fn check_metadata(&mut self, kind: &str, metadata: Option<&Map<String, Value>>, at: &str) {
        for (name, only) in [("parallel", "for"), ("compensate", "call")] {
            let fits = kind == only || (name == "compensate" && kind == "run");
            if !fits && metadata.is_some_and(|map| map.contains_key(name)) {
                let message = format!("`{name}` means something on a `{only}` task only");
                self.problems.error(&format!("{at}/metadata/{name}"), message, "remove it");
            }
        }
    }
}
