//! Deleting an entity whole, by its own host: what comes for it meanwhile waits, and finds it gone or as it was.

use std::time::Duration;

use tokio::sync::oneshot;

use super::Machine;
use super::directory::Directory;
use super::host::HostState;
use super::intake::{Fault, Phase, Work};
use super::loaded::Loaded;
use super::trim::Trim;
use crate::id::StreamKey;
use crate::journal::Forgotten;

/// How long an entity is left alone that something is under way for.
const LATER: Duration = Duration::from_secs(60);

/// An entity is to be deleted, if it is old enough.
pub(crate) struct Deletion {
    /// After what time, where it does not say it itself; `None` for never.
    pub(super) after: Option<Duration>,
    pub(super) answer: oneshot::Sender<Result<Trim, Fault>>,
}

/// Puts the deletions among some work behind the rest of it.
pub(super) fn apart(work: Vec<Work>) -> (Vec<Work>, Vec<Deletion>) {
    let (mut rest, mut deletions) = (Vec::with_capacity(work.len()), Vec::new());
    for piece in work {
        match piece {
            Work::Delete(deletion) => deletions.push(deletion),
            Work::Deliver(_) | Work::Read(_) => rest.push(piece),
        }
    }
    (rest, deletions)
}

/// After what time from its last event an entity is deleted: as it says, or else as its node does, which does not take
/// away what the entity wants its events kept for.
pub(super) fn deleted_after(machine: &dyn Machine, node: Option<Duration>) -> Option<Duration> {
    let by_node = || node.map(|node| node.max(machine.retention().unwrap_or_default()));
    machine.deletion().or_else(by_node)
}

impl Directory {
    /// Deletes an entity whole that says itself, or else is said to be, old enough.
    pub(super) async fn delete(&self, stream: &StreamKey, after: Option<Duration>) -> Result<Trim, Fault> {
        let (answer, heard) = oneshot::channel();
        let owned = self.put(stream, Work::Delete(Deletion { after, answer }))?;
        self.hear(&owned, heard, || Fault::Unknown).await?.map_err(|_| Fault::Unknown)?
    }
}

impl HostState {
    pub(super) async fn delete(&mut self, deletion: Deletion) {
        let Deletion { after, answer } = deletion;
        let came = self.try_delete(after).await;
        if let Ok(Trim::Deleted) = came {
            let cell = &self.seed.cell;
            cell.owned.feeds().changes.push(&cell.key);
            if let Phase::Active { actor, .. } = &cell.lock().phase {
                actor.rest();
            }
        }
        // Who does not listen any more will look again.
        let _ = answer.send(came);
    }

    async fn try_delete(&mut self, after: Option<Duration>) -> Result<Trim, Fault> {
        let (cell, shared) = (self.seed.cell.clone(), self.seed.shared.clone());
        if self.loaded.is_none() {
            self.loaded = Some(Loaded::load(&shared, &cell.owned, &cell.key).await?);
        }
        let Some(loaded) = &self.loaded else { return Ok(Trim::Never) };
        let (now, head) = (shared.cx.now(), loaded.head);
        let Some(after) = deleted_after(&*loaded.machine, after) else { return Ok(Trim::Never) };
        if !loaded.machine.may_delete() {
            return Ok(Trim::NotBefore(now.plus(after)));
        }
        let due = loaded.updated_at.plus(after);
        if due >= now {
            return Ok(Trim::NotBefore(due));
        }
        // Whatever comes of it, what is known here is not to be relied on any more.
        self.hide();
        self.loaded = None;
        match shared.journal.forget(cell.owned.fence(), &cell.key, head).await {
            Ok(Forgotten::Gone) => Ok(Trim::Deleted),
            Ok(Forgotten::Kept) => Ok(Trim::NotBefore(now.plus(LATER))),
            Err(error) => Err(shared.failed(&cell.owned, &error)),
        }
    }
}
