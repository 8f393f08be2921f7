//! `approval.request`: a campaign is put before a person.

use promptsales_actors::campaign;
use promptsales_engine::workflow::action::{Action, ActionCx, Next, Steps, WorkflowError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::undoing;

/// Puts a campaign before a person for approval; undone, the question is taken back.
pub struct RequestApproval;

/// What [`RequestApproval`] takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// The campaign.
    pub campaign_id: campaign::Id,
}

/// What [`RequestApproval`] gives: nothing.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {}

impl Action for RequestApproval {
    const NAME: &'static str = "approval.request";
    const SUMMARY: &'static str = "Puts a campaign before a person for approval.";
    const COMPENSATES: bool = true;

    type Input = Input;
    type Output = Output;

    fn next(input: &Input, steps: Steps<'_>, _: &ActionCx) -> Result<Next<Output>, WorkflowError> {
        if steps.is_empty() {
            return Ok(Next::command(input.campaign_id.stream(), "submit-for-review", &json!({})));
        }
        steps.get(0)?;
        Ok(Next::Done(Output {}))
    }

    fn undo(input: &Input, _: Steps<'_>, steps: Steps<'_>, _: &ActionCx) -> Result<Next<()>, WorkflowError> {
        undoing::by_command(steps, input.campaign_id.stream(), "withdraw-approval", &json!({}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::testkit::{CAMPAIGN, accepted, cancelled, command, cx, next, undo};

    #[test]
    fn the_question_is_put_and_taken_back() {
        let input = json!({ "campaignId": CAMPAIGN });
        let (_, name, _) = command(next::<RequestApproval>(&input, &[], &cx()));
        assert_eq!(name, "submit-for-review");
        let done = next::<RequestApproval>(&input, &[accepted(&json!(null))], &cx());
        assert_eq!(done, Ok(Next::Done(json!({}))));
        let (_, name, _) = command(undo::<RequestApproval>(&input, &[], &[], &cancelled()));
        assert_eq!(name, "withdraw-approval");
    }
}
