//! What comes to a run from outside holds no marks of secrets.
//!
//! A mark in a request is replaced by its secret when the request goes out. So a mark counts only where an expression
//! of the definition has put it: one that comes with an input, an event, a signal or an answer is taken for what it
//! is, somebody's try to be sent a secret, and made unreadable.

use std::borrow::Cow;

use serde_json::Value;

use super::definition::{SECRET_CLOSES, SECRET_OPENS};
use crate::effect::{EffectFailure, EffectOutcome};
use crate::entity::Input;
use crate::journal::{Accepted, Json, Outcome, Rejected};

/// What stands in the place of the characters of marks.
const UNREADABLE: &str = "\u{fffd}";

/// The input without the characters that marks are made of.
pub(super) fn unmarked(input: &Input) -> Cow<'_, Input> {
    let clean = match input {
        Input::Command { body, .. } => !is_marked(body),
        Input::Timer { .. } => true,
        Input::Reply { outcome: Outcome::Accepted(accepted), .. } => !is_marked(&accepted.reply),
        Input::Reply { outcome: Outcome::Rejected(no), .. } => {
            !has_mark(&no.message) && !has_mark(&no.code) && !is_marked(&no.detail)
        }
        Input::Effect { outcome: EffectOutcome::Confirmed(answer), .. } => !is_marked(answer),
        Input::Effect { outcome, .. } => failure(outcome).is_none_or(|no| !has_mark(&no.message)),
    };
    if clean { Cow::Borrowed(input) } else { Cow::Owned(cleaned(input)) }
}

fn failure(outcome: &EffectOutcome) -> Option<&EffectFailure> {
    match outcome {
        EffectOutcome::Confirmed(_) => None,
        EffectOutcome::Refused(no) | EffectOutcome::Failed(no) | EffectOutcome::Unknown(no) => Some(no),
    }
}

fn cleaned(input: &Input) -> Input {
    let failed = |no: &EffectFailure| EffectFailure { message: text(&no.message), ..no.clone() };
    match input {
        Input::Command { name, body, external_key } => {
            Input::Command { name: name.clone(), body: json(body), external_key: external_key.clone() }
        }
        Input::Timer { name, due } => Input::Timer { name: name.clone(), due: *due },
        Input::Reply { id, outcome: Outcome::Accepted(yes) } => {
            let yes = Accepted { reply: json(&yes.reply), ..yes.clone() };
            Input::Reply { id: *id, outcome: Outcome::Accepted(yes) }
        }
        Input::Reply { id, outcome: Outcome::Rejected(no) } => {
            let (code, message, detail) = (text(&no.code).into(), text(&no.message), json(&no.detail));
            let no = Rejected { code, message, detail, ..no.clone() };
            Input::Reply { id: *id, outcome: Outcome::Rejected(no) }
        }
        Input::Effect { key, outcome } => {
            let outcome = match outcome {
                EffectOutcome::Confirmed(answer) => EffectOutcome::Confirmed(json(answer)),
                EffectOutcome::Refused(no) => EffectOutcome::Refused(failed(no)),
                EffectOutcome::Failed(no) => EffectOutcome::Failed(failed(no)),
                EffectOutcome::Unknown(no) => EffectOutcome::Unknown(failed(no)),
            };
            Input::Effect { key: *key, outcome }
        }
    }
}

/// Whether a text of JSON may hold a character of a mark, plain or escaped.
fn is_marked(json: &Json) -> bool {
    let text = json.text();
    has_mark(text) || text.contains("\\ue00") || text.contains("\\uE00")
}

fn has_mark(text: &str) -> bool {
    text.contains(opens()) || text.contains(SECRET_CLOSES)
}

fn opens() -> char {
    SECRET_OPENS.chars().next().unwrap_or(SECRET_CLOSES)
}

fn text(text: &str) -> String {
    text.replace([opens(), SECRET_CLOSES], UNREADABLE)
}

fn json(json: &Json) -> Json {
    Json::from(&value(json.value()))
}

fn value(marked: Value) -> Value {
    match marked {
        Value::String(marked) => text(&marked).into(),
        Value::Array(items) => items.into_iter().map(value).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, field)| (text(&name), value(field))).collect()
        }
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => plain,
    }
}
