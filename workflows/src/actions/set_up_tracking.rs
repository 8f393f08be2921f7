//! `tracking.set-up`: the leads of a campaign can be recognised.

use promptsales_actors::campaign::{self, TrackedLink};
use promptsales_actors::value::{Channel, Utm, WebUrl};
use promptsales_engine::workflow::action::{Action, ActionCx, Next, Steps, WorkflowError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::undoing;

/// The connector that keeps forms.
const CONNECTOR: &str = "tracking";

/// Sets up form and links by which leads are recognised; undone, the form is removed.
pub struct SetUpTracking;

/// What [`SetUpTracking`] takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// The campaign.
    pub campaign_id: campaign::Id,
    /// The channels that lead people to it.
    pub channels: Vec<Channel>,
    /// The page that they are led to; the form itself if there is none.
    #[serde(default)]
    pub landing_url: Option<WebUrl>,
}

/// What [`SetUpTracking`] gives.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// The form that leads fill in.
    pub form_id: String,
    /// The link of each channel.
    pub links: Vec<TrackedLink>,
}

impl Action for SetUpTracking {
    const NAME: &'static str = "tracking.set-up";
    const SUMMARY: &'static str =
        "Sets up the form and the links by which a campaign's leads are recognised.";
    const COMPENSATES: bool = true;
    const EFFECTS: &'static [(&'static str, &'static str)] =
        &[(CONNECTOR, "create_form"), (CONNECTOR, "remove_form")];

    type Input = Input;
    type Output = Output;

    fn next(input: &Input, steps: Steps<'_>, _: &ActionCx) -> Result<Next<Output>, WorkflowError> {
        if steps.is_empty() {
            let request = json!({
                "campaignId": input.campaign_id,
                "fields": ["name", "email", "phone", "consent"],
                "landingUrl": input.landing_url,
            });
            return Ok(Next::effect(CONNECTOR, "create_form", &request));
        }
        let output = output(input, &steps.get(0)?)?;
        if steps.len() == 1 {
            let body = json!({ "formId": output.form_id, "links": output.links });
            return Ok(Next::command(input.campaign_id.stream(), "set-tracking", &body));
        }
        steps.get(1)?;
        Ok(Next::Done(output))
    }

    fn undo(
        input: &Input,
        done: Steps<'_>,
        steps: Steps<'_>,
        _: &ActionCx,
    ) -> Result<Next<()>, WorkflowError> {
        if !undoing::may_have_happened(done, 0) {
            return Ok(Next::Done(()));
        }
        if steps.is_empty() {
            let mut request = json!({ "campaignId": input.campaign_id });
            if let Some(id) = undoing::answered(done, 0, "formId") {
                request["formId"] = json!(id);
            }
            return Ok(Next::effect(CONNECTOR, "remove_form", &request));
        }
        undoing::taken_back(steps, 0)?;
        if steps.len() == 1 {
            return Ok(Next::command(input.campaign_id.stream(), "remove-tracking", &json!({})));
        }
        undoing::taken_back(steps, 1)?;
        Ok(Next::Done(()))
    }
}

fn output(input: &Input, answer: &Value) -> Result<Output, WorkflowError> {
    let unreadable = |detail: String| WorkflowError::action("form_unreadable", 502, detail);
    let field = |name: &str| {
        let text = answer[name].as_str().map(str::to_owned);
        text.ok_or_else(|| unreadable(format!("the answer of the form service has no `{name}`")))
    };
    let form_id = field("formId")?;
    let page = match &input.landing_url {
        Some(page) => page.clone(),
        None => field("url")?.parse::<WebUrl>().map_err(|e| unreadable(e.to_string()))?,
    };
    let campaign = input.campaign_id.to_string();
    let link = |channel: &Channel| TrackedLink {
        channel: *channel,
        url: Utm::for_channel(&campaign, *channel).link(&page),
    };
    Ok(Output { form_id, links: input.channels.iter().map(link).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::testkit::{
        CAMPAIGN, accepted, cancelled, command, confirmed, cx, effect, next, refused, undo, unknown,
    };

    fn input() -> Value {
        json!({ "campaignId": CAMPAIGN, "channels": ["instagram", "email"], "landingUrl": null })
    }

    #[test]
    fn a_form_is_made_and_each_channel_gets_its_link() {
        let (_, operation, request) = effect(next::<SetUpTracking>(&input(), &[], &cx()));
        assert_eq!((operation.as_str(), &request["campaignId"]), ("create_form", &json!(CAMPAIGN)));
        let form = confirmed(&json!({ "formId": "f-1", "url": "https://forms.example/f-1" }));
        let steps = [form, accepted(&json!(null))];
        let (_, name, body) = command(next::<SetUpTracking>(&input(), &steps[..1], &cx()));
        let url = body["links"][1]["url"].as_str().unwrap();
        assert_eq!((name.as_str(), &body["formId"]), ("set-tracking", &json!("f-1")));
        let expected = "https://forms.example/f-1?utm_source=email&utm_medium=email&utm_campaign=cmp_";
        assert!(url.starts_with(expected), "{url}");
        let Ok(Next::Done(output)) = next::<SetUpTracking>(&input(), &steps, &cx()) else { panic!() };
        assert_eq!(output["links"], body["links"]);
    }

    #[test]
    fn whatever_may_be_there_is_removed() {
        let form = confirmed(&json!({ "formId": "f-1", "url": "https://forms.example/f-1" }));
        for (done, id) in [(form, json!("f-1")), (unknown(), Value::Null)] {
            let done = [done];
            let (_, operation, request) = effect(undo::<SetUpTracking>(&input(), &done, &[], &cancelled()));
            assert_eq!((operation.as_str(), &request["formId"]), ("remove_form", &id));
            let steps = [confirmed(&json!({ "removed": true })), accepted(&json!(null))];
            let (_, name, _) = command(undo::<SetUpTracking>(&input(), &done, &steps[..1], &cancelled()));
            assert_eq!(name, "remove-tracking");
            let undone = undo::<SetUpTracking>(&input(), &done, &steps, &cancelled());
            assert_eq!(undone, Ok(Next::Done(Value::Null)));
        }
        let nothing = undo::<SetUpTracking>(&input(), &[refused("x", "y")], &[], &cancelled());
        assert_eq!(nothing, Ok(Next::Done(Value::Null)));
    }
}
