//! `content.approve`: the pieces of a campaign that was approved may be used.

use promptsales_actors::value::Text;
use promptsales_engine::workflow::action::{Action, ActionCx, Next, Steps, WorkflowError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CreatedContent, undoing};

/// Approves every piece of content; undone, the approvals are taken back.
pub struct ApproveContent;

/// What [`ApproveContent`] takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// The pieces.
    pub content: Vec<CreatedContent>,
    /// Who approved them, or which rule.
    pub by: Text<200>,
}

/// What [`ApproveContent`] gives.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// How many pieces were approved.
    pub approved: usize,
}

impl Action for ApproveContent {
    const NAME: &'static str = "content.approve";
    const SUMMARY: &'static str = "Approves the pieces of content, so that they may be used.";
    const COMPENSATES: bool = true;

    type Input = Input;
    type Output = Output;

    fn next(input: &Input, steps: Steps<'_>, _: &ActionCx) -> Result<Next<Output>, WorkflowError> {
        if let Some(last) = steps.len().checked_sub(1) {
            steps.get(last)?;
        }
        Ok(match input.content.get(steps.len()) {
            Some(made) => Next::command(made.job_id.stream(), "approve", &json!({ "by": input.by })),
            None => Next::Done(Output { approved: input.content.len() }),
        })
    }

    fn undo(
        input: &Input,
        done: Steps<'_>,
        steps: Steps<'_>,
        _: &ActionCx,
    ) -> Result<Next<()>, WorkflowError> {
        if let Some(last) = steps.len().checked_sub(1) {
            undoing::taken_back(steps, last)?;
        }
        let approved = &input.content[..done.len().min(input.content.len())];
        Ok(match approved.iter().rev().nth(steps.len()) {
            Some(made) => Next::command(made.job_id.stream(), "withdraw-approval", &json!({})),
            None => Next::Done(()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::testkit::{accepted, cancelled, command, content, cx, next, rejected, undo};

    #[test]
    fn every_piece_is_approved_and_taken_back_in_reverse() {
        let input = json!({ "content": content(), "by": "ana" });
        let jobs: Vec<_> = content().as_array().unwrap().iter().map(|made| made["jobId"].clone()).collect();
        let step = accepted(&json!(null));
        let mut steps = Vec::new();
        for job in &jobs {
            let (to, name, body) = command(next::<ApproveContent>(&input, &steps, &cx()));
            assert_eq!((json!(to), name.as_str(), body), (job.clone(), "approve", json!({ "by": "ana" })));
            steps.push(step.clone());
        }
        let done = next::<ApproveContent>(&input, &steps, &cx());
        assert_eq!(done, Ok(Next::Done(json!({ "approved": 2 }))));
        let (to, name, _) = command(undo::<ApproveContent>(&input, &steps, &[], &cancelled()));
        assert_eq!((json!(to), name.as_str()), (jobs[1].clone(), "withdraw-approval"));
        let back = [step.clone(), step.clone()];
        assert_eq!(undo::<ApproveContent>(&input, &steps, &back, &cancelled()), Ok(Next::Done(json!(null))));
        let (to, ..) = command(undo::<ApproveContent>(&input, &steps[..1], &[], &cancelled()));
        assert_eq!(json!(to), jobs[0], "only what was approved");
    }

    #[test]
    fn a_piece_that_cannot_be_approved_stops_it() {
        let input = json!({ "content": content(), "by": "ana" });
        let error = next::<ApproveContent>(&input, &[rejected("content_job_wrong_state")], &cx());
        assert!(error.unwrap_err().kind.ends_with("content_job_wrong_state"));
    }
}
