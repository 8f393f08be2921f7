//! What an expression sees: the arguments of the specification, loop variables and caught errors.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::path;
use super::state::{Phase, Stage};
use super::terms::{Data, Part};
use super::turn::Turn;
use crate::clock::Timestamp;
use crate::workflow::action::WorkflowError;
use crate::workflow::definition::{Form, Formula, Kind, Node, Span, parse_iso};

/// The place from which an expression looks at the run.
#[derive(Debug, Clone, Default)]
pub(super) struct Scene {
    /// The task; empty for the run itself.
    pub(super) path: String,
    /// The task that it belongs to, and the part of it; none for the run itself.
    pub(super) within: Option<(String, Part)>,
    pub(super) raw: Option<Data>,
    pub(super) input: Option<Data>,
    pub(super) raw_output: Option<Data>,
    pub(super) output: Option<Data>,
    pub(super) started_at: Timestamp,
    /// Variables that stand before all others.
    pub(super) extra: Vec<(String, Value)>,
}

impl<'a> Turn<'a> {
    /// The scene of an active task.
    pub(super) fn scene(&self, at: &str) -> Scene {
        let Some(frame) = self.state.frames.get(at) else { return Scene::default() };
        Scene {
            path: at.to_owned(),
            within: (!at.is_empty()).then(|| (frame.parent.clone(), frame.part)),
            raw: Some(frame.raw.clone()),
            input: Some(frame.input.clone()),
            started_at: frame.started_at,
            ..Scene::default()
        }
    }

    /// Evaluates a formula.
    pub(super) fn evaluate(
        &self,
        formula: &Formula,
        dot: &Value,
        scene: &Scene,
    ) -> Result<Value, WorkflowError> {
        let values: Vec<Cow<'_, Value>> =
            formula.variables.iter().map(|name| self.variable(name, scene)).collect();
        let values: Vec<&Value> = values.iter().map(|value| &**value).collect();
        let (now, limits) = (self.cx.now.ms(), &self.expression_limits());
        let evaluated = match &formula.form {
            Form::Expression(expression) => expression.evaluate(dot, &values, now, limits),
            Form::Template(template) => template.evaluate(dot, &values, now, limits),
        };
        evaluated.map_err(|e| WorkflowError::standard("expression", 400, e.to_string()))
    }

    /// Evaluates a condition: false and null do not hold, all else does.
    pub(super) fn holds(&self, formula: &Formula, dot: &Value, scene: &Scene) -> Result<bool, WorkflowError> {
        let value = self.evaluate(formula, dot, scene)?;
        Ok(!matches!(value, Value::Null | Value::Bool(false)))
    }

    /// Evaluates a length of time.
    pub(super) fn span(&self, span: &Span, dot: &Value, scene: &Scene) -> Result<Duration, WorkflowError> {
        let formula = match span {
            Span::Fixed(duration) => return Ok(*duration),
            Span::Computed(formula) => formula,
        };
        let value = self.evaluate(formula, dot, scene)?;
        let parsed = match &value {
            Value::String(text) => parse_iso(text),
            other => Err(format!("a duration is ISO 8601 text, not {other}")),
        };
        parsed.map_err(|reason| WorkflowError::standard("expression", 400, reason))
    }

    fn variable(&self, name: &str, scene: &Scene) -> Cow<'_, Value> {
        if let Some((_, value)) = scene.extra.iter().find(|(known, _)| known == name) {
            return Cow::Owned(value.clone());
        }
        let data = |data: &Option<Data>| data.as_deref().cloned().unwrap_or_default();
        match name {
            "context" => Cow::Borrowed(&*self.state.context),
            "input" => Cow::Owned(data(&scene.input)),
            "output" => Cow::Owned(data(&scene.output)),
            "secrets" => Cow::Owned(json!({})),
            "authorization" => Cow::Owned(self.authorization_descriptor(scene)),
            "task" => Cow::Owned(self.task_descriptor(scene)),
            "workflow" => Cow::Borrowed(self.descriptor.get_or_init(|| self.workflow_descriptor())),
            "runtime" => Cow::Owned(json!({
                "name": "promptsales",
                "version": env!("CARGO_PKG_VERSION"),
                "metadata": {},
            })),
            other => self.bound(other, scene),
        }
    }

    /// What the loops and catches around a place bind to a name; the innermost counts.
    fn bound(&self, name: &str, scene: &Scene) -> Cow<'_, Value> {
        let mut within = scene.within.clone();
        while let Some((owner, part)) = within {
            let Some(frame) = self.state.frames.get(&owner) else { break };
            let node = (!owner.is_empty()).then(|| self.node(&owner));
            match (node.map(|node| &node.kind), part, &frame.phase) {
                (Some(Kind::For(spec)), Part::Iteration(index), Phase::Loop { items, .. }) => {
                    if spec.each == name {
                        let item = usize::try_from(index).ok().and_then(|index| items.get(index));
                        return item.map_or(Cow::Owned(Value::Null), Cow::Borrowed);
                    }
                    if spec.at == name {
                        return Cow::Owned(index.into());
                    }
                }
                (Some(Kind::Listen(spec)), Part::Iteration(index), Phase::Listening(listening)) => {
                    if let Some(foreach) = &spec.foreach {
                        if foreach.item == name {
                            return listening
                                .current
                                .as_deref()
                                .map_or(Cow::Owned(Value::Null), Cow::Borrowed);
                        }
                        if foreach.at == name {
                            return Cow::Owned(index.into());
                        }
                    }
                }
                (Some(Kind::Try(catch)), Part::Catch, Phase::Try { stage, .. }) => {
                    if let (true, Stage::Caught { error } | Stage::Catching { error }) =
                        (catch.variable == name, stage)
                    {
                        return Cow::Owned(error_value(error));
                    }
                }
                _ => {}
            }
            within = (!owner.is_empty()).then(|| (frame.parent.clone(), frame.part));
        }
        Cow::Owned(Value::Null)
    }

    /// The task as expressions see it; within an extension the one that is extended, with its own fields too.
    fn task_descriptor(&self, scene: &Scene) -> Value {
        let reference = path::reference(&scene.path);
        let node = self.definition.node(&reference);
        let extends = node.and_then(|node| node.extends.as_ref());
        let (text, reference, name) = match (extends, node) {
            (Some((text, extended)), _) => (text.clone(), extended.clone(), path::name(extended)),
            (None, Some(node)) => (node.text().to_owned(), reference.clone(), path::name(&scene.path)),
            (None, None) => (reference.clone(), reference.clone(), path::name(&scene.path)),
        };
        let definition = self.definition.document.pointer(&text);
        let mut descriptor = json!({
            "name": name,
            "reference": reference,
            "definition": definition,
            "input": scene.raw,
            "output": scene.raw_output,
            "startedAt": time_descriptor(scene.started_at),
        });
        if let (Some(_), Some(Value::Object(fields)), Value::Object(known)) =
            (extends, definition, &mut descriptor)
        {
            for (name, value) in fields {
                known.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        descriptor
    }

    /// How the task's call authenticates itself; the parameter is known to the connector alone.
    fn authorization_descriptor(&self, scene: &Scene) -> Value {
        let node = self.definition.node(&path::reference(&scene.path)).map(|node| &node.kind);
        let Some(Kind::Call(call)) = node else { return Value::Null };
        let policy =
            call.with.pointer("/endpoint/authentication").or_else(|| call.with.get("authentication"));
        let scheme = policy.and_then(Value::as_object).and_then(|policy| policy.keys().next());
        let name = match scheme.map(String::as_str) {
            Some("basic") => "Basic",
            Some("digest") => "Digest",
            Some(_) => "Bearer",
            None => return Value::Null,
        };
        json!({ "scheme": name, "parameter": null })
    }

    fn workflow_descriptor(&self) -> Value {
        json!({
            "id": self.cx.stream.id,
            "definition": self.definition.document,
            "input": self.state.input,
            "startedAt": time_descriptor(self.state.started_at),
        })
    }

    /// Checks a value against a schema and reshapes it, in this order.
    pub(super) fn take_in(&self, node: &Node, raw: &Data, scene: &Scene) -> Result<Data, WorkflowError> {
        if let Some(schema) = &node.input.schema {
            schema.check(raw).map_err(|reason| misfit("input", &reason))?;
        }
        match &node.input.formula {
            Some(formula) => self.evaluate(formula, raw, scene).map(Arc::new),
            None => Ok(raw.clone()),
        }
    }
}

/// The error of data that does not fit its schema.
pub(super) fn misfit(what: &str, reason: &str) -> WorkflowError {
    WorkflowError::standard("validation", 400, format!("the {what} does not fit its schema: {reason}"))
}

/// An error as expressions see it.
pub(super) fn error_value(error: &WorkflowError) -> Value {
    serde_json::to_value(error).unwrap_or_default()
}

fn time_descriptor(at: Timestamp) -> Value {
    json!({
        "iso8601": at,
        "epoch": { "seconds": at.ms().div_euclid(1000), "milliseconds": at.ms() },
    })
}
