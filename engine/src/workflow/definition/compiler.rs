//! What every part of the compiler shares: problems, the arena, and formulas with the variables of their place.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::Problems;
use super::extensions::Extension;
use super::fields::{Fields, join, kind_of};
use super::ir::{Node, NodeId};
use super::secrets::VARIABLE as SECRETS;
use super::shaping::{Form, Formula, Schema, Shaping};
use crate::workflow::expression::{Expression, Template, unwrap_expression};
use crate::workflow::found::is_attribute;

/// Where an expression stands; it decides which of the specification's arguments it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The workflow's `input.from`.
    WorkflowInput,
    /// The workflow's `output.as`.
    WorkflowOutput,
    /// A task's `if` or `input.from`.
    TaskInput,
    /// A task's own fields, or `output.as`.
    Task,
    /// A task's `export.as`.
    Export,
    /// `metadata.compensate.with` of a call.
    Compensation,
    /// The event of a correlation, by itself.
    Event,
    /// `schedule.on`, before there is a run.
    Schedule,
    /// `when` of an extension.
    Extension,
}

impl Place {
    fn variables(self) -> &'static [&'static str] {
        match self {
            Self::WorkflowInput => &["secrets", "workflow", "runtime"],
            Self::WorkflowOutput => &["context", "secrets", "workflow", "runtime"],
            Self::TaskInput => &["context", "secrets", "task", "workflow", "runtime"],
            Self::Task => &["context", "input", "secrets", "task", "workflow", "runtime", "authorization"],
            Self::Export => {
                &["context", "input", "output", "secrets", "task", "workflow", "runtime", "authorization"]
            }
            Self::Event | Self::Schedule => &[],
            Self::Extension => &["context", "input", "secrets", "task", "workflow", "runtime"],
            Self::Compensation => &["context", "input", "output", "error", "secrets", "workflow", "runtime"],
        }
    }
}

/// The names that a definition cannot give to variables of its own.
const RESERVED: [&str; 9] =
    ["context", "input", "output", "secrets", "authorization", "task", "workflow", "runtime", "ENV"];

/// Compiles one definition.
#[derive(Default)]
pub(super) struct Compiler<'a> {
    pub(super) problems: Problems,
    pub(super) nodes: Vec<Node>,
    pub(super) lists: HashMap<String, Vec<NodeId>>,
    pub(super) signals: BTreeSet<String>,
    pub(super) hears_all: bool,
    /// The variables that loops and catches around the current place bind.
    pub(super) bound: Vec<String>,
    pub(super) errors: Option<&'a Map<String, Value>>,
    pub(super) retries: Option<&'a Map<String, Value>>,
    pub(super) timeouts: Option<&'a Map<String, Value>>,
    pub(super) authentications: Option<&'a Map<String, Value>>,
    pub(super) functions: Option<&'a Map<String, Value>>,
    pub(super) extensions: Vec<Extension<'a>>,
    pub(super) secrets: BTreeSet<String>,
    /// True where every text is evaluated that is an expression (`evaluate.mode: loose`).
    pub(super) loose: bool,
    /// The functions around the current place, from the outside in.
    pub(super) calling: Vec<String>,
    /// True on the way out of a function that calls itself.
    pub(super) cycle: bool,
    /// The extension around the current place, with the task that it extends.
    pub(super) extending: Option<(String, String)>,
    /// The reference below which texts stand elsewhere, and where.
    pub(super) source: Option<(String, String)>,
    /// How many tasks have been compiled, those that were dropped again too.
    pub(super) compiled: usize,
    /// How many tasks there are around the current place.
    pub(super) depth: usize,
    /// What is too much of the whole definition, and where it was met; said once all is compiled.
    pub(super) excess: Option<(String, String)>,
    /// True where all is compiled for its problems alone, and where none is heard.
    pub(super) on_trial: bool,
    pub(super) quiet: bool,
    /// True inside of an extension that is extended itself.
    pub(super) extended: bool,
    /// The types of events that a schedule waits for.
    pub(super) starters: BTreeSet<String>,
    /// The workflows that are run.
    pub(super) runs: BTreeSet<String>,
}

impl<'a> Compiler<'a> {
    /// Compiles text that is an expression, with or without `${ }`.
    pub(super) fn expression(&mut self, value: &Value, at: &str, place: Place) -> Option<Formula> {
        let Value::String(text) = value else {
            let message = format!("expected an expression, found {}", kind_of(value));
            self.problems.error(at, message, "write the expression as text, in quotes where YAML needs them");
            return None;
        };
        let source = &self.marked(unwrap_expression(text).unwrap_or(text), at);
        let variables = self.variables_in(source, place);
        let names: Vec<&str> = variables.iter().map(String::as_str).collect();
        match Expression::compile(source, &names) {
            Ok(expression) => Some(Formula { form: Form::Expression(expression), variables }),
            Err(e) => {
                self.refuse_expression(at, &e.to_string(), place);
                None
            }
        }
    }

    /// Compiles a value in which text in `${ }` is an expression.
    pub(super) fn template(&mut self, value: &Value, at: &str, place: Place) -> Option<Formula> {
        let value = &self.loosened(value);
        let marked = value.to_string().contains("$secrets").then(|| self.marked_in(value, at));
        let value = marked.as_ref().unwrap_or(value);
        let variables = self.variables_in(&value.to_string(), place);
        let names: Vec<&str> = variables.iter().map(String::as_str).collect();
        match Template::compile(value, &names) {
            Ok(template) => Some(Formula { form: Form::Template(template), variables }),
            Err(e) => {
                // Each expression is compiled for itself, so that every problem is named at its own place.
                if !self.refuse_inside(value, at, place) {
                    self.refuse_expression(at, &e.to_string(), place);
                }
                None
            }
        }
    }

    /// In the loose mode, a text that can be an expression is one, and stands for itself where it fails.
    fn loosened<'v>(&self, value: &'v Value) -> Cow<'v, Value> {
        if !self.loose {
            return Cow::Borrowed(value);
        }
        Cow::Owned(match value {
            Value::String(text) if unwrap_expression(text).is_none() => {
                let names: Vec<&str> =
                    RESERVED.into_iter().chain(self.bound.iter().map(String::as_str)).collect();
                match Expression::compile(text, &names) {
                    // A secret has no text that could stand for itself.
                    Ok(_) if text.contains(SECRETS) => Value::String(format!("${{ {text} }}")),
                    Ok(_) => {
                        // On a line of its own, so that a comment in it ends.
                        Value::String(format!("${{ try ({text}\n) catch {} }}", Value::from(text.as_str())))
                    }
                    Err(_) => value.clone(),
                }
            }
            Value::Array(items) => items.iter().map(|item| self.loosened(item).into_owned()).collect(),
            Value::Object(fields) => {
                let each = fields.iter().map(|(name, item)| (name.clone(), self.loosened(item).into_owned()));
                each.collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                return Cow::Borrowed(value);
            }
        })
    }

    fn refuse_inside(&mut self, value: &Value, at: &str, place: Place) -> bool {
        match value {
            Value::String(text) if unwrap_expression(text).is_some() => {
                self.expression(value, at, place).is_none()
            }
            Value::Array(items) => items.iter().enumerate().fold(false, |found, (index, item)| {
                self.refuse_inside(item, &join(at, &index.to_string()), place) || found
            }),
            Value::Object(fields) => fields.iter().fold(false, |found, (name, value)| {
                self.refuse_inside(value, &join(at, name), place) || found
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        }
    }

    /// Compiles what the specification lets be an expression or a mapping with expressions in it.
    pub(super) fn formula(&mut self, value: &Value, at: &str, place: Place) -> Option<Formula> {
        match value {
            Value::String(_) => self.expression(value, at, place),
            Value::Object(_) => self.template(value, at, place),
            other => {
                let message = format!("expected an expression or a mapping, found {}", kind_of(other));
                self.problems.error(at, message, "write an expression as text, or a mapping");
                None
            }
        }
    }

    /// Reads `input`, `output` or `export`: a schema and a formula under the given name.
    pub(super) fn shaping(
        &mut self,
        value: Option<&Value>,
        at: &str,
        formula: &'static str,
        place: Place,
    ) -> Shaping {
        let Some(mut fields) = value.and_then(|value| Fields::open(value, at, &mut self.problems)) else {
            return Shaping::default();
        };
        let schema = fields.get("schema").and_then(|schema| self.schema(schema, &fields.pointer("schema")));
        let reshape = fields.get(formula);
        let formula = reshape.and_then(|value| self.formula(value, &fields.pointer(formula), place));
        fields.close(&mut self.problems);
        Shaping { schema, formula }
    }

    /// Reads `metadata.attributes`: what a run is found by.
    pub(super) fn search_attributes(
        &mut self,
        metadata: &Map<String, Value>,
        at: &str,
        place: Place,
    ) -> Option<Formula> {
        let (value, at) = (metadata.get("attributes")?, format!("{at}/attributes"));
        let Some(names) = value.as_object() else {
            let fix = "write a mapping of names to values or expressions";
            self.problems.error(&at, "the attributes are no mapping", fix);
            return None;
        };
        for name in names.keys().filter(|name| !is_attribute(name)) {
            let fix = "use a letter and then letters, digits, `-` and `_`, 64 at most";
            self.problems.error(&format!("{at}/{name}"), "not the name of an attribute", fix);
        }
        self.formula(value, &at, place)
    }

    /// Checks the name of a variable that a loop or a catch binds.
    pub(super) fn variable(&mut self, name: &str, at: &str) -> String {
        let mut letters = name.chars();
        let plain = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
            && name.len() <= 64;
        if !plain {
            let fix = "use a letter and then letters, digits and `_`";
            self.problems.error(at, format!("`{name}` cannot be a variable"), fix);
        } else if RESERVED.contains(&name) {
            let message = format!("`{name}` is a variable of the specification itself");
            self.problems.error(at, message, "choose another name");
        }
        name.to_owned()
    }

    fn schema(&mut self, value: &Value, at: &str) -> Option<Schema> {
        let mut fields = Fields::open(value, at, &mut self.problems)?;
        if let Some(format) = fields.text("format", &mut self.problems)
            && format.split(':').next() != Some("json")
        {
            let message = format!("the schema format `{format}` is not supported");
            self.problems.unsupported(&fields.pointer("format"), message, "use `json` (JSON Schema)");
        }
        fields.refuse("resource", "put the schema inline under `document`", &mut self.problems);
        let document = fields.get("document");
        let pointer = fields.pointer("document");
        if document.is_none() && !fields.has("resource") {
            self.problems.error(at, "`document` is missing", "add the JSON Schema under `document`");
        }
        fields.close(&mut self.problems);
        match jsonschema::validator_for(document?) {
            Ok(validator) => Some(Schema(validator)),
            Err(e) => {
                let message = format!("not a JSON Schema: {e}");
                self.problems.error(&pointer, message, "correct it; references must stay inside the schema");
                None
            }
        }
    }

    fn refuse_expression(&mut self, at: &str, error: &str, place: Place) {
        let known = place.variables().iter().copied().chain(self.bound.iter().map(String::as_str));
        let known: Vec<String> = known.map(|name| format!("${name}")).collect();
        let fix = format!("correct the jq expression; the variables here are {}", known.join(" "));
        self.problems.error(at, format!("the expression does not compile: {error}"), fix);
    }

    /// The variables of a place that a source mentions; only those are handed to it.
    fn variables_in(&self, source: &str, place: Place) -> Vec<String> {
        let standard = place.variables().iter().map(|name| (*name).to_owned());
        let mut used: Vec<String> =
            standard.chain(self.bound.clone()).filter(|name| source.contains(&format!("${name}"))).collect();
        used.sort();
        used.dedup();
        used
    }
}
