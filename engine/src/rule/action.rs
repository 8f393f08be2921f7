//! What a rule does, and what that is for one event.

use serde_json::{Value, json};

use super::formula::Formula;
use super::limits::key_of;
use super::reader::Reader;
use super::shown::{is_over, told};
use crate::id::StreamId;
use crate::workflow::definition::{Fields, attribute_name, clip, is_name, is_semver, join, kind_of};
use crate::workflow::expression::unwrap_expression;

/// The most bytes of JSON that an action may have.
const MOST_BYTES: usize = 256 * 1024;

/// The longest text of an attribute, in bytes.
const LONGEST_ATTRIBUTE: usize = 2_048;

/// The attributes that an event is given when it is emitted (CloudEvents 1.0, section 3.1).
const GIVEN: [&str; 4] = ["id", "source", "specversion", "time"];

/// One thing that a rule does.
#[derive(Debug, Clone, PartialEq)]
pub enum Then {
    /// Starts a workflow.
    Start {
        /// Its name.
        workflow: String,
        /// Its version; the latest if there is none.
        version: Option<String>,
        /// The input of the run.
        input: Formula,
        /// A key by which the run can be found.
        key: Option<Formula>,
    },
    /// Sends a command.
    Command {
        /// Who it is for.
        to: Formula,
        /// Its name.
        command: String,
        /// What it says.
        body: Formula,
    },
    /// Emits an event.
    Emit {
        /// Its type.
        kind: String,
        /// Its attributes and data.
        event: Formula,
    },
}

/// What has to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Rendered {
    /// A workflow is to be started.
    Start {
        /// Its name.
        workflow: String,
        /// Its version; the latest if there is none.
        version: Option<String>,
        /// The input of the run.
        input: Value,
        /// A key by which the run can be found, of 1 to 256 bytes.
        key: Option<String>,
    },
    /// A command is to be sent.
    Command {
        /// Who it is for.
        to: String,
        /// Its name.
        command: String,
        /// What it says.
        body: Value,
    },
    /// An event is to be emitted.
    Emit {
        /// The event in the JSON format of CloudEvents, as yet without `specversion`, `id`, `source` and `time`.
        event: Value,
    },
}

impl Then {
    /// Reads the action at a place of a document.
    pub(super) fn read(reader: &mut Reader, value: &Value, at: &str) -> Option<Self> {
        let mut fields = reader.open(value, at)?;
        let [start, command, emit] = ["start", "command", "emit"].map(|name| fields.get(name));
        let found = [start, command, emit].into_iter().flatten().count();
        let place = |name: &str| join(at, name);
        let mut read = Vec::new();
        read.extend(start.map(|value| read_start(reader, value, &place("start"))));
        read.extend(command.map(|value| read_command(reader, value, &place("command"))));
        read.extend(emit.map(|value| read_emit(reader, value, &place("emit"))));
        match found {
            1 => {}
            0 if value.as_object().is_some_and(|fields| !fields.is_empty()) => {}
            0 => reader.error(at, "the action is empty", "write one of `start`, `command` and `emit`"),
            _ => {
                let message = "an action is one of `start`, `command` and `emit`";
                reader.error(at, message, "make each an item of the list");
            }
        }
        fields.close(&mut reader.problems);
        read.pop().flatten()
    }

    /// Makes of it what has to be done for these facts.
    ///
    /// # Errors
    ///
    /// Why that cannot be said, as a sentence: an expression failed, or gave what does not fit.
    pub fn render(&self, facts: &Value) -> Result<Rendered, String> {
        let (rendered, bytes_over) = match self {
            Self::Start { workflow, version, input, key } => {
                let input = input.evaluate(facts)?;
                let key = key.as_ref().map(|key| key_of("key", &key.evaluate(facts)?)).transpose()?;
                let over = is_over(&input, MOST_BYTES);
                let (workflow, version) = (workflow.clone(), version.clone());
                (Rendered::Start { workflow, version, input, key }, over)
            }
            Self::Command { to, command, body } => {
                let to = receiver(&to.evaluate(facts)?)?;
                let body = body.evaluate(facts)?;
                let over = is_over(&body, MOST_BYTES);
                (Rendered::Command { to, command: command.clone(), body }, over)
            }
            Self::Emit { event, .. } => {
                let event = emitted(event.evaluate(facts)?)?;
                let over = is_over(&event, MOST_BYTES);
                (Rendered::Emit { event }, over)
            }
        };
        if bytes_over {
            return Err(format!("the action has more than {MOST_BYTES} bytes: select what is needed"));
        }
        Ok(rendered)
    }

    /// True if it may read the entity's state.
    pub fn reads_entity(&self) -> bool {
        match self {
            Self::Start { input, key, .. } => {
                input.reads_entity() || key.as_ref().is_some_and(Formula::reads_entity)
            }
            Self::Command { to, body, .. } => to.reads_entity() || body.reads_entity(),
            Self::Emit { event, .. } => event.reads_entity(),
        }
    }
}

/// Who a command is for.
fn receiver(value: &Value) -> Result<String, String> {
    let Value::String(text) = value else {
        return Err(format!("`to` gave {}, and a command is sent to an id", told(value)));
    };
    check_receiver(text).map(|()| text.clone()).map_err(|e| format!("`to` is no id: {e}"))
}

/// Checks what names an entity: an id, `PLURAL/ID`, or `PLURAL/~KEY` by the caller's own key.
pub(super) fn check_receiver(text: &str) -> Result<(), String> {
    match text.split_once('/') {
        Some((plural, rest)) if !plural.is_empty() && rest.len() > 1 && rest.starts_with('~') => Ok(()),
        Some((_, id)) => id.parse::<StreamId>().map(drop).map_err(|e| e.to_string()),
        None => text.parse::<StreamId>().map(drop).map_err(|e| e.to_string()),
    }
}

/// Completes an event: an attribute that is null is left out, and the others are what attributes can be.
fn emitted(event: Value) -> Result<Value, String> {
    let Value::Object(mut event) = event else { return Err("an event is a mapping".to_owned()) };
    event.retain(|name, value| name == "data" || !value.is_null());
    for (name, value) in event.iter().filter(|(name, _)| *name != "data") {
        let is_defined = ["type", "subject", "datacontenttype", "dataschema"].contains(&name.as_str());
        let fits = match value {
            Value::String(text) => text.len() <= LONGEST_ATTRIBUTE && !(is_defined && text.is_empty()),
            Value::Number(number) => !is_defined && !number.is_f64(),
            Value::Bool(_) => !is_defined,
            Value::Null | Value::Array(_) | Value::Object(_) => false,
        };
        if !fits {
            let wanted = match is_defined {
                true => format!("a text of 1 to {LONGEST_ATTRIBUTE} bytes"),
                false => format!("a text of at most {LONGEST_ATTRIBUTE} bytes, a whole number or a flag"),
            };
            return Err(format!("`{name}` gave {}, and that attribute is {wanted}", told(value)));
        }
    }
    Ok(Value::Object(event))
}

fn read_start(reader: &mut Reader, value: &Value, at: &str) -> Option<Then> {
    let mut fields = reader.open(value, at)?;
    let workflow = reader.text(&mut fields, "workflow").map(|name| {
        if !is_name(name) {
            let fix = "write the name of a workflow: letters, digits and hyphens, 63 at most";
            reader.error(&fields.pointer("workflow"), format!("`{}` is no name", clip(name)), fix);
        }
        name.to_owned()
    });
    let version = fields.text("version", &mut reader.problems).map(|version| {
        if !is_semver(version) {
            let fix = "write a semantic version, like `1.0.0`, or leave it out for the latest";
            reader.error(&fields.pointer("version"), format!("`{}` is no version", clip(version)), fix);
        }
        version.to_owned()
    });
    let input = read_body(reader, &mut fields, "input");
    let key = fields.get("key").map(|value| reader.scalar(value, &fields.pointer("key")));
    fields.close(&mut reader.problems);
    let key = match key {
        Some(key) => Some(key?),
        None => None,
    };
    Some(Then::Start { workflow: workflow?, version, input: input?, key })
}

fn read_command(reader: &mut Reader, value: &Value, at: &str) -> Option<Then> {
    let mut fields = reader.open(value, at)?;
    let to = fields.require("to", &mut reader.problems);
    let to = to.and_then(|value| reader.id(value, &fields.pointer("to")));
    let command = reader.name(&mut fields, "command");
    let body = read_body(reader, &mut fields, "body");
    fields.close(&mut reader.problems);
    Some(Then::Command { to: to?, command: command?, body: body? })
}

/// Reads what a run or a receiver is given; an empty mapping where nothing is written.
fn read_body(reader: &mut Reader, fields: &mut Fields<'_>, name: &'static str) -> Option<Formula> {
    let nothing = json!({});
    let value = fields.get(name).unwrap_or(&nothing);
    Formula::read(reader, value, &fields.pointer(name))
}

fn read_emit(reader: &mut Reader, value: &Value, at: &str) -> Option<Then> {
    let mut fields = reader.open(value, at)?;
    let kind = reader.text(&mut fields, "type").map(str::to_owned);
    if let Some(kind) = &kind {
        let place = fields.pointer("type");
        if kind.is_empty() || kind.len() > LONGEST_ATTRIBUTE {
            reader.error(&place, "that is no type of an event", "write one like `com.example.order.big`");
        }
        if unwrap_expression(kind).is_some() {
            let fix = "write one action for each type, and choose by rules";
            reader.error(&place, "the type of an event is a constant", fix);
        }
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        check_attribute(reader, name, value, &join(at, name));
    }
    let event = Formula::read(reader, value, at);
    Some(Then::Emit { kind: kind?, event: event? })
}

/// Checks the name and the value of an attribute of an event that is emitted.
fn check_attribute(reader: &mut Reader, name: &str, value: &Value, at: &str) {
    if GIVEN.contains(&name) {
        reader.error(at, format!("`{name}` is given to the event when it is emitted"), "remove it");
    } else if !attribute_name(name) {
        let fix = "use 1 to 20 lower-case letters and digits (CloudEvents 1.0, section 3.1.1)";
        reader.error(at, format!("`{name}` is no name of an attribute"), fix);
    } else if name == "data" || name == "type" {
        // Data may be anything, and the type has been read.
    } else if matches!(value, Value::Null | Value::Array(_) | Value::Object(_)) {
        let message = format!("an attribute is text, a number or a flag, not {}", kind_of(value));
        reader.error(at, message, "put what has structure under `data`");
    } else if let Value::Number(number) = value
        && number.is_f64()
    {
        reader.error(at, "a number of an attribute is whole", "put the value in quotes");
    }
}
