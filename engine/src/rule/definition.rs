//! From a rule's text to a rule that can be asked.

use serde_json::Value;

use super::action::Then;
use super::condition::Condition;
use super::filter::Filters;
use super::formula::Formula;
use super::limits::Limits;
use super::reader::Reader;
use super::shown::told;
use crate::workflow::definition::{Fields, Problem};

/// The most things that a rule does.
const MOST_ACTIONS: usize = 16;

/// A rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// Its title.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The events that it hears.
    pub on: Filters,
    /// Whose state `entity` is; none for the subject of the event.
    pub entity: Option<Formula>,
    /// What must hold.
    pub when: Option<Condition>,
    /// What it does, in this order.
    pub then: Vec<Then>,
    /// How often.
    pub limits: Option<Limits>,
}

impl Rule {
    /// Compiles a rule from its text in YAML or JSON.
    ///
    /// # Errors
    ///
    /// Every problem that was found, each with its place in the text and what to do.
    pub fn parse(source: &str) -> Result<Self, Vec<Problem>> {
        Reader::read(source, Self::read)
    }

    fn read(reader: &mut Reader, value: &Value) -> Option<Self> {
        let mut fields = reader.open(value, "")?;
        let name = reader.name(&mut fields, "name");
        let title = fields.text("title", &mut reader.problems).map(str::to_owned);
        let description = fields.text("description", &mut reader.problems).map(str::to_owned);
        let on = fields.require("on", &mut reader.problems);
        let on = on.and_then(|value| Filters::read(reader, value, "/on"));
        let entity = fields.get("entity").map(|value| reader.id(value, "/entity"));
        let when = fields.get("when").map(|value| Condition::read(reader, value, "/when"));
        let then = read_actions(reader, &mut fields);
        let limits = fields.get("limits").map(|value| Limits::read(reader, value, "/limits"));
        fields.close(&mut reader.problems);
        // What is written and cannot be read must not turn into what is not written.
        let (entity, when, limits) = (written(entity)?, written(when)?, written(limits)?);
        Some(Self { name: name?, title, description, on: on?, entity, when, then: then?, limits })
    }

    /// Whose state the rule sees beside an event: the id as it is written, or none.
    ///
    /// # Errors
    ///
    /// Why that cannot be said, as a sentence.
    pub fn entity_of(&self, event: &Value) -> Result<Option<String>, String> {
        let Some(formula) = &self.entity else {
            return Ok(event.get("subject").and_then(Value::as_str).map(str::to_owned));
        };
        match formula.evaluate_on(event)? {
            Value::Null => Ok(None),
            Value::String(id) => Ok(Some(id)),
            other => Err(format!("`entity` gave {}, and an entity has an id", told(&other))),
        }
    }

    /// True if the entity's state may change what the rule does.
    pub fn reads_entity(&self) -> bool {
        let per = self.limits.as_ref().and_then(|limits| limits.per.as_ref());
        self.when.as_ref().is_some_and(Condition::reads_entity)
            || self.then.iter().any(Then::reads_entity)
            || per.is_some_and(Formula::reads_entity)
    }
}

fn written<T>(part: Option<Option<T>>) -> Option<Option<T>> {
    match part {
        Some(read) => read.map(Some),
        None => Some(None),
    }
}

fn read_actions(reader: &mut Reader, fields: &mut Fields<'_>) -> Option<Vec<Then>> {
    let value = fields.require("then", &mut reader.problems)?;
    let items = reader.list(value, "/then", "write a list of actions, like `- start: { workflow: ... }`")?;
    if items.len() > MOST_ACTIONS {
        let message = format!("there are {} actions; {MOST_ACTIONS} are allowed", items.len());
        reader.error("/then", message, "start a workflow that does it");
        return None;
    }
    let items = items.iter().enumerate();
    let read: Vec<_> =
        items.map(|(index, item)| Then::read(reader, item, &format!("/then/{index}"))).collect();
    read.into_iter().collect()
}
