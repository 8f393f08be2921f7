//! `ads.activate`: a campaign is switched on on one channel.

use promptsales_actors::campaign::{self, Allocation};
use promptsales_actors::value::{Channel, Utm, WebUrl};
use promptsales_engine::clock::Timestamp;
use promptsales_engine::workflow::action::{Action, ActionCx, Next, Steps, WorkflowError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{CreatedContent, undoing};

/// The connector of the advertising platforms.
const CONNECTOR: &str = "ads";

/// Switches a campaign on on a channel; undone, it is switched off, whether or not it is known to be on.
pub struct ActivateAds;

/// What [`ActivateAds`] takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// The campaign.
    pub campaign_id: campaign::Id,
    /// The channel, with its part of the budget.
    pub allocation: Allocation,
    /// The pieces for this channel.
    pub content: Vec<CreatedContent>,
    /// When it starts.
    #[serde(default)]
    pub start_date: Option<Timestamp>,
    /// When it ends.
    #[serde(default)]
    pub end_date: Option<Timestamp>,
    /// The page that people are led to.
    #[serde(default)]
    pub landing_url: Option<WebUrl>,
}

/// What [`ActivateAds`] gives.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// The channel.
    pub channel: Channel,
    /// The platform's id of the ad.
    pub external_id: String,
}

impl Action for ActivateAds {
    const NAME: &'static str = "ads.activate";
    const SUMMARY: &'static str = "Switches a campaign on on one channel.";
    const COMPENSATES: bool = true;
    const EFFECTS: &'static [(&'static str, &'static str)] =
        &[(CONNECTOR, "activate"), (CONNECTOR, "deactivate")];

    type Input = Input;
    type Output = Output;

    fn next(input: &Input, steps: Steps<'_>, _: &ActionCx) -> Result<Next<Output>, WorkflowError> {
        let channel = input.allocation.channel;
        if steps.is_empty() {
            return Ok(Next::effect(CONNECTOR, "activate", &request(input)));
        }
        let external_id = external_id(&steps.get(0)?)?;
        if steps.len() == 1 {
            let body = json!({ "channel": channel, "externalId": external_id });
            return Ok(Next::command(input.campaign_id.stream(), "record-activation", &body));
        }
        steps.get(1)?;
        Ok(Next::Done(Output { channel, external_id }))
    }

    fn undo(
        input: &Input,
        done: Steps<'_>,
        steps: Steps<'_>,
        _: &ActionCx,
    ) -> Result<Next<()>, WorkflowError> {
        let channel = input.allocation.channel;
        if !undoing::may_have_happened(done, 0) {
            return Ok(Next::Done(()));
        }
        if steps.is_empty() {
            let mut request = json!({ "campaignId": input.campaign_id, "channel": channel });
            if let Some(id) = undoing::answered(done, 0, "externalId") {
                request["externalId"] = json!(id);
            }
            return Ok(Next::effect(CONNECTOR, "deactivate", &request));
        }
        undoing::taken_back(steps, 0)?;
        if steps.len() == 1 {
            let body = json!({ "channel": channel });
            return Ok(Next::command(input.campaign_id.stream(), "record-deactivation", &body));
        }
        undoing::taken_back(steps, 1)?;
        Ok(Next::Done(()))
    }
}

fn request(input: &Input) -> Value {
    let channel = input.allocation.channel;
    let creative = |made: &CreatedContent| {
        let piece = &made.piece;
        json!({
            "jobId": made.job_id,
            "locale": piece.locale,
            "kind": piece.kind,
            "headline": piece.headline,
            "text": piece.text,
            "media": piece.media,
        })
    };
    let utm = Utm::for_channel(&input.campaign_id.to_string(), channel);
    json!({
        "campaignId": input.campaign_id,
        "channel": channel,
        "budget": input.allocation.amount,
        "creatives": input.content.iter().map(creative).collect::<Vec<_>>(),
        "startDate": input.start_date,
        "endDate": input.end_date,
        "link": input.landing_url.as_ref().map(|page| utm.link(page)),
    })
}

fn external_id(answer: &Value) -> Result<String, WorkflowError> {
    let id = answer["externalId"].as_str().filter(|id| !id.is_empty()).map(str::to_owned);
    id.ok_or_else(|| WorkflowError::action("ad_without_id", 502, "the platform's answer has no `externalId`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::testkit::{
        CAMPAIGN, accepted, cancelled, command, confirmed, content, cx, effect, next, refused, rejected,
        undo, unknown,
    };

    fn input() -> Value {
        let amount = json!({ "amountMinor": 500, "currency": "USD" });
        json!({
            "campaignId": CAMPAIGN, "allocation": { "channel": "instagram", "amount": amount },
            "content": [content()[0]], "startDate": null, "endDate": null,
            "landingUrl": "https://tienda.example/verano",
        })
    }

    #[test]
    fn the_platform_is_asked_and_the_campaign_told() {
        let input = input();
        let (_, operation, request) = effect(next::<ActivateAds>(&input, &[], &cx()));
        assert_eq!((operation.as_str(), &request["budget"]["amountMinor"]), ("activate", &json!(500)));
        assert!(request["link"].as_str().unwrap().contains("utm_source=instagram"));
        let steps = [confirmed(&json!({ "externalId": "ad-1" })), accepted(&json!(null))];
        let (_, name, body) = command(next::<ActivateAds>(&input, &steps[..1], &cx()));
        let expected = json!({ "channel": "instagram", "externalId": "ad-1" });
        assert_eq!((name.as_str(), &body), ("record-activation", &expected));
        assert_eq!(next::<ActivateAds>(&input, &steps, &cx()), Ok(Next::Done(expected)));
        let error = next::<ActivateAds>(&input, &[unknown()], &cx()).unwrap_err();
        assert_eq!(error.status, 504);
    }

    #[test]
    fn whatever_may_be_on_is_switched_off() {
        let input = input();
        let on = [confirmed(&json!({ "externalId": "ad-1" })), accepted(&json!(null))];
        for (done, id) in
            [(&on[..], json!("ad-1")), (&on[..1], json!("ad-1")), (&[unknown()][..], Value::Null)]
        {
            let (_, operation, request) = effect(undo::<ActivateAds>(&input, done, &[], &cancelled()));
            assert_eq!((operation.as_str(), &request["externalId"]), ("deactivate", &id));
            let off = [confirmed(&json!({ "status": "inactive" })), rejected("not_found")];
            let (_, name, _) = command(undo::<ActivateAds>(&input, done, &off[..1], &cancelled()));
            assert_eq!(name, "record-deactivation");
            assert_eq!(undo::<ActivateAds>(&input, done, &off, &cancelled()), Ok(Next::Done(Value::Null)));
            assert!(undo::<ActivateAds>(&input, done, &[unknown()], &cancelled()).is_err());
        }
        let off = undo::<ActivateAds>(&input, &[refused("x", "y")], &[], &cancelled());
        assert_eq!(off, Ok(Next::Done(Value::Null)));
    }
}
