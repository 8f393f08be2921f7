//! Stand-ins for actions: each asks for one step, whose answer is its result.

use serde_json::Value;

use crate::effect::EffectFailure;
use crate::effect::EffectOutcome;
use crate::journal::Json;
use crate::workflow::action::{ActionCx, Actions, Next, StepResult, Steps, WorkflowError};

/// The same actions, each of which does as a script says.
pub(super) fn of(actions: &Actions) -> Actions {
    actions.stand_ins(next, undo)
}

/// The answer by which a call gives an output.
pub(super) fn done(output: &Value) -> EffectOutcome {
    EffectOutcome::Confirmed(Json::from(output))
}

/// The answer by which a call raises an error; where it is not known what was done, it is to be undone.
pub(super) fn failed(error: &WorkflowError, unknown: bool) -> EffectOutcome {
    let message = serde_json::to_string(error).unwrap_or_default();
    let failure = EffectFailure { code: "scripted".into(), message };
    if unknown { EffectOutcome::Unknown(failure) } else { EffectOutcome::Refused(failure) }
}

fn next(input: &Value, steps: Steps<'_>, _: &ActionCx) -> Result<Next<Value>, WorkflowError> {
    match steps.0.first() {
        None => Ok(Next::effect("scenario", "do", input)),
        Some(answer) => result(answer).map(Next::Done),
    }
}

fn undo(
    input: &Value,
    done: Steps<'_>,
    steps: Steps<'_>,
    _: &ActionCx,
) -> Result<Next<Value>, WorkflowError> {
    match steps.0.first() {
        None if done.0.iter().all(StepResult::changed_nothing) => Ok(Next::Done(Value::Null)),
        None => Ok(Next::effect("scenario", "undo", input)),
        Some(answer) => result(answer).map(Next::Done),
    }
}

fn result(answer: &StepResult) -> Result<Value, WorkflowError> {
    let scripted = match answer {
        StepResult::Effect(EffectOutcome::Confirmed(output)) => return Ok(output.value()),
        StepResult::Effect(
            EffectOutcome::Refused(failure)
            | EffectOutcome::Failed(failure)
            | EffectOutcome::Unknown(failure),
        ) => serde_json::from_str(&failure.message).ok(),
        StepResult::Command(_) => None,
    };
    Err(scripted.unwrap_or_else(|| WorkflowError::standard("runtime", 500, "no result is scripted")))
}
