//! What the calls of a run are answered: what the script says, or what the action gives without a step outside.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::log::{Called, in_words};
use super::script::{Scenario, Scripted};
use super::{Failure, stand_in, task_name};
use crate::clock::Timestamp;
use crate::effect::EffectOutcome;
use crate::id::StreamId;
use crate::workflow::action::{
    ActionCx, ActionInfo, Actions, ERROR_STEM, Next, StepRequest, Steps, WorkflowError,
};
use crate::workflow::definition::clip;
use crate::workflow::expression::{Limits, Template};
use crate::workflow::machine::reference;

/// The answer to a call, or to its undoing.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) outcome: EffectOutcome,
    pub(super) takes: Duration,
    /// The answer in words.
    pub(super) told: String,
}

/// The script of a scenario, and how much of it has been used.
pub(super) struct Script<'a> {
    scenario: &'a Scenario,
    actions: &'a Actions,
    calls: BTreeMap<&'a str, usize>,
    undone: BTreeMap<&'a str, usize>,
}

impl<'a> Script<'a> {
    pub(super) fn new(scenario: &'a Scenario, actions: &'a Actions) -> Self {
        Self { scenario, actions, calls: BTreeMap::new(), undone: BTreeMap::new() }
    }

    /// Answers a call.
    ///
    /// # Errors
    ///
    /// Why the scenario cannot go on.
    pub(super) fn call(&mut self, called: &Called, run: StreamId, now: Timestamp) -> Result<Answer, Failure> {
        let of = |expected: &str, actual: String| Failure {
            what: format!("the call of `{}` by `{}`", called.action, called.path),
            expected: expected.to_owned(),
            actual,
        };
        let Some(info) = self.actions.get(&called.action) else {
            return Err(of("an action", "there is none of this name".to_owned()));
        };
        let cx = ActionCx { run, path: called.identity.clone(), now, error: None };
        let own = info.next(&called.arguments, Steps(&[]), &cx);
        if let Err(misfit) = &own
            && is_misfit(misfit)
        {
            return Ok(Answer::failed(misfit, false, Duration::ZERO));
        }
        if let Some((scripted, n)) = pick(&self.scenario.actions, &mut self.calls, called) {
            return scripted_answer(info, scripted, called, n, now)
                .map_err(|reason| of("an output that the action can give", reason));
        }
        match own {
            Ok(Next::Done(output)) => Ok(Answer::done(&output, Duration::ZERO)),
            Err(error) => Ok(Answer::failed(&error, false, Duration::ZERO)),
            Ok(Next::Step(step)) => {
                let wanted = match step {
                    StepRequest::Command { to, command, .. } => format!("`{command}` to `{to}`"),
                    StepRequest::Effect { connector, operation, .. } => format!("`{connector}.{operation}`"),
                    StepRequest::Await { run } => format!("a question for the end of `{run}`"),
                };
                let actual = format!("none, and the action wants to send {wanted} outside");
                Err(of("a result under `actions`", actual))
            }
        }
    }

    /// Answers the undoing of a call.
    pub(super) fn undo(&mut self, called: &Called) -> Answer {
        let Some((scripted, _)) = pick(&self.scenario.undo, &mut self.undone, called) else {
            return Answer::done(&Value::Null, Duration::ZERO);
        };
        let takes = scripted.takes.0;
        match &scripted.error {
            Some(error) => Answer::failed(&error.raised(), error.unknown, takes),
            None => Answer::done(&Value::Null, takes),
        }
    }
}

impl Answer {
    fn done(output: &Value, takes: Duration) -> Self {
        Self { outcome: stand_in::done(output), takes, told: clip(&output.to_string()) }
    }

    fn failed(error: &WorkflowError, unknown: bool, takes: Duration) -> Self {
        Self { outcome: stand_in::failed(error, unknown), takes, told: in_words(error) }
    }
}

/// Picks the next result for a call: of its task, or else of its action. Gives it with its number.
fn pick<'a, T>(
    lists: &'a BTreeMap<String, Vec<T>>,
    used: &mut BTreeMap<&'a str, usize>,
    called: &Called,
) -> Option<(&'a T, usize)> {
    let pointer = reference(&called.path);
    let keys = [called.path.as_str(), &pointer, task_name(&called.path), &called.action];
    let (key, list) = keys.into_iter().find_map(|key| lists.get_key_value(key))?;
    let count = used.entry(key).or_default();
    *count += 1;
    let result = list.get(*count - 1).or_else(|| list.last())?;
    Some((result, *count))
}

fn scripted_answer(
    info: &ActionInfo,
    scripted: &Scripted,
    called: &Called,
    n: usize,
    now: Timestamp,
) -> Result<Answer, String> {
    let takes = scripted.takes.0;
    if let Some(error) = &scripted.error {
        return Ok(Answer::failed(&error.raised(), error.unknown, takes));
    }
    let evaluate =
        |output: &Template| output.evaluate(&called.arguments, &[&json!(n)], now.ms(), &Limits::default());
    let output = scripted.output.as_ref().map_or(Ok(Value::Null), evaluate);
    let output = output.map_err(|e| format!("the expression of the output fails: {e}"))?;
    if let Ok(validator) = jsonschema::validator_for(&info.output)
        && let Some(misfit) = validator.iter_errors(&output).next()
    {
        let (at, output) = (misfit.instance_path().to_string(), clip(&output.to_string()));
        return Err(format!(
            "{output}, which does not fit its schema at `{at}`: {}",
            clip(&misfit.to_string())
        ));
    }
    Ok(Answer::done(&output, takes))
}

/// True if the arguments of a call do not fit the action.
fn is_misfit(error: &WorkflowError) -> bool {
    error.status == 400 && error.kind.strip_prefix(ERROR_STEM) == Some("validation")
}
