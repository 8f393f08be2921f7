//! The host: the one ractor actor behind every entity and run.
//!
//! ractor carries only the wake-up. The host takes what is in the intake as one batch, decides each piece on the
//! state that the one before it left, appends everything together, and only then answers. If the append fails,
//! the state is dropped and read again.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::batch::{Batch, Pending};
use super::deletion::apart;
use super::directory::{Directory, Shared};
use super::hand::{Hand, input_name, step_span};
use super::intake::{Cell, Dedup, Delivery, Fault, Phase, Work};
use super::loaded::Loaded;
use super::{StepCx, View};
use crate::journal::EntryError;
use crate::partition::LaneError;
use crate::runtime::guard;
use crate::supervise::{Child, Notice};
use crate::testkit::sabotage::{self, Sabotage};

/// The way to wake a host. Cheap to clone.
#[derive(Clone)]
pub(crate) struct HostRef(ActorRef<HostMsg>);

impl HostRef {
    pub(crate) fn wake(&self) {
        // A host that is gone is replaced by its supervisor, which looks at the queue itself.
        let _ = self.0.send_message(HostMsg::Wake);
    }

    pub(crate) fn rest(&self) {
        let _ = self.0.send_message(HostMsg::Rest);
    }
}

pub(crate) enum HostMsg {
    /// There may be work in the intake.
    Wake,
    /// Go to rest if there is none.
    Rest,
}

/// What a host is started with.
pub(crate) struct HostSeed {
    pub(crate) cell: Arc<Cell<HostRef>>,
    pub(crate) directory: Directory,
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct HostState {
    pub(super) seed: HostSeed,
    pub(super) loaded: Option<Loaded>,
    /// While above zero, pieces are taken one by one, so that one which the database refuses, or whose key is taken,
    /// is found.
    singly: usize,
    /// True while keys are looked up before their commands are decided, since one turned out to be taken.
    looks_keys_up: bool,
    /// True once somebody has been shown the state as it is.
    seen: bool,
}

pub(crate) struct Host;

/// What brought a host down.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HostFault {
    #[error("`{input}` panicked: {message}")]
    Panicked { input: String, message: String },
    #[error("the stream cannot be loaded: {reason}")]
    Load { reason: String },
}

impl Actor for Host {
    type Msg = HostMsg;
    type State = HostState;
    type Arguments = HostSeed;

    async fn pre_start(
        &self,
        myself: ActorRef<HostMsg>,
        seed: HostSeed,
    ) -> Result<HostState, ActorProcessingErr> {
        let mut inner = seed.cell.lock();
        let removed = matches!(inner.phase, Phase::Removed);
        if !removed {
            inner.phase = Phase::Active { actor: HostRef(myself.clone()), awake: true, shown: None };
            inner.since = seed.shared.cx.monotonic();
        }
        let restarted = (!removed && inner.restarts > 0).then(|| (inner.restarts, inner.last_fault.clone()));
        drop(inner);
        if let Some((restarts, fault)) = restarted {
            let (at, child) = (seed.shared.cx.now(), Child::Entity(seed.cell.key.clone()));
            seed.shared.notices.tell(Notice { at, child, restarts: restarts.into(), fault });
        }
        myself.send_message(if removed { HostMsg::Rest } else { HostMsg::Wake })?;
        Ok(HostState { seed, loaded: None, singly: 0, looks_keys_up: false, seen: false })
    }

    async fn handle(
        &self,
        myself: ActorRef<HostMsg>,
        message: HostMsg,
        state: &mut HostState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            HostMsg::Wake => state.work().await?,
            HostMsg::Rest => {
                let mut inner = state.seed.cell.lock();
                if matches!(inner.phase, Phase::Removed) {
                    drop(inner);
                    myself.stop(Some("lost".to_owned()));
                } else if inner.queue.is_empty() {
                    inner.phase = Phase::Dormant;
                    drop(inner);
                    state.seed.directory.remove(&state.seed.cell.key);
                    myself.stop(Some("idle".to_owned()));
                }
            }
        }
        Ok(())
    }
}

impl HostState {
    async fn work(&mut self) -> Result<(), HostFault> {
        loop {
            self.looks_keys_up = self.singly > 0;
            let limit = if self.looks_keys_up { 1 } else { self.seed.shared.config.entity_batch };
            let work = self.seed.cell.lock().take(limit, self.seed.shared.cx.monotonic());
            if work.is_empty() {
                return Ok(());
            }
            self.singly = self.singly.saturating_sub(1);
            let (work, deletions) = apart(work);
            let _hand = Hand::new(&self.seed.directory, deletions.len());
            if !work.is_empty() {
                Box::pin(self.batch(work)).await?;
            }
            for deletion in deletions {
                Box::pin(self.delete(deletion)).await;
            }
        }
    }

    async fn batch(&mut self, work: Vec<Work>) -> Result<(), HostFault> {
        let mut hand = Hand::new(&self.seed.directory, work.len());
        if self.loaded.is_none() {
            let HostSeed { cell, shared, .. } = &self.seed;
            match Loaded::load(shared, &cell.owned, &cell.key).await {
                Ok(loaded) => self.loaded = Some(loaded),
                Err(Fault::Refused { reason }) => {
                    hand.give_back(work.len());
                    self.put_back(work);
                    return Err(HostFault::Load { reason });
                }
                Err(fault) => {
                    hand.give_back(work.len());
                    self.seed.directory.refuse(work, &fault);
                    return Ok(());
                }
            }
        }
        let mut batch = Batch::new(&self.seed.cell.key, self.seed.shared.cx.now());
        let mut queue = work.into_iter();
        while let Some(piece) = queue.next() {
            let decided = self.decide(&mut batch, piece).await;
            if let Err((guilty, fault)) = decided {
                let mut back = batch.into_work();
                back.push(guilty);
                back.extend(queue);
                self.hide();
                self.loaded = None;
                hand.give_back(back.len());
                self.put_back(back);
                return Err(fault);
            }
        }
        self.commit(batch, hand).await;
        Ok(())
    }

    /// Decides one piece of work on the state that those before it left.
    async fn decide(&mut self, batch: &mut Batch, piece: Work) -> Result<(), (Work, HostFault)> {
        let delivery = match piece {
            Work::Read(answer) => {
                batch.pending.push(Pending::Read(answer));
                return Ok(());
            }
            Work::Deliver(delivery) => delivery,
            // It is no part of a batch.
            Work::Delete(_) => return Ok(()),
        };
        let Some(delivery) = self.recorded(batch, delivery).await else { return Ok(()) };
        if delivery.strikes >= self.seed.shared.config.strikes {
            self.bury(batch, delivery).await;
            return Ok(());
        }
        let loaded = self.loaded.as_mut().expect("a batch is only decided on a loaded state");
        let cx = StepCx {
            stream: &self.seed.cell.key,
            now: batch.entry.at,
            seq: loaded.head + batch.entry.events.len() as u64,
            origin: &delivery.origin,
        };
        let span = step_span(&self.seed.cell.key, &delivery);
        let guarded = guard(|| span.in_scope(|| loaded.machine.step(&delivery.input, &cx)));
        let seq = cx.seq;
        match guarded {
            Ok(result) => {
                batch.take(delivery, result, seq);
                Ok(())
            }
            Err(mut cause) => {
                if !self.seed.shared.cx.is_real() {
                    // Frames depend on the build; a simulated history must not.
                    cause.backtrace.clear();
                }
                let mut guilty = delivery;
                let fault =
                    HostFault::Panicked { input: input_name(&guilty.input), message: cause.message.clone() };
                guilty.strikes = guilty.strikes.saturating_add(1);
                guilty.cause = Some(cause);
                Err((Work::Deliver(guilty), fault))
            }
        }
    }

    /// Answers a delivery that has been answered before; hands it back if it is new.
    async fn recorded(&mut self, batch: &mut Batch, delivery: Box<Delivery>) -> Option<Box<Delivery>> {
        if sabotage::is_on(Sabotage::DedupDropped) {
            return Some(Box::new(Delivery { dedup: Dedup::None, ..*delivery }));
        }
        match delivery.dedup {
            Dedup::None => Some(delivery),
            Dedup::Claim(claim) => {
                if batch.has_to_take(&delivery.input, claim, self.seed.cell.owned.feeds()) {
                    return Some(delivery);
                }
                batch.pass_over(delivery, self.loaded.as_ref().map_or(0, |loaded| loaded.head));
                None
            }
            Dedup::Message(id) => {
                let loaded = self.loaded.as_ref().expect("a batch is only decided on a loaded state");
                let known = loaded.received.get(&id).or_else(|| batch.received(&id)).cloned();
                match known {
                    Some(outcome) => batch.replay(delivery, Ok(outcome)),
                    None => return Some(delivery),
                }
                None
            }
            Dedup::Key { key, digest } => {
                let found = match batch.key(&key) {
                    Some((digest, outcome)) => Some((digest, outcome)),
                    // Most keys are new, and the append finds those that are not: asking first would cost each
                    // command a read of its own.
                    None if !self.looks_keys_up && delivery.strikes == 0 => None,
                    None => match self.seed.shared.journal.find_key(&key).await {
                        Ok(record) => record.map(|r| (r.digest, r.outcome)),
                        Err(e) => {
                            let fault = self.seed.shared.failed(&self.seed.cell.owned, &e);
                            batch.replay(delivery, Err(fault));
                            return None;
                        }
                    },
                };
                match found {
                    None => return Some(delivery),
                    Some((recorded, _)) if recorded != digest => {
                        batch.replay(delivery, Err(Fault::KeyReused))
                    }
                    Some((_, outcome)) => batch.replay(delivery, Ok(outcome)),
                }
                None
            }
        }
    }

    async fn commit(&mut self, batch: Batch, hand: Hand) {
        let (mut entry, mut pending) = (batch.entry, batch.pending);
        if !entry.is_empty() {
            self.hide();
        }
        let loaded = self.loaded.as_mut().expect("a batch is only committed on a loaded state");
        let mut position = loaded.position;
        if !entry.is_empty() {
            if !entry.events.is_empty() {
                entry.expected = Some(loaded.head);
                loaded.keep_snapshot(&mut entry, self.seed.shared.config.snapshot_every);
            }
            let (at, received) = (entry.at, entry.received.clone());
            let made = entry.events.len();
            if sabotage::is_on(Sabotage::ReplyBeforeCommit) {
                let (early, rest) = pending.into_iter().partition(|pending: &Pending| !pending.is_read());
                pending = rest;
                let answer = |pending: Pending| pending.answer(position, loaded.kind, None);
                Vec::into_iter(early).for_each(answer);
            }
            match self.seed.cell.owned.append(entry).await {
                Ok(appended) => {
                    position = appended.position;
                    loaded.committed(made, at, appended, received);
                }
                Err(error) => {
                    self.failed(&error, pending, hand);
                    return;
                }
            }
        } else if !self.seed.cell.owned.serves() {
            // No commit of its own vouches for the state, and somebody else may have changed it since.
            drop(hand);
            let fault = self.seed.shared.not_owner(&self.seed.cell.owned);
            pending.into_iter().for_each(|pending| pending.fail(&fault));
            return;
        }
        let kind = loaded.kind;
        drop(hand);
        let view = if pending.iter().any(Pending::is_read) { self.show() } else { None };
        for pending in pending {
            pending.answer(position, kind, view.as_ref());
        }
    }

    /// Renders the state; from the second time on the view is left to the readers to come.
    fn show(&mut self) -> Option<View> {
        let loaded = self.loaded.as_ref()?;
        let view = loaded.view(self.seed.cell.key.id)?;
        if self.seen && loaded.machine.view_lasts() {
            self.seed.cell.lock().show(Some(view.clone()));
        }
        self.seen = true;
        Some(view)
    }

    /// Takes the published view away: the state is about to change, or to be dropped.
    pub(super) fn hide(&mut self) {
        if std::mem::take(&mut self.seen) {
            self.seed.cell.lock().show(None);
        }
    }

    /// After a failed append the state is not what the journal holds: it is dropped.
    fn failed(&mut self, error: &LaneError, pending: Vec<Pending>, mut hand: Hand) {
        self.hide();
        self.loaded = None;
        let count = hand.count();
        let again = match error {
            LaneError::Entry(EntryError::Conflict { .. } | EntryError::KeyTaken { .. }) => true,
            LaneError::Entry(EntryError::Refused { .. }) => count > 1,
            LaneError::Journal(_) | LaneError::Gone => false,
        };
        if again {
            tracing::debug!(stream = %self.seed.cell.key, %error, "a batch is decided again");
            self.singly = count;
            let back = pending.into_iter().filter_map(Pending::into_work).collect::<Vec<_>>();
            hand.give_back(back.len());
            drop(hand);
            self.put_back(back);
            return;
        }
        drop(hand);
        let fault = self.lane_fault(error);
        for pending in pending {
            pending.fail(&fault);
        }
    }

    pub(super) fn lane_fault(&self, error: &LaneError) -> Fault {
        self.seed.directory.append_failed(&self.seed.cell.owned, error)
    }

    /// Puts work back to the front of the queue; where the partition has been lost meanwhile, it is answered.
    fn put_back(&self, work: Vec<Work>) {
        let HostSeed { cell, directory, shared } = &self.seed;
        let left = cell.lock().put_back(work);
        directory.refuse(left, &shared.not_owner(&cell.owned));
    }
}
