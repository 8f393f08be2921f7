//! Planning: from entries to rows, without touching the file.
//!
//! A plan knows where the streams of the batch stand and which of its keys are taken; entry by entry it decides
//! whether to take it, gives out the next numbers, and writes the rows. Several changes to one timer, effect or
//! snapshot are folded into one row, so that each statement touches a row once.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::rows::{Hex, Rows, Table, origin_text};
use super::tail::{Additions, Head, Mark};
use crate::clock::Timestamp;
use crate::effect::{Effect, EffectKey, EffectOp, EffectOutcome, EffectState};
use crate::id::StreamKey;
use crate::journal::check::{check_entry, check_snapshot, step_effect};
use crate::journal::{Appended, Entry, EntryError, KeyHash, MessageId, Snapshot, TimerOp};

/// What the file holds that decides about a batch.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// Where each stream of the batch stands.
    pub(super) heads: HashMap<StreamKey, Head>,
    /// Which of its keys are taken.
    pub(super) taken: HashSet<KeyHash>,
}

/// A plan in the making.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    mark: Mark,
    known: Known,
    rows: Rows,
    new: Additions,
    latest: Option<Timestamp>,
    /// Messages that the plan itself sends, as an acknowledgement of one must come behind it.
    sent: HashSet<MessageId>,
    timers: BTreeMap<(u64, &'a str), TimerFold>,
    effects: Vec<NewEffect>,
    effect_places: HashMap<EffectKey, usize>,
    steps: BTreeMap<(EffectKey, u64), StepFold>,
    snapshots: BTreeMap<u64, &'a Snapshot>,
}

/// A plan to be carried out.
#[derive(Debug)]
pub(super) struct Planned {
    /// The arrays of rows, by statement.
    pub(super) texts: [String; 13],
    /// How far the file will be.
    pub(super) mark: Mark,
    /// What will be known.
    pub(super) known: Known,
    /// What the second structures will need.
    pub(super) new: Additions,
    /// The latest time of what is written; `None` if nothing is.
    pub(super) latest: Option<Timestamp>,
}

/// What a batch comes to for one timer.
#[derive(Debug)]
enum TimerFold {
    Set {
        due: Timestamp,
        slot: u16,
    },
    Clear,
    /// Removed if it stands at one of these moments.
    Fired(Vec<Timestamp>),
}

#[derive(Debug)]
struct NewEffect {
    no: u64,
    effect: Effect,
    ended: Option<Timestamp>,
}

/// What a batch comes to for one effect that stands in the ledger already.
#[derive(Debug, Default)]
struct StepFold {
    dispatch: Option<(u64, u32)>,
    end: Option<(Timestamp, EffectOutcome)>,
}

impl<'a> Plan<'a> {
    /// Begins a plan on what is known, behind a mark.
    pub(super) fn new(mark: Mark, known: Known) -> Self {
        Self {
            mark,
            known,
            rows: Rows::default(),
            new: Additions::default(),
            latest: None,
            sent: HashSet::new(),
            timers: BTreeMap::new(),
            effects: Vec::new(),
            effect_places: HashMap::new(),
            steps: BTreeMap::new(),
            snapshots: BTreeMap::new(),
        }
    }

    /// Takes an entry into the plan, or says why not; then the plan is as it was.
    pub(super) fn add(&mut self, entry: &'a Entry) -> Result<Appended, EntryError> {
        let head = self.known.heads.get(&entry.stream).copied().unwrap_or_default();
        self.check(entry, head)?;
        if entry.is_empty() {
            return Ok(Appended { position: self.mark.pos, seq: head.seq });
        }
        self.latest = self.latest.max(Some(entry.at));
        let no = self.number(entry, head);
        let seq = self.add_events(entry, Head { no, seq: head.seq });
        self.known.heads.insert(entry.stream.clone(), Head { no, seq });
        self.add_answers(entry, no);
        self.add_messages(entry, no);
        for op in &entry.timers {
            self.add_timer(entry, no, op);
        }
        for op in &entry.effects {
            self.add_effect(entry, no, op);
        }
        if let Some(snapshot) = &entry.snapshot {
            self.snapshots.insert(no, snapshot);
        }
        Ok(Appended { position: self.mark.pos, seq })
    }

    /// Ends the plan.
    pub(super) fn finish(mut self) -> Planned {
        for ((no, name), fold) in &self.timers {
            fold.write(*no, name, &mut self.rows);
        }
        for new in &self.effects {
            write_effect(new, &mut self.rows.effects);
        }
        for ((key, no), step) in &self.steps {
            step.write(*key, *no, &mut self.rows.steps);
        }
        for (no, snapshot) in &self.snapshots {
            self.rows.snapshots.push(&(no, snapshot.seq, snapshot.version, snapshot.data.text()));
        }
        let Self { mark, known, rows, new, latest, .. } = self;
        Planned { texts: rows.into_texts(), mark, known, new, latest }
    }

    fn check(&self, entry: &Entry, head: Head) -> Result<(), EntryError> {
        check_entry(entry)?;
        if let Some(expected) = entry.expected.filter(|expected| *expected != head.seq) {
            return Err(EntryError::Conflict { stream: entry.stream.clone(), expected, actual: head.seq });
        }
        let mut own = HashSet::new();
        if !entry.keys.iter().all(|record| !self.known.taken.contains(&record.key) && own.insert(record.key))
        {
            return Err(EntryError::KeyTaken { stream: entry.stream.clone() });
        }
        check_snapshot(entry, head.seq + entry.events.len() as u64)
    }

    /// The number of the entry's stream; a new one if it has none yet.
    fn number(&mut self, entry: &Entry, head: Head) -> u64 {
        if head.no > 0 {
            return head.no;
        }
        self.mark.stream += 1;
        let (no, key) = (self.mark.stream, &entry.stream);
        let uuid = Hex(key.id.uuid().into_bytes());
        self.rows.streams.push(&(no, key.tenant.as_str(), key.id.prefix().as_str(), uuid, entry.at.ms()));
        self.new.streams.push((key.clone(), no));
        no
    }

    fn add_events(&mut self, entry: &Entry, head: Head) -> u64 {
        let (mut seq, slot) = (head.seq, entry.stream.slot().get());
        for event in &entry.events {
            seq += 1;
            self.mark.pos += 1;
            let pos = self.mark.pos;
            let (name, origin) = (event.name.as_ref(), origin_text(&event.origin));
            let data = event.data.text();
            let row = (pos, slot, head.no, seq, name, event.version, entry.at.ms(), origin, data);
            self.rows.events.push(&row);
            self.new.events.push((head.no, seq, pos));
            if seq == 1 {
                self.new.firsts.push((entry.stream.clone(), pos));
            }
        }
        seq
    }

    fn add_answers(&mut self, entry: &Entry, no: u64) {
        let at = entry.at.ms();
        for record in &entry.keys {
            self.mark.key += 1;
            let (key, digest) = (Hex(record.key), Hex(record.digest));
            let (first, last) = record.range.unzip();
            let outcome = json(&record.outcome);
            self.rows.keys.push(&(self.mark.key, at, key, digest, no, first, last, outcome));
            self.new.keys.push((record.key, self.mark.key));
            self.known.taken.insert(record.key);
        }
        for received in &entry.received {
            let id = Hex(received.id.uuid().into_bytes());
            self.rows.received.push(&(at, no, id, json(&received.outcome)));
        }
    }

    fn add_messages(&mut self, entry: &Entry, no: u64) {
        for id in &entry.acknowledged {
            let is_sent_here = self.sent.contains(id);
            let rows = &mut self.rows;
            let table = if is_sent_here { &mut rows.withdrawn } else { &mut rows.acknowledged };
            table.push(&(Hex(id.uuid().into_bytes()), no));
        }
        for message in &entry.messages {
            let id = Hex(message.id.uuid().into_bytes());
            let (prefix, uuid) = (message.to.prefix(), Hex(message.to.uuid().into_bytes()));
            let (command, origin) = (message.command.as_ref(), origin_text(&message.origin));
            self.rows.messages.push(&(id, no, prefix.as_str(), uuid, command, origin, message.body.text()));
            self.sent.insert(message.id);
        }
    }

    fn add_timer(&mut self, entry: &Entry, no: u64, op: &'a TimerOp) {
        let slot = entry.stream.slot().get();
        let fold = self.timers.entry((no, op.name())).or_insert_with(|| TimerFold::Fired(Vec::new()));
        match op {
            TimerOp::Set { due, .. } => *fold = TimerFold::Set { due: *due, slot },
            TimerOp::Clear { .. } => *fold = TimerFold::Clear,
            TimerOp::Fired { due: fired, .. } => match fold {
                TimerFold::Set { due, .. } if due == fired => *fold = TimerFold::Clear,
                TimerFold::Fired(moments) => moments.push(*fired),
                TimerFold::Set { .. } | TimerFold::Clear => {}
            },
        }
    }

    fn add_effect(&mut self, entry: &Entry, no: u64, op: &EffectOp) {
        let key = match op {
            EffectOp::Intend(effect) => {
                let ended = matches!(effect.state, EffectState::Ended(_)).then_some(entry.at);
                self.effect_places.insert(effect.key, self.effects.len());
                self.effects.push(NewEffect { no, effect: (**effect).clone(), ended });
                return;
            }
            EffectOp::Dispatch { key, .. } | EffectOp::End { key, .. } => *key,
        };
        let Some(place) = self.effect_places.get(&key) else {
            self.steps.entry((key, no)).or_default().fold(op, entry.at);
            return;
        };
        if let Some(new) = self.effects.get_mut(*place).filter(|new| new.no == no) {
            step_effect(&mut new.effect, op);
            let is_ended = matches!(new.effect.state, EffectState::Ended(_));
            new.ended = new.ended.or(is_ended.then_some(entry.at));
        }
    }
}

impl Planned {
    /// Adds what another plan that went on from this one has come to.
    pub(super) fn absorb(&mut self, next: Self) {
        self.mark = next.mark;
        self.known = next.known;
        self.latest = self.latest.max(next.latest);
        self.new.streams.extend(next.new.streams);
        self.new.events.extend(next.new.events);
        self.new.firsts.extend(next.new.firsts);
        self.new.keys.extend(next.new.keys);
    }
}

impl TimerFold {
    fn write(&self, no: u64, name: &str, rows: &mut Rows) {
        match self {
            Self::Set { due, slot } => rows.timers.push(&(no, name, due.ms(), slot)),
            Self::Clear => rows.cleared.push(&(no, name)),
            Self::Fired(moments) => {
                for due in moments {
                    rows.fired.push(&(due.ms(), no, name));
                }
            }
        }
    }
}

impl StepFold {
    /// Takes a step in, as [`step_effect`] does for an effect that is open; the statement sees to the others.
    fn fold(&mut self, op: &EffectOp, at: Timestamp) {
        match op {
            EffectOp::Intend(_) => {}
            EffectOp::Dispatch { epoch, attempt, .. } => {
                if self.end.is_none() {
                    self.dispatch = Some((*epoch, *attempt));
                }
            }
            EffectOp::End { outcome, .. } => match &mut self.end {
                None => self.end = Some((at, outcome.clone())),
                Some((_, end @ EffectOutcome::Unknown(_))) => *end = outcome.clone(),
                Some(_) => {}
            },
        }
    }

    fn write(&self, key: EffectKey, no: u64, table: &mut Table) {
        let dispatch = self.dispatch.map(|(epoch, _)| json(&EffectState::Dispatched { epoch }));
        let attempt = self.dispatch.map(|(_, attempt)| attempt);
        let ended = self.end.as_ref().map(|(at, outcome)| (at.ms(), EffectState::Ended(outcome.clone())));
        let (end, phase) = ended.as_ref().map(|(_, state)| (json(state), phase(state))).unzip();
        let at = ended.as_ref().map(|(at, _)| *at);
        table.push(&(Hex(key.uuid().into_bytes()), no, dispatch, attempt, end, phase, at));
    }
}

fn write_effect(new: &NewEffect, table: &mut Table) {
    let NewEffect { no, effect, ended } = new;
    let key = Hex(effect.key.uuid().into_bytes());
    let (connector, operation) = (effect.connector.as_ref(), effect.operation.as_ref());
    let (state, origin) = (json(&effect.state), origin_text(&effect.origin));
    table.push(&(
        key,
        no,
        phase(&effect.state),
        ended.map(Timestamp::ms),
        effect.attempts,
        effect.at.ms(),
        connector,
        operation,
        state,
        origin,
        effect.request.text(),
    ));
}

/// The phase as the ledger stores it, beside the state itself.
fn phase(state: &EffectState) -> u8 {
    match state {
        EffectState::Intended | EffectState::Dispatched { .. } => 0,
        EffectState::Ended(EffectOutcome::Unknown(_)) => 2,
        EffectState::Ended(
            EffectOutcome::Confirmed(_) | EffectOutcome::Refused(_) | EffectOutcome::Failed(_),
        ) => 1,
    }
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("outcomes and states can always be written")
}
