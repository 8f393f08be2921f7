//! The format of a scenario.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Value, json};

use super::expect::Expectations;
use crate::clock::Timestamp;
use crate::workflow::action::WorkflowError;
use crate::workflow::definition::{parse_iso, read_documents};
use crate::workflow::expression::Template;

/// A scenario: what goes in, and what is to come of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scenario {
    /// What is tried.
    pub name: String,
    #[serde(default = "usual_start", deserialize_with = "moment")]
    pub(super) starts_at: Timestamp,
    #[serde(default = "nothing")]
    pub(super) input: Value,
    #[serde(default)]
    pub(super) actions: BTreeMap<String, Vec<Scripted>>,
    #[serde(default)]
    pub(super) undo: BTreeMap<String, Vec<Scripted>>,
    #[serde(default)]
    pub(super) workflows: BTreeMap<String, Vec<Scripted>>,
    #[serde(default)]
    pub(super) signals: Vec<ScriptedSignal>,
    #[serde(default)]
    pub(super) commands: Vec<ScriptedCommand>,
    pub(super) expect: Expectations,
}

/// The result of a call, of undoing one, or of a run of another workflow.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scripted {
    #[serde(default, deserialize_with = "template")]
    pub(super) output: Option<Template>,
    #[serde(default)]
    pub(super) error: Option<ScriptedError>,
    #[serde(default)]
    pub(super) takes: Span,
}

/// An error that a call raises.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScriptedError {
    #[serde(default)]
    code: Option<String>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default = "usual_status")]
    status: u16,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    detail: Option<String>,
    /// True if it is not known whether something was done.
    #[serde(default)]
    pub(super) unknown: bool,
}

/// A signal that is sent.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScriptedSignal {
    pub(super) name: String,
    #[serde(default)]
    pub(super) data: Value,
    #[serde(default)]
    pub(super) at: Option<Span>,
}

/// A command that is given.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScriptedCommand {
    pub(super) at: Span,
    pub(super) command: Verb,
    #[serde(default)]
    pub(super) reason: Option<String>,
}

/// What a run can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verb {
    Pause,
    Resume,
    Cancel,
    Retry,
    Skip,
}

/// A length of time, written as an ISO 8601 duration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span(pub(super) Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_iso(&text).map(Self).map_err(D::Error::custom)
    }
}

impl ScriptedError {
    /// The error that the task raises.
    pub(super) fn raised(&self) -> WorkflowError {
        let named = self.code.as_deref().map(|code| WorkflowError::action(code, self.status, String::new()));
        let error = named.unwrap_or_else(|| WorkflowError {
            kind: self.kind.clone().unwrap_or_default(),
            status: self.status,
            title: None,
            detail: None,
            instance: None,
        });
        WorkflowError { title: self.title.clone().or(error.title), detail: self.detail.clone(), ..error }
    }

    fn check(&self) -> Result<(), String> {
        match (&self.code, &self.kind) {
            (Some(_), None) | (None, Some(_)) => Ok(()),
            (None, None) => Err("an error needs a `code` or a `type`".to_owned()),
            (Some(_), Some(_)) => Err("an error has either a `code` or a `type`".to_owned()),
        }
    }
}

impl Verb {
    /// The command's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Cancel => "cancel",
            Self::Retry => "retry",
            Self::Skip => "skip",
        }
    }
}

/// A text that holds no scenarios.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct Unreadable {
    /// Where: a line and a column, or a scenario and a field.
    pub place: String,
    /// What is wrong there.
    pub reason: String,
}

/// Reads the scenarios of a text: YAML or JSON, one or a list of them in each document.
///
/// # Errors
///
/// [`Unreadable`], at the first place that is wrong.
pub fn read(source: &str) -> Result<Vec<Scenario>, Unreadable> {
    let documents = read_documents(source)
        .map_err(|problem| Unreadable { place: problem.position().to_string(), reason: problem.message })?;
    let flat = documents.into_iter().flat_map(|document| match document {
        Value::Array(items) => items,
        Value::Null => Vec::new(),
        one => vec![one],
    });
    let scenarios: Vec<_> =
        flat.enumerate().map(|(index, value)| one(index + 1, value)).collect::<Result<_, _>>()?;
    match scenarios.is_empty() {
        true => Err(Unreadable { place: "1:1".to_owned(), reason: "there are no scenarios".to_owned() }),
        false => Ok(scenarios),
    }
}

fn one(number: usize, value: Value) -> Result<Scenario, Unreadable> {
    let name = value.get("name").and_then(Value::as_str).unwrap_or("without a name").to_owned();
    let place = |at: &str| match at {
        "" | "." => format!("scenario {number} ({name})"),
        at => format!("scenario {number} ({name}), `{at}`"),
    };
    let scenario: Scenario = serde_path_to_error::deserialize(value)
        .map_err(|e| Unreadable { place: place(&e.path().to_string()), reason: e.inner().to_string() })?;
    let wrong = scenario.wrong();
    wrong.map_or(Ok(scenario), |(at, reason)| Err(Unreadable { place: place(&at), reason }))
}

impl Scenario {
    /// The first thing that the shape of the text allows and that means nothing.
    fn wrong(&self) -> Option<(String, String)> {
        let fields = [("actions", &self.actions), ("undo", &self.undo), ("workflows", &self.workflows)];
        let wrong = fields.into_iter().find_map(|(field, lists)| check_results(field, lists));
        if wrong.is_some() {
            return wrong;
        }
        self.expect.wrong().map(|(field, reason)| (format!("expect{field}"), reason))
    }
}

/// The first result of a field that means nothing: where it stands, and why.
fn check_results(field: &str, lists: &BTreeMap<String, Vec<Scripted>>) -> Option<(String, String)> {
    for (key, results) in lists {
        if results.is_empty() {
            return Some((format!("{field}.{key}"), "the list of results is empty".to_owned()));
        }
        for (index, result) in results.iter().enumerate() {
            let at = format!("{field}.{key}[{index}]");
            if result.output.is_some() && field == "undo" {
                return Some((at, "undoing gives no `output`".to_owned()));
            }
            if result.output.is_some() && result.error.is_some() {
                return Some((at, "a result has either an `output` or an `error`".to_owned()));
            }
            if field == "workflows" && result.error.as_ref().is_some_and(|error| error.unknown) {
                return Some((at, "how a run ends is never `unknown`".to_owned()));
            }
            if let Some(Err(reason)) = result.error.as_ref().map(ScriptedError::check) {
                return Some((format!("{at}.error"), reason));
            }
        }
    }
    None
}

/// The time at which scenarios start that do not say when.
fn usual_start() -> Timestamp {
    Timestamp::from_ms(1_767_225_600_000)
}

fn usual_status() -> u16 {
    422
}

fn nothing() -> Value {
    json!({})
}

fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

fn template<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Template>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Template::compile(&value, &["n"]).map(Some).map_err(D::Error::custom)
}
