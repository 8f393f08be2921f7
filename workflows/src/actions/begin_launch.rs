//! `campaign.begin`: a run begins to launch a campaign.

use promptsales_actors::campaign;
use promptsales_actors::value::Brief;
use promptsales_engine::workflow::action::{Action, ActionCx, Next, Steps, WorkflowError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::undoing;

/// Begins the launch of a campaign; undone, the campaign is a draft that says why.
pub struct BeginLaunch;

/// What [`BeginLaunch`] takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// The campaign.
    pub campaign_id: campaign::Id,
    /// Its brief; needed where there is no campaign yet, and otherwise the one it has.
    #[serde(default)]
    pub brief: Option<Brief>,
}

/// What [`BeginLaunch`] gives.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// The campaign.
    pub campaign_id: campaign::Id,
    /// Its brief.
    pub brief: Brief,
}

impl Action for BeginLaunch {
    const NAME: &'static str = "campaign.begin";
    const SUMMARY: &'static str = "Begins the launch of a campaign, and drafts it where there is none.";
    const COMPENSATES: bool = true;

    type Input = Input;
    type Output = Output;

    fn next(input: &Input, steps: Steps<'_>, cx: &ActionCx) -> Result<Next<Output>, WorkflowError> {
        if steps.is_empty() {
            let mut body = json!({ "runId": cx.run });
            if let Some(brief) = &input.brief {
                body["brief"] = json!(brief);
            }
            return Ok(Next::command(input.campaign_id.stream(), "begin-launch", &body));
        }
        let reply = steps.get(0)?;
        let brief = serde_json::from_value(reply["brief"].clone());
        let brief = brief.map_err(|e| WorkflowError::standard("runtime", 500, format!("the brief: {e}")))?;
        Ok(Next::Done(Output { campaign_id: input.campaign_id, brief }))
    }

    fn undo(input: &Input, _: Steps<'_>, steps: Steps<'_>, cx: &ActionCx) -> Result<Next<()>, WorkflowError> {
        let body = json!({ "runId": cx.run, "code": undoing::code(cx), "message": undoing::reason(cx) });
        undoing::by_command(steps, input.campaign_id.stream(), "fail-launch", &body)
    }
}

#[cfg(test)]
mod tests {
    use promptsales_engine::id::IdKind;

    use super::*;
    use crate::actions::testkit::{
        CAMPAIGN, accepted, brief, cancelled, command, cx, failed_with, next, rejected, undo,
    };

    #[test]
    fn one_command_begins_it_and_answers_the_brief() {
        let input = json!({ "campaignId": CAMPAIGN, "brief": brief() });
        let asked = command(next::<BeginLaunch>(&input, &[], &cx()));
        assert_eq!((asked.0.as_str(), asked.1.as_str()), (CAMPAIGN, "begin-launch"));
        assert_eq!(asked.2["brief"]["name"], "Verano");
        let done = next::<BeginLaunch>(&input, &[accepted(&json!({ "brief": brief() }))], &cx());
        let Ok(Next::Done(output)) = done else { panic!("{done:?}") };
        assert_eq!(output["campaignId"], CAMPAIGN);
        let unknown = json!({ "campaignId": CAMPAIGN });
        let error = next::<BeginLaunch>(&unknown, &[rejected("not_found")], &cx()).unwrap_err();
        assert_eq!((error.kind.as_str(), error.status), ("urn:promptsales:error:not_found", 404));
    }

    #[test]
    fn undone_the_campaign_says_why() {
        let input = json!({ "campaignId": CAMPAIGN });
        let why = failed_with("ad_refused", "instagram said no");
        let (_, name, body) = command(undo::<BeginLaunch>(&input, &[], &[], &why));
        let expected = json!({ "runId": why.run, "code": "ad_refused", "message": "instagram said no" });
        assert_eq!((name.as_str(), body), ("fail-launch", expected));
        let (_, _, body) = command(undo::<BeginLaunch>(&input, &[], &[], &cancelled()));
        assert_eq!(body["code"], "launch_cancelled");
        for result in [accepted(&json!(null)), rejected("not_found")] {
            assert_eq!(undo::<BeginLaunch>(&input, &[], &[result], &why), Ok(Next::Done(json!(null))));
        }
        assert!(undo::<BeginLaunch>(&input, &[], &[rejected("conflict")], &why).is_err());
        assert_eq!(campaign::Kind::PREFIX.as_str(), "cmp");
    }
}
