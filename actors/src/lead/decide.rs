//! What a lead decides.

use promptsales_engine::entity::{DecideCx, Decision};

use serde_json::json;

use super::score::MAX_FIT;
use super::state::{MAX_CONSENTS, MAX_POINTS, MAX_TAGS};
use super::{
    Command, Consent, Details, Event, Evidence, FitChange, Lead, Patch, Rejection, Stage, Tag, Topic,
};
use crate::value::{Channel, ExternalKey, Text, is_person};

/// What a command leads to, or why not.
pub(super) type Decided = Result<Decision<Event>, Rejection>;

/// Decides where there is no lead yet.
pub(super) fn create(command: Command, cx: &DecideCx<'_>) -> Decided {
    match command {
        Command::Register(details) => Ok(Decision::event(Event::Registered(checked(details, cx)?))),
        Command::RecordActivity { activity, score, tag } => {
            in_bounds(score)?;
            let external_key = cx.external_key.and_then(|key| key.parse::<ExternalKey>().ok());
            Ok(Decision::event(Event::ActivityRecorded { activity, score, tag, external_key }))
        }
        Command::Update(_)
        | Command::ScoreFit { .. }
        | Command::Qualify { .. }
        | Command::MoveStage { .. }
        | Command::Assign { .. }
        | Command::Unassign { .. }
        | Command::AttachTracking { .. }
        | Command::Tag { .. }
        | Command::Untag { .. }
        | Command::RecordConsent { .. }
        | Command::MayContact { .. }
        | Command::MergeInto { .. }
        | Command::UndoMerge { .. }
        | Command::Absorb(_)
        | Command::Release { .. }
        | Command::Answered(_) => {
            unreachable!("only `register` and `record-activity` create, and the engine asks first")
        }
    }
}

/// Completes details with the key that the lead is addressed by, and checks them.
fn checked(mut details: Box<Details>, cx: &DecideCx<'_>) -> Result<Box<Details>, Rejection> {
    if let Some(key) = cx.external_key {
        if details.external_key.as_ref().is_some_and(|given| given.as_str() != key) {
            return Err(Rejection::KeyConflict);
        }
        details.external_key = key.parse().ok();
    }
    if details.email.is_none() && details.phone.is_none() && details.external_key.is_none() {
        return Err(Rejection::NoIdentity);
    }
    if details.phone.as_ref().is_some_and(|phone| phone.expose().check().is_err()) {
        return Err(Rejection::InvalidPhone);
    }
    if details.tags.len() > MAX_TAGS {
        return Err(Rejection::TooManyTags);
    }
    if details.consent.len() > MAX_CONSENTS {
        return Err(Rejection::TooManyConsents);
    }
    if details.consent.iter().any(|consent| consent.at.is_some_and(|at| at > cx.now)) {
        return Err(Rejection::ConsentAhead);
    }
    Ok(details)
}

fn in_bounds(score: i32) -> Result<(), Rejection> {
    if i64::from(score).abs() > MAX_POINTS {
        return Err(Rejection::ScoreOutOfBounds { score });
    }
    Ok(())
}

impl Lead {
    /// Decides on a command for a lead that there is.
    pub(super) fn decide_on(&self, command: Command, cx: &DecideCx<'_>) -> Decided {
        match command {
            Command::MergeInto { survivor, reason } => self.merge_into(survivor, reason, cx),
            Command::UndoMerge { reason } => self.undo_merge(reason, cx),
            Command::Answered(outcome) => Ok(self.merge_answered(outcome)),
            Command::Absorb(share) => self.absorb(share, cx),
            Command::Release { lead, merge } => self.release(lead, merge, cx),
            Command::MayContact { channel, topic } => Ok(self.answer_may_contact(channel, topic.as_ref())),
            Command::RecordActivity { activity, score, tag } => {
                self.alone()?;
                in_bounds(score)?;
                if let Some(tag) = &tag {
                    self.room_for(tag)?;
                }
                Ok(Decision::event(Event::ActivityRecorded { activity, score, tag, external_key: None }))
            }
            other => {
                self.alone()?;
                self.decide_alone(other, cx)
            }
        }
    }

    /// Decides on what only a lead that is not merged does.
    fn decide_alone(&self, command: Command, cx: &DecideCx<'_>) -> Decided {
        match command {
            Command::Register(details) => self.register(details, cx),
            Command::Update(patch) => self.update(patch),
            Command::ScoreFit { points, change, reasons } => self.score_fit(points, change, reasons, cx),
            Command::Qualify { reason, evidence } => self.qualify(reason, evidence, cx),
            Command::MoveStage { to, reason, evidence } => self.move_stage(to, reason, evidence, cx),
            Command::Assign { owner, reason } => {
                let by = cx.principal.to_owned();
                Ok(when(self.owner() != Some(&owner), Event::Assigned { owner, by, reason }))
            }
            Command::Unassign { reason } => {
                let Some(owner) = self.owner().cloned() else { return Ok(Decision::none()) };
                Ok(Decision::event(Event::Unassigned { owner, by: cx.principal.to_owned(), reason }))
            }
            Command::AttachTracking { provenance } => {
                let last = self.touches.back().map(|touch| &touch.provenance);
                let known = last.or(self.details.provenance.as_ref()) == Some(&*provenance);
                Ok(when(!known, Event::TrackingAttached { provenance }))
            }
            Command::Tag { tag } => {
                self.room_for(&tag)?;
                Ok(when(!self.details.tags.contains(&tag), Event::Tagged { tag }))
            }
            Command::Untag { tag } => Ok(when(self.details.tags.contains(&tag), Event::Untagged { tag })),
            Command::RecordConsent { consent } => self.record_consent(consent, cx),
            Command::RecordActivity { .. }
            | Command::MayContact { .. }
            | Command::MergeInto { .. }
            | Command::UndoMerge { .. }
            | Command::Absorb(_)
            | Command::Release { .. }
            | Command::Answered(_) => unreachable!("`decide_on` takes these"),
        }
    }

    fn answer_may_contact(&self, channel: Channel, topic: Option<&Topic>) -> Decision<Event> {
        Decision::none().reply(match self.may_contact(channel, topic) {
            Ok(()) => json!({ "allowed": true }),
            Err(why) => json!({ "allowed": false, "reason": why, "message": why.to_string() }),
        })
    }

    fn update(&self, patch: Box<Patch>) -> Decided {
        let patched = patch.apply(&self.details)?;
        Ok(when(patched != self.details, Event::Updated(patch)))
    }

    fn score_fit(
        &self,
        points: i32,
        change: FitChange,
        reasons: Vec<Text<200>>,
        cx: &DecideCx<'_>,
    ) -> Decided {
        if !(1..=10).contains(&reasons.len()) {
            return Err(Rejection::FitReasons { count: reasons.len() });
        }
        let lowest = match change {
            FitChange::Set => 0,
            FitChange::Add => -MAX_FIT,
        };
        if !(lowest..=MAX_FIT).contains(&i64::from(points)) {
            return Err(Rejection::FitOutOfBounds { points });
        }
        let known = self.fit.as_ref().map_or(0, |fit| fit.points);
        let points = match change {
            FitChange::Set => i64::from(points),
            FitChange::Add => (known + i64::from(points)).clamp(0, MAX_FIT),
        };
        let same = self.fit.as_ref().is_some_and(|fit| fit.points == points && fit.reasons == reasons);
        Ok(when(!same, Event::FitScored { points, reasons, by: cx.principal.to_owned() }))
    }

    /// Registers a lead that is known by its activities only; a registered one takes the same details again.
    fn register(&self, details: Box<Details>, cx: &DecideCx<'_>) -> Decided {
        let mut details = checked(details, cx)?;
        let known = &self.details;
        if details.external_key.is_none() {
            details.external_key.clone_from(&known.external_key);
        }
        if known.external_key.is_some() && details.external_key != known.external_key {
            return Err(Rejection::AlreadyRegistered);
        }
        let same = details.email == known.email
            && details.phone == known.phone
            && details.external_key == known.external_key
            && details.name == known.name
            && details.locale == known.locale
            && details.time_zone == known.time_zone
            && details.attributes == known.attributes
            && details.tags.is_subset(&known.tags)
            && details.consent.iter().all(|said| self.consent.iter().any(|word| word.repeats(said)));
        let anonymous = known.email.is_none() && known.phone.is_none() && known.name.is_none();
        match (same, anonymous) {
            (true, _) => Ok(Decision::none()),
            (false, true) if details.tags.union(&known.tags).count() > MAX_TAGS => {
                Err(Rejection::TooManyTags)
            }
            (false, true) => Ok(Decision::event(Event::Registered(details))),
            (false, false) => Err(Rejection::AlreadyRegistered),
        }
    }

    fn qualify(&self, reason: Option<Text<500>>, evidence: Option<Evidence>, cx: &DecideCx<'_>) -> Decided {
        if self.stage.rank() >= Stage::Qualified.rank() {
            return Ok(Decision::none());
        }
        self.move_stage(Stage::Qualified, reason, evidence, cx)
    }

    fn move_stage(
        &self,
        to: Stage,
        reason: Option<Text<500>>,
        evidence: Option<Evidence>,
        cx: &DecideCx<'_>,
    ) -> Decided {
        let from = self.stage;
        if from == to {
            return Ok(Decision::none());
        }
        let forward = matches!((from.rank(), to.rank()), (Some(from), Some(to)) if to > from);
        let exit = from.rank().is_some() && to.rank().is_none();
        if !forward && !exit && !is_person(cx.principal) {
            return Err(Rejection::OnlyByPerson { from, to });
        }
        if !forward && reason.is_none() {
            return Err(Rejection::ReasonNeeded { from, to });
        }
        let (by, causation) = (cx.principal.to_owned(), Some(cx.causation.to_owned()));
        Ok(Decision::event(Event::StageMoved { from, to, by, reason, causation, evidence }))
    }

    fn record_consent(&self, consent: Box<Consent>, cx: &DecideCx<'_>) -> Decided {
        if consent.at.is_some_and(|at| at > cx.now) {
            return Err(Rejection::ConsentAhead);
        }
        let mut known = self.consent.iter();
        match known.find(|word| word.is_about(consent.channel, consent.topic.as_ref())) {
            Some(word) if word.repeats(&consent) => Ok(Decision::none()),
            Some(word) if consent.at.is_some_and(|at| at < word.at) => Err(Rejection::ConsentOutdated),
            None if self.consent.len() >= MAX_CONSENTS && consent.topic.is_some() => {
                Err(Rejection::TooManyConsents)
            }
            Some(_) | None => Ok(Decision::event(Event::ConsentRecorded { consent })),
        }
    }

    fn room_for(&self, tag: &Tag) -> Result<(), Rejection> {
        let tags = &self.details.tags;
        if tags.len() >= MAX_TAGS && !tags.contains(tag) { Err(Rejection::TooManyTags) } else { Ok(()) }
    }
}

fn when(happens: bool, event: Event) -> Decision<Event> {
    if happens { Decision::event(event) } else { Decision::none() }
}
