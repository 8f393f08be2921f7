//! `approval.record`: a campaign is approved or refused.

use promptsales_actors::campaign;
use promptsales_actors::value::Text;
use promptsales_engine::workflow::action::{Action, ActionCx, Next, Steps, WorkflowError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::undoing;

/// Notes an approval, or a refusal, which ends the launch; undone, an approval is taken back.
pub struct RecordApproval;

/// What [`RecordApproval`] takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// The campaign.
    pub campaign_id: campaign::Id,
    /// True for an approval, false for a refusal.
    pub approved: bool,
    /// Who says so, or which rule.
    pub by: Text<200>,
    /// Why.
    #[serde(default)]
    pub reason: Option<Text<2000>>,
}

/// What [`RecordApproval`] gives.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// Who approved, or which rule.
    pub by: Text<200>,
}

impl Action for RecordApproval {
    const NAME: &'static str = "approval.record";
    const SUMMARY: &'static str = "Notes who approved a campaign; a refusal ends its launch.";
    const COMPENSATES: bool = true;

    type Input = Input;
    type Output = Output;

    fn next(input: &Input, steps: Steps<'_>, _: &ActionCx) -> Result<Next<Output>, WorkflowError> {
        let Input { campaign_id, approved, by, reason } = input;
        let reason = reason.as_ref().map_or("no reason was given", Text::as_str);
        if !steps.is_empty() {
            steps.get(0)?;
            if *approved {
                return Ok(Next::Done(Output { by: by.clone() }));
            }
            let detail = format!("{by} refused the campaign: {reason}");
            return Err(WorkflowError::action("approval_rejected", 409, detail));
        }
        let campaign = campaign_id.stream();
        Ok(match approved {
            true => Next::command(campaign, "approve", &json!({ "by": by })),
            false => Next::command(campaign, "reject", &json!({ "by": by, "reason": reason })),
        })
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
    fn an_approval_goes_on() {
        let input = json!({ "campaignId": CAMPAIGN, "approved": true, "by": "ana" });
        let (_, name, body) = command(next::<RecordApproval>(&input, &[], &cx()));
        assert_eq!((name.as_str(), body), ("approve", json!({ "by": "ana" })));
        let done = next::<RecordApproval>(&input, &[accepted(&json!(null))], &cx());
        assert_eq!(done, Ok(Next::Done(json!({ "by": "ana" }))));
        let (_, name, _) = command(undo::<RecordApproval>(&input, &[], &[], &cancelled()));
        assert_eq!(name, "withdraw-approval");
    }

    #[test]
    fn a_refusal_is_noted_and_raised() {
        let input = json!({ "campaignId": CAMPAIGN, "approved": false, "by": "ana", "reason": "caro" });
        let (_, name, body) = command(next::<RecordApproval>(&input, &[], &cx()));
        assert_eq!((name.as_str(), &body["reason"]), ("reject", &json!("caro")));
        let error = next::<RecordApproval>(&input, &[accepted(&json!(null))], &cx()).unwrap_err();
        assert_eq!((error.kind.as_str(), error.status), ("urn:promptsales:error:approval_rejected", 409));
    }
}
