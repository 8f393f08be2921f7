//! `budget.reserve`: money is set aside for a campaign.

use promptsales_actors::campaign;
use promptsales_actors::value::Money;
use promptsales_engine::workflow::action::{Action, ActionCx, Next, Steps, WorkflowError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::undoing;

/// Sets money aside for a campaign; undone, it is given back.
pub struct ReserveBudget;

/// What [`ReserveBudget`] takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// The campaign.
    pub campaign_id: campaign::Id,
    /// How much.
    pub amount: Money,
}

/// What [`ReserveBudget`] gives.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// What is set aside.
    pub reserved: Money,
}

impl Action for ReserveBudget {
    const NAME: &'static str = "budget.reserve";
    const SUMMARY: &'static str = "Sets money aside for a campaign, at most its budget.";
    const COMPENSATES: bool = true;

    type Input = Input;
    type Output = Output;

    fn next(input: &Input, steps: Steps<'_>, _: &ActionCx) -> Result<Next<Output>, WorkflowError> {
        if steps.is_empty() {
            let body = json!({ "amount": input.amount });
            return Ok(Next::command(input.campaign_id.stream(), "reserve-budget", &body));
        }
        steps.get(0)?;
        Ok(Next::Done(Output { reserved: input.amount }))
    }

    fn undo(input: &Input, _: Steps<'_>, steps: Steps<'_>, cx: &ActionCx) -> Result<Next<()>, WorkflowError> {
        let body = json!({ "reason": undoing::reason(cx) });
        undoing::by_command(steps, input.campaign_id.stream(), "release-budget", &body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::testkit::{CAMPAIGN, accepted, command, cx, failed_with, next, rejected, undo};

    #[test]
    fn money_is_set_aside_and_given_back() {
        let input = json!({ "campaignId": CAMPAIGN, "amount": { "amountMinor": 7, "currency": "USD" } });
        let (_, name, body) = command(next::<ReserveBudget>(&input, &[], &cx()));
        assert_eq!((name.as_str(), &body["amount"]), ("reserve-budget", &input["amount"]));
        let done = next::<ReserveBudget>(&input, &[accepted(&json!(null))], &cx());
        assert_eq!(done, Ok(Next::Done(json!({ "reserved": input["amount"] }))));
        let error = next::<ReserveBudget>(&input, &[rejected("budget_exceeded")], &cx()).unwrap_err();
        assert_eq!(error.status, 409);
        let why = failed_with("ad_refused", "instagram said no");
        let (_, name, body) = command(undo::<ReserveBudget>(&input, &[], &[], &why));
        assert_eq!((name.as_str(), &body["reason"]), ("release-budget", &json!("instagram said no")));
    }
}
