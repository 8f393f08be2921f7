//! What a lead decides.

use promptsales_engine::entity::{DecideCx, Decision};
use promptsales_engine::id::StreamId;

use super::state::{MAX_CONSENTS, MAX_SCORE, MAX_TAGS};
use super::{Command, Consent, Details, Event, Lead, Rejection, Stage, Tag};
use crate::value::{ExternalKey, Text};

type Decided = Result<Decision<Event>, Rejection>;

/// Decides where there is no lead yet.
pub(super) fn create(command: Command, cx: &DecideCx<'_>) -> Decided {
    match command {
        Command::Register(details) => Ok(Decision::event(Event::Registered(checked(details, cx)?))),
        Command::RecordActivity { activity, score, tag } => {
            in_bounds(score)?;
            let external_key = cx.external_key.and_then(|key| key.parse::<ExternalKey>().ok());
            Ok(Decision::event(Event::ActivityRecorded { activity, score, tag, external_key }))
        }
        Command::Qualify { .. }
        | Command::MoveStage { .. }
        | Command::AttachTracking { .. }
        | Command::Tag { .. }
        | Command::Untag { .. }
        | Command::RecordConsent { .. } => {
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
    Ok(details)
}

fn in_bounds(score: i32) -> Result<(), Rejection> {
    if i64::from(score).abs() > MAX_SCORE {
        return Err(Rejection::ScoreOutOfBounds { score });
    }
    Ok(())
}

/// True if a command comes from a person and not from a run, a rule, another entity or the engine.
fn is_person(principal: &str) -> bool {
    let engine = ["timer", "system", "effects"].contains(&principal);
    let sent = ["run:", "rule:"].iter().any(|stem| principal.starts_with(stem));
    !engine && !sent && principal.parse::<StreamId>().is_err()
}

impl Lead {
    /// Decides on a command for a lead that there is.
    pub(super) fn decide_on(&self, command: Command, cx: &DecideCx<'_>) -> Decided {
        match command {
            Command::RecordActivity { activity, score, tag } => {
                in_bounds(score)?;
                if let Some(tag) = &tag {
                    self.room_for(tag)?;
                }
                Ok(Decision::event(Event::ActivityRecorded { activity, score, tag, external_key: None }))
            }
            Command::Register(details) => self.register(details, cx),
            Command::Qualify { reason } => self.qualify(reason, cx),
            Command::MoveStage { to, reason } => self.move_stage(to, reason, cx),
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
            Command::RecordConsent { consent } => self.record_consent(consent),
        }
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
            && details.consent.iter().all(|consent| known.consent.contains(consent));
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

    fn qualify(&self, reason: Option<Text<500>>, cx: &DecideCx<'_>) -> Decided {
        if self.stage.rank() >= Stage::Qualified.rank() {
            return Ok(Decision::none());
        }
        self.move_stage(Stage::Qualified, reason, cx)
    }

    fn move_stage(&self, to: Stage, reason: Option<Text<500>>, cx: &DecideCx<'_>) -> Decided {
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
        Ok(Decision::event(Event::StageMoved { from, to, by: cx.principal.to_owned(), reason }))
    }

    fn record_consent(&self, consent: Consent) -> Decided {
        let known = &self.details.consent;
        let about = |other: &Consent| other.channel == consent.channel && other.topic == consent.topic;
        if known.contains(&consent) {
            return Ok(Decision::none());
        }
        if known.len() >= MAX_CONSENTS && !known.iter().any(about) {
            return Err(Rejection::TooManyConsents);
        }
        Ok(Decision::event(Event::ConsentRecorded { consent }))
    }

    fn room_for(&self, tag: &Tag) -> Result<(), Rejection> {
        let tags = &self.details.tags;
        if tags.len() >= MAX_TAGS && !tags.contains(tag) { Err(Rejection::TooManyTags) } else { Ok(()) }
    }
}

fn when(happens: bool, event: Event) -> Decision<Event> {
    if happens { Decision::event(event) } else { Decision::none() }
}
