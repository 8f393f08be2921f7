//! What a content job decides.

use promptsales_engine::entity::{DecideCx, Decision};

use super::state::Progress;
use super::{Command, ContentJob, Event, JobBrief, Phase, Rejection};
use crate::value::{Piece, Text};

type Decided = Result<Decision<Event>, Rejection>;

/// Decides on the brief of a job that does not exist yet.
pub(super) fn create(brief: Box<JobBrief>, cx: &DecideCx<'_>) -> Decided {
    Ok(Decision::event(Event::Briefed(keyed(brief, cx)?)))
}

/// Completes a brief with the key that the job is addressed by.
fn keyed(mut brief: Box<JobBrief>, cx: &DecideCx<'_>) -> Result<Box<JobBrief>, Rejection> {
    if let Some(key) = cx.external_key {
        if brief.external_key.as_ref().is_some_and(|given| given.as_str() != key) {
            return Err(Rejection::KeyConflict);
        }
        brief.external_key = key.parse().ok();
    }
    Ok(brief)
}

impl ContentJob {
    /// Decides on a command for a job that there is.
    pub(super) fn decide_on(&self, command: Command, cx: &DecideCx<'_>) -> Decided {
        match command {
            Command::Brief(brief) => {
                if *keyed(brief, cx)? == self.brief {
                    return Ok(Decision::none());
                }
                Err(Rejection::AlreadyBriefed)
            }
            Command::Queue {} => self.forward("queue", Progress::Queued, Event::Queued {}),
            Command::Submit { provider_job } => {
                self.forward("submit", Progress::Submitted, Event::Submitted { provider_job })
            }
            Command::StartGenerating { provider_job } => {
                let event = Event::GenerationStarted { provider_job };
                self.forward("start-generating", Progress::Generating, event)
            }
            Command::RecordGenerated { piece } => self.record_generated(piece),
            Command::SubmitForReview {} => {
                self.has_piece("submit-for-review")?;
                self.forward("submit-for-review", Progress::InReview, Event::SubmittedForReview {})
            }
            Command::RequestChanges { by, reason } => self.request_changes(by, reason),
            Command::Approve { by } => {
                self.has_piece("approve")?;
                self.forward("approve", Progress::Approved, Event::Approved { by })
            }
            Command::WithdrawApproval {} => {
                let approved = matches!(self.phase, Phase::Approved { .. });
                Ok(if approved { Decision::event(Event::ApprovalWithdrawn {}) } else { Decision::none() })
            }
            Command::RejectByPolicy { code, message } => {
                let done = matches!(self.phase, Phase::PolicyRejected { .. });
                self.leave("reject-by-policy", done, Event::PolicyRejected { code, message })
            }
            Command::Fail { code, message } => {
                let done = matches!(self.phase, Phase::Failed { .. });
                self.leave("fail", done, Event::Failed { code, message })
            }
            Command::Expire {} => {
                self.leave("expire", matches!(self.phase, Phase::Expired {}), Event::Expired {})
            }
            Command::Cancel { reason } => {
                let done = matches!(self.phase, Phase::Cancelled { .. });
                self.leave("cancel", done, Event::Cancelled { reason })
            }
            Command::Supersede { by } => {
                let done = self.phase == Phase::Superseded { by };
                self.leave("supersede", done, Event::Superseded { by })
            }
            Command::Archive { reason } => {
                let done = matches!(self.phase, Phase::Archived { .. });
                Ok(if done { Decision::none() } else { Decision::event(Event::Archived { reason }) })
            }
        }
    }

    /// Goes on to a place of the way; nothing happens where the job is as far already.
    fn forward(&self, command: &'static str, to: Progress, event: Event) -> Decided {
        match self.phase.progress() {
            None => Err(self.wrong_state(command)),
            Some(progress) if progress >= to => Ok(Decision::none()),
            Some(_) => Ok(Decision::event(event)),
        }
    }

    /// Leaves the way; nothing happens where the job has left it there already.
    fn leave(&self, command: &'static str, done: bool, event: Event) -> Decided {
        if done {
            return Ok(Decision::none());
        }
        match self.phase.progress() {
            None => Err(self.wrong_state(command)),
            Some(_) => Ok(Decision::event(event)),
        }
    }

    fn record_generated(&self, piece: Box<Piece>) -> Decided {
        let got = (piece.channel, &piece.locale, piece.kind);
        let wanted = (self.brief.channel, &self.brief.locale, self.brief.kind);
        if got != wanted {
            let told = |(channel, locale, kind): (_, &_, _)| format!("{kind} in {locale} for {channel}");
            return Err(Rejection::WrongPiece { got: told(got), wanted: told(wanted) });
        }
        match self.phase.progress() {
            None => Err(self.wrong_state("record-generated")),
            Some(progress) if progress < Progress::Generated => {
                Ok(Decision::event(Event::Generated { piece }))
            }
            Some(_) if self.phase.piece() == Some(&piece) => Ok(Decision::none()),
            Some(_) => Err(self.wrong_state("record-generated")),
        }
    }

    fn request_changes(&self, by: Text<200>, reason: Text<2000>) -> Decided {
        if matches!(self.phase, Phase::ChangesRequested { .. }) {
            return Ok(Decision::none());
        }
        match self.phase.progress() {
            Some(Progress::Generated | Progress::InReview) => {
                Ok(Decision::event(Event::ChangesRequested { by, reason }))
            }
            Some(_) | None => Err(self.wrong_state("request-changes")),
        }
    }

    fn has_piece(&self, command: &'static str) -> Result<(), Rejection> {
        match self.phase.progress() {
            Some(progress) if progress >= Progress::Generated => Ok(()),
            Some(_) | None => Err(self.wrong_state(command)),
        }
    }

    fn wrong_state(&self, command: &'static str) -> Rejection {
        Rejection::WrongState { command, status: self.phase.status() }
    }
}
