//! What events make of a campaign.

use std::borrow::Cow;

use promptsales_engine::entity::EventCx;
use promptsales_engine::id::StreamId;

use super::{Activation, Campaign, Cause, Configured, ContentRef, Event, Launch, Tracking, Verdict};
use crate::value::Text;

impl Campaign {
    /// Folds one more event into the state, and notes why the campaign is as it is now.
    pub(super) fn fold(&mut self, event: &Event, cx: &EventCx) {
        if let Some((code, message)) = self.cause(event) {
            self.explain(&code, &message, cx);
        }
        match event {
            Event::Drafted(brief) | Event::Revised(brief) => {
                self.brief = (**brief).clone();
                self.plan.clear();
            }
            Event::LaunchBegun { run_id } => self.launch = Launch::Preparing { run_id: *run_id },
            Event::ContentRecorded { content } => self.add(content),
            Event::ContentDiscarded {} => self.content.clear(),
            Event::SubmittedForReview {} => self.review(|run_id| Launch::InReview { run_id }),
            Event::Approved { by } => self.review(|run_id| Launch::Approved { run_id, by: by.clone() }),
            Event::Rejected { by, .. } => self.review(|run_id| Launch::Rejected { run_id, by: by.clone() }),
            Event::ApprovalWithdrawn {} => self.review(|run_id| Launch::Preparing { run_id }),
            Event::Planned { allocations } => self.plan.clone_from(allocations),
            Event::PlanDiscarded {} => self.plan.clear(),
            Event::BudgetReserved { amount } => self.reserved = Some(*amount),
            Event::BudgetReleased { .. } => self.reserved = None,
            Event::ChannelActivated { channel, external_id } => {
                let activation = Activation { external_id: external_id.clone(), since: cx.at };
                self.activations.insert(*channel, activation);
            }
            Event::ChannelDeactivated { channel } => {
                self.activations.remove(channel);
            }
            Event::TrackingSet { form_id, links } => {
                self.tracking = Some(Tracking { form_id: form_id.clone(), links: links.clone() });
            }
            Event::TrackingRemoved {} => self.tracking = None,
            Event::Scheduled {} => self.launched(Configured::Scheduled),
            Event::Activated {} => self.launched(Configured::Active),
            Event::Withdrawn { .. } => self.take_back(),
            Event::LaunchFailed { run_id, .. } => {
                let verdict = if self.refused() { Verdict::NotEligible } else { Verdict::Misconfigured };
                self.launch = Launch::Failed { run_id: *run_id, verdict };
            }
            Event::Started {} => self.configured = Configured::Active,
            Event::Ended {} => self.ended_at = Some(cx.at),
            Event::Paused { .. } => self.configured = Configured::Paused,
            Event::Resumed { configured } => self.configured = *configured,
            Event::Stopped { .. } => self.configured = Configured::Stopped,
            Event::Archived {} => self.configured = Configured::Archived,
        }
    }

    /// Replaces the reasons by one.
    pub(super) fn explain(&mut self, code: &str, message: &str, cx: &EventCx) {
        let cause = Cause { code: code.to_owned(), message: message.to_owned(), seq: cx.seq, at: cx.at };
        self.reasons = vec![cause];
    }

    /// Why the campaign will be as it is after an event: code and sentence; nothing if that stays as it was.
    fn cause<'e>(&self, event: &'e Event) -> Option<(Cow<'e, str>, Cow<'e, str>)> {
        let told = |reason: &'e Option<Text<2000>>, else_: &'static str| {
            reason.as_ref().map_or(Cow::from(else_), |text| text.as_str().into())
        };
        let (code, message): (&str, Cow<'e, str>) = match event {
            Event::LaunchBegun { run_id } => {
                ("launching", format!("`{run_id}` is preparing the launch").into())
            }
            Event::SubmittedForReview {} => {
                ("approval_needed", "the budget is above the spend limit: a person must approve".into())
            }
            Event::Approved { by } => ("approved", format!("approved by {by}").into()),
            Event::Rejected { by, reason } => {
                ("approval_rejected", format!("refused by {by}: {reason}").into())
            }
            Event::ApprovalWithdrawn {} => {
                ("approval_withdrawn", "the approval, or the question for it, was taken back".into())
            }
            Event::Scheduled {} => ("start_date_ahead", "it runs from its start date".into()),
            Event::Activated {} => ("launched", "it is launched and runs".into()),
            Event::Withdrawn { reason } => {
                ("withdrawn", format!("the launch is being taken back: {reason}").into())
            }
            Event::LaunchFailed { code, message, .. } if !self.refused() => {
                (code.as_str(), message.as_str().into())
            }
            Event::Started {} => ("start_date_came", "its start date has come".into()),
            Event::Ended {} => ("end_date_came", "its end date has come".into()),
            Event::Paused { reason } => ("paused", told(reason, "a person halted it")),
            Event::Resumed { .. } => ("resumed", "a person let it go on".into()),
            Event::Stopped { reason } => ("stopped", told(reason, "a person ended it")),
            Event::Archived {} => ("archived", "it was put away".into()),
            Event::Drafted(_)
            | Event::Revised(_)
            | Event::ContentRecorded { .. }
            | Event::ContentDiscarded {}
            | Event::Planned { .. }
            | Event::PlanDiscarded {}
            | Event::BudgetReserved { .. }
            | Event::BudgetReleased { .. }
            | Event::ChannelActivated { .. }
            | Event::ChannelDeactivated { .. }
            | Event::TrackingSet { .. }
            | Event::TrackingRemoved {}
            | Event::LaunchFailed { .. } => return None,
        };
        Some((code.into(), message))
    }

    /// True if a person refused the launch that is under way: that stays the reason of its end.
    fn refused(&self) -> bool {
        matches!(self.launch, Launch::Rejected { .. })
    }

    fn add(&mut self, content: &[ContentRef]) {
        for piece in content {
            if !self.content.contains(piece) {
                self.content.push(piece.clone());
            }
        }
    }

    fn review(&mut self, to: impl FnOnce(StreamId) -> Launch) {
        if let Some(run_id) = self.launching_run() {
            self.launch = to(run_id);
        }
    }

    fn launched(&mut self, configured: Configured) {
        self.configured = configured;
        if let Launch::Approved { run_id, by } = &self.launch {
            self.launch = Launch::Done { run_id: *run_id, by: by.clone() };
        }
    }

    fn take_back(&mut self) {
        self.configured = Configured::Draft;
        self.ended_at = None;
        if let Launch::Done { run_id, by } = &self.launch {
            self.launch = Launch::Approved { run_id: *run_id, by: by.clone() };
        }
    }
}
