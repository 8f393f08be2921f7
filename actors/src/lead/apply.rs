//! What events make of a lead.

use std::collections::{BTreeMap, VecDeque};

use promptsales_engine::entity::EventCx;

use super::consent::Word;
use super::merge::{Merge, MergePhase};
use super::score::Engagement;
use super::stage::StageChange;
use super::state::{Activity, Fit, Owner, Touch, keep};
use super::{Details, Event, Lead, Stage};
use crate::value::Provenance;

impl Lead {
    /// A lead of which nothing is known yet.
    pub(super) fn blank(cx: &EventCx) -> Self {
        Self {
            stage: Stage::New,
            fit: None,
            engagement: Engagement::none(cx.at),
            activity_count: 0,
            recent_activities: VecDeque::new(),
            details: Details::default(),
            consent: Vec::new(),
            owners: VecDeque::new(),
            touches: VecDeque::new(),
            stage_changes: VecDeque::new(),
            stage_counts: BTreeMap::new(),
            merge: None,
            absorbed: Vec::new(),
            created_at: cx.at,
            updated_at: cx.at,
        }
    }

    /// Folds one more event into the state.
    pub(super) fn fold(&mut self, event: &Event, cx: &EventCx) {
        match event {
            Event::ActivityRecorded { activity, score, tag, external_key } => {
                self.activity_count += 1;
                self.engagement.add(*score, cx.at);
                let (activity, score, at) = (activity.clone(), *score, cx.at);
                keep(&mut self.recent_activities, Activity { activity, score, at });
                if let Some(tag) = tag {
                    self.details.tags.insert(tag.clone());
                }
                if external_key.is_some() {
                    self.details.external_key.clone_from(external_key);
                }
            }
            Event::Registered(details) => self.fill_in(details, cx),
            Event::Updated(patch) => self.details = patch.fold(&self.details),
            Event::StageMoved { .. } => self.fold_stage(event, cx),
            Event::FitScored { points, reasons, by } => {
                let (points, reasons, by) = (*points, reasons.clone(), by.clone());
                self.fit = Some(Fit { points, reasons, by, seq: cx.seq, at: cx.at });
            }
            Event::Assigned { owner, by, reason } => {
                let (owner, by, reason) = (Some(owner.clone()), by.clone(), reason.clone());
                keep(&mut self.owners, Owner { owner, by, reason, seq: cx.seq, at: cx.at });
            }
            Event::Unassigned { by, reason, .. } => {
                let (by, reason) = (by.clone(), reason.clone());
                keep(&mut self.owners, Owner { owner: None, by, reason, seq: cx.seq, at: cx.at });
            }
            Event::TrackingAttached { provenance } => self.touch(provenance, cx),
            Event::Tagged { tag } => {
                self.details.tags.insert(tag.clone());
            }
            Event::Untagged { tag } => {
                self.details.tags.remove(tag);
            }
            Event::ConsentRecorded { consent } => self.say(Word::new(consent, cx.at, cx.seq)),
            Event::MergeBegun { survivor, by, reason } => {
                let (survivor, by, reason) = (*survivor, by.clone(), reason.clone());
                let phase = MergePhase::Merging;
                self.merge = Some(Merge { phase, survivor, by, reason, seq: cx.seq, at: cx.at });
            }
            Event::Merged {} | Event::UndoRefused { .. } => self.fold_merge(MergePhase::Merged),
            Event::UndoBegun { .. } => self.fold_merge(MergePhase::Undoing),
            Event::MergeRefused { .. } => self.merge = None,
            Event::MergeUndone { denied } => {
                self.merge = None;
                self.deny(denied, cx);
            }
            Event::Absorbed(share) => self.take(share, cx),
            Event::Released { lead } => self.absorbed.retain(|absorbed| absorbed.share.lead != *lead),
        }
        self.updated_at = cx.at;
    }

    fn fold_stage(&mut self, event: &Event, cx: &EventCx) {
        let Event::StageMoved { from, to, by, reason, causation, evidence } = event.clone() else { return };
        self.stage = to;
        *self.stage_counts.entry(to.as_str().to_owned()).or_default() += 1;
        let change = StageChange { from, to, by, reason, causation, evidence, seq: cx.seq, at: cx.at };
        keep(&mut self.stage_changes, change);
    }

    /// Takes registered details over; what was noted before them stays: the first provenance, tags, consent.
    fn fill_in(&mut self, details: &Details, cx: &EventCx) {
        let before = std::mem::replace(&mut self.details, details.clone());
        self.details.tags.extend(before.tags);
        self.details.consent.clear();
        if let Some(first) = before.provenance
            && let Some(later) = self.details.provenance.replace(first)
        {
            self.touch(&later, cx);
        }
        if self.details.external_key.is_none() {
            self.details.external_key = before.external_key;
        }
        for said in &details.consent {
            self.say(Word::new(said, cx.at, cx.seq));
        }
    }

    /// Notes where it came from: the first time, or once more.
    fn touch(&mut self, provenance: &Provenance, cx: &EventCx) {
        match &self.details.provenance {
            None => self.details.provenance = Some(provenance.clone()),
            Some(_) => keep(&mut self.touches, Touch { provenance: provenance.clone(), at: cx.at }),
        }
    }

    /// The newest word on a channel and topic counts.
    pub(super) fn say(&mut self, word: Word) {
        self.consent.retain(|known| !known.is_about(word.channel, word.topic.as_ref()));
        self.consent.push(word);
    }
}
