//! Lanes: one writer over many partitions, with group commit.
//!
//! A lane commits at once when it is idle, and otherwise gathers what came while the last commit ran. What a
//! commit set off is handed to the feeds before the callers hear of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{Mutex, mpsc, oneshot};
use tracing::Instrument as _;

use super::commits::CommitTimes;
use super::owned::Owned;
use crate::journal::{self, Appended, BatchResult, Entry, EntryError, Fence, Journal, PartitionId};
use crate::runtime::Context;
use crate::supervise::{Pulse, Service, ServiceFault};
use crate::telemetry::names;

/// How often a lane lets the others have their turn before it commits a small batch.
const TURNS: usize = 2;

/// Why an entry was not committed, or is not known to be.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LaneError {
    /// The entry was refused for itself.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The whole batch failed.
    #[error(transparent)]
    Journal(#[from] journal::Error),
    /// The lane ended before it answered; the entry may be committed or not.
    #[error("the journal's writer ended before it answered")]
    Gone,
}

type Caller = oneshot::Sender<Result<Appended, LaneError>>;

struct Request {
    owned: Arc<Owned>,
    entry: Entry,
    done: Caller,
}

/// The way into a lane. Cheap to clone.
#[derive(Clone)]
pub struct LaneHandle(mpsc::Sender<Request>);

impl LaneHandle {
    /// Commits an entry under the fence of what is owned; returns when it is on stable storage.
    ///
    /// # Errors
    ///
    /// [`LaneError`]; only with `Gone` and an unknown journal error may the entry have been committed.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the entry may still be committed.
    pub(super) async fn append(&self, owned: Arc<Owned>, entry: Entry) -> Result<Appended, LaneError> {
        let (done, answer) = oneshot::channel();
        let request = Request { owned, entry, done };
        self.0.send(request).await.map_err(|_| LaneError::Gone)?;
        answer.await.map_err(|_| LaneError::Gone)?
    }

    /// The entries that wait for the lane.
    pub fn waiting(&self) -> usize {
        self.0.max_capacity() - self.0.capacity()
    }
}

/// How much a lane takes.
#[derive(Debug, Clone, Copy)]
pub struct LaneLimits {
    /// Entries waiting for it.
    pub queue: usize,
    /// Entries that one commit takes.
    pub batch: usize,
    /// Events beyond which a commit takes no further entry, so that a few large ones do not keep the others waiting.
    pub events: usize,
}

/// The writer of a lane, as a service.
pub struct Lane {
    queue: Arc<Mutex<mpsc::Receiver<Request>>>,
    journal: Arc<dyn Journal>,
    limits: LaneLimits,
    pulse: Pulse,
    times: Arc<CommitTimes>,
    cx: Context,
}

/// Makes a lane and the way into it. The maker can be called again for a fresh writer over the same queue.
pub fn lane(
    journal: Arc<dyn Journal>,
    limits: LaneLimits,
    pulse: Pulse,
    times: Arc<CommitTimes>,
    cx: Context,
) -> (LaneHandle, impl Fn() -> Lane + Send + Sync + 'static) {
    let (sender, receiver) = mpsc::channel(limits.queue);
    let receiver = Arc::new(Mutex::new(receiver));
    let make = move || Lane {
        queue: receiver.clone(),
        journal: journal.clone(),
        limits,
        pulse: pulse.clone(),
        times: times.clone(),
        cx: cx.clone(),
    };
    (LaneHandle(sender), make)
}

#[async_trait]
impl Service for Lane {
    async fn run(&mut self) -> Result<(), ServiceFault> {
        let queue = self.queue.clone();
        let mut queue = queue.lock().await;
        let batch = self.limits.batch;
        let mut requests = Vec::with_capacity(batch);
        while queue.recv_many(&mut requests, batch).await > 0 {
            Self::gather_more(&mut queue, &mut requests, batch).await;
            while !requests.is_empty() {
                let mut rest = requests.split_off(share(&requests, self.limits.events));
                let span = tracing::debug_span!(names::SPAN_APPEND, entries = requests.len());
                self.pulse.during(self.commit(&mut requests).instrument(span)).await?;
                requests.append(&mut rest);
            }
        }
        Ok(())
    }
}

/// How many requests one commit takes; one at least.
fn share(requests: &[Request], most: usize) -> usize {
    let mut events = 0;
    let fits = requests.iter().take_while(|request| {
        let is_room = events < most;
        events += request.entry.events.len();
        is_room
    });
    fits.count().max(1)
}

/// The requests of one partition, under one fence.
struct Group {
    unsettled: Unsettled,
    callers: Vec<Caller>,
}

/// A commit of which it is not known whether it happened. Left so, also by a panic, what it may have set off is to be
/// found in the journal.
struct Unsettled {
    owned: Arc<Owned>,
    settled: bool,
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        if !self.settled {
            self.owned.feeds().mark_stale();
        }
    }
}

impl Lane {
    /// Lets those append who are ready to, before the lane is busy with a commit: the cost of a commit hardly depends
    /// on how much it takes. Where nobody is, it waits for nobody.
    async fn gather_more(queue: &mut mpsc::Receiver<Request>, requests: &mut Vec<Request>, batch: usize) {
        for _ in 0..TURNS {
            let before = requests.len();
            if before >= batch / 4 {
                return;
            }
            tokio::task::yield_now().await;
            while requests.len() < batch
                && let Ok(request) = queue.try_recv()
            {
                requests.push(request);
            }
            if requests.len() == before {
                return;
            }
        }
    }

    async fn commit(&self, requests: &mut Vec<Request>) -> Result<(), ServiceFault> {
        let taken = requests.len();
        let (groups, batches) = gather(requests);
        if groups.is_empty() {
            return Ok(());
        }
        let begun = self.cx.monotonic();
        let results = match batches.as_slice() {
            [(fence, entries)] => vec![self.journal.append(*fence, entries).await],
            several => self.journal.append_all(several).await,
        };
        let took = begun.elapsed();
        self.times.took(took);
        metrics::histogram!(names::COMMIT_SECONDS).record(took.as_secs_f64());
        metrics::histogram!(names::COMMIT_ENTRIES).record(taken as f64);
        let mut ended = Ok(());
        for ((group, (_, entries)), result) in groups.into_iter().zip(batches).zip(results) {
            ended = ended.and(settle(group, entries, result));
        }
        ended
    }
}

/// Puts requests together by partition, in the order in which each partition came first.
///
/// Those of a partition that is lost are answered at once: the journal need not be asked. Since a partition is ended
/// before it is taken over anew, none comes under two fences.
fn gather(requests: &mut Vec<Request>) -> (Vec<Group>, Vec<(Fence, Vec<Entry>)>) {
    let count = requests.len();
    let (mut groups, mut batches) = (Vec::<Group>::new(), Vec::<(Fence, Vec<Entry>)>::new());
    let mut known = BTreeMap::<PartitionId, usize>::new();
    let mut last = 0;
    for Request { owned, entry, done } in requests.drain(..) {
        let partition = owned.partition();
        if owned.ended() {
            // Who does not listen any more needs no answer.
            let _ = done.send(Err(LaneError::Journal(journal::Error::Fenced { partition })));
            continue;
        }
        if groups.get(last).is_none_or(|group| !Arc::ptr_eq(&group.unsettled.owned, &owned)) {
            last = *known.entry(partition).or_insert(groups.len());
        }
        if last == groups.len() {
            let room = if last == 0 { count } else { 0 };
            batches.push((owned.fence(), Vec::with_capacity(room)));
            let unsettled = Unsettled { owned, settled: false };
            groups.push(Group { unsettled, callers: Vec::with_capacity(room) });
        }
        batches[last].1.push(entry);
        groups[last].callers.push(done);
    }
    (groups, batches)
}

/// Hands on what a commit set off, and answers its callers.
fn settle(group: Group, entries: Vec<Entry>, result: BatchResult) -> Result<(), ServiceFault> {
    let Group { mut unsettled, callers } = group;
    unsettled.settled = !matches!(result, Err(journal::Error::Unknown { .. }));
    let owned = unsettled.owned.clone();
    let results = match result {
        Ok(results) => results,
        Err(error) => {
            drop(unsettled);
            return refuse(&owned, callers, &error);
        }
    };
    let feeds = owned.feeds();
    let mut position = *feeds.position.borrow();
    let mut answers = Vec::with_capacity(callers.len());
    for ((entry, caller), result) in entries.into_iter().zip(callers).zip(results) {
        if let Ok(appended) = &result {
            position = position.max(appended.position);
            feeds.committed(entry);
        }
        answers.push((caller, result));
    }
    feeds.position.send_replace(position);
    for (caller, result) in answers {
        // A caller that has gone away needs no answer; what it asked for stands.
        let _ = caller.send(result.map_err(LaneError::Entry));
    }
    Ok(())
}

fn refuse(owned: &Arc<Owned>, callers: Vec<Caller>, error: &journal::Error) -> Result<(), ServiceFault> {
    metrics::counter!(names::COMMIT_FAILURES).increment(1);
    // Before the callers hear of it, so that they find nobody who serves.
    match error {
        journal::Error::Fenced { .. } => owned.found_fenced(),
        journal::Error::Regressed { .. } => owned.found_regressed(),
        journal::Error::Unknown { .. }
        | journal::Error::Unavailable { .. }
        | journal::Error::Corrupt { .. }
        | journal::Error::Trimmed { .. }
        | journal::Error::InUse { .. } => {}
    }
    for caller in callers {
        let _ = caller.send(Err(LaneError::Journal(error.clone())));
    }
    if owned.ended() && owned.is_for_life() {
        return Err(ServiceFault::fatal(error.to_string()));
    }
    tracing::error!(partition = owned.partition(), error = %error, "a commit failed");
    Ok(())
}
