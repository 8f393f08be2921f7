//! `campaign.activate`: a launch is through.

use promptsales_actors::campaign;
use promptsales_engine::workflow::action::{Action, ActionCx, Next, Steps, WorkflowError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::undoing;

/// Ends a launch: the campaign runs from now or its start date; undone, that is taken back.
pub struct ActivateCampaign;

/// What [`ActivateCampaign`] takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// The campaign.
    pub campaign_id: campaign::Id,
}

/// What [`ActivateCampaign`] gives.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// The campaign.
    pub campaign_id: campaign::Id,
}

impl Action for ActivateCampaign {
    const NAME: &'static str = "campaign.activate";
    const SUMMARY: &'static str = "Ends a launch: the campaign runs, from now or from its start date.";
    const COMPENSATES: bool = true;

    type Input = Input;
    type Output = Output;

    fn next(input: &Input, steps: Steps<'_>, _: &ActionCx) -> Result<Next<Output>, WorkflowError> {
        if steps.is_empty() {
            return Ok(Next::command(input.campaign_id.stream(), "activate", &json!({})));
        }
        steps.get(0)?;
        Ok(Next::Done(Output { campaign_id: input.campaign_id }))
    }

    fn undo(input: &Input, _: Steps<'_>, steps: Steps<'_>, cx: &ActionCx) -> Result<Next<()>, WorkflowError> {
        let body = json!({ "reason": undoing::reason(cx) });
        undoing::by_command(steps, input.campaign_id.stream(), "withdraw", &body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::testkit::{CAMPAIGN, accepted, cancelled, command, cx, next, undo};

    #[test]
    fn the_campaign_is_activated_and_withdrawn() {
        let input = json!({ "campaignId": CAMPAIGN });
        let (_, name, _) = command(next::<ActivateCampaign>(&input, &[], &cx()));
        assert_eq!(name, "activate");
        let done = next::<ActivateCampaign>(&input, &[accepted(&json!(null))], &cx());
        assert_eq!(done, Ok(Next::Done(input.clone())));
        let (_, name, body) = command(undo::<ActivateCampaign>(&input, &[], &[], &cancelled()));
        assert_eq!((name.as_str(), &body["reason"]), ("withdraw", &json!("the launch was cancelled")));
    }
}
