//! What a campaign decides.

use promptsales_engine::entity::{DecideCx, Decision};
use promptsales_engine::id::StreamId;
use promptsales_engine::journal::TimerOp;
use serde_json::json;

use super::{
    Allocation, Campaign, Command, Configured, ContentRef, END, Effective, Event, Launch, Rejection, START,
    TrackedLink, Tracking,
};
use crate::value::{Brief, Channel, Money, Text};

pub(super) type Decided = Result<Decision<Event>, Rejection>;

/// Decides where there is no campaign yet.
pub(super) fn create(command: Command, cx: &DecideCx<'_>) -> Decided {
    match command {
        Command::Draft(brief) => Ok(Decision::event(Event::Drafted(drafted(brief, cx)?))),
        Command::Launch(brief) => super::launch::first(brief, cx),
        Command::BeginLaunch { run_id, brief: Some(brief) } => {
            let brief = drafted(brief, cx)?;
            let reply = json!({ "brief": brief });
            let drafted = Decision::event(Event::Drafted(brief));
            Ok(drafted.and(Event::LaunchBegun { run_id }).reply(reply))
        }
        other => unreachable!("`{}` does not create, and the engine asks first", other.name()),
    }
}

/// Completes a brief with the key that the campaign is addressed by.
pub(super) fn drafted(mut brief: Box<Brief>, cx: &DecideCx<'_>) -> Result<Box<Brief>, Rejection> {
    brief.check()?;
    if let Some(key) = cx.external_key {
        let given = brief.external_key.as_ref().map(Text::as_str);
        if given.is_some_and(|given| given != key) {
            return Err(Rejection::KeyConflict);
        }
        brief.external_key = key.parse().ok();
    }
    Ok(brief)
}

impl Campaign {
    /// Decides on a command for a campaign that there is.
    pub(super) fn decide_on(&self, command: Command, cx: &DecideCx<'_>) -> Decided {
        let name = command.name();
        match command {
            Command::Draft(brief) => self.draft(brief, cx),
            Command::Launch(brief) => self.launch_again(brief, cx),
            Command::Revise(brief) => self.revise(brief, cx),
            Command::BeginLaunch { run_id, brief } => self.begin_launch(run_id, brief, cx),
            Command::RecordContent { content } => self.record_content(content),
            Command::DiscardContent {} => Ok(when(!self.content.is_empty(), Event::ContentDiscarded {})),
            Command::SubmitForReview {} => self.submit(),
            Command::Approve { by } => self.approve(by),
            Command::Reject { by, reason } => self.reject(by, reason),
            Command::WithdrawApproval {} => {
                let standing = matches!(self.launch, Launch::Approved { .. } | Launch::InReview { .. });
                Ok(when(standing, Event::ApprovalWithdrawn {}))
            }
            Command::Plan { allocations } => self.divide(allocations),
            Command::DiscardPlan {} => Ok(when(!self.plan.is_empty(), Event::PlanDiscarded {})),
            Command::ReserveBudget { amount } => self.reserve(amount),
            Command::ReleaseBudget { reason } => Ok(match self.reserved {
                Some(amount) => Decision::event(Event::BudgetReleased { amount, reason }),
                None => Decision::none(),
            }),
            Command::RecordActivation { channel, external_id } => {
                self.record_activation(channel, external_id)
            }
            Command::RecordDeactivation { channel } => {
                Ok(when(self.activations.contains_key(&channel), Event::ChannelDeactivated { channel }))
            }
            Command::SetTracking { form_id, links } => self.set_tracking(form_id, links),
            Command::RemoveTracking {} => Ok(when(self.tracking.is_some(), Event::TrackingRemoved {})),
            Command::Activate {} => self.activate(cx),
            Command::Withdraw { reason } => Ok(self.withdraw(reason)),
            Command::FailLaunch { run_id, code, message } => {
                let event = Event::LaunchFailed { run_id, code, message };
                Ok(when(self.launching_run() == Some(run_id), event))
            }
            Command::Start {} | Command::End {} => self.on_date(name, cx),
            Command::Pause { reason } => self.pause(reason),
            Command::Resume {} => self.resume(cx),
            Command::Stop { reason } => self.stop(reason),
            Command::Archive {} => self.archive(),
        }
    }

    fn draft(&self, brief: Box<Brief>, cx: &DecideCx<'_>) -> Decided {
        if *drafted(brief, cx)? == self.brief { Ok(Decision::none()) } else { Err(Rejection::AlreadyDrafted) }
    }

    fn revise(&self, mut brief: Box<Brief>, cx: &DecideCx<'_>) -> Decided {
        self.not_launching()?;
        self.must_be(Configured::Draft, "revise")?;
        if let Some(reserved) = self.reserved {
            return Err(Rejection::AlreadyReserved { reserved });
        }
        brief.external_key = brief.external_key.or_else(|| self.brief.external_key.clone());
        let brief = drafted(brief, cx)?;
        Ok(when(*brief != self.brief, Event::Revised(brief)))
    }

    fn begin_launch(&self, run_id: StreamId, brief: Option<Box<Brief>>, cx: &DecideCx<'_>) -> Decided {
        let reply = json!({ "brief": self.brief });
        let begun = match &self.launch {
            Launch::Done { run_id: run, .. } => *run == run_id,
            _ => self.launching_run() == Some(run_id),
        };
        if begun {
            return Ok(Decision::none().reply(reply));
        }
        self.not_launching()?;
        self.must_be(Configured::Draft, "begin-launch")?;
        if let Some(mut brief) = brief {
            brief.external_key = brief.external_key.or_else(|| self.brief.external_key.clone());
            if *drafted(brief, cx)? != self.brief {
                return Err(Rejection::BriefChanged);
            }
        }
        Ok(Decision::event(Event::LaunchBegun { run_id }).reply(reply))
    }

    fn record_content(&self, content: Vec<ContentRef>) -> Decided {
        let missing = content.iter().any(|piece| !self.content.contains(piece));
        if !missing {
            return Ok(Decision::none());
        }
        self.launching()?;
        Ok(Decision::event(Event::ContentRecorded { content }))
    }

    fn submit(&self) -> Decided {
        match &self.launch {
            Launch::Preparing { .. } => Ok(Decision::event(Event::SubmittedForReview {})),
            Launch::InReview { .. } | Launch::Approved { .. } | Launch::Done { .. } => Ok(Decision::none()),
            Launch::Idle {} | Launch::Rejected { .. } | Launch::Failed { .. } => Err(Rejection::NotLaunching),
        }
    }

    fn approve(&self, by: Text<200>) -> Decided {
        match &self.launch {
            Launch::Preparing { .. } | Launch::InReview { .. } => Ok(Decision::event(Event::Approved { by })),
            Launch::Approved { .. } | Launch::Done { .. } => Ok(Decision::none()),
            Launch::Idle {} | Launch::Rejected { .. } | Launch::Failed { .. } => Err(Rejection::NotLaunching),
        }
    }

    fn reject(&self, by: Text<200>, reason: Text<2000>) -> Decided {
        match &self.launch {
            Launch::Preparing { .. } | Launch::InReview { .. } => {
                Ok(Decision::event(Event::Rejected { by, reason }))
            }
            Launch::Rejected { .. } => Ok(Decision::none()),
            Launch::Idle {} | Launch::Approved { .. } | Launch::Failed { .. } | Launch::Done { .. } => {
                Err(Rejection::NotLaunching)
            }
        }
    }

    fn divide(&self, allocations: Vec<Allocation>) -> Decided {
        if allocations == self.plan {
            return Ok(Decision::none());
        }
        self.launching()?;
        if let Some(reserved) = self.reserved {
            return Err(Rejection::AlreadyReserved { reserved });
        }
        let budget = self.brief.budget.ok_or(Rejection::NoBudget)?;
        let mut planned = Money::zero(budget.currency());
        for (i, Allocation { channel, amount }) in allocations.iter().enumerate() {
            let twice = allocations[..i].iter().any(|earlier| earlier.channel == *channel);
            if twice || !self.brief.channels.contains(channel) {
                return Err(Rejection::PlanChannel { channel: *channel });
            }
            planned = planned.plus(*amount)?;
        }
        if planned != budget {
            return Err(Rejection::PlanDoesNotAddUp { planned, budget });
        }
        Ok(Decision::event(Event::Planned { allocations }))
    }

    fn reserve(&self, amount: Money) -> Decided {
        if let Some(reserved) = self.reserved {
            let same = reserved == amount;
            return if same { Ok(Decision::none()) } else { Err(Rejection::AlreadyReserved { reserved }) };
        }
        self.approved()?;
        let budget = self.brief.budget.ok_or(Rejection::NoBudget)?;
        if amount.exceeds(budget)? {
            return Err(Rejection::BudgetExceeded { wanted: amount, budget });
        }
        Ok(Decision::event(Event::BudgetReserved { amount }))
    }

    fn record_activation(&self, channel: Channel, external_id: Text<200>) -> Decided {
        if let Some(activation) = self.activations.get(&channel) {
            if activation.external_id == external_id {
                return Ok(Decision::none());
            }
            let external_id = activation.external_id.to_string();
            return Err(Rejection::AlreadyActivated { channel, external_id });
        }
        self.approved()?;
        if !self.plan.iter().any(|allocation| allocation.channel == channel) {
            return Err(Rejection::NotPlanned { channel });
        }
        if self.reserved.is_none() {
            return Err(Rejection::NotReserved);
        }
        Ok(Decision::event(Event::ChannelActivated { channel, external_id }))
    }

    fn set_tracking(&self, form_id: Text<200>, links: Vec<TrackedLink>) -> Decided {
        let wanted = Tracking { form_id, links };
        if self.tracking.as_ref() == Some(&wanted) {
            return Ok(Decision::none());
        }
        self.approved()?;
        let Tracking { form_id, links } = wanted;
        Ok(Decision::event(Event::TrackingSet { form_id, links }))
    }

    fn activate(&self, cx: &DecideCx<'_>) -> Decided {
        if matches!(self.launch, Launch::Done { .. }) {
            return Ok(Decision::none());
        }
        self.approved()?;
        let channels = self.plan.iter().map(|allocation| allocation.channel);
        for channel in channels {
            if !self.activations.contains_key(&channel) {
                return Err(Rejection::NotActivated { channel });
            }
        }
        if self.brief.end_date.is_some_and(|end| end <= cx.now) {
            return Err(Rejection::Over);
        }
        let decision = match self.brief.start_date.filter(|start| *start > cx.now) {
            Some(start) => Decision::event(Event::Scheduled {}).timer(START, start),
            None => Decision::event(Event::Activated {}),
        };
        Ok(match self.brief.end_date {
            Some(end) => decision.timer(END, end),
            None => decision,
        })
    }

    fn withdraw(&self, reason: Text<2000>) -> Decision<Event> {
        let launched = matches!(self.launch, Launch::Done { .. });
        match self.configured {
            Configured::Scheduled | Configured::Active | Configured::Paused if launched => {
                without_timers(Decision::event(Event::Withdrawn { reason }))
            }
            Configured::Draft
            | Configured::Scheduled
            | Configured::Active
            | Configured::Paused
            | Configured::Stopped
            | Configured::Archived => Decision::none(),
        }
    }

    fn on_date(&self, command: &'static str, cx: &DecideCx<'_>) -> Decided {
        let start = command == START;
        let date = if start { self.brief.start_date } else { self.brief.end_date };
        if date.is_some_and(|date| date > cx.now) {
            return Err(Rejection::NotDue { command });
        }
        let runs = matches!(self.configured, Configured::Scheduled | Configured::Active | Configured::Paused);
        if start {
            return Ok(when(self.configured == Configured::Scheduled, Event::Started {}));
        }
        Ok(when(runs && date.is_some() && self.ended_at.is_none(), Event::Ended {}))
    }

    fn pause(&self, reason: Option<Text<2000>>) -> Decided {
        if self.configured == Configured::Paused {
            return Ok(Decision::none());
        }
        self.must_run("pause")?;
        Ok(Decision::event(Event::Paused { reason }))
    }

    fn resume(&self, cx: &DecideCx<'_>) -> Decided {
        self.must_run("resume")?;
        if self.configured != Configured::Paused {
            return Ok(Decision::none());
        }
        let ahead = self.brief.start_date.is_some_and(|start| start > cx.now);
        let configured = if ahead { Configured::Scheduled } else { Configured::Active };
        Ok(Decision::event(Event::Resumed { configured }))
    }

    fn stop(&self, reason: Option<Text<2000>>) -> Decided {
        if self.configured == Configured::Stopped {
            return Ok(Decision::none());
        }
        self.must_run("stop")?;
        Ok(without_timers(Decision::event(Event::Stopped { reason })))
    }

    fn archive(&self) -> Decided {
        if self.configured == Configured::Archived {
            return Ok(Decision::none());
        }
        self.not_launching()?;
        let over = self.ended_at.is_some();
        if !over && !matches!(self.configured, Configured::Draft | Configured::Stopped) {
            return Err(self.wrong_state("archive"));
        }
        Ok(without_timers(Decision::event(Event::Archived {})))
    }

    fn launching(&self) -> Result<(), Rejection> {
        self.launching_run().map(|_| ()).ok_or(Rejection::NotLaunching)
    }

    fn not_launching(&self) -> Result<(), Rejection> {
        self.launching_run().map_or(Ok(()), |run| Err(Rejection::LaunchInProgress { run }))
    }

    fn approved(&self) -> Result<(), Rejection> {
        self.launching()?;
        if matches!(self.launch, Launch::Approved { .. }) { Ok(()) } else { Err(Rejection::NotApproved) }
    }

    pub(super) fn must_be(&self, configured: Configured, command: &'static str) -> Result<(), Rejection> {
        if self.configured == configured { Ok(()) } else { Err(self.wrong_state(command)) }
    }

    fn must_run(&self, command: &'static str) -> Result<(), Rejection> {
        match self.effective() {
            Effective::Eligible | Effective::Serving | Effective::Paused => Ok(()),
            Effective::Preparing | Effective::InReview => self.not_launching(),
            Effective::Pending | Effective::Ended | Effective::Misconfigured | Effective::NotEligible => {
                Err(self.wrong_state(command))
            }
        }
    }

    fn wrong_state(&self, command: &'static str) -> Rejection {
        Rejection::WrongState { command, state: self.effective() }
    }
}

fn when(happens: bool, event: Event) -> Decision<Event> {
    if happens { Decision::event(event) } else { Decision::none() }
}

fn without_timers(mut decision: Decision<Event>) -> Decision<Event> {
    decision.timers.extend([START, END].map(|name| TimerOp::Clear { name: name.to_owned() }));
    decision
}
