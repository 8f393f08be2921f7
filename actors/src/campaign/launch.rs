//! The launch as one command: the campaign is drafted and its run started in one commit, and again after a failure.

use promptsales_engine::entity::{DecideCx, Decision};
use promptsales_engine::id::{Prefix, StreamId, digest, uuid_v8};
use serde_json::{Value, json};

use super::decide::{Decided, drafted};
use super::{Campaign, Configured, Event, Launch, Rejection};
use crate::value::Brief;

/// The workflow that launches a campaign.
pub const LAUNCH_WORKFLOW: &str = "launch-campaign";

/// The run that a campaign's first launch always has, or the one after a launch that failed; in the campaign's slot.
fn launch_run(campaign: StreamId, failed: Option<StreamId>) -> StreamId {
    let campaign_id = campaign.to_string();
    let bits = match failed {
        None => digest("launch", &[&campaign_id]),
        Some(failed) => digest("launch", &[&campaign_id, &failed.to_string()]),
    };
    StreamId::new(Prefix::new("run"), uuid_v8(bits, Some(campaign.slot())))
}

/// What starts a launch's run.
fn launch_start(campaign: StreamId, brief: &Brief) -> Value {
    json!({ "workflow": LAUNCH_WORKFLOW, "input": { "campaignId": campaign, "brief": brief } })
}

/// A launch where there is no campaign yet.
pub(super) fn first(brief: Box<Brief>, cx: &DecideCx<'_>) -> Decided {
    brief.pieces()?;
    let (brief, run) = (drafted(brief, cx)?, launch_run(cx.id, None));
    let start = launch_start(cx.id, &brief);
    let reply = json!({ "runId": run });
    Ok(Decision::event(Event::Drafted(brief)).send(run, "start", start).reply(reply))
}

impl Campaign {
    /// A launch of a campaign that there is: starts one that has none under way, with another brief if the last one
    /// failed; what is under way or done is only told.
    pub(super) fn launch_again(&self, mut brief: Box<Brief>, cx: &DecideCx<'_>) -> Decided {
        brief.external_key = brief.external_key.or_else(|| self.brief.external_key.clone());
        let brief = drafted(brief, cx)?;
        brief.pieces()?;
        let same = *brief == self.brief;
        let told = |run: StreamId| json!({ "runId": run });
        let starting = |decision: Decision<Event>, run: StreamId| {
            Ok(decision.send(run, "start", launch_start(cx.id, &brief)).reply(told(run)))
        };
        match &self.launch {
            Launch::Failed { run_id, .. } => {
                self.must_be(Configured::Draft, "launch")?;
                let run_id = launch_run(cx.id, Some(*run_id));
                let begun = Event::LaunchBegun { run_id };
                let decision = match same {
                    true => Decision::event(begun),
                    false => Decision::event(Event::Revised(brief.clone())).and(begun),
                };
                starting(decision, run_id)
            }
            _ if !same => Err(Rejection::AlreadyDrafted),
            Launch::Idle {} => {
                self.must_be(Configured::Draft, "launch")?;
                starting(Decision::none(), launch_run(cx.id, None))
            }
            Launch::Done { run_id, .. }
            | Launch::Preparing { run_id }
            | Launch::InReview { run_id }
            | Launch::Approved { run_id, .. }
            | Launch::Rejected { run_id, .. } => Ok(Decision::none().reply(told(*run_id))),
        }
    }
}
