//! `campaign.record-content`: a campaign knows the content that was made for it.

use promptsales_actors::campaign::{self, ContentRef};
use promptsales_engine::workflow::action::{Action, ActionCx, Next, Steps, WorkflowError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CreatedContent, undoing};

/// Notes the content with its campaign; undone, the campaign forgets it.
pub struct RecordContent;

/// What [`RecordContent`] takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// The campaign.
    pub campaign_id: campaign::Id,
    /// The pieces.
    pub content: Vec<CreatedContent>,
}

/// What [`RecordContent`] gives.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// How many pieces were noted.
    pub recorded: usize,
}

impl Action for RecordContent {
    const NAME: &'static str = "campaign.record-content";
    const SUMMARY: &'static str = "Notes the pieces of content with their campaign.";
    const COMPENSATES: bool = true;

    type Input = Input;
    type Output = Output;

    fn next(input: &Input, steps: Steps<'_>, _: &ActionCx) -> Result<Next<Output>, WorkflowError> {
        if !steps.is_empty() {
            steps.get(0)?;
            return Ok(Next::Done(Output { recorded: input.content.len() }));
        }
        let content: Vec<ContentRef> = input.content.iter().map(reference).collect();
        let body = json!({ "content": content });
        Ok(Next::command(input.campaign_id.stream(), "record-content", &body))
    }

    fn undo(input: &Input, _: Steps<'_>, steps: Steps<'_>, _: &ActionCx) -> Result<Next<()>, WorkflowError> {
        undoing::by_command(steps, input.campaign_id.stream(), "discard-content", &json!({}))
    }
}

fn reference(made: &CreatedContent) -> ContentRef {
    let piece = &made.piece;
    ContentRef { job_id: made.job_id, channel: piece.channel, locale: piece.locale.clone(), kind: piece.kind }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::testkit::{CAMPAIGN, accepted, cancelled, command, content, cx, next, undo};

    #[test]
    fn the_campaign_is_told_and_untold() {
        let input = json!({ "campaignId": CAMPAIGN, "content": content() });
        let (_, name, body) = command(next::<RecordContent>(&input, &[], &cx()));
        assert_eq!((name.as_str(), body["content"].as_array().unwrap().len()), ("record-content", 2));
        let done = next::<RecordContent>(&input, &[accepted(&json!(null))], &cx());
        assert_eq!(done, Ok(Next::Done(json!({ "recorded": 2 }))));
        let (_, name, _) = command(undo::<RecordContent>(&input, &[], &[], &cancelled()));
        assert_eq!(name, "discard-content");
    }
}
