//! A content job: one piece of content for one channel, in one language, from brief to approved piece.
//!
//! ```text
//!   briefed => queued => submitted => generating => generated: a provider may answer at once
//!   generated => in_review => approved: submit-for-review, approve
//!   generated, in_review -> changes_requested -> generated: request-changes, record-generated
//!   changes_requested => submitted => generating => generated: the provider makes another one
//!   approved -> generated: withdraw-approval
//!   briefed, queued, submitted, generating -> policy_rejected, failed, expired, cancelled, superseded
//!   generated, in_review, changes_requested, approved -> policy_rejected, failed, expired, cancelled, superseded
//!   briefed, queued, submitted, generating, generated, in_review, changes_requested, approved -> archived
//!   policy_rejected, failed, expired, cancelled, superseded -> archived
//! ```

mod command;
mod decide;
mod event;
mod rejection;
mod state;

use promptsales_engine::entity::{self, DecideCx, Decision, Entity, EventCx};
use promptsales_engine::id::{IdKind, Prefix};
use serde_json::{Value, json};

pub use command::Command;
pub use event::Event;
pub use rejection::Rejection;
pub use state::{ContentJob, JobBrief, Phase};

/// The kind of a content job's id.
pub struct Kind;

impl IdKind for Kind {
    const PREFIX: Prefix = Prefix::new("job");
}

/// The id of a content job.
pub type Id = promptsales_engine::id::Id<Kind>;

impl Entity for ContentJob {
    const KIND: entity::Kind =
        entity::Kind { name: "content-job", plural: "content-jobs", prefix: Kind::PREFIX };
    const CREATE: &'static str = "brief";
    const EVENTS: &'static [(&'static str, u16)] = event::EVENTS;

    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn creates(command: &Command) -> bool {
        matches!(command, Command::Brief(_))
    }

    fn decide(
        state: Option<&Self>,
        command: Command,
        cx: &DecideCx<'_>,
    ) -> Result<Decision<Event>, Rejection> {
        match (state, command) {
            (Some(job), command) => job.decide_on(command, cx),
            (None, Command::Brief(brief)) => decide::create(brief, cx),
            (None, _) => unreachable!("only `brief` creates, and the engine asks first"),
        }
    }

    fn begin(event: &Event, cx: &EventCx) -> Option<Self> {
        let Event::Briefed(brief) = event else { return None };
        let brief = (**brief).clone();
        Some(Self { brief, phase: Phase::Briefed {}, created_at: cx.at, updated_at: cx.at })
    }

    fn apply(&mut self, event: &Event, cx: &EventCx) {
        self.updated_at = cx.at;
        let piece = self.phase.piece().cloned();
        let next = match event.clone() {
            Event::Briefed(brief) => {
                self.brief = *brief;
                Some(Phase::Briefed {})
            }
            Event::Queued {} => Some(Phase::Queued {}),
            Event::Submitted { provider_job } => Some(Phase::Submitted { provider_job }),
            Event::GenerationStarted { provider_job } => Some(Phase::Generating { provider_job }),
            Event::Generated { piece } => Some(Phase::Generated { piece: *piece }),
            Event::SubmittedForReview {} => piece.map(|piece| Phase::InReview { piece }),
            Event::ChangesRequested { by, reason } => {
                piece.map(|piece| Phase::ChangesRequested { piece, by, reason })
            }
            Event::Approved { by } => piece.map(|piece| Phase::Approved { piece, by }),
            Event::ApprovalWithdrawn {} => piece.map(|piece| Phase::Generated { piece }),
            Event::PolicyRejected { code, message } => Some(Phase::PolicyRejected { code, message }),
            Event::Failed { code, message } => Some(Phase::Failed { code, message }),
            Event::Expired {} => Some(Phase::Expired {}),
            Event::Cancelled { reason } => Some(Phase::Cancelled { reason }),
            Event::Superseded { by } => Some(Phase::Superseded { by }),
            Event::Archived { reason } => Some(Phase::Archived { piece, reason }),
        };
        if let Some(phase) = next {
            self.phase = phase;
        }
    }

    fn view(&self) -> Value {
        let mut view = serde_json::to_value(self).unwrap_or(Value::Null);
        view["status"] = json!(self.phase.status());
        if let Some(key) = &self.brief.external_key {
            view["externalKey"] = json!(key);
        }
        view
    }
}

#[cfg(test)]
mod tests;
