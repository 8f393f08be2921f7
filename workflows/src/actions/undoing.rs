//! What the undoings of actions share.

use promptsales_actors::value::Text;
use promptsales_engine::effect::EffectOutcome;
use promptsales_engine::id::StreamId;
use promptsales_engine::journal::{Outcome, RejectionKind};
use promptsales_engine::workflow::action::{
    ACTION_ERROR_STEM, ActionCx, Next, StepResult, Steps, WorkflowError,
};
use serde_json::Value;

/// Undoes by one command. What the command is for may be gone.
pub(super) fn by_command(
    steps: Steps<'_>,
    to: StreamId,
    command: &str,
    body: &Value,
) -> Result<Next<()>, WorkflowError> {
    if steps.is_empty() {
        return Ok(Next::command(to, command, body));
    }
    taken_back(steps, 0)?;
    Ok(Next::Done(()))
}

/// Checks that a step of an undoing did its work. What does not exist needs no taking back.
pub(super) fn taken_back(steps: Steps<'_>, index: usize) -> Result<(), WorkflowError> {
    match &steps.0[index] {
        StepResult::Command(Outcome::Rejected(rejected)) if rejected.kind == RejectionKind::NotFound => {
            Ok(())
        }
        StepResult::Command(_) | StepResult::Effect(_) => steps.get(index).map(|_| ()),
    }
}

/// True if a step may have changed something: it did, nobody knows, or its result is not there.
pub(super) fn may_have_happened(done: Steps<'_>, index: usize) -> bool {
    done.0.get(index).is_none_or(|result| !result.changed_nothing())
}

/// A text field of the answer that an effect gave, where it gave one.
pub(super) fn answered(done: Steps<'_>, index: usize, field: &str) -> Option<String> {
    match done.0.get(index)? {
        StepResult::Effect(EffectOutcome::Confirmed(answer)) => {
            answer.value().get(field)?.as_str().map(str::to_owned)
        }
        StepResult::Effect(_) | StepResult::Command(_) => None,
    }
}

/// The code of the error that made the saga undo; a cancelled run has none.
pub(super) fn code(cx: &ActionCx) -> Text<200> {
    let code = cx.error.as_ref().map(|error| {
        let last = error.kind.rsplit('/').next().unwrap_or_default();
        error.kind.strip_prefix(ACTION_ERROR_STEM).unwrap_or(last)
    });
    text(code.unwrap_or("launch_cancelled"))
}

/// What made the saga undo, in a sentence.
pub(super) fn reason(cx: &ActionCx) -> Text<2000> {
    match &cx.error {
        Some(error) => text(error.detail.as_deref().or(error.title.as_deref()).unwrap_or(&error.kind)),
        None => text("the launch was cancelled"),
    }
}

/// Makes a bounded text of any text.
pub(super) fn text<const MAX: usize>(any: &str) -> Text<MAX> {
    let clean: String = any.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let short: String = clean.trim().chars().take(MAX).collect();
    short.parse().unwrap_or_else(|_| "unknown".parse().expect("a word is a text"))
}
