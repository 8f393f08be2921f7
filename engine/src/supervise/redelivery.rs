//! How a dead letter's command comes to its stream again: as a message, with everything that the command had.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::dead_letter::{DeadLetter, Sender};
use crate::clock::Timestamp;
use crate::effect::{EffectKey, EffectOutcome};
use crate::entity::{Entity, Input};
use crate::journal::{Json, Message, MessageId, Origin, Outcome};

/// The name under which it stands in the outbox.
pub(super) const COMMAND: &str = "~again";

/// What was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A command.
    Command,
    /// A timer of the stream.
    Timer,
    /// The answer to a message of the stream.
    Reply,
    /// The end of an effect of the stream.
    Effect,
}

/// What a message holds that sends a dead letter again. The body is kept as text, so that not a byte of it changes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Again {
    name: String,
    body: String,
    sender: Sender,
}

#[derive(Serialize, Deserialize)]
struct TimerBody {
    name: String,
    due: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct ReplyBody {
    id: MessageId,
    outcome: Outcome,
}

#[derive(Serialize, Deserialize)]
struct EffectBody {
    key: EffectKey,
    outcome: EffectOutcome,
}

/// What a dead letter keeps of an input: what it is, and its body.
pub(crate) fn kept(input: &Input) -> (What, Json) {
    let body = |body: Result<Json, serde_json::Error>| body.unwrap_or_else(|_| Json::null());
    match input {
        Input::Command { body, .. } => (What::Command, body.clone()),
        Input::Timer { name, due } => {
            (What::Timer, body(Json::of(&TimerBody { name: name.clone(), due: *due })))
        }
        Input::Reply { id, outcome } => {
            (What::Reply, body(Json::of(&ReplyBody { id: *id, outcome: outcome.clone() })))
        }
        Input::Effect { key, outcome } => {
            (What::Effect, body(Json::of(&EffectBody { key: *key, outcome: outcome.clone() })))
        }
    }
}

/// The body of the message that sends a letter again; `None` where it does not hold what is needed.
pub(super) fn of(letter: &DeadLetter) -> Option<Value> {
    let sender = letter.sender.clone()?;
    let again = Again { name: letter.input.clone(), body: letter.body.text().to_owned(), sender };
    input(&again)?;
    Some(json!(again))
}

/// What a message of a dead letter stands for, and where that came from; `None` for every other message.
pub(crate) fn redelivered(message: &Message) -> Option<(Input, Arc<Origin>)> {
    if message.command != COMMAND || message.from.id.prefix() != DeadLetter::KIND.prefix {
        return None;
    }
    let again: Again = message.body.read().ok()?;
    let origin = Origin {
        correlation: again.sender.correlation.as_str().into(),
        principal: again.sender.principal.as_str().into(),
        ..(*message.origin).clone()
    };
    Some((input(&again)?, Arc::new(origin)))
}

fn input(again: &Again) -> Option<Input> {
    let body = Json::from_text(again.body.clone()).ok()?;
    match again.sender.what {
        What::Command => {
            let (name, external_key) = (again.name.clone().into(), again.sender.external_key.clone());
            Some(Input::Command { name, body, external_key })
        }
        What::Timer => {
            body.read::<TimerBody>().ok().map(|TimerBody { name, due }| Input::Timer { name, due })
        }
        What::Reply => {
            body.read::<ReplyBody>().ok().map(|ReplyBody { id, outcome }| Input::Reply { id, outcome })
        }
        What::Effect => {
            body.read::<EffectBody>().ok().map(|EffectBody { key, outcome }| Input::Effect { key, outcome })
        }
    }
}
