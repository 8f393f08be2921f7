//! A batch: what a host has decided and will append together, and the answers that wait for it.

use std::collections::HashMap;

use tokio::sync::oneshot;

use super::intake::{Answer, Dedup, Delivery, Fault, Work};
use super::{Input, Step, View};
use crate::clock::Timestamp;
use crate::codec;
use crate::effect::EffectOp;
use crate::entity::hand::input_name;
use crate::id::{Prefix, StreamId, StreamKey, digest, uuid_v8};
use crate::journal::{
    Accepted, Entry, Json, KeyHash, KeyRecord, MessageId, NewEvent, Outcome, Position, Received, Rejected,
    TimerOp,
};
use crate::partition::Feeds;
use crate::supervise::{DeadLetterEvent, Sender, kept};
use crate::telemetry::names;

pub(super) struct Batch {
    pub(super) entry: Entry,
    pub(super) pending: Vec<Pending>,
    received: HashMap<MessageId, Outcome>,
    keys: HashMap<KeyHash, ([u8; 16], Outcome)>,
}

/// An answer that waits for the commit.
pub(super) enum Pending {
    /// The state is to be shown.
    Read(oneshot::Sender<Result<Option<View>, Fault>>),
    /// A delivery was decided, or has been answered before.
    Decided { delivery: Box<Delivery>, result: Result<Outcome, Fault>, replayed: bool },
}

impl Batch {
    pub(super) fn new(stream: &StreamKey, now: Timestamp) -> Self {
        let entry = Entry::new(stream.clone(), now);
        Self { entry, pending: Vec::new(), received: HashMap::new(), keys: HashMap::new() }
    }

    /// Takes what a delivery led to into the batch.
    pub(super) fn take(&mut self, delivery: Box<Delivery>, result: Result<Step, Rejected>, seq: u64) {
        let mut range = None;
        let mut step_parts = None;
        let outcome = match result {
            Err(rejected) => Outcome::Rejected(rejected),
            Ok(step) => {
                let last = seq + step.events.len() as u64;
                range = (last > seq).then_some((seq + 1, last));
                let events = step.events.iter().map(|e| e.name.clone()).collect();
                let reply = step.reply.clone().unwrap_or_else(Json::null);
                step_parts = Some(step);
                Outcome::Accepted(Accepted { seq: last, events, reply })
            }
        };
        self.settle(&delivery.input);
        if let Some(step) = step_parts {
            self.add(step);
        }
        self.record(&delivery.dedup, range, &outcome);
        self.pending.push(Pending::Decided { delivery, result: Ok(outcome), replayed: false });
    }

    /// Answers a delivery with what was recorded, or with why it cannot be taken.
    pub(super) fn replay(&mut self, delivery: Box<Delivery>, result: Result<Outcome, Fault>) {
        self.pending.push(Pending::Decided { delivery, result, replayed: true });
    }

    /// The answer that a message has got within this batch.
    pub(super) fn received(&self, id: &MessageId) -> Option<&Outcome> {
        self.received.get(id)
    }

    /// The digest and answer that a key has got within this batch.
    pub(super) fn key(&self, key: &KeyHash) -> Option<([u8; 16], Outcome)> {
        self.keys.get(key).cloned()
    }

    /// True if an input is to be taken in: for a timer, its claim holds, and nothing decided here set it anew, cleared it
    /// or took it in.
    pub(super) fn has_to_take(&self, input: &Input, claim: u64, feeds: &Feeds) -> bool {
        let Input::Timer { name, due } = input else { return true };
        feeds.timers.holds(&self.entry.stream, name, claim) && self.leaves(name, *due)
    }

    /// Answers a timer that is not to be taken in any more.
    pub(super) fn pass_over(&mut self, delivery: Box<Delivery>, seq: u64) {
        let nothing = Accepted { seq, events: Vec::new(), reply: Json::null() };
        self.replay(delivery, Ok(Outcome::Accepted(nothing)));
    }

    fn leaves(&self, timer: &str, at: Timestamp) -> bool {
        let after = |stands, op: &TimerOp| match op {
            TimerOp::Set { name, due } if name == timer => *due == at,
            TimerOp::Clear { name } if name == timer => false,
            TimerOp::Fired { name, due } if name == timer && *due == at => false,
            TimerOp::Set { .. } | TimerOp::Clear { .. } | TimerOp::Fired { .. } => stands,
        };
        self.entry.timers.iter().fold(true, after)
    }

    /// Gives the work back, undecided, in its order.
    pub(super) fn into_work(self) -> Vec<Work> {
        let back = |pending| match pending {
            Pending::Read(answer) => Work::Read(answer),
            Pending::Decided { delivery, .. } => Work::Deliver(delivery),
        };
        self.pending.into_iter().map(back).collect()
    }

    fn record(&mut self, dedup: &Dedup, range: Option<(u64, u64)>, outcome: &Outcome) {
        match *dedup {
            Dedup::None | Dedup::Claim(_) => {}
            Dedup::Message(id) => {
                self.received.insert(id, outcome.clone());
                self.entry.received.push(Received { id, outcome: outcome.clone() });
            }
            Dedup::Key { key, digest } => {
                self.keys.insert(key, (digest, outcome.clone()));
                let stream = self.entry.stream.clone();
                self.entry.keys.push(KeyRecord { key, digest, stream, range, outcome: outcome.clone() });
            }
        }
    }

    /// Commits that an input of the engine's own has been taken in.
    fn settle(&mut self, input: &Input) {
        match input {
            Input::Command { .. } => {}
            Input::Timer { name, due } => {
                self.entry.timers.push(TimerOp::Fired { name: name.clone(), due: *due });
            }
            Input::Reply { id, .. } => self.entry.acknowledged.push(*id),
            Input::Effect { key, outcome } => {
                self.entry.effects.push(EffectOp::End { key: *key, outcome: outcome.clone() });
            }
        }
    }

    fn add(&mut self, step: Step) {
        self.entry.events.extend(step.events);
        self.entry.timers.extend(step.timers);
        self.entry.messages.extend(step.messages);
        let intended = step.effects.into_iter().map(|effect| EffectOp::Intend(Box::new(effect)));
        self.entry.effects.extend(intended);
    }
}

impl Pending {
    /// True if the state is to be shown.
    pub(super) fn is_read(&self) -> bool {
        matches!(self, Self::Read(_))
    }

    /// Answers, now that the batch is committed.
    pub(super) fn answer(self, position: Position, kind: &'static str, view: Option<&View>) {
        // Who does not listen any more needs no answer; what was asked for stands.
        match self {
            Self::Read(answer) => drop(answer.send(Ok(view.cloned()))),
            Self::Decided { delivery, result, replayed } => {
                let outcome = match &result {
                    Ok(Outcome::Accepted(_)) => "accepted",
                    Ok(Outcome::Rejected(_)) => "rejected",
                    Err(Fault::KeyReused) => "refused",
                    Err(_) => "fault",
                };
                metrics::counter!(names::COMMANDS, "kind" => kind, "outcome" => outcome).increment(1);
                let answer = result.map(|outcome| Answer { outcome, position, replayed });
                drop(delivery.answer.send(answer));
            }
        }
    }

    /// Answers that nothing was committed.
    pub(super) fn fail(self, fault: &Fault) {
        match self {
            Self::Read(answer) => drop(answer.send(Err(fault.clone()))),
            Self::Decided { delivery, result: Err(own), .. } => drop(delivery.answer.send(Err(own))),
            Self::Decided { delivery, .. } => drop(delivery.answer.send(Err(fault.clone()))),
        }
    }

    /// Gives the work back to be decided again; what has failed by itself is answered.
    pub(super) fn into_work(self) -> Option<Work> {
        match self {
            Self::Read(answer) => Some(Work::Read(answer)),
            Self::Decided { delivery, result: Err(own), .. } => {
                drop(delivery.answer.send(Err(own)));
                None
            }
            Self::Decided { delivery, .. } => Some(Work::Deliver(delivery)),
        }
    }
}

/// The entry that records a command as a dead letter. Its id follows from the command, so that it is made once.
pub(super) fn dead_letter(stream: &StreamKey, delivery: &Delivery, now: Timestamp) -> Entry {
    let what = match &delivery.dedup {
        Dedup::None | Dedup::Claim(_) => delivery.origin.causation.to_string(),
        Dedup::Key { key, .. } => format!("{key:02x?}"),
        Dedup::Message(id) => id.to_string(),
    };
    let input = input_name(&delivery.input);
    let bits = digest("dead letter", &[&stream.to_string(), &what, &input]);
    let id = StreamId::new(Prefix::new("dead"), uuid_v8(bits, Some(stream.slot())));
    let (what, body) = kept(&delivery.input);
    let external_key = match &delivery.input {
        Input::Command { external_key, .. } => external_key.clone(),
        Input::Timer { .. } | Input::Reply { .. } | Input::Effect { .. } => None,
    };
    let (principal, correlation) = (&delivery.origin.principal, &delivery.origin.correlation);
    let (principal, correlation) = (principal.to_string(), correlation.to_string());
    let cause = delivery.cause.clone();
    let event = DeadLetterEvent::Recorded {
        target: stream.id,
        input,
        body,
        cause: cause.as_ref().map_or_else(String::new, |c| c.message.clone()),
        backtrace: cause.map_or_else(String::new, |c| c.backtrace),
        strikes: delivery.strikes,
        sender: Some(Sender { what, external_key, principal, correlation }),
    };
    let (name, data) = codec::write_named(&event).expect("events are enums of struct variants");
    let mut entry = Entry::new(StreamKey::new(stream.tenant.clone(), id), now);
    entry.expected = Some(0);
    entry.events.push(NewEvent { name: name.into(), version: 1, data, origin: delivery.origin.clone() });
    entry
}
