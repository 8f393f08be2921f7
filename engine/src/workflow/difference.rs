//! What is different between two versions of a workflow, and what that means for runs.
//!
//! A task is the same in two versions if it has the same name in the same place among named tasks: putting tasks ahead
//! of it or behind it changes its JSON pointer, and not what it is.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::definition::{Definition, Node, NodeId};

/// What is different between two versions, by the JSON pointers of tasks: those of the newer version, but for what was
/// removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diff {
    /// The version that is compared with.
    pub from: String,
    /// Tasks that are new.
    pub added: Vec<String>,
    /// Tasks that are gone.
    pub removed: Vec<String>,
    /// Tasks that say something else, with the fields that differ.
    pub changed: BTreeMap<String, Vec<String>>,
    /// Lists in which tasks of both versions stand in another order.
    pub reordered: Vec<String>,
    /// What differs at the top of the definition: `input`, `timeout`, `schedule`.
    pub head: Vec<String>,
}

/// What would become of a run that is to follow another version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "effect", rename_all = "kebab-case")]
pub enum Effect {
    /// Nothing is different of what it is in or may come to.
    Unaffected,
    /// It goes on in the new version.
    Follows,
    /// What it is in is gone, or is of another type: somebody must say where it goes on.
    MustChoose {
        /// The tasks that it is in and that are gone, by their JSON pointers in the old version.
        tasks: Vec<String>,
    },
}

impl Diff {
    /// Compares two versions.
    pub fn between(old: &Definition, new: &Definition) -> Self {
        let (before, after) = (names(old), names(new));
        let mut diff = Self { from: old.version.clone(), ..Self::default() };
        for (name, id) in &after {
            let node = &new.nodes[*id];
            match before.get(name) {
                None => diff.added.push(node.reference.clone()),
                Some(was) => {
                    let fields = changed_fields(own_text(old, &old.nodes[*was]), own_text(new, node));
                    if !fields.is_empty() {
                        diff.changed.insert(node.reference.clone(), fields);
                    }
                }
            }
        }
        let gone = before.iter().filter(|(name, _)| !after.contains_key(*name));
        diff.removed = gone.map(|(_, id)| old.nodes[*id].reference.clone()).collect();
        diff.reordered = reordered(old, new, &before);
        for field in ["input", "output", "timeout", "schedule", "use", "evaluate"] {
            if old.document.get(field) != new.document.get(field) {
                diff.head.push(field.to_owned());
            }
        }
        diff
    }

    /// True if the versions do the same.
    pub fn is_empty(&self) -> bool {
        *self == Self { from: self.from.clone(), ..Self::default() }
    }
}

/// The tasks of a definition by their names and those of the tasks around them.
pub(super) fn names(definition: &Definition) -> BTreeMap<String, NodeId> {
    let each = definition.nodes.iter().enumerate();
    each.map(|(id, node)| (name_of(&node.reference), id)).collect()
}

/// A JSON pointer without the places in lists: `/do/3/pieces/do/0/write` is `do/pieces/do/write`.
fn name_of(reference: &str) -> String {
    let mut parts = Vec::new();
    let mut segments = reference.split('/').skip(1);
    while let Some(body) = segments.next() {
        parts.push(body);
        if ["catch", "foreach", "fork"].contains(&body) {
            parts.extend(segments.next());
        }
        // The place in the list, and the name.
        segments.next();
        parts.extend(segments.next());
    }
    parts.join("/")
}

/// The text of a task without that of the tasks inside of it, which are compared by themselves.
fn own_text(definition: &Definition, node: &Node) -> Map<String, Value> {
    let mut own =
        definition.document.pointer(node.text()).and_then(Value::as_object).cloned().unwrap_or_default();
    let is_list = |value: &Value| value.is_array();
    for list in ["do", "try"] {
        if own.get(list).is_some_and(is_list) {
            own.remove(list);
        }
    }
    for (holder, list) in [("catch", "do"), ("foreach", "do"), ("fork", "branches")] {
        if let Some(Value::Object(inner)) = own.get_mut(holder) {
            inner.remove(list);
        }
    }
    own
}

fn changed_fields(old: Map<String, Value>, new: Map<String, Value>) -> Vec<String> {
    let mut fields: Vec<String> = old.keys().chain(new.keys()).cloned().collect();
    fields.sort_unstable();
    fields.dedup();
    fields.retain(|field| old.get(field) != new.get(field));
    fields
}

/// The lists in which what is in both versions stands in another order.
fn reordered(old: &Definition, new: &Definition, before: &BTreeMap<String, NodeId>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (list, tasks) in &new.lists {
        let places = tasks.iter().filter_map(|id| {
            let was = &old.nodes[*before.get(&name_of(&new.nodes[*id].reference))?];
            Some(was.index)
        });
        if !places.is_sorted() {
            found.push(list.clone());
        }
    }
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::definition::draft;
    use crate::workflow::fixtures::definition;

    fn compiled(body: &str) -> Definition {
        draft(&definition(body)).definition.unwrap()
    }

    #[test]
    fn versions_are_compared_by_the_names_of_tasks() {
        let old = compiled(
            "do: [{ a: { wait: PT1S } }, { b: { do: [{ c: { set: { x: 1 } } }] } }, { d: { wait: PT1S } }]",
        );
        let new = compiled(
            "timeout: { after: P1D }\ndo: [{ z: { wait: PT1S } }, { a: { wait: PT2S, then: d } }, { d: { wait: PT1S } }, { b: { do: [{ e: { set: { x: 1 } } }] } }]",
        );
        let diff = Diff::between(&old, &new);
        assert_eq!(diff.added, ["/do/3/b/do/0/e", "/do/0/z"]);
        assert_eq!(diff.removed, ["/do/1/b/do/0/c"]);
        assert_eq!(
            diff.changed,
            BTreeMap::from([("/do/1/a".to_owned(), vec!["then".to_owned(), "wait".to_owned()])])
        );
        assert_eq!((diff.reordered, diff.head), (vec!["/do".to_owned()], vec!["timeout".to_owned()]));
        assert!(Diff::between(&old, &old).is_empty());
    }
}
