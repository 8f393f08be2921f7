//! Actions and definitions for the tests of this folder.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::action::{Action, ActionCx, Actions, Next, Steps, WorkflowError};
use crate::id::{Id, IdKind, Prefix};

pub(super) struct Thing;

impl IdKind for Thing {
    const PREFIX: Prefix = Prefix::new("thing");
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct OpenInput {
    name: String,
    #[serde(default)]
    size: Option<u32>,
    #[serde(default)]
    colour: Option<Colour>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Colour {
    Red,
    Green,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Opened {
    id: Id<Thing>,
    name: String,
}

/// Opens a thing by one command, and closes it again.
struct Open;

impl Action for Open {
    const NAME: &'static str = "thing.open";
    const SUMMARY: &'static str = "Opens a thing.";
    const COMPENSATES: bool = true;
    type Input = OpenInput;
    type Output = Opened;

    fn next(input: &OpenInput, steps: Steps<'_>, cx: &ActionCx) -> Result<Next<Opened>, WorkflowError> {
        let id: Id<Thing> = cx.id("thing");
        if steps.is_empty() {
            let body = json!({ "name": input.name, "size": input.size, "red": input.colour.is_some() });
            return Ok(Next::command(id.stream(), "open", &body));
        }
        steps.get(0)?;
        Ok(Next::Done(Opened { id, name: input.name.clone() }))
    }

    fn undo(
        input: &OpenInput,
        done: Steps<'_>,
        steps: Steps<'_>,
        cx: &ActionCx,
    ) -> Result<Next<()>, WorkflowError> {
        if done.is_empty() || done.get(0).is_err() {
            return Ok(Next::Done(()));
        }
        if steps.is_empty() {
            let id: Id<Thing> = cx.id("thing");
            return Ok(Next::command(id.stream(), "close", &json!({ "name": input.name })));
        }
        steps.get(0)?;
        Ok(Next::Done(()))
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BookInput {
    name: String,
}

/// Reserves by a command and pays by an effect: two steps forward, two back.
struct Book;

impl Action for Book {
    const NAME: &'static str = "thing.book";
    const SUMMARY: &'static str = "Books a thing.";
    const COMPENSATES: bool = true;
    type Input = BookInput;
    type Output = Value;

    fn next(input: &BookInput, steps: Steps<'_>, cx: &ActionCx) -> Result<Next<Value>, WorkflowError> {
        let id: Id<Thing> = cx.id("booking");
        match steps.len() {
            0 => Ok(Next::command(id.stream(), "reserve", &json!({ "name": input.name }))),
            1 => {
                steps.get(0)?;
                Ok(Next::effect("bank", "pay", &json!({ "name": input.name })))
            }
            _ => Ok(Next::Done(json!({ "paid": steps.get(1)? }))),
        }
    }

    fn undo(
        input: &BookInput,
        done: Steps<'_>,
        steps: Steps<'_>,
        cx: &ActionCx,
    ) -> Result<Next<()>, WorkflowError> {
        let id: Id<Thing> = cx.id("booking");
        let mut wanted = Vec::new();
        if done.len() > 1 && !done.0[1].changed_nothing() {
            wanted.push(Next::effect("bank", "refund", &json!({ "name": input.name })));
        }
        wanted.push(Next::command(id.stream(), "release", &json!({})));
        if let Some(last) = steps.len().checked_sub(1) {
            steps.get(last)?;
        }
        Ok(wanted.into_iter().nth(steps.len()).unwrap_or(Next::Done(())))
    }
}

/// Sends a mail, which cannot be taken back.
struct Mail;

impl Action for Mail {
    const NAME: &'static str = "mail.send";
    const SUMMARY: &'static str = "Sends a mail.";
    const COMPENSATES: bool = false;
    type Input = BookInput;
    type Output = Value;

    fn next(input: &BookInput, steps: Steps<'_>, _: &ActionCx) -> Result<Next<Value>, WorkflowError> {
        if steps.is_empty() {
            return Ok(Next::effect("mail", "send", &json!({ "to": input.name })));
        }
        Ok(Next::Done(steps.get(0)?))
    }
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct EchoInput {
    value: Value,
}

/// Answers at once, without a step.
struct Echo;

impl Action for Echo {
    const NAME: &'static str = "echo";
    const SUMMARY: &'static str = "Gives back what it gets.";
    const COMPENSATES: bool = false;
    type Input = EchoInput;
    type Output = Value;

    fn next(input: &EchoInput, _: Steps<'_>, _: &ActionCx) -> Result<Next<Value>, WorkflowError> {
        Ok(Next::Done(input.value.clone()))
    }
}

pub(super) fn actions() -> Actions {
    let added = Actions::new().add::<Open>().and_then(Actions::add::<Book>);
    added.and_then(Actions::add::<Mail>).and_then(Actions::add::<Echo>).unwrap()
}

/// A definition with the usual head before what is given.
pub(super) fn definition(body: &str) -> String {
    format!("document: {{ dsl: '1.0.3', namespace: test, name: example, version: '0.1.0' }}\n{body}")
}

/// A definition that is a saga.
pub(super) fn saga(body: &str) -> String {
    let head = "dsl: '1.0.3', namespace: test, name: example, version: '0.1.0', metadata: { saga: true }";
    format!("document: {{ {head} }}\n{body}")
}
