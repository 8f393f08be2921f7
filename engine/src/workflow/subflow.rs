//! The action behind `run: { workflow: ... }`: starts another run, and waits for its end.

use std::sync::{Arc, OnceLock};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::action::{Action, ActionCx, ActionInfo, Next, StepRequest, Steps, WorkflowError};
use super::run::Run;

/// Runs a workflow.
struct RunWorkflow;

/// The one entry of the action, which no definition can call by its name.
pub(super) fn run_workflow() -> &'static Arc<ActionInfo> {
    static INFO: OnceLock<Arc<ActionInfo>> = OnceLock::new();
    INFO.get_or_init(|| Arc::new(ActionInfo::of::<RunWorkflow>()))
}

/// What is run.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    namespace: String,
    name: String,
    version: Option<String>,
    input: Value,
    #[serde(rename = "await")]
    awaited: bool,
    #[serde(default)]
    silent: bool,
}

impl Action for RunWorkflow {
    const NAME: &'static str = super::machine::RUN;
    const SUMMARY: &'static str = "Runs another workflow.";
    const COMPENSATES: bool = false;
    type Input = Input;
    type Output = Value;

    fn next(input: &Input, steps: Steps<'_>, cx: &ActionCx) -> Result<Next<Value>, WorkflowError> {
        let child = cx.id::<Run>("child").stream();
        match steps.len() {
            0 => {
                let parent = input.awaited.then_some(cx.run);
                let body = json!({
                    "workflow": input.name, "version": input.version, "namespace": input.namespace,
                    "input": input.input, "cause": cx.run.to_string(), "parent": parent,
                });
                Ok(Next::command(child, "start", &body))
            }
            1 => {
                steps.get(0).map_err(not_started)?;
                match input.awaited {
                    true => Ok(Next::Step(StepRequest::Await { run: child })),
                    false if input.silent => Ok(Next::Done(Value::Null)),
                    false => Ok(Next::Done(json!({ "runId": child }))),
                }
            }
            _ => {
                let output = ended(&steps.get(1)?)?;
                Ok(Next::Done(if input.silent { Value::Null } else { output }))
            }
        }
    }
}

/// What a run gives its parent.
fn ended(ending: &Value) -> Result<Value, WorkflowError> {
    match ending["status"].as_str() {
        Some("completed") => Ok(ending["output"].clone()),
        Some("cancelled") => {
            let reason = ending["reason"].as_str().map_or_else(String::new, |reason| format!(": {reason}"));
            Err(WorkflowError::standard("runtime", 500, format!("the workflow was cancelled{reason}")))
        }
        _ => {
            let error = serde_json::from_value(ending["error"].clone());
            // The instance is where it happened in the other workflow; here it is this task.
            let unread = |e: serde_json::Error| WorkflowError::standard("runtime", 500, e.to_string());
            Err(error.map_or_else(unread, |error: WorkflowError| WorkflowError { instance: None, ..error }))
        }
    }
}

/// A workflow that is not there, or does not take its input, is an error of the standard's kinds.
fn not_started(error: WorkflowError) -> WorkflowError {
    let (name, status) = match error.status {
        404 => ("configuration", 400),
        422 => ("validation", 400),
        _ => ("runtime", 500),
    };
    WorkflowError::standard(name, status, error.detail.unwrap_or_default())
}
