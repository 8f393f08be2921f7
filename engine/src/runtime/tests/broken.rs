//! Tallies that cannot be folded for a while, as by a bug that a later release mends.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::entity::{Catalog, Corruption, Input, KindInfo, Machine, Step, StepCx, Typed};
use crate::id::{StreamId, StreamKey};
use crate::journal::{Event, Json, Rejected, Snapshot};
use crate::supervise::{DeadLetter, Quarantine};
use crate::testkit::Tally;

/// Which of them.
#[derive(Clone, Default)]
pub(super) struct Broken(Arc<Mutex<BTreeSet<StreamId>>>);

impl Broken {
    pub(super) fn set(&self, id: StreamId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
    }

    pub(super) fn mend(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn has(&self, id: &StreamId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }

    /// The kinds of the test, with tallies that may be broken.
    pub(super) fn catalog(&self) -> Catalog {
        let broken = self.clone();
        let machine = move |stream: &StreamKey| -> Box<dyn Machine> {
            if broken.has(&stream.id) { Box::new(Unfoldable) } else { Box::new(Typed::<Tally>::new()) }
        };
        let tallies = KindInfo { machine: Arc::new(machine), ..Typed::<Tally>::info() };
        let catalog = Catalog::new().add_kind(tallies).and_then(Catalog::add::<DeadLetter>);
        catalog.and_then(Catalog::add::<Quarantine>).unwrap()
    }
}

struct Unfoldable;

impl Machine for Unfoldable {
    fn step(&mut self, _: &Input, _: &StepCx<'_>) -> Result<Step, Rejected> {
        Ok(Step::default())
    }

    fn apply(&mut self, event: &Event) -> Result<(), Corruption> {
        match event.seq {
            1 => panic!("it holds what cannot be"),
            seq => Err(Corruption { seq, reason: "it cannot follow".to_owned() }),
        }
    }

    fn view(&self) -> Option<Value> {
        None
    }

    fn snapshot(&self) -> Option<(u16, Json)> {
        None
    }

    fn restore(&mut self, _: &Snapshot) -> Result<bool, Corruption> {
        Ok(true)
    }
}
