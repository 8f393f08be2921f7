//! The keeper of a node's leases: heartbeats, takes over what is free, and steps down in time.
//!
//! A lease is measured on the node's own monotonic clock from the moment before the heartbeat was sent, and the node
//! stops serving a margin before it can have run out. A lease that has lapsed is not mended: whatever was held is let
//! go and taken over anew, since somebody else may have had it in between.

use std::collections::BTreeMap;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::hold;
use super::partitions::Partitions;
use super::seed::{Leasing, Prepare};
use crate::journal::{Error, Fence};
use crate::partition::{Beat, Member, Owned, Standing, unwanted, wanted};
use crate::supervise::{Pulse, Service, ServiceFault, Taken, with_quarantined};
use crate::telemetry::names;

type Asked<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// How often a heartbeat may go unanswered within one lease.
const BEATS_PER_LEASE: u32 = 3;

/// How long after the end of another's lease it is looked at again.
const SLACK: Duration = Duration::from_millis(2);

/// How many leases long a take-over may take, with all that is read for it.
const TAKE_OVER_LEASES: u32 = 15;

/// The service that keeps the leases.
pub(super) struct Keeper {
    partitions: Arc<Partitions>,
    leasing: Leasing,
    member: Member,
    prepare: Option<Arc<dyn Prepare>>,
    /// The heartbeat under way, and the moment before it was sent.
    beat: Option<(Instant, Asked<Beat>)>,
    /// The take-over under way, and the term in which it was begun.
    take_over: Option<(u64, Asked<Vec<Taken>>)>,
    /// When the next heartbeat is due.
    next: Instant,
    /// Rises whenever the lease has lapsed: what was claimed before may be another's.
    term: u64,
    /// True after a heartbeat that failed.
    failing: bool,
    /// It is always at work: a turn of its loop takes a heartbeat, or one's patience, at most.
    pulse: Pulse,
}

/// What a keeper waits for.
enum Happened {
    /// The lease may have run out.
    Lapsed,
    /// A fence was found not to hold.
    FoundLost,
    /// The heartbeat was answered.
    Beaten(Instant, Result<Beat, Error>),
    /// The take-over came to its end.
    TakenOver(u64, Result<Vec<Taken>, Error>),
    /// It is time for a heartbeat.
    Due,
}

impl Keeper {
    pub(super) fn new(
        partitions: Arc<Partitions>,
        leasing: Leasing,
        member: Member,
        prepare: Option<Arc<dyn Prepare>>,
        pulse: Pulse,
    ) -> Self {
        let next = partitions.cx.monotonic();
        let (beat, take_over, term, failing) = (None, None, 0, false);
        Self { partitions, leasing, member, prepare, beat, take_over, next, term, failing, pulse }
    }

    async fn happened(&mut self) -> Happened {
        let Partitions { holdings, cx, .. } = &*self.partitions;
        let left = |until: Instant| until.saturating_duration_since(cx.monotonic());
        let holding = !holdings.all().is_empty();
        tokio::select! {
            biased;
            () = cx.sleep(left(holdings.tenure().until())), if holding => Happened::Lapsed,
            () = holdings.tenure().found_lost() => Happened::FoundLost,
            (begun, answer) = answer(&mut self.beat) => Happened::Beaten(begun, answer),
            (term, answer) = answer(&mut self.take_over) => Happened::TakenOver(term, answer),
            () = cx.sleep(left(self.next)), if self.beat.is_none() => Happened::Due,
        }
    }

    fn send_heartbeat(&mut self) {
        let begun = self.partitions.cx.monotonic();
        self.next = begun + self.partitions.config.heartbeat;
        let (ownership, member) = (self.leasing.ownership.clone(), self.member.clone());
        let asked = async move {
            let patience = member.lease / BEATS_PER_LEASE;
            let answered = tokio::time::timeout(patience, ownership.heartbeat(&member)).await;
            answered.unwrap_or_else(|_| Err(late("a heartbeat was not answered in time")))
        };
        self.beat = Some((begun, Box::pin(asked)));
    }

    fn beat_failed(&mut self, error: &Error) {
        metrics::counter!(names::HEARTBEAT_FAILURES).increment(1);
        if !std::mem::replace(&mut self.failing, true) {
            tracing::warn!(%error, "the node's lease could not be renewed; it is tried again");
        }
    }

    fn renewed(&mut self, begun: Instant, standings: &[Standing]) {
        let Partitions { holdings, config, cx, .. } = &*self.partitions;
        self.failing = false;
        if !holdings.tenure().holds() {
            self.step_down(&holdings.all(), "lapsed");
            self.term += 1;
        }
        let mut lost = Vec::new();
        for owned in holdings.all() {
            let place = standings.binary_search_by_key(&owned.partition(), |standing| standing.partition);
            let standing = place.ok().and_then(|place| standings.get(place));
            match standing.map(|standing| self.compare(&owned, standing, begun)) {
                Some(Held::Still) | None => {}
                Some(Held::Lost) => lost.push(owned),
                Some(Held::Regressed) => return self.regressed(),
            }
        }
        self.step_down(&lost, "taken over");
        holdings.tenure().renew(begun + config.lease - config.lease_margin);
        let left = holdings.tenure().until().saturating_duration_since(cx.monotonic());
        metrics::gauge!(names::LEASE_REMAINING).set(left.as_secs_f64());
        let others = || standings.iter().filter(|standing| !standing.free && !self.is_own(standing));
        let address = |s: &Standing| Some((s.partition, s.owner.as_ref()?.address.clone()));
        holdings.note_owners(others().filter_map(address).collect::<BTreeMap<_, _>>());
        if let Some(left) = others().map(|standing| standing.left).min() {
            // A lease that runs out before the next heartbeat is not waited for longer than that.
            self.next = self.next.min(cx.monotonic() + left + SLACK);
        }
        self.share(standings);
    }

    /// Compares what is held with how it stands in the store, as a heartbeat sent at `begun` found it.
    fn compare(&self, owned: &Owned, standing: &Standing, begun: Instant) -> Held {
        let epoch = owned.fence().epoch;
        match standing.epoch.cmp(&epoch) {
            // The heartbeat was on its way while the partition was taken over.
            std::cmp::Ordering::Less if owned.since() >= begun => Held::Still,
            std::cmp::Ordering::Less => Held::Regressed,
            std::cmp::Ordering::Equal if self.is_own(standing) => Held::Still,
            std::cmp::Ordering::Equal | std::cmp::Ordering::Greater => Held::Lost,
        }
    }

    fn is_own(&self, standing: &Standing) -> bool {
        let Member { node, incarnation, .. } = self.member;
        standing.owner.as_ref().is_some_and(|owner| (owner.node, owner.incarnation) == (node, incarnation))
    }

    /// Begins to take over what is free, or to give up what another node shall have, unless that is under way. What
    /// stands as this node's own and is not held, since the lease has lapsed, or the answer to a take-over was lost or
    /// came too late, is given up first.
    fn share(&mut self, standings: &[Standing]) {
        if self.take_over.is_some() || self.partitions.is_closing() {
            return;
        }
        let holdings = self.partitions.holdings.clone();
        let surplus = unwanted(standings, &self.member);
        let surplus: Vec<_> = surplus.into_iter().filter_map(|id| holdings.get(id)).collect();
        self.step_down(&surplus, "another goes before");
        let astray = standings.iter().filter(|s| self.is_own(s) && holdings.get(s.partition).is_none());
        let incarnation = self.member.incarnation;
        let astray = astray.map(|s| Fence { partition: s.partition, epoch: s.epoch, incarnation });
        let astray: Vec<_> = astray.collect();
        let free = wanted(standings, &self.member);
        if !astray.is_empty() {
            self.give_up(astray);
        } else if !free.is_empty() {
            self.claim(free);
        }
    }

    fn claim(&mut self, free: Vec<Standing>) {
        let (ownership, member) = (self.leasing.ownership.clone(), self.member.clone());
        let (prepare, journal) = (self.prepare.clone(), self.partitions.journal.clone());
        let partitions = self.partitions.clone();
        let patience = self.member.lease * TAKE_OVER_LEASES;
        let asked = async move {
            let leases = ownership.claim(&member, &free).await?;
            if !leases.is_empty() {
                // Whoever owned them before may have released the store, or it may have been restored since.
                partitions.held.send_replace(hold::is_held(&*journal).await?);
            }
            if let Some(prepare) = prepare.filter(|_| !leases.is_empty()) {
                prepare.prepare(&journal).await?;
            }
            with_quarantined(&*journal, leases).await
        };
        let asked = async move {
            let answered = tokio::time::timeout(patience, asked).await;
            answered.unwrap_or_else(|_| Err(late("a take-over was not answered in time")))
        };
        self.take_over = Some((self.term, Box::pin(asked)));
    }

    fn give_up(&mut self, fences: Vec<Fence>) {
        let (ownership, patience) = (self.leasing.ownership.clone(), self.member.lease);
        let asked = async move {
            let answered = tokio::time::timeout(patience, ownership.release(&fences)).await;
            answered.unwrap_or_else(|_| Err(late("giving partitions up was not answered in time")))?;
            Ok(Vec::new())
        };
        self.take_over = Some((self.term, Box::pin(asked)));
        self.next = self.next.min(self.partitions.cx.monotonic());
    }

    fn taken_over(&mut self, term: u64, taken: Vec<Taken>) -> Result<(), ServiceFault> {
        if taken.is_empty() {
            return Ok(());
        }
        let sound = term == self.term && self.partitions.holdings.tenure().holds();
        if !sound || self.partitions.is_closing() {
            self.give_up(taken.iter().map(|taken| taken.lease.fence).collect());
            return Ok(());
        }
        tracing::info!(partitions = taken.len(), "took partitions over");
        taken.into_iter().try_for_each(|taken| self.partitions.take(taken))
    }

    fn step_down(&self, lost: &[Arc<Owned>], reason: &'static str) {
        if !lost.is_empty() {
            tracing::warn!(partitions = lost.len(), reason, "stepped down");
            self.partitions.let_go(lost, reason);
        }
    }

    /// What is held in memory may hold more than the store does now: all of it is dropped and read anew.
    fn regressed(&mut self) {
        // The journal raises the alarm, once.
        tracing::warn!("the store has gone back in time: every partition is dropped and taken over anew");
        self.step_down(&self.partitions.holdings.all(), "regressed");
        self.term += 1;
        self.next = self.partitions.cx.monotonic();
    }
}

/// How what is held stands in the store.
enum Held {
    Still,
    Lost,
    Regressed,
}

fn late(reason: &str) -> Error {
    Error::Unavailable { reason: reason.to_owned() }
}

/// Waits for what was asked, for ever where nothing was; what has been answered is not under way any more.
async fn answer<K: Copy, T>(slot: &mut Option<(K, Asked<T>)>) -> (K, Result<T, Error>) {
    let Some((key, asked)) = slot else { return pending().await };
    let (key, answer) = (*key, asked.await);
    *slot = None;
    (key, answer)
}

#[async_trait]
impl Service for Keeper {
    async fn run(&mut self) -> Result<(), ServiceFault> {
        let pulse = self.pulse.clone();
        loop {
            let _turn = pulse.begin();
            let holdings = self.partitions.holdings.clone();
            match self.happened().await {
                Happened::Due => self.send_heartbeat(),
                Happened::Lapsed => self.step_down(&holdings.all(), "lapsed"),
                Happened::FoundLost if holdings.tenure().take_regressed() => self.regressed(),
                Happened::FoundLost => {
                    let lost: Vec<_> = holdings.all().into_iter().filter(|owned| owned.ended()).collect();
                    self.step_down(&lost, "fenced");
                    self.next = self.partitions.cx.monotonic();
                }
                Happened::Beaten(begun, Ok(Beat::Renewed(standings))) => self.renewed(begun, &standings),
                Happened::Beaten(_, Ok(Beat::Replaced)) => {
                    self.step_down(&holdings.all(), "replaced");
                    let reason = "a later start of this node has taken its place";
                    self.partitions.cx.exit(1, reason);
                    return Ok(());
                }
                Happened::TakenOver(term, Ok(taken)) => self.taken_over(term, taken)?,
                Happened::Beaten(_, Err(Error::Regressed { .. }))
                | Happened::TakenOver(_, Err(Error::Regressed { .. })) => self.regressed(),
                Happened::Beaten(_, Err(error)) => self.beat_failed(&error),
                Happened::TakenOver(_, Err(error)) => {
                    tracing::warn!(%error, "partitions could not be taken over; it is tried again");
                }
            }
        }
    }
}
