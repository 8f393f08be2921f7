//! What is to be done to many runs, and to which.

use promptsales_engine::id::StreamId;
use promptsales_engine::journal::Json;
use promptsales_engine::projection::index::{Term, Test};
use promptsales_engine::workflow::found;
use promptsales_engine::workflow::machine::{RunCommand, Status};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The longest reason, in characters.
const LONGEST_REASON: usize = 1_000;

/// What can be done to many runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Holds them where they are.
    Pause,
    /// Lets them go on.
    Resume,
    /// Cancels them; what they did is undone.
    Cancel,
    /// Ends them at once.
    Terminate,
    /// Tries again what failed.
    Retry,
    /// Completes a task without doing what it does.
    Skip,
    /// Gives them a signal.
    Signal,
    /// Changes their data.
    Patch,
    /// Has them go on with another task.
    Move,
    /// Has them go on in another version.
    Migrate,
    /// Starts others with the same input.
    Restart,
}

/// The fields of a restart.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Restart {
    version: Option<String>,
}

/// An act on many runs.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Asked {
    /// What is done.
    pub act: Act,
    /// Its fields, as the same act on one run takes them.
    #[serde(default, deserialize_with = "or_nothing")]
    pub with: Map<String, Value>,
    /// To which runs: the filters of their list by name, each a text, number or truth value, or a list of texts.
    #[serde(default, deserialize_with = "or_nothing")]
    pub filter: Map<String, Value>,
    /// True where no filter is given, and all are meant.
    #[serde(default)]
    pub all: bool,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
}

/// A field that is wrong, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`: {reason}")]
pub struct Wrong {
    /// The field.
    pub field: &'static str,
    /// What is wrong with it, and what to do.
    pub reason: String,
}

fn or_nothing<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Map<String, Value>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

fn wrong(field: &'static str, reason: impl Into<String>) -> Wrong {
    Wrong { field, reason: reason.into() }
}

impl Act {
    /// The name of the command, and of the route.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Cancel => "cancel",
            Self::Terminate => "terminate",
            Self::Retry => "retry",
            Self::Skip => "skip",
            Self::Signal => "signal",
            Self::Patch => "patch",
            Self::Move => "move",
            Self::Migrate => "migrate",
            Self::Restart => "restart",
        }
    }

    /// The statuses of the runs that it is meant for, where no filter says that; none for all.
    fn statuses(self) -> &'static [Status] {
        use Status::{Faulted, NeedsAttention, Pending, Running, Suspended, Waiting};
        match self {
            Self::Pause => &[Pending, Running, Waiting],
            Self::Resume => &[Suspended],
            Self::Retry | Self::Skip => &[NeedsAttention, Faulted],
            Self::Cancel | Self::Terminate | Self::Signal | Self::Patch | Self::Move | Self::Migrate => {
                &[Pending, Running, Waiting, Suspended, NeedsAttention]
            }
            Self::Restart => &[],
        }
    }
}

impl Asked {
    /// What is asked of a run that is meant.
    ///
    /// # Errors
    ///
    /// [`Wrong`], where a filter or a field of the act means nothing, or it does not say which runs are meant.
    pub fn check(&self) -> Result<Vec<(String, Test)>, Wrong> {
        self.check_fields()?;
        if self.filter.is_empty() && !self.all {
            let names: Vec<_> = found::FILTERS.iter().map(|(name, _)| *name).collect();
            let names = names.join("`, `");
            return Err(wrong("filter", format!("say which runs are meant (`{names}`), or `\"all\": true`")));
        }
        let filters = self.filter.iter().map(|(name, value)| Ok((name.clone(), text_of(name, value)?)));
        let filters: Vec<_> = filters.collect::<Result<_, Wrong>>()?;
        let mut tests = found::tests(&filters).map_err(|e| wrong("filter", e.to_string()))?;
        let statuses = self.act.statuses();
        if !self.filter.contains_key("status") && !statuses.is_empty() {
            let any = statuses.iter().map(|status| Term::text(status.name())).collect();
            tests.push(("status".to_owned(), Test::Is(any)));
        }
        Ok(tests)
    }

    fn check_fields(&self) -> Result<(), Wrong> {
        if self.reason.as_ref().is_some_and(|reason| reason.chars().count() > LONGEST_REASON) {
            return Err(wrong("reason", format!("use {LONGEST_REASON} characters at most")));
        }
        if self.with.contains_key("reason") {
            return Err(wrong("with", "say the reason in `reason`, beside `with`"));
        }
        let fields = Value::Object(self.with.clone());
        let read = match self.act {
            Act::Restart => serde_path_to_error::deserialize::<_, Restart>(fields).map(drop).map_err(told),
            _ => {
                let command = json!({ self.act.name(): fields });
                serde_path_to_error::deserialize::<_, RunCommand>(command).map(drop).map_err(told)
            }
        };
        read.map_err(|reason| wrong("with", reason))
    }

    /// The command that one of the runs is given. A restart is none: it begins another run.
    pub(super) fn command(&self) -> Json {
        let mut fields = self.with.clone();
        if let (Some(reason), false) = (&self.reason, self.act == Act::Signal) {
            fields.insert("reason".to_owned(), reason.as_str().into());
        }
        Json::from(&Value::Object(fields))
    }

    /// The start of a run with the input of another.
    pub(super) fn restart(&self, of: StreamId, run: &Value) -> Value {
        // What does not read as one has been refused before.
        let read = Restart::deserialize(Value::Object(self.with.clone())).ok();
        restart_of(of, run, read.and_then(|restart| restart.version).as_deref(), self.reason.as_deref())
    }
}

/// The start of a run with the input of another, of the version that it had or of another one.
pub fn restart_of(of: StreamId, run: &Value, version: Option<&str>, reason: Option<&str>) -> Value {
    let version = version.map_or_else(|| run["version"].clone(), Value::from);
    let why = reason.map_or_else(String::new, |reason| format!(": {reason}"));
    json!({
        "workflow": run["workflow"], "version": version, "input": run["input"],
        "cause": format!("restart of {of}{why}"),
    })
}

fn told(error: serde_path_to_error::Error<serde_json::Error>) -> String {
    let path = error.path().to_string();
    match path.split_once('.') {
        Some((_, field)) => format!("`{field}`: {}", error.inner()),
        None => error.inner().to_string(),
    }
}

/// A filter's value as it stands in the query of a list.
fn text_of(name: &str, value: &Value) -> Result<String, Wrong> {
    let misfit =
        || wrong("filter", format!("`{name}`: use a text, number or truth value, or a list of texts"));
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        Value::Array(items) if !items.is_empty() => {
            let texts = items.iter().map(Value::as_str).collect::<Option<Vec<_>>>();
            texts.map(|texts| texts.join(",")).ok_or_else(misfit)
        }
        Value::Array(_) | Value::Object(_) | Value::Null => Err(misfit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(value: Value) -> Asked {
        serde_json::from_value(value).unwrap()
    }

    fn refusal(value: Value) -> String {
        asked(value).check().unwrap_err().to_string()
    }

    #[test]
    fn what_is_meant_is_said_by_filters_or_by_all() {
        let tests = asked(json!({ "act": "cancel", "filter": { "workflow": ["a", "b"], "attr.n.from": 3 } }));
        let mut tests = tests.check().unwrap();
        tests.sort_by(|(a, _), (b, _)| a.cmp(b));
        let names: Vec<_> = tests.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["attr.n", "status", "workflow"]);
        assert_eq!(tests[0].1, Test::From(Term::Number(3.0)));
        assert_eq!(tests[2].1, Test::Is(vec![Term::text("a"), Term::text("b")]));
        let status = asked(json!({ "act": "cancel", "filter": { "status": "suspended" } })).check().unwrap();
        assert_eq!(status, [("status".to_owned(), Test::Is(vec![Term::text("suspended")]))]);
        assert_eq!(asked(json!({ "act": "restart", "all": true })).check(), Ok(Vec::new()));
        assert!(refusal(json!({ "act": "cancel" })).contains("`filter`: say which runs are meant"));
    }

    #[test]
    fn what_means_nothing_is_told_with_its_field() {
        for (value, said) in [
            (
                json!({ "filter": { "state": "x" } }),
                "`filter`: `state`: there is no such filter; use `status`",
            ),
            (json!({ "filter": { "status": "lost" } }), "`filter`: `status`: there is no status `lost`"),
            (json!({ "filter": { "key": null } }), "`filter`: `key`: use a text"),
            (json!({ "filter": { "workflow": [] } }), "`filter`: `workflow`: use a text"),
            (json!({ "all": true, "with": { "reason": "x" } }), "`with`: say the reason in `reason`"),
            (json!({ "all": true, "with": { "colour": "x" } }), "`with`: `colour`: unknown field"),
            (json!({ "all": true, "act": "move" }), "`with`: missing field `to`"),
            (json!({ "all": true, "act": "signal", "with": { "name": 3 } }), "`with`: `name`: invalid type"),
            (json!({ "all": true, "act": "restart", "with": { "input": 3 } }), "unknown field `input`"),
            (json!({ "all": true, "reason": "x".repeat(1_001) }), "`reason`: use 1000 characters"),
        ] {
            let mut whole = json!({ "act": "cancel" });
            whole.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
            let told = refusal(whole);
            assert!(told.contains(said), "{told}");
        }
    }

    #[test]
    fn every_act_is_a_command_of_runs() {
        for (act, with) in [
            ("pause", json!({ "timers": "freeze" })),
            ("resume", json!({})),
            ("cancel", json!({})),
            ("terminate", json!({})),
            ("retry", json!({})),
            ("skip", json!({ "task": "/do/0/a" })),
            ("signal", json!({ "name": "go" })),
            ("patch", json!({ "context": { "a": 1 } })),
            ("move", json!({ "to": "/do/0/a" })),
            ("migrate", json!({ "version": "2.0.0" })),
            ("restart", json!({ "version": "2.0.0" })),
        ] {
            let asked = asked(json!({ "act": act, "with": with, "all": true, "reason": "why" }));
            asked.check().unwrap_or_else(|e| panic!("{act}: {e}"));
            assert_eq!(asked.act.name(), act);
            let said = asked.command().value()["reason"].clone();
            assert_eq!(said, if act == "signal" { json!(null) } else { json!("why") });
        }
    }
}
