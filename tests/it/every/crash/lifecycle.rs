//! The lifecycle events of a run, as far as they are the same in every life of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// The types, tasks and order of lifecycle events, without times.
///
/// What goes on side by side may come in any order: of the tasks inside of these, by their JSON pointers, only how
/// often everything happened is told.
pub(crate) fn outline(events: &[(String, Value)], side_by_side: &BTreeSet<String>) -> Value {
    let is_aside = |task: &str| side_by_side.iter().any(|outer| is_inside(task, outer));
    let (mut order, mut aside) = (Vec::new(), BTreeMap::<String, u64>::new());
    for (kind, data) in events {
        let task = data["task"].as_str().unwrap_or_default();
        if is_aside(task) {
            *aside.entry(format!("{task} {kind}")).or_default() += 1;
        } else {
            order.push(json!({ "type": kind, "data": timeless(data) }));
        }
    }
    json!({ "order": order, "aside": aside })
}

fn is_inside(task: &str, outer: &str) -> bool {
    task.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
}

/// An event's data without its time and without the run's own name.
fn timeless(data: &Value) -> Value {
    let fields = data.as_object().into_iter().flatten();
    let kept =
        fields.filter(|(name, _)| !name.ends_with("At") && !["name", "workflow"].contains(&name.as_str()));
    Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>())
}
