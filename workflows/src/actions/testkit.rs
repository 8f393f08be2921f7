//! Helpers of the tests: results of steps, and actions asked twice.

use promptsales_engine::clock::Timestamp;
use promptsales_engine::effect::{EffectFailure, EffectOutcome};
use promptsales_engine::journal::{Accepted, Json, Outcome, Rejected, RejectionKind};
use promptsales_engine::workflow::action::{
    Action, ActionCx, Actions, Next, StepRequest, StepResult, Steps, WorkflowError,
};
use serde_json::{Value, json};

pub(crate) const CAMPAIGN: &str = "cmp_01h455vb4pex5vsknk084sn02q";

type Answer = Result<Next<Value>, WorkflowError>;

/// The context of a step of a run.
pub(crate) fn cx() -> ActionCx {
    ActionCx {
        run: "run_01h455vb4pex5vsknk084sn02q".parse().unwrap(),
        path: "/do/3/writeContent/2/do/0/writePiece".to_owned(),
        now: Timestamp::from_ms(1_767_225_600_000),
        error: None,
    }
}

/// The context while a cancelled run is undone.
pub(crate) fn cancelled() -> ActionCx {
    cx()
}

/// The context while a failed run is undone.
pub(crate) fn failed_with(code: &str, detail: &str) -> ActionCx {
    ActionCx { error: Some(WorkflowError::action(code, 422, detail)), ..cx() }
}

/// Asks an action for its next step, through JSON and twice: it must say the same.
pub(crate) fn next<A: Action>(input: &Value, steps: &[StepResult], cx: &ActionCx) -> Answer {
    let actions = Actions::new().add::<A>().unwrap();
    let action = actions.get(A::NAME).unwrap();
    let first = action.next(input, Steps(steps), cx);
    assert_eq!(first, action.next(input, Steps(steps), cx), "the same again");
    declared::<A>(&first);
    first
}

/// Asks an action for the next step of its undoing, through JSON and twice.
pub(crate) fn undo<A: Action>(
    input: &Value,
    done: &[StepResult],
    steps: &[StepResult],
    cx: &ActionCx,
) -> Answer {
    let actions = Actions::new().add::<A>().unwrap();
    let action = actions.get(A::NAME).unwrap();
    let first = action.undo(input, Steps(done), Steps(steps), cx);
    assert_eq!(first, action.undo(input, Steps(done), Steps(steps), cx), "the same again");
    declared::<A>(&first);
    first
}

/// Checks that a call outside is one that the action declares.
fn declared<A: Action>(answer: &Answer) {
    if let Ok(Next::Step(StepRequest::Effect { connector, operation, .. })) = answer {
        let declared = A::EFFECTS.contains(&(connector.as_str(), operation.as_str()));
        assert!(declared, "`{}` does not declare `{connector}.{operation}`", A::NAME);
    }
}

/// Takes a command apart: the stream, the name, the body.
pub(crate) fn command(answer: Answer) -> (String, String, Value) {
    match answer {
        Ok(Next::Step(StepRequest::Command { to, command, body })) => (to.to_string(), command, body.value()),
        other => panic!("no command: {other:?}"),
    }
}

/// Takes an effect apart: the connector, the operation, the request.
pub(crate) fn effect(answer: Answer) -> (String, String, Value) {
    match answer {
        Ok(Next::Step(StepRequest::Effect { connector, operation, request })) => {
            (connector, operation, request.value())
        }
        other => panic!("no effect: {other:?}"),
    }
}

pub(crate) fn accepted(reply: &Value) -> StepResult {
    StepResult::Command(Outcome::Accepted(Accepted { seq: 1, events: Vec::new(), reply: Json::from(reply) }))
}

pub(crate) fn rejected(code: &'static str) -> StepResult {
    let kind = if code == "not_found" { RejectionKind::NotFound } else { RejectionKind::Conflict };
    let (code, message) = (code.into(), "no".to_owned());
    StepResult::Command(Outcome::Rejected(Rejected { kind, code, message, detail: Json::null() }))
}

pub(crate) fn confirmed(answer: &Value) -> StepResult {
    StepResult::Effect(EffectOutcome::Confirmed(Json::from(answer)))
}

pub(crate) fn refused(code: &'static str, message: &str) -> StepResult {
    let failure = EffectFailure { code: code.into(), message: message.to_owned() };
    StepResult::Effect(EffectOutcome::Refused(failure))
}

pub(crate) fn unknown() -> StepResult {
    let failure = EffectFailure { code: "deadline".into(), message: "no answer".to_owned() };
    StepResult::Effect(EffectOutcome::Unknown(failure))
}

/// A complete brief with text and image.
pub(crate) fn brief() -> Value {
    json!({
        "name": "Verano", "targetAudience": "Jóvenes", "campaignMessage": "Refrescate este verano",
        "channels": ["instagram", "facebook"], "locales": ["es-CR"],
        "budget": { "amountMinor": 1001, "currency": "USD" },
    })
}

/// A complete brief with text only.
pub(crate) fn text_brief() -> Value {
    let mut brief = brief();
    brief["contentKinds"] = json!(["text"]);
    brief
}

/// The pieces that [`text_brief`] asks for.
pub(crate) fn content() -> Value {
    let made = |channel: &str, job: &str| {
        let piece = json!({
            "contentId": "c-1", "kind": "text", "channel": channel, "locale": "es-CR", "text": "Hola",
        });
        json!({ "jobId": job, "piece": piece })
    };
    json!([
        made("instagram", "job_01h455vb4pex5vsknk084sn02q"),
        made("facebook", "job_01h455vb4pex5vsknk084sn02r"),
    ])
}
