//! What a plan comes to: rows by table, which point into the entries that they come from.

use crate::clock::Timestamp;
use crate::effect::{Effect, EffectKey, EffectOutcome, EffectState};
use crate::id::StreamKey;
use crate::journal::{KeyRecord, Message, MessageId, NewEvent, Position, Received, Seq, Snapshot};

/// The rows that a batch commits. Streams go by their numbers.
#[derive(Debug, Default)]
pub(in crate::journal) struct Rows<'a> {
    pub(in crate::journal) streams: Vec<StreamRow<'a>>,
    /// Streams that stand already and get their first event: number and rank.
    pub(in crate::journal) born: Vec<(u64, u64)>,
    /// How many streams get their first event; their ranks are the numbers below.
    pub(in crate::journal) births: u64,
    pub(in crate::journal) events: Vec<EventRow<'a>>,
    pub(in crate::journal) keys: Vec<KeyRow<'a>>,
    pub(in crate::journal) received: Vec<ReceivedRow<'a>>,
    /// Messages that leave the outbox, before `messages` enter it: id and sender.
    pub(in crate::journal) acknowledged: Vec<(MessageId, u64)>,
    pub(in crate::journal) messages: Vec<MessageRow<'a>>,
    /// Messages of the plan itself that leave the outbox behind it.
    pub(in crate::journal) withdrawn: Vec<(MessageId, u64)>,
    /// Timers that go, whenever they are due: stream and name.
    pub(in crate::journal) cleared: Vec<(u64, &'a str)>,
    /// Timers that go if they are due at this moment: moment, stream and name.
    pub(in crate::journal) fired: Vec<(Timestamp, u64, &'a str)>,
    pub(in crate::journal) timers: Vec<TimerRow<'a>>,
    /// Steps of effects that stand in the ledger, before `effects` enter it.
    pub(in crate::journal) steps: Vec<StepRow>,
    pub(in crate::journal) effects: Vec<EffectRow>,
    /// The last snapshot of each stream: stream and snapshot.
    pub(in crate::journal) snapshots: Vec<(u64, &'a Snapshot)>,
}

/// A new stream.
#[derive(Debug)]
pub(in crate::journal) struct StreamRow<'a> {
    pub(in crate::journal) no: u64,
    pub(in crate::journal) key: &'a StreamKey,
    pub(in crate::journal) at: Timestamp,
    /// The rank of its first event among the first events of the batch, if it comes with it.
    pub(in crate::journal) birth: Option<u64>,
}

#[derive(Debug)]
pub(in crate::journal) struct EventRow<'a> {
    pub(in crate::journal) pos: Position,
    pub(in crate::journal) no: u64,
    pub(in crate::journal) seq: Seq,
    pub(in crate::journal) at: Timestamp,
    pub(in crate::journal) stream: &'a StreamKey,
    pub(in crate::journal) event: &'a NewEvent,
}

#[derive(Debug)]
pub(in crate::journal) struct KeyRow<'a> {
    /// Its number among the idempotency rows.
    pub(in crate::journal) id: u64,
    pub(in crate::journal) at: Timestamp,
    pub(in crate::journal) no: u64,
    pub(in crate::journal) record: &'a KeyRecord,
}

#[derive(Debug)]
pub(in crate::journal) struct ReceivedRow<'a> {
    pub(in crate::journal) number: u64,
    pub(in crate::journal) at: Timestamp,
    pub(in crate::journal) no: u64,
    pub(in crate::journal) received: &'a Received,
}

#[derive(Debug)]
pub(in crate::journal) struct MessageRow<'a> {
    pub(in crate::journal) number: u64,
    pub(in crate::journal) no: u64,
    pub(in crate::journal) message: &'a Message,
}

#[derive(Debug)]
pub(in crate::journal) struct TimerRow<'a> {
    pub(in crate::journal) no: u64,
    pub(in crate::journal) name: &'a str,
    pub(in crate::journal) due: Timestamp,
    pub(in crate::journal) slot: u16,
}

/// An effect that enters the ledger, or replaces one that ended without it being known how.
#[derive(Debug)]
pub(in crate::journal) struct EffectRow {
    pub(in crate::journal) number: u64,
    pub(in crate::journal) no: u64,
    pub(in crate::journal) effect: Effect,
    pub(in crate::journal) ended: Option<Timestamp>,
    /// True if it is known to replace one.
    pub(in crate::journal) is_again: bool,
}

/// What a batch comes to for one effect that stands in the ledger already, if it is the stream's.
#[derive(Debug)]
pub(in crate::journal) struct StepRow {
    pub(in crate::journal) key: EffectKey,
    pub(in crate::journal) no: u64,
    pub(in crate::journal) dispatch: Option<(u64, u32)>,
    pub(in crate::journal) end: Option<(Timestamp, EffectOutcome)>,
}

impl StepRow {
    /// The columns of the step: state and attempts after a dispatch; state, phase and time after an end.
    pub(in crate::journal) fn columns(&self) -> StepColumns {
        let ended = self.end.as_ref().map(|(at, outcome)| (at, EffectState::Ended(outcome.clone())));
        StepColumns {
            dispatch: self.dispatch.map(|(epoch, _)| json_text(&EffectState::Dispatched { epoch })),
            attempt: self.dispatch.map(|(_, attempt)| attempt),
            end: ended.as_ref().map(|(_, state)| json_text(state)),
            phase: ended.as_ref().map(|(_, state)| phase(state)),
            at: ended.map(|(at, _)| at.ms()),
        }
    }
}

/// A step as it is written.
#[derive(Debug)]
pub(in crate::journal) struct StepColumns {
    pub(in crate::journal) dispatch: Option<String>,
    pub(in crate::journal) attempt: Option<u32>,
    pub(in crate::journal) end: Option<String>,
    pub(in crate::journal) phase: Option<u8>,
    pub(in crate::journal) at: Option<i64>,
}

/// An effect that is open.
pub(super) const OPEN: u8 = 0;
/// An effect that ended without it being known how.
pub(super) const UNKNOWN: u8 = 2;

/// The phase as the ledger stores it, beside the state itself.
pub(in crate::journal) fn phase(state: &EffectState) -> u8 {
    match state {
        EffectState::Intended | EffectState::Dispatched { .. } => OPEN,
        EffectState::Ended(EffectOutcome::Unknown(_)) => UNKNOWN,
        EffectState::Ended(
            EffectOutcome::Confirmed(_) | EffectOutcome::Refused(_) | EffectOutcome::Failed(_),
        ) => 1,
    }
}

/// Writes what is stored as JSON.
pub(in crate::journal) fn json_text<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("outcomes and states can always be written")
}
