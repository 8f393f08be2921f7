//! `try`: catches an error by its filter and conditions, tries again as long as its policy allows, then handles it.
//!
//! An error whose retries are used up and for which there is no `catch.do` goes on outward; without a retry policy
//! a caught error without `catch.do` is dropped, and the task's input is its output.

use std::time::Duration;

use super::event::RunEvent;
use super::fault::Caught;
use super::scene::{Scene, error_value};
use super::state::{Frame, Phase, Stage};
use super::terms::Part;
use super::turn::{SOONEST, Turn};
use crate::clock::Timestamp;
use crate::workflow::action::{ERROR_STEM, WorkflowError};
use crate::workflow::definition::{Backoff, Catch, ErrorFilter, Formula, Kind, Retry};

/// The stems of the standard errors before the specification changed its name: that of its text, and the one of its
/// example `try-catch-then-directive`.
const FORMER_STEMS: [&str; 2] =
    ["https://serverlessworkflow.io/spec/1.0.0/errors/", "https://serverlessworkflow.io/dsl/errors/types/"];

impl<'a> Turn<'a> {
    pub(super) fn try_catch(&mut self, at: &str, stage: Stage) {
        let Kind::Try(catch) = &self.node(at).kind else { return };
        match stage {
            Stage::Ready => self.first_of_body(at, "try"),
            Stage::Caught { .. } => self.first_of(at, Part::Catch, "do", 0),
            Stage::Done { output, caught } => {
                let then = catch.then.as_ref().filter(|_| caught);
                self.complete(at, output, then);
            }
            Stage::Trying | Stage::Backoff { .. } | Stage::Catching { .. } => {}
        }
    }

    /// Begins the next attempt, whose time has come.
    pub(super) fn try_again(&mut self, at: &str) {
        let Kind::Try(catch) = &self.node(at).kind else { return };
        let Some(frame) = self.state.frames.get(at) else { return };
        if !matches!(frame.phase, Phase::Try { stage: Stage::Backoff { .. }, .. }) {
            return;
        }
        let attempt = frame.attempt() + 1;
        let span = catch.retry.as_ref().and_then(|retry| retry.attempt.as_ref());
        match span.map(|span| self.span(span, &self.input(at), &self.scene(at))).transpose() {
            Ok(span) => {
                let deadline = span.map(|span| self.cx.now.plus(span));
                self.emit(RunEvent::RetryStarted { path: at.to_owned(), attempt, deadline });
            }
            Err(e) => self.fault(at, e),
        }
    }

    /// Ends an attempt that takes too long, as an error of the task that it is at.
    pub(super) fn end_attempt(&mut self, at: &str, due: Timestamp) {
        let trying = |frame: &Frame| matches!(frame.phase, Phase::Try { stage: Stage::Trying, .. });
        if !self.state.frames.get(at).is_some_and(trying) {
            return;
        }
        let inside = self.state.frames.iter().filter(|(_, frame)| frame.parent == at);
        let Some((task, _)) = inside.min_by_key(|(_, frame)| frame.order) else { return };
        let (task, detail) = (task.clone(), format!("the attempt was not done by {due}"));
        self.fault(&task, WorkflowError::standard("timeout", 408, detail));
    }

    /// Lets the task at a path catch an error out of its body, if it is a `try` that tries.
    pub(super) fn catch(&mut self, at: &str, error: WorkflowError) -> Caught {
        let Some(Frame { phase: Phase::Try { attempt, stage: Stage::Trying }, .. }) =
            self.state.frames.get(at)
        else {
            return Caught::No(error);
        };
        let attempt = *attempt;
        let Kind::Try(catch) = &self.node(at).kind else { return Caught::No(error) };
        let mut scene = self.scene(at);
        scene.extra = vec![(catch.variable.clone(), error_value(&error))];
        match self.decide(at, catch, attempt, &error, &scene) {
            Ok(Verdict::Pass) => Caught::No(error),
            Ok(Verdict::Retry(at_time)) => {
                let (path, attempt) = (at.to_owned(), attempt + 1);
                self.emit(RunEvent::RetryScheduled { path, attempt, at: at_time, error });
                Caught::Yes
            }
            Ok(Verdict::Handle) => {
                let (path, handles) = (at.to_owned(), catch.handles);
                self.emit(RunEvent::ErrorCaught { path, error, handles });
                Caught::Yes
            }
            Err(e) => Caught::No(WorkflowError { instance: Some(super::path::reference(at)), ..e }),
        }
    }

    /// What [`Self::catch`] would make of an error.
    pub(super) fn would_catch(&self, at: &str, error: WorkflowError) -> Caught {
        let Some(Frame { phase: Phase::Try { attempt, stage: Stage::Trying }, .. }) =
            self.state.frames.get(at)
        else {
            return Caught::No(error);
        };
        let Kind::Try(catch) = &self.node(at).kind else { return Caught::No(error) };
        let mut scene = self.scene(at);
        scene.extra = vec![(catch.variable.clone(), error_value(&error))];
        match self.decide(at, catch, *attempt, &error, &scene) {
            Ok(Verdict::Pass) => Caught::No(error),
            Ok(Verdict::Retry(_) | Verdict::Handle) => Caught::Yes,
            Err(e) => Caught::No(WorkflowError { instance: Some(super::path::reference(at)), ..e }),
        }
    }

    fn decide(
        &self,
        at: &str,
        catch: &Catch,
        attempt: u32,
        error: &WorkflowError,
        scene: &Scene,
    ) -> Result<Verdict, WorkflowError> {
        let conditions = (&catch.when, &catch.except_when);
        if !fits(&catch.filter, error) || !self.allowed(at, conditions, scene)? {
            return Ok(Verdict::Pass);
        }
        let Some(retry) = &catch.retry else { return Ok(Verdict::Handle) };
        let due = match self.allowed(at, (&retry.when, &retry.except_when), scene)? {
            true => self.retry_at(at, retry, attempt, scene)?,
            false => None,
        };
        Ok(match due {
            Some(due) => Verdict::Retry(due),
            None if catch.handles => Verdict::Handle,
            None => Verdict::Pass,
        })
    }

    fn allowed(
        &self,
        at: &str,
        (when, except): (&Option<Formula>, &Option<Formula>),
        scene: &Scene,
    ) -> Result<bool, WorkflowError> {
        let input = self.input(at);
        let check = |formula: &Option<Formula>, otherwise| {
            formula.as_ref().map_or(Ok(otherwise), |formula| self.holds(formula, &input, scene))
        };
        Ok(check(when, true)? && !check(except, false)?)
    }

    /// When the next attempt is due; none if the policy allows no more.
    fn retry_at(
        &self,
        at: &str,
        retry: &Retry,
        attempt: u32,
        scene: &Scene,
    ) -> Result<Option<Timestamp>, WorkflowError> {
        let input = self.input(at);
        if retry.count.is_some_and(|count| attempt > count) {
            return Ok(None);
        }
        let base = retry.delay.as_ref().map(|span| self.span(span, &input, scene)).transpose()?;
        let base = base.unwrap_or_default();
        let factor = match retry.backoff {
            Backoff::Constant => 1,
            Backoff::Linear => attempt,
            Backoff::Exponential => 2u32.saturating_pow(attempt - 1),
        };
        let mut delay = base.saturating_mul(factor);
        if let Some((from, to)) = &retry.jitter {
            let from = self.span(from, &input, scene)?;
            let to = self.span(to, &input, scene)?;
            delay = delay.saturating_add(self.jitter(at, attempt, from, to));
        }
        let due = self.cx.now.plus(delay.max(SOONEST));
        let within = retry.duration.as_ref().map(|span| self.span(span, &input, scene)).transpose()?;
        Ok(within.is_none_or(|most| due <= scene.started_at.plus(most)).then_some(due))
    }

    /// A length between two others that the run, the path and the attempt alone decide.
    fn jitter(&self, at: &str, attempt: u32, from: Duration, to: Duration) -> Duration {
        let parts = [self.cx.stream.id.to_string(), at.to_owned(), attempt.to_string()];
        let bits = crate::id::digest("jitter", &parts.each_ref().map(String::as_str));
        let [a, b, c, d, e, f, g, h, ..] = bits;
        let random = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let range = to.saturating_sub(from).as_millis() as u64;
        from + Duration::from_millis(random % range.saturating_add(1))
    }
}

enum Verdict {
    Pass,
    Retry(Timestamp),
    Handle,
}

fn fits(filter: &ErrorFilter, error: &WorkflowError) -> bool {
    let same = |wanted: &Option<String>, found: Option<&str>| {
        wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
    };
    let kind = filter.kind.as_deref().is_none_or(|kind| modern(kind) == modern(&error.kind));
    kind && filter.status.is_none_or(|status| status == error.status)
        && same(&filter.instance, error.instance.as_deref())
        && same(&filter.title, error.title.as_deref())
        && same(&filter.detail, error.detail.as_deref())
}

/// A type of error under the specification's present name.
fn modern(kind: &str) -> String {
    match FORMER_STEMS.iter().find_map(|stem| kind.strip_prefix(stem)) {
        Some(name) => format!("{ERROR_STEM}{name}"),
        None => kind.to_owned(),
    }
}
