//! What a run is found by: the attributes that its definition and its tasks set.

use std::collections::BTreeMap;

use serde_json::Value;

use super::event::RunEvent;
use super::scene::Scene;
use super::terms::Data;
use super::turn::Turn;
use crate::workflow::definition::{Formula, Node};
use crate::workflow::error::WorkflowError;

/// The most bytes of a run's attributes, as JSON.
const MOST: usize = 16 * 1024;

impl Turn<'_> {
    /// Sets what the run is found by from its start.
    pub(super) fn set_first_attributes(&mut self) -> Result<(), WorkflowError> {
        let Some(formula) = &self.definition.attributes else { return Ok(()) };
        let data = self.input("");
        let scene = Scene::default();
        self.change_attributes("", formula, &data, &scene)
    }

    /// Sets what a task that completes says.
    pub(super) fn set_attributes(
        &mut self,
        at: &str,
        node: &Node,
        output: &Data,
    ) -> Result<(), WorkflowError> {
        let Some(formula) = &node.attributes else { return Ok(()) };
        let mut scene = self.scene(at);
        scene.output = Some(output.clone());
        self.change_attributes(at, formula, output, &scene)
    }

    fn change_attributes(
        &mut self,
        at: &str,
        formula: &Formula,
        data: &Data,
        scene: &Scene,
    ) -> Result<(), WorkflowError> {
        let Value::Object(given) = self.evaluate(formula, data, scene)? else {
            return Err(wrong("the attributes are no mapping"));
        };
        let known = &self.state.attributes;
        let is_new = |(name, value): &(String, Value)| match known.get(name) {
            Some(known) => known != value,
            None => !value.is_null(),
        };
        let changed: BTreeMap<String, Value> = given.into_iter().filter(is_new).collect();
        if let Some((name, _)) = changed.iter().find(|(_, value)| !is_value(value)) {
            let why = format!("the attribute `{name}` is no text, number, truth value, or list of these");
            return Err(wrong(&why));
        }
        let mut all = known.clone();
        all.extend(changed.clone());
        let bytes: usize = all.iter().map(|(name, value)| name.len() + value.to_string().len()).sum();
        if bytes > MOST {
            return Err(wrong(&format!("the attributes have {bytes} bytes, and {MOST} at most are kept")));
        }
        if !changed.is_empty() {
            self.emit(RunEvent::AttributesSet { path: at.to_owned(), attributes: changed });
        }
        Ok(())
    }
}

fn is_value(value: &Value) -> bool {
    let is_plain = |value: &Value| !value.is_array() && !value.is_object() && !value.is_null();
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().all(is_plain),
        other => is_plain(other),
    }
}

fn wrong(why: &str) -> WorkflowError {
    WorkflowError::standard("validation", 400, why)
}
