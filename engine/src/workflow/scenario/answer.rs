//! What the calls of a run are answered: what the script says, or what the action gives without a step outside.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::log::{Called, in_words};
use super::script::{Scenario, Scripted};
use super::{Failure, stand_in};
use crate::clock::Timestamp;
use crate::effect::EffectOutcome;
use crate::id::StreamId;
use crate::workflow::action::{
    ActionCx, ActionInfo, Actions, ERROR_STEM, Next, StepRequest, Steps, WorkflowError,
};
use crate::workflow::definition::clip;
use crate::workflow::expression::{Limits, Template};
use crate::workflow::machine::{reference, task_name};

/// The answer to a call, or to its undoing.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) outcome: EffectOutcome,
    pub(super) takes: Duration,
    /// The answer in words.
    pub(super) told: String,
}

/// How a run of another workflow comes out.
#[derive(Debug)]
pub(super) struct Child {
    /// What it tells the run that waits for it.
    pub(super) ending: Value,
    pub(super) takes: Duration,
    /// The end in words.
    pub(super) told: String,
}

/// The script of a scenario, and how much of it has been used.
pub(super) struct Script<'a> {
    scenario: &'a Scenario,
    actions: &'a Actions,
    calls: BTreeMap<&'a str, usize>,
    undone: BTreeMap<&'a str, usize>,
    runs: BTreeMap<&'a str, usize>,
}

impl<'a> Script<'a> {
    pub(super) fn new(scenario: &'a Scenario, actions: &'a Actions) -> Self {
        let none = BTreeMap::new;
        Self { scenario, actions, calls: none(), undone: none(), runs: none() }
    }

    /// Answers a call. One that undoes another is answered as the undoing of that one, or else by its action alone: the
    /// results of the task are for the call that is undone.
    ///
    /// # Errors
    ///
    /// Why the scenario cannot go on.
    pub(super) fn call(
        &mut self,
        called: &Called,
        undone: Option<&Called>,
        run: StreamId,
        now: Timestamp,
    ) -> Result<Answer, Failure> {
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
        if let Some(undone) = undone
            && let Some((scripted, _)) = pick(&self.scenario.undo, &mut self.undone, &names_of(undone))
        {
            return Ok(scripted.undone());
        }
        let names = if undone.is_some() { vec![called.action.clone()] } else { names_of(called) };
        if let Some((scripted, n)) = pick(&self.scenario.actions, &mut self.calls, &names) {
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

    /// Says how a run of another workflow comes out.
    ///
    /// # Errors
    ///
    /// Why the scenario cannot go on.
    pub(super) fn child(&mut self, called: &Called, now: Timestamp) -> Result<Child, Failure> {
        let failed = |expected: &str, actual: String| Failure {
            what: format!("the run of `{}` by `{}`", called.name(), called.path),
            expected: expected.to_owned(),
            actual,
        };
        let Some((scripted, n)) = pick(&self.scenario.workflows, &mut self.runs, &names_of(called)) else {
            return Err(failed("a result under `workflows`", "none".to_owned()));
        };
        let takes = scripted.takes.0;
        if let Some(error) = &scripted.error {
            let error = error.raised();
            let ending = json!({ "status": "faulted", "error": error });
            return Ok(Child { ending, takes, told: in_words(&error) });
        }
        let output = scripted.given(called, n, now).map_err(|reason| failed("an output", reason))?;
        let told = clip(&output.to_string());
        Ok(Child { ending: json!({ "status": "completed", "output": output }), takes, told })
    }

    /// Answers the undoing of a call by its own action.
    pub(super) fn undo(&mut self, called: &Called) -> Answer {
        match pick(&self.scenario.undo, &mut self.undone, &names_of(called)) {
            Some((scripted, _)) => scripted.undone(),
            None => Answer::done(&Value::Null, Duration::ZERO),
        }
    }
}

impl Scripted {
    /// The output, made of what the call is given and of the number of the call.
    fn given(&self, called: &Called, n: usize, now: Timestamp) -> Result<Value, String> {
        let evaluate =
            |output: &Template| output.evaluate(called.given(), &[&json!(n)], now.ms(), &Limits::default());
        let output = self.output.as_ref().map_or(Ok(Value::Null), evaluate);
        output.map_err(|e| format!("the expression of the output fails: {e}"))
    }

    /// The answer that it is to an undoing.
    fn undone(&self) -> Answer {
        match &self.error {
            Some(error) => Answer::failed(&error.raised(), error.unknown, self.takes.0),
            None => Answer::done(&Value::Null, self.takes.0),
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

/// The names under which the results of a call may stand: those of its task go before that of its action or workflow.
fn names_of(called: &Called) -> Vec<String> {
    let path = &called.path;
    let mut names = vec![path.clone(), reference(path), task_name(path).to_owned(), called.name()];
    names.extend(called.workflow().map(|(_, name)| name.to_owned()));
    names
}

/// Picks the next result under the first of these names that has some. Gives it with its number.
fn pick<'a>(
    lists: &'a BTreeMap<String, Vec<Scripted>>,
    used: &mut BTreeMap<&'a str, usize>,
    names: &[String],
) -> Option<(&'a Scripted, usize)> {
    let (key, list) = names.iter().find_map(|name| lists.get_key_value(name))?;
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
    let output = scripted.given(called, n, now)?;
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
