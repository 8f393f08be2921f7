//! The client of a simulation: what was sent and read, what was told, and what of it cannot be.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::{Broken, Counts, invariant};
use crate::clock::Timestamp;
use crate::entity::{Answer, Fault, View};
use crate::id::StreamKey;
use crate::journal::{Outcome, Seq};
use crate::runtime::Command;

/// The client, as every caller shares it.
#[derive(Clone, Default)]
pub(super) struct Client(Arc<Mutex<Known>>);

/// What the client knows.
#[derive(Default)]
pub(super) struct Known {
    pub(super) sent: BTreeMap<u64, Sent>,
    pub(super) reads: Vec<Shown>,
    pub(super) counts: Counts,
    /// What happened, where that is written down.
    pub(super) trace: Option<Vec<String>>,
    /// Commands that have got their first definite answer, for the subject to hear of.
    pub(super) fresh: Vec<u64>,
    pub(super) broken: Option<Broken>,
    pub(super) history: blake3::Hasher,
    /// The last event of each stream that somebody has been told of.
    told: BTreeMap<StreamKey, Seq>,
    /// Rises with every call and every answer.
    moment: u64,
}

/// A command that was sent.
pub(super) struct Sent {
    pub(super) command: Command,
    pub(super) called: u64,
    /// Its first definite answer, and when that came.
    pub(super) answer: Option<(u64, Outcome)>,
}

/// A read that was answered.
pub(super) struct Shown {
    pub(super) stream: StreamKey,
    pub(super) called: u64,
    pub(super) answered: u64,
    pub(super) seq: Seq,
    pub(super) state: Value,
}

/// A read that is called.
pub(super) struct Called {
    stream: StreamKey,
    at: u64,
    told: Seq,
    /// True if what is shown is kept.
    kept: bool,
}

impl Client {
    pub(super) fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn next(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }

    pub(super) fn broke(&mut self, invariant: &'static str, what: impl Into<String>) {
        self.broken.get_or_insert_with(|| Broken::new(invariant, what));
    }

    /// Writes a line down, where that is done.
    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(line());
        }
    }

    /// A command is sent, for the first time or again.
    pub(super) fn send(&mut self, number: u64, command: &Command) {
        self.counts.add("commands sent", 1);
        let called = self.next();
        self.sent.entry(number).or_insert_with(|| Sent { command: command.clone(), called, answer: None });
        self.note(|| {
            format!("  command {number}: `{}` {} of {}", command.name, command.body.text(), command.stream.id)
        });
    }

    /// A command is answered.
    pub(super) fn answered(&mut self, number: u64, now: Timestamp, answer: Result<Answer, Fault>) {
        let moment = self.next();
        let outcome = match answer {
            Ok(answer) => answer.outcome,
            Err(fault) => {
                self.counts.add(kind_of(&fault), 1);
                self.note(|| format!("  {now} command {number} is answered: {fault}"));
                return;
            }
        };
        self.counts.add("answers to commands", 1);
        self.note(|| format!("  {now} command {number} is answered: {}", in_short(&outcome)));
        self.history.update(format!("{number} {} {outcome:?}\n", now.ms()).as_bytes());
        let Some(sent) = self.sent.get_mut(&number) else { return };
        if let Outcome::Accepted(accepted) = &outcome {
            let told = self.told.entry(sent.command.stream.clone()).or_default();
            *told = accepted.seq.max(*told);
        }
        match &sent.answer {
            None => {
                sent.answer = Some((moment, outcome));
                self.fresh.push(number);
                self.counts.add("commands answered", 1);
            }
            Some((_, before)) if *before == outcome => self.counts.add("answers compared", 1),
            Some((_, before)) => {
                let (before, stream) = (in_short(before), sent.command.stream.id);
                let what = format!(
                    "command {number} of {stream} was answered {before}, and again {}",
                    in_short(&outcome)
                );
                self.broke(invariant::ANSWER, what);
            }
        }
    }

    /// A read is called.
    pub(super) fn call(&mut self, stream: &StreamKey, kept: bool) -> Called {
        let told = self.told.get(stream).copied().unwrap_or_default();
        Called { stream: stream.clone(), at: self.next(), told, kept }
    }

    /// A read is answered: it is no older than what somebody had been told of before it was called.
    pub(super) fn shown(&mut self, called: Called, now: Timestamp, answer: Result<Option<View>, Fault>) {
        let answered = self.next();
        let view = match answer {
            Ok(view) => view,
            Err(fault) => return self.counts.add(kind_of(&fault), 1),
        };
        let Called { stream, at: called, told, kept } = called;
        let seq = view.as_ref().map_or(0, |view| view.seq);
        self.counts.add("reads answered", 1);
        self.note(|| format!("  {now} {} is read at {seq}", stream.id));
        self.history.update(&seq.to_le_bytes());
        if seq < told {
            let what = format!("{stream} was read at {seq} after somebody had been told of {told}");
            self.broke(invariant::ORDER, what);
        }
        // Whoever reads tells of it, too.
        let told = self.told.entry(stream.clone()).or_default();
        *told = seq.max(*told);
        if kept {
            let state = view.map_or(Value::Null, |view| view.state.value());
            self.reads.push(Shown { stream, called, answered, seq, state });
        }
    }
}

/// An outcome without what depends on the build.
fn in_short(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted(accepted) => format!("accepted with event {} {:?}", accepted.seq, accepted.events),
        Outcome::Rejected(rejected) => format!("rejected as {}", rejected.code),
    }
}

fn kind_of(fault: &Fault) -> &'static str {
    match fault {
        Fault::Overloaded { .. } => "answered overloaded",
        Fault::Quarantined { .. } => "answered quarantined",
        Fault::NotOwner { .. } => "answered not the owner",
        Fault::Unknown => "answered unknown",
        Fault::Unavailable { .. } => "answered unavailable",
        Fault::ShuttingDown => "answered shutting down",
        _ => "answered otherwise",
    }
}
