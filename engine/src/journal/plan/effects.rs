//! What a batch comes to for each effect.

use std::collections::{BTreeMap, HashMap};

use super::batch::Known;
use super::rows::{EffectRow, Rows, StepRow, UNKNOWN, phase};
use crate::clock::Timestamp;
use crate::effect::{EffectKey, EffectOp, EffectOutcome, EffectState};
use crate::journal::check::{refused, step_effect};
use crate::journal::{Entry, EntryError};

/// The effects of a plan: those that enter the ledger, and the steps of those that stand in it.
#[derive(Debug, Default)]
pub(super) struct Effects {
    new: Vec<EffectRow>,
    places: HashMap<EffectKey, usize>,
    steps: BTreeMap<(EffectKey, u64), StepRow>,
}

/// The key of the effect that a step is about.
fn key_of(op: &EffectOp) -> EffectKey {
    match op {
        EffectOp::Intend(effect) => effect.key,
        EffectOp::Dispatch { key, .. } | EffectOp::End { key, .. } => *key,
    }
}

impl Effects {
    /// Refuses an entry that intends an effect twice, as far as known. An effect may be intended where its key is
    /// new, or its stream's and ended without it being known how; each step of the entry counts for the next one.
    pub(super) fn check(&self, known: &Known, entry: &Entry, no: u64) -> Result<(), EntryError> {
        if !entry.effects.iter().any(|op| matches!(op, EffectOp::Intend(_))) {
            return Ok(());
        }
        let mut changed: HashMap<EffectKey, (u64, u8)> = HashMap::new();
        for op in &entry.effects {
            let key = key_of(op);
            let found = changed.get(&key).copied().or_else(|| self.find(known, key));
            match (op, found) {
                (EffectOp::Intend(_), Some(found)) if found != (no, UNKNOWN) => {
                    let reason = "an effect of this key stands in the ledger already";
                    return Err(refused(entry, reason.to_owned()));
                }
                (EffectOp::Intend(effect), _) => {
                    changed.insert(key, (no, phase(&effect.state)));
                }
                (EffectOp::Dispatch { .. }, _) => {}
                (EffectOp::End { outcome, .. }, Some((owner, before))) if owner == no => {
                    changed.insert(key, (no, ended_phase(before, outcome)));
                }
                (EffectOp::End { .. }, _) => {}
            }
        }
        Ok(())
    }

    /// Takes a step in, behind those that came before.
    pub(super) fn add(&mut self, known: &mut Known, at: Timestamp, no: u64, op: &EffectOp) {
        let key = key_of(op);
        let place = self.places.get(&key).and_then(|place| self.new.get_mut(*place));
        let EffectOp::Intend(effect) = op else {
            match place {
                Some(new) if new.no == no => {
                    step_effect(&mut new.effect, op);
                    let is_ended = matches!(new.effect.state, EffectState::Ended(_));
                    new.ended = new.ended.or(is_ended.then_some(at));
                }
                Some(_) => {}
                None => self.step(key, no, at, op),
            }
            return;
        };
        let ended = matches!(effect.state, EffectState::Ended(_)).then_some(at);
        if let Some(again) = place {
            again.effect = (**effect).clone();
            again.ended = ended;
            return;
        }
        // It is written whole, whatever steps came before.
        let is_again = known.effects.contains_key(&key);
        if is_again {
            self.steps.remove(&(key, no));
        }
        known.number += 1;
        self.places.insert(key, self.new.len());
        let effect = (**effect).clone();
        self.new.push(EffectRow { number: known.number, no, effect, ended, is_again });
    }

    /// Writes the rows.
    pub(super) fn write(self, rows: &mut Rows<'_>) {
        rows.steps = self.steps.into_values().collect();
        rows.effects = self.new;
    }

    /// Whose an effect is and in which phase, as far as known.
    fn find(&self, known: &Known, key: EffectKey) -> Option<(u64, u8)> {
        if let Some(new) = self.places.get(&key).and_then(|place| self.new.get(*place)) {
            return Some((new.no, phase(&new.effect.state)));
        }
        let (owner, before) = *known.effects.get(&key)?;
        let end = self.steps.get(&(key, owner)).and_then(|step| step.end.as_ref());
        Some((owner, end.map_or(before, |(_, outcome)| ended_phase(before, outcome))))
    }

    /// Takes a step of an effect in that stands in the ledger, as [`step_effect`] does for an effect that is open;
    /// the statement sees to the others.
    fn step(&mut self, key: EffectKey, no: u64, at: Timestamp, op: &EffectOp) {
        let fresh = || StepRow { key, no, dispatch: None, end: None };
        let step = self.steps.entry((key, no)).or_insert_with(fresh);
        match op {
            EffectOp::Intend(_) => {}
            EffectOp::Dispatch { epoch, attempt, .. } => {
                if step.end.is_none() {
                    step.dispatch = Some((*epoch, *attempt));
                }
            }
            EffectOp::End { outcome, .. } => match &mut step.end {
                None => step.end = Some((at, outcome.clone())),
                Some((_, end @ EffectOutcome::Unknown(_))) => *end = outcome.clone(),
                Some(_) => {}
            },
        }
    }
}

/// The phase after an end: an end is final, except that an unknown one may be resolved.
fn ended_phase(before: u8, outcome: &EffectOutcome) -> u8 {
    match before {
        1 => 1,
        _ => phase(&EffectState::Ended(outcome.clone())),
    }
}
