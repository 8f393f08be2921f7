//! What a batch comes to for each timer.

use std::collections::BTreeMap;

use super::rows::{Rows, TimerRow};
use crate::clock::Timestamp;
use crate::journal::{Entry, TimerOp};

/// The timers of a plan, by stream and name.
#[derive(Debug, Default)]
pub(super) struct Timers<'a>(BTreeMap<(u64, &'a str), Fold>);

#[derive(Debug)]
enum Fold {
    Set {
        due: Timestamp,
        slot: u16,
    },
    Clear,
    /// Removed if it stands at one of these moments.
    Fired(Vec<Timestamp>),
}

impl<'a> Timers<'a> {
    /// Takes a change in, behind those that came before.
    pub(super) fn add(&mut self, entry: &Entry, no: u64, op: &'a TimerOp) {
        let slot = entry.stream.slot().get();
        let fold = self.0.entry((no, op.name())).or_insert_with(|| Fold::Fired(Vec::new()));
        match op {
            TimerOp::Set { due, .. } => *fold = Fold::Set { due: *due, slot },
            TimerOp::Clear { .. } => *fold = Fold::Clear,
            TimerOp::Fired { due: fired, .. } => match fold {
                Fold::Set { due, .. } if due == fired => *fold = Fold::Clear,
                Fold::Fired(moments) => moments.push(*fired),
                Fold::Set { .. } | Fold::Clear => {}
            },
        }
    }

    /// Writes the rows.
    pub(super) fn write(self, rows: &mut Rows<'a>) {
        for ((no, name), fold) in self.0 {
            match fold {
                Fold::Set { due, slot } => rows.timers.push(TimerRow { no, name, due, slot }),
                Fold::Clear => rows.cleared.push((no, name)),
                Fold::Fired(moments) => rows.fired.extend(moments.into_iter().map(|due| (due, no, name))),
            }
        }
    }
}
