//! Merging: a lead that turns out to be the same person as another stands back behind it.
//!
//! ```text
//!   apart -> merging: merge-into, sends `absorb` to the survivor
//!   merging -> merged: the survivor took it
//!   merging -> apart: the survivor could not
//!   merged -> undoing: undo-merge, sends `release` to the survivor
//!   undoing -> apart: the survivor gave it back
//!   undoing -> merged: the survivor could not
//! ```
//!
//! From `merging` on the lead refuses commands and names the survivor. The survivor keeps what it got as a share beside
//! its own, so that undoing gives both back what they had. A share holds no "yes": what was denied to either is denied to
//! the survivor, and nothing is allowed that was not allowed to it before. What the person denies to the survivor
//! stays denied to both when the merge is undone.
//!
//! A lead in whose place others are merged cannot be merged itself, and one that is merged cannot absorb: so a survivor is
//! always one that answers. Both messages are taken in once, however often they come.

use std::collections::BTreeSet;

use promptsales_engine::clock::Timestamp;
use promptsales_engine::entity::{DecideCx, Decision, EventCx};
use promptsales_engine::journal::{Outcome, Seq};
use promptsales_engine::personal::Personal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::consent::Word;
use super::decide::Decided;
use super::score::Engagement;
use super::state::MAX_CONSENTS;
use super::{Event, Id, Lead, Rejection, Tag};
use crate::value::{Email, Phone, Text};

/// The most leads in whose place one stands.
pub(super) const MAX_ABSORBED: usize = 16;

/// How far a merge, or its undoing, is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergePhase {
    /// The survivor was asked.
    Merging,
    /// The survivor stands in its place.
    Merged,
    /// The survivor was asked to give it back.
    Undoing,
}

/// The lead that stands in the place of another, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Merge {
    /// How far it is.
    pub phase: MergePhase,
    /// The survivor.
    pub survivor: Id,
    /// Who merged them.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text<500>>,
    /// The event that began it.
    pub seq: Seq,
    /// When.
    pub at: Timestamp,
}

/// What a survivor gets of a lead in whose place it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct Share {
    /// The lead.
    pub lead: Id,
    /// The lead's event that began the merge.
    pub merge: Seq,
    /// What the person denied to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denied: Vec<Word>,
    /// Its tags.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<Tag>,
    /// Its engagement.
    pub engagement: Engagement,
    /// How many activities it had.
    pub activity_count: u64,
    /// Its e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Personal<Email>>,
    /// Its telephone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Personal<Phone>>,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Personal<Text<200>>>,
}

/// A share, and since when the survivor has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Absorbed {
    /// What it got.
    pub share: Share,
    /// The survivor's event.
    pub seq: Seq,
    /// When.
    pub at: Timestamp,
}

/// What a survivor answers to `release`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Released {
    /// What the person denied to the survivor since the merge.
    denied: Vec<Word>,
}

impl Lead {
    /// Refuses where another lead stands in the place of this one.
    pub(super) fn alone(&self) -> Result<(), Rejection> {
        self.merge.as_ref().map_or(Ok(()), |merge| Err(Rejection::Merged { survivor: merge.survivor }))
    }

    /// Decides on a merge into another lead.
    pub(super) fn merge_into(&self, survivor: Id, reason: Option<Text<500>>, cx: &DecideCx<'_>) -> Decided {
        if let Some(merge) = &self.merge {
            let same = merge.survivor == survivor && merge.phase != MergePhase::Undoing;
            return if same { Ok(Decision::none()) } else { self.alone().map(|()| Decision::none()) };
        }
        if survivor.stream() == cx.id {
            return Err(Rejection::MergeIntoItself);
        }
        if !self.absorbed.is_empty() {
            return Err(Rejection::SurvivorOfOthers);
        }
        let lead = Id::try_from(cx.id).map_err(|_| Rejection::MergeIntoItself)?;
        let share = Share {
            lead,
            merge: cx.seq + 1,
            denied: self.consent.iter().filter(|word| word.is_no()).cloned().collect(),
            tags: self.details.tags.clone(),
            engagement: self.engagement,
            activity_count: self.activity_count,
            email: self.details.email.clone(),
            phone: self.details.phone.clone(),
            name: self.details.name.clone(),
        };
        let begun = Event::MergeBegun { survivor, by: cx.principal.to_owned(), reason };
        Ok(Decision::event(begun).send(survivor.stream(), "absorb", json!(share)))
    }

    /// Decides on undoing a merge.
    pub(super) fn undo_merge(&self, reason: Text<500>, cx: &DecideCx<'_>) -> Decided {
        let Some(merge) = &self.merge else { return Ok(Decision::none()) };
        match merge.phase {
            MergePhase::Undoing => Ok(Decision::none()),
            MergePhase::Merging => Err(Rejection::MergeUnderWay { survivor: merge.survivor }),
            MergePhase::Merged => {
                let begun = Event::UndoBegun { by: cx.principal.to_owned(), reason };
                let body = json!({ "lead": cx.id, "merge": merge.seq });
                Ok(Decision::event(begun).send(merge.survivor.stream(), "release", body))
            }
        }
    }

    /// Decides what the survivor's answer leads to.
    pub(super) fn merge_answered(&self, outcome: Outcome) -> Decision<Event> {
        let phase = self.merge.as_ref().map(|merge| merge.phase);
        Decision::event(match (phase, outcome) {
            (Some(MergePhase::Merging), Outcome::Accepted(_)) => Event::Merged {},
            (Some(MergePhase::Merging), Outcome::Rejected(no)) => {
                Event::MergeRefused { code: no.code.into_owned(), message: no.message }
            }
            (Some(MergePhase::Undoing), Outcome::Accepted(yes)) => {
                let released: Released = serde_json::from_str(yes.reply.text()).unwrap_or_default();
                Event::MergeUndone { denied: released.denied }
            }
            (Some(MergePhase::Undoing), Outcome::Rejected(no)) => {
                Event::UndoRefused { code: no.code.into_owned(), message: no.message }
            }
            (Some(MergePhase::Merged) | None, _) => return Decision::none(),
        })
    }

    /// Decides on standing in the place of another lead.
    pub(super) fn absorb(&self, share: Box<Share>, cx: &DecideCx<'_>) -> Decided {
        of_that_lead(share.lead, cx)?;
        self.alone()?;
        let known = self.absorbed.iter().find(|absorbed| absorbed.share.lead == share.lead);
        match known {
            Some(absorbed) if absorbed.share.merge >= share.merge => Ok(Decision::none()),
            None if self.absorbed.len() >= MAX_ABSORBED => Err(Rejection::TooManyAbsorbed),
            Some(_) | None => Ok(Decision::event(Event::Absorbed(share))),
        }
    }

    /// Decides on giving a lead back that it stands in the place of.
    pub(super) fn release(&self, lead: Id, merge: Seq, cx: &DecideCx<'_>) -> Decided {
        of_that_lead(lead, cx)?;
        let ours = |absorbed: &&Absorbed| absorbed.share.lead == lead && absorbed.share.merge == merge;
        let Some(absorbed) = self.absorbed.iter().find(ours) else {
            return Ok(Decision::none().reply(json!(Released::default())));
        };
        let since = self.consent.iter().filter(|word| word.is_no() && word.seq > absorbed.seq);
        let released = Released { denied: since.cloned().collect() };
        Ok(Decision::event(Event::Released { lead }).reply(json!(released)))
    }

    /// Folds what happens to a merge.
    pub(super) fn fold_merge(&mut self, change: MergePhase) {
        if let Some(merge) = &mut self.merge {
            merge.phase = change;
        }
    }

    /// Takes a share.
    pub(super) fn take(&mut self, share: &Share, cx: &EventCx) {
        self.absorbed.retain(|absorbed| absorbed.share.lead != share.lead);
        self.absorbed.push(Absorbed { share: share.clone(), seq: cx.seq, at: cx.at });
    }

    /// Denies what was denied to the survivor. Where there is no room for a word on a topic, the channel is denied.
    pub(super) fn deny(&mut self, denied: &[Word], cx: &EventCx) {
        for word in denied {
            let mut word = Word { seq: cx.seq, ..word.clone() };
            let about = |known: &&Word| known.is_about(word.channel, word.topic.as_ref());
            match self.consent.iter().find(about) {
                Some(known) if known.is_no() => continue,
                Some(_) => {}
                None if self.consent.len() >= MAX_CONSENTS => word.topic = None,
                None => {}
            }
            self.say(word);
        }
    }
}

/// Only the lead that is merged sends these.
fn of_that_lead(lead: Id, cx: &DecideCx<'_>) -> Result<(), Rejection> {
    if cx.principal == lead.stream().to_string() { Ok(()) } else { Err(Rejection::OnlyByMergedLead) }
}
