//! Lanes: one writer over partitions, with group commit.
//!
//! A lane commits at once when it is idle, and otherwise gathers what came while the last commit ran. What a
//! commit set off is handed to the feeds before the callers hear of it.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::Feeds;
use crate::journal::{self, Appended, Entry, EntryError, Fence, Journal};
use crate::runtime::Context;
use crate::supervise::{Service, ServiceFault};
use crate::telemetry::names;

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

struct Request {
    entry: Entry,
    done: oneshot::Sender<Result<Appended, LaneError>>,
}

/// The way into a lane. Cheap to clone.
#[derive(Clone)]
pub struct LaneHandle {
    queue: mpsc::Sender<Request>,
    fence: Fence,
}

impl LaneHandle {
    /// The fence that the lane appends with.
    pub fn fence(&self) -> Fence {
        self.fence
    }

    /// Commits an entry; returns when it is on stable storage.
    ///
    /// # Errors
    ///
    /// [`LaneError`]; only with `Gone` and an unknown journal error may the entry have been committed.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the entry may still be committed.
    pub async fn append(&self, entry: Entry) -> Result<Appended, LaneError> {
        let (done, answer) = oneshot::channel();
        let request = Request { entry, done };
        self.queue.send(request).await.map_err(|_| LaneError::Gone)?;
        answer.await.map_err(|_| LaneError::Gone)?
    }
}

/// The writer of a lane, as a service.
pub struct Lane {
    queue: Arc<Mutex<mpsc::Receiver<Request>>>,
    journal: Arc<dyn Journal>,
    feeds: Arc<Feeds>,
    fence: Fence,
    batch: usize,
    cx: Context,
}

/// Makes a lane and the way into it. The maker can be called again for a fresh writer over the same queue.
pub fn lane(
    journal: Arc<dyn Journal>,
    fence: Fence,
    feeds: Arc<Feeds>,
    queue: usize,
    batch: usize,
    cx: Context,
) -> (LaneHandle, impl Fn() -> Lane + Send + Sync + 'static) {
    let (sender, receiver) = mpsc::channel(queue);
    let receiver = Arc::new(Mutex::new(receiver));
    let make = move || Lane {
        queue: receiver.clone(),
        journal: journal.clone(),
        feeds: feeds.clone(),
        fence,
        batch,
        cx: cx.clone(),
    };
    (LaneHandle { queue: sender, fence }, make)
}

#[async_trait]
impl Service for Lane {
    async fn run(&mut self) -> Result<(), ServiceFault> {
        let queue = self.queue.clone();
        let mut queue = queue.lock().await;
        let mut requests = Vec::with_capacity(self.batch);
        while queue.recv_many(&mut requests, self.batch).await > 0 {
            self.commit(&mut requests).await?;
        }
        Ok(())
    }
}

/// A commit of which it is not known whether it happened. Left so, also by a panic, what it may have set off is to be
/// found in the journal.
struct Unsettled<'a>(&'a Feeds);

impl Drop for Unsettled<'_> {
    fn drop(&mut self) {
        self.0.mark_stale();
    }
}

impl Lane {
    async fn commit(&self, requests: &mut Vec<Request>) -> Result<(), ServiceFault> {
        let (entries, callers): (Vec<_>, Vec<_>) = requests.drain(..).map(|r| (r.entry, r.done)).unzip();
        let begun = self.cx.monotonic();
        let unsettled = Unsettled(&self.feeds);
        let result = self.journal.append(self.fence, &entries).await;
        if !matches!(result, Err(journal::Error::Unknown { .. })) {
            std::mem::forget(unsettled);
        }
        metrics::histogram!(names::COMMIT_SECONDS).record(begun.elapsed().as_secs_f64());
        metrics::histogram!(names::COMMIT_ENTRIES).record(entries.len() as f64);
        let results = match result {
            Ok(results) => results,
            Err(error) => return refuse(callers, &error),
        };
        let mut position = *self.feeds.position.borrow();
        let mut answers = Vec::with_capacity(callers.len());
        for ((entry, caller), result) in entries.into_iter().zip(callers).zip(results) {
            if let Ok(appended) = &result {
                position = position.max(appended.position);
                self.feeds.committed(entry);
            }
            answers.push((caller, result));
        }
        self.feeds.position.send_replace(position);
        for (caller, result) in answers {
            // A caller that has gone away needs no answer; what it asked for stands.
            let _ = caller.send(result.map_err(LaneError::Entry));
        }
        Ok(())
    }
}

fn refuse(
    callers: Vec<oneshot::Sender<Result<Appended, LaneError>>>,
    error: &journal::Error,
) -> Result<(), ServiceFault> {
    metrics::counter!(names::COMMIT_FAILURES).increment(1);
    for caller in callers {
        let _ = caller.send(Err(LaneError::Journal(error.clone())));
    }
    match error {
        journal::Error::Fenced { .. } => Err(ServiceFault::fatal(error.to_string())),
        journal::Error::Regressed { .. } => Err(ServiceFault::fatal(error.to_string())),
        journal::Error::Unknown { .. }
        | journal::Error::Unavailable { .. }
        | journal::Error::Corrupt { .. }
        | journal::Error::InUse { .. } => {
            tracing::error!(error = %error, "a commit failed");
            Ok(())
        }
    }
}
