//! `campaign.plan`: the budget is divided between the channels.

use promptsales_actors::campaign::{self, Allocation};
use promptsales_actors::value::{Brief, Channel};
use promptsales_engine::workflow::action::{Action, ActionCx, Next, Steps, WorkflowError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::undoing;

/// Divides the budget between the channels, to the last minor unit; undone, the division is dropped.
pub struct PlanBudget;

/// What [`PlanBudget`] takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// The campaign.
    pub campaign_id: campaign::Id,
    /// Its brief.
    pub brief: Brief,
}

/// What [`PlanBudget`] gives.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// Each channel's part.
    pub allocations: Vec<Allocation>,
}

impl Action for PlanBudget {
    const NAME: &'static str = "campaign.plan";
    const SUMMARY: &'static str = "Divides the budget between the channels, to the last minor unit.";
    const COMPENSATES: bool = true;

    type Input = Input;
    type Output = Output;

    fn next(input: &Input, steps: Steps<'_>, _: &ActionCx) -> Result<Next<Output>, WorkflowError> {
        let allocations = divide(&input.brief)?;
        if steps.is_empty() {
            let body = json!({ "allocations": allocations });
            return Ok(Next::command(input.campaign_id.stream(), "plan", &body));
        }
        steps.get(0)?;
        Ok(Next::Done(Output { allocations }))
    }

    fn undo(input: &Input, _: Steps<'_>, steps: Steps<'_>, _: &ActionCx) -> Result<Next<()>, WorkflowError> {
        undoing::by_command(steps, input.campaign_id.stream(), "discard-plan", &json!({}))
    }
}

fn divide(brief: &Brief) -> Result<Vec<Allocation>, WorkflowError> {
    let refused = |detail: String| WorkflowError::action("brief_incomplete", 422, detail);
    let budget = brief.budget.ok_or_else(|| refused("the brief has no budget to divide".to_owned()))?;
    let weights: Vec<u32> = brief.channels.iter().copied().map(Channel::weight).collect();
    let parts = budget.split(&weights).map_err(|e| refused(e.to_string()))?;
    let pairs = brief.channels.iter().copied().zip(parts);
    Ok(pairs.map(|(channel, amount)| Allocation { channel, amount }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::testkit::{CAMPAIGN, accepted, brief, cancelled, command, cx, next, undo};

    #[test]
    fn every_unit_is_given_out() {
        let mut uneven = brief();
        uneven["channels"] = json!(["instagram", "facebook", "google"]);
        uneven["budget"]["amountMinor"] = json!(100);
        let input = json!({ "campaignId": CAMPAIGN, "brief": uneven });
        let (_, name, body) = command(next::<PlanBudget>(&input, &[], &cx()));
        let amounts: Vec<_> =
            (0..3).map(|i| body["allocations"][i]["amount"]["amountMinor"].as_i64().unwrap()).collect();
        assert_eq!((name.as_str(), amounts), ("plan", vec![34, 33, 33]));
        let Ok(Next::Done(output)) = next::<PlanBudget>(&input, &[accepted(&json!(null))], &cx()) else {
            panic!()
        };
        assert_eq!(output["allocations"], body["allocations"]);
        let (_, name, _) = command(undo::<PlanBudget>(&input, &[], &[], &cancelled()));
        assert_eq!(name, "discard-plan");
    }

    #[test]
    fn without_a_budget_there_is_nothing_to_divide() {
        let input = json!({ "campaignId": CAMPAIGN, "brief": { "name": "x", "channels": ["web"] } });
        assert!(next::<PlanBudget>(&input, &[], &cx()).is_err());
    }
}
