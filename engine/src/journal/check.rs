//! The part of the contract that needs no store: what an entry must be by itself, and how an effect's life goes.

use super::{Entry, EntryError, Seq};
use crate::effect::{Effect, EffectOp, EffectOutcome, EffectState};

/// Checks an entry's own shape: everything in it belongs to its stream, and no name holds U+0000.
pub(super) fn check_entry(entry: &Entry) -> Result<(), EntryError> {
    let refuse = |reason: &str| Err(refused(entry, reason.to_owned()));
    if entry.keys.iter().any(|record| record.stream != entry.stream) {
        return refuse("it records an idempotency key of another stream");
    }
    if entry.messages.iter().any(|message| message.from != entry.stream) {
        return refuse("it sends a message of another stream");
    }
    if entry.effects.iter().any(|op| matches!(op, EffectOp::Intend(effect) if effect.stream != entry.stream))
    {
        return refuse("it intends an effect of another stream");
    }
    if names(entry).any(|name| name.contains('\0')) {
        return refuse("a name holds U+0000, which not every database can keep");
    }
    Ok(())
}

/// Checks that a snapshot does not run ahead of its stream, whose last event will be `head`.
pub(super) fn check_snapshot(entry: &Entry, head: Seq) -> Result<(), EntryError> {
    match &entry.snapshot {
        Some(snapshot) if snapshot.seq > head => {
            let reason = format!("its snapshot holds event {} of a stream that ends at {head}", snapshot.seq);
            Err(refused(entry, reason))
        }
        Some(_) | None => Ok(()),
    }
}

/// Says that the entry is refused for itself.
pub(super) fn refused(entry: &Entry, reason: String) -> EntryError {
    EntryError::Refused { stream: entry.stream.clone(), reason }
}

/// Takes one step of an effect's life. An end is final, except that an unknown one may be resolved.
pub(super) fn step_effect(effect: &mut Effect, op: &EffectOp) {
    let open = !matches!(effect.state, EffectState::Ended(_));
    let unknown = matches!(effect.state, EffectState::Ended(EffectOutcome::Unknown(_)));
    match op {
        EffectOp::Intend(_) => {}
        EffectOp::Dispatch { epoch, attempt, .. } if open => {
            effect.state = EffectState::Dispatched { epoch: *epoch };
            effect.attempts = *attempt;
        }
        EffectOp::End { outcome, .. } if open || unknown => {
            effect.state = EffectState::Ended(outcome.clone());
        }
        EffectOp::Dispatch { .. } | EffectOp::End { .. } => {}
    }
}

/// Every text of an entry that is kept as it stands and not as JSON.
fn names(entry: &Entry) -> impl Iterator<Item = &str> {
    let events = entry.events.iter().map(|event| event.name.as_ref());
    let timers = entry.timers.iter().map(|op| op.name());
    let messages = entry.messages.iter().map(|message| message.command.as_ref());
    let effects = entry.effects.iter().flat_map(|op| match op {
        EffectOp::Intend(effect) => vec![effect.connector.as_ref(), effect.operation.as_ref()],
        EffectOp::Dispatch { .. } | EffectOp::End { .. } => Vec::new(),
    });
    events.chain(timers).chain(messages).chain(effects)
}
