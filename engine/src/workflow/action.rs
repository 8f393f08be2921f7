//! Actions: what a workflow's task calls. A Rust type with a wire name, typed input and output, and its undoing.
//!
//! An action is pure. It says, step by step, what is to be sent to which stream or done outside; the engine
//! commits each step with the run, carries it out, and asks again with the results so far.

mod page;

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Timestamp;
use crate::effect::{EffectOutcome, Policy};
use crate::id::{Id, IdKind, StreamId};
use crate::journal::{Json, Outcome, RejectionKind};

pub use super::error::{ACTION_ERROR_STEM, ERROR_STEM, WorkflowError};

/// What an action may know: all of it follows from the run, so that a repeat gives the same.
#[derive(Debug, Clone)]
pub struct ActionCx {
    /// The run.
    pub run: StreamId,
    /// The task's instance path: unique within the run for every iteration.
    pub path: String,
    /// The engine's time at this step.
    pub now: Timestamp,
    /// While undoing: the error that made the saga undo, if it was an error.
    pub error: Option<WorkflowError>,
}

impl ActionCx {
    /// The id that this task always gives to what it creates, in the slot of the run.
    pub fn id<K: IdKind>(&self, label: &str) -> Id<K> {
        let bits = crate::id::digest("created", &[&self.run.to_string(), &self.path, label]);
        Id::from_uuid(crate::id::uuid_v8(bits, Some(self.run.slot())))
    }
}

/// One thing to be done for an action, outside its pure code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepRequest {
    /// A command for a stream.
    Command {
        /// The stream.
        to: StreamId,
        /// The command's name.
        command: String,
        /// The command's fields.
        body: Json,
    },
    /// The end of a run that an earlier step started.
    Await {
        /// The run.
        run: StreamId,
    },
    /// An effect outside.
    Effect {
        /// The connector's name.
        connector: String,
        /// Its operation.
        operation: String,
        /// What to do.
        request: Json,
    },
}

/// How one step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepResult {
    /// The stream's answer.
    Command(Outcome),
    /// The effect's end.
    Effect(EffectOutcome),
}

impl StepResult {
    /// True if the step provably changed nothing.
    pub fn changed_nothing(&self) -> bool {
        match self {
            Self::Command(Outcome::Accepted(_)) => false,
            Self::Command(Outcome::Rejected(_)) => true,
            Self::Effect(EffectOutcome::Confirmed(_) | EffectOutcome::Unknown(_)) => false,
            Self::Effect(EffectOutcome::Refused(_) | EffectOutcome::Failed(_)) => true,
        }
    }
}

/// The results of an action's steps so far, in their order.
#[derive(Debug, Clone, Copy)]
pub struct Steps<'a>(pub &'a [StepResult]);

impl Steps<'_> {
    /// The number of steps that have ended.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True before the first step.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The result of a step as JSON.
    ///
    /// # Errors
    ///
    /// A rejection, refusal or failure becomes the error that the task raises: 404, 409, 422 for rejections, 422
    /// for refusals, 503 for failures, 504 for unknown outcomes.
    pub fn get(&self, index: usize) -> Result<Value, WorkflowError> {
        match &self.0[index] {
            StepResult::Command(Outcome::Accepted(accepted)) => Ok(accepted.reply.value()),
            StepResult::Command(Outcome::Rejected(rejected)) => {
                let status = match rejected.kind {
                    RejectionKind::NotFound => 404,
                    RejectionKind::Conflict => 409,
                    RejectionKind::Invalid => 422,
                    RejectionKind::DeadLettered => 500,
                };
                Err(WorkflowError::action(&rejected.code, status, &rejected.message))
            }
            StepResult::Effect(EffectOutcome::Confirmed(answer)) => Ok(answer.value()),
            StepResult::Effect(EffectOutcome::Refused(f)) => {
                Err(WorkflowError::action(&f.code, 422, &f.message))
            }
            StepResult::Effect(EffectOutcome::Failed(f)) => {
                Err(WorkflowError::action(&f.code, 503, &f.message))
            }
            StepResult::Effect(EffectOutcome::Unknown(f)) => {
                Err(WorkflowError::action(&f.code, 504, &f.message))
            }
        }
    }
}

/// What comes next for an action.
#[derive(Debug, Clone, PartialEq)]
pub enum Next<O> {
    /// It is done, with this output.
    Done(O),
    /// One more step.
    Step(StepRequest),
}

impl<O> Next<O> {
    /// A command for a stream.
    pub fn command(to: StreamId, command: &str, body: &Value) -> Self {
        Self::Step(StepRequest::Command { to, command: command.to_owned(), body: Json::from(body) })
    }

    /// An effect outside.
    pub fn effect(connector: &str, operation: &str, request: &Value) -> Self {
        let request = Json::from(request);
        Self::Step(StepRequest::Effect {
            connector: connector.to_owned(),
            operation: operation.to_owned(),
            request,
        })
    }
}

/// What a workflow's task calls.
///
/// `next` and `undo` are pure functions of their arguments: called again, they say the same again.
pub trait Action: Send + Sync + 'static {
    /// The wire name: `ads.activate`.
    const NAME: &'static str;
    /// One sentence that says what it does.
    const SUMMARY: &'static str;
    /// True if it changes something that `undo` takes back.
    const COMPENSATES: bool;
    /// The version by which the default catalog has it: `NAME:VERSION@default`. To be raised where it takes or gives
    /// something else.
    const VERSION: &'static str = "1.0.0";

    /// The calls outside that it may make: connectors with their operations.
    const EFFECTS: &'static [(&'static str, &'static str)] = &[];

    /// What it takes. Unknown fields are to be refused.
    type Input: DeserializeOwned + JsonSchema;
    /// What it gives.
    type Output: Serialize + DeserializeOwned + JsonSchema;

    /// Says what comes next, given the steps that have ended.
    ///
    /// # Errors
    ///
    /// The error that the task raises.
    fn next(
        input: &Self::Input,
        steps: Steps<'_>,
        cx: &ActionCx,
    ) -> Result<Next<Self::Output>, WorkflowError>;

    /// Says what comes next in taking it back. `done` are the steps that it had made, perhaps not all; `steps`
    /// those of the undoing. What is not there any more counts as taken back.
    ///
    /// # Errors
    ///
    /// Why it could not be taken back; it is tried again, and then the run needs attention.
    fn undo(
        input: &Self::Input,
        done: Steps<'_>,
        steps: Steps<'_>,
        cx: &ActionCx,
    ) -> Result<Next<()>, WorkflowError> {
        let _ = (input, done, steps, cx);
        Ok(Next::Done(()))
    }
}

pub(in crate::workflow) type NextFn = fn(&Value, Steps<'_>, &ActionCx) -> Result<Next<Value>, WorkflowError>;
pub(in crate::workflow) type UndoFn =
    fn(&Value, Steps<'_>, Steps<'_>, &ActionCx) -> Result<Next<Value>, WorkflowError>;

/// How an action's call outside is made.
#[derive(Debug, Clone)]
pub struct CallTerms {
    /// The connector.
    pub connector: &'static str,
    /// Its operation.
    pub operation: &'static str,
    /// Deadline, repeats, and what an unknown outcome means.
    pub policy: Policy,
}

/// An action in the catalog.
#[derive(Debug, Clone)]
pub struct ActionInfo {
    /// The wire name.
    pub name: &'static str,
    /// The version by which the default catalog has it.
    pub version: &'static str,
    /// What it does.
    pub summary: &'static str,
    /// True if it can be taken back.
    pub compensates: bool,
    /// The JSON Schema of its input.
    pub input: Value,
    /// The JSON Schema of its output.
    pub output: Value,
    /// The calls outside that it may make: connectors with their operations.
    pub effects: &'static [(&'static str, &'static str)],
    next: NextFn,
    undo: UndoFn,
}

impl ActionInfo {
    /// What there is to know of an action.
    pub(in crate::workflow) fn of<A: Action>() -> Self {
        Self {
            name: A::NAME,
            version: A::VERSION,
            summary: A::SUMMARY,
            compensates: A::COMPENSATES,
            input: crate::entity::schema::<A::Input>(),
            output: crate::entity::schema::<A::Output>(),
            effects: A::EFFECTS,
            next: next_json::<A>,
            undo: undo_json::<A>,
        }
    }

    /// [`Action::next`] over JSON.
    ///
    /// # Errors
    ///
    /// The error that the task raises; 400 where the input does not fit.
    pub fn next(&self, input: &Value, steps: Steps<'_>, cx: &ActionCx) -> Result<Next<Value>, WorkflowError> {
        (self.next)(input, steps, cx)
    }

    /// [`Action::undo`] over JSON.
    ///
    /// # Errors
    ///
    /// Why it could not be taken back.
    pub fn undo(
        &self,
        input: &Value,
        done: Steps<'_>,
        steps: Steps<'_>,
        cx: &ActionCx,
    ) -> Result<Next<Value>, WorkflowError> {
        (self.undo)(input, done, steps, cx)
    }
}

/// An action that cannot be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the action `{name}` is registered twice")]
pub struct DuplicateAction {
    /// The wire name.
    pub name: &'static str,
}

/// The actions that workflows can call: an explicit list.
#[derive(Debug, Clone, Default)]
pub struct Actions {
    by_name: BTreeMap<&'static str, Arc<ActionInfo>>,
}

impl Actions {
    /// A list without actions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an action.
    ///
    /// # Errors
    ///
    /// [`DuplicateAction`].
    #[allow(clippy::should_implement_trait, reason = "`add` is the registration verb of the house")]
    pub fn add<A: Action>(mut self) -> Result<Self, DuplicateAction> {
        let info = ActionInfo::of::<A>();
        match self.by_name.insert(A::NAME, Arc::new(info)) {
            Some(_) => Err(DuplicateAction { name: A::NAME }),
            None => Ok(self),
        }
    }

    /// Finds an action by its wire name.
    pub fn get(&self, name: &str) -> Option<&Arc<ActionInfo>> {
        self.by_name.get(name)
    }

    /// The same actions by name and schema, all of which do this instead of what they do.
    pub(in crate::workflow) fn stand_ins(&self, next: NextFn, undo: UndoFn) -> Self {
        let stand_in = |info: &ActionInfo| Arc::new(ActionInfo { next, undo, ..info.clone() });
        Self { by_name: self.by_name.iter().map(|(name, info)| (*name, stand_in(info))).collect() }
    }

    /// The actions in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<ActionInfo>> {
        self.by_name.values()
    }
}

fn input_of<A: Action>(input: &Value) -> Result<A::Input, WorkflowError> {
    serde_path_to_error::deserialize(input).map_err(|e| {
        let detail = format!("arguments of `{}`: `{}`: {}", A::NAME, e.path(), e.inner());
        WorkflowError::standard("validation", 400, detail)
    })
}

fn next_json<A: Action>(
    input: &Value,
    steps: Steps<'_>,
    cx: &ActionCx,
) -> Result<Next<Value>, WorkflowError> {
    let input = input_of::<A>(input)?;
    match A::next(&input, steps, cx)? {
        Next::Step(step) => Ok(Next::Step(step)),
        Next::Done(output) => {
            let written = serde_json::to_value(output);
            let fail = |e: serde_json::Error| WorkflowError::standard("runtime", 500, e.to_string());
            written.map(Next::Done).map_err(fail)
        }
    }
}

fn undo_json<A: Action>(
    input: &Value,
    done: Steps<'_>,
    steps: Steps<'_>,
    cx: &ActionCx,
) -> Result<Next<Value>, WorkflowError> {
    let input = input_of::<A>(input)?;
    Ok(match A::undo(&input, done, steps, cx)? {
        Next::Step(step) => Next::Step(step),
        Next::Done(()) => Next::Done(Value::Null),
    })
}
