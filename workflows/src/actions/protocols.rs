//! `http`, `openapi`, `mcp` and `a2a`: the functions of the Open Workflow Specification that go to services outside.
//!
//! Each is one effect of the connector `http`, under a key that the service may recognise a repeat by. What does not
//! succeed is an error of the standard's kinds: `communication` with the status of the answer, or 503 where there was
//! none and 504 where it is not known whether it was done; `authorization` (403) for a secret that is not there;
//! `runtime` (500) for what a protocol over HTTP answers as its own error.

use std::marker::PhantomData;

use hyper::Method;
use promptsales_engine::effect::{EffectFailure, EffectOutcome};
use promptsales_engine::workflow::action::{Action, ActionCx, Next, StepResult, Steps, WorkflowError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// The connector that carries all of them out.
const CONNECTOR: &str = "http";

/// A function that goes to a service outside.
pub struct Call<P>(PhantomData<P>);

/// What such a function takes: what stands under `with`, checked when the definition is registered.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Arguments(pub serde_json::Map<String, Value>);

/// A protocol.
pub trait Protocol: Send + Sync + 'static {
    /// The name of the function.
    const NAME: &'static str;
    /// What it does.
    const SUMMARY: &'static str;

    /// The connector's operations.
    const OPERATIONS: &'static [(&'static str, &'static str)];

    /// The connector's operation for a request.
    fn operation(request: &Value) -> &'static str;
}

/// `call: http`.
pub struct Http;

impl Protocol for Http {
    const NAME: &'static str = "http";
    const SUMMARY: &'static str = "Sends a request over HTTP.";
    const OPERATIONS: &'static [(&'static str, &'static str)] = &[(CONNECTOR, "read"), (CONNECTOR, "send")];

    fn operation(request: &Value) -> &'static str {
        let method = request["method"].as_str().unwrap_or_default().to_ascii_uppercase();
        let is_repeatable = Method::from_bytes(method.as_bytes()).is_ok_and(|method| method.is_idempotent());
        if is_repeatable { "read" } else { "send" }
    }
}

/// `call: openapi`.
pub struct OpenApi;

impl Protocol for OpenApi {
    const NAME: &'static str = "openapi";
    const SUMMARY: &'static str = "Calls an operation that an OpenAPI document describes.";
    const OPERATIONS: &'static [(&'static str, &'static str)] = &[(CONNECTOR, "openapi")];

    fn operation(_: &Value) -> &'static str {
        "openapi"
    }
}

/// `call: mcp`.
pub struct Mcp;

impl Protocol for Mcp {
    const NAME: &'static str = "mcp";
    const SUMMARY: &'static str = "Calls a server of the Model Context Protocol.";
    const OPERATIONS: &'static [(&'static str, &'static str)] = &[(CONNECTOR, "mcp")];

    fn operation(_: &Value) -> &'static str {
        "mcp"
    }
}

/// `call: a2a`.
pub struct A2a;

impl Protocol for A2a {
    const NAME: &'static str = "a2a";
    const SUMMARY: &'static str = "Calls an agent over the Agent2Agent protocol.";
    const OPERATIONS: &'static [(&'static str, &'static str)] = &[(CONNECTOR, "a2a")];

    fn operation(_: &Value) -> &'static str {
        "a2a"
    }
}

impl<P: Protocol> Action for Call<P> {
    const NAME: &'static str = P::NAME;
    const SUMMARY: &'static str = P::SUMMARY;
    const COMPENSATES: bool = false;
    const EFFECTS: &'static [(&'static str, &'static str)] = P::OPERATIONS;

    type Input = Arguments;
    type Output = Value;

    fn next(input: &Arguments, steps: Steps<'_>, _: &ActionCx) -> Result<Next<Value>, WorkflowError> {
        match steps.0.first() {
            None => {
                let request = Value::Object(input.0.clone());
                Ok(Next::effect(CONNECTOR, P::operation(&request), &request))
            }
            Some(StepResult::Effect(EffectOutcome::Confirmed(answer))) => Ok(Next::Done(answer.value())),
            Some(StepResult::Effect(EffectOutcome::Refused(failure))) => Err(error(failure, 400)),
            Some(StepResult::Effect(EffectOutcome::Failed(failure))) => Err(error(failure, 503)),
            Some(StepResult::Effect(EffectOutcome::Unknown(failure))) => Err(error(failure, 504)),
            Some(StepResult::Command(_)) => {
                Err(WorkflowError::standard("runtime", 500, "an effect was answered like a command"))
            }
        }
    }
}

/// The error that a task raises for a call that did not succeed.
fn error(failure: &EffectFailure, otherwise: u16) -> WorkflowError {
    let code = failure.code.as_ref();
    let status = code.strip_prefix("http_").and_then(|status| status.parse().ok());
    let (name, status) = match code {
        "unknown_secret" => ("authorization", 403),
        "authentication_failed" => ("authentication", 401),
        "bad_request"
        | "bad_document"
        | "unknown_operation"
        | "missing_parameter"
        | "transport_not_supported"
        | "no_such_operation"
        | "address_not_allowed" => ("configuration", 400),
        _ if code.starts_with("rpc_") => ("runtime", 500),
        _ => ("communication", status.unwrap_or(otherwise)),
    };
    WorkflowError::standard(name, status, failure.message.clone())
}

#[cfg(test)]
mod tests {
    use promptsales_engine::journal::Json;
    use serde_json::json;

    use super::*;

    fn failure(code: &str) -> EffectFailure {
        EffectFailure { code: code.to_owned().into(), message: "m".to_owned() }
    }

    #[test]
    fn what_may_be_repeated_is_told_from_what_may_not() {
        for (method, operation) in [("get", "read"), ("PUT", "read"), ("POST", "send"), ("patch", "send")] {
            assert_eq!(Http::operation(&json!({ "method": method })), operation);
        }
    }

    #[test]
    fn failures_are_errors_of_the_standard() {
        let cases = [
            (EffectOutcome::Refused(failure("http_404")), "communication", 404),
            (EffectOutcome::Failed(failure("http_503")), "communication", 503),
            (EffectOutcome::Failed(failure("unreachable")), "communication", 503),
            (EffectOutcome::Unknown(failure("deadline")), "communication", 504),
            (EffectOutcome::Refused(failure("unknown_secret")), "authorization", 403),
            (EffectOutcome::Refused(failure("rpc_-32601")), "runtime", 500),
            (EffectOutcome::Refused(failure("bad_request")), "configuration", 400),
        ];
        for (outcome, name, status) in cases {
            let found = next(&[StepResult::Effect(outcome.clone())]).unwrap_err();
            assert!(found.kind.ends_with(name) && found.status == status, "{outcome:?}: {found:?}");
        }
        let done = next(&[StepResult::Effect(EffectOutcome::Confirmed(Json::from(&json!({ "a": 1 }))))]);
        assert_eq!(done.unwrap(), Next::Done(json!({ "a": 1 })));
    }

    fn next(steps: &[StepResult]) -> Result<Next<Value>, WorkflowError> {
        let run = "run_01h00000000000000000000000".parse().unwrap();
        let now = promptsales_engine::clock::Timestamp::from_ms(0);
        let cx = ActionCx { run, path: "/do/0/a".to_owned(), now, error: None };
        Call::<Http>::next(&Arguments(serde_json::Map::new()), Steps(steps), &cx)
    }
}
