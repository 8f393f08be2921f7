//! The walk over the runs that have not ended: whether each says what it waits for.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Overdue, OverdueKind, Watchdog};
use crate::clock::Timestamp;
use crate::entity::Fault;
use crate::id::{IdKind, StreamId, TenantId};
use crate::workflow::run::Run;

/// Runs read at one look.
const PAGE: usize = 64;
/// Ended runs that are remembered behind one that has not ended.
const REMEMBERED: usize = 65_536;

/// How far the walk is. It begins anew behind those that have ended: an end is for ever.
#[derive(Debug, Clone, Default)]
pub(super) struct Walk {
    /// The cursor of the last run looked at.
    at: Option<u64>,
    /// Every run up to this cursor has ended.
    settled: Option<u64>,
    /// Others that have ended, by their cursors: they need not be read again.
    ended: BTreeSet<u64>,
    /// True while only ended runs have been seen on this walk.
    only_ended: bool,
    found: Vec<Overdue>,
    /// Runs that waited for nothing the last time.
    suspects: BTreeSet<StreamId>,
    seen: BTreeSet<StreamId>,
}

impl Walk {
    fn note_ended(&mut self, cursor: u64) {
        if self.only_ended {
            self.settled = Some(cursor);
            self.ended.remove(&cursor);
        } else if self.ended.len() < REMEMBERED {
            self.ended.insert(cursor);
        }
    }
}

impl Watchdog {
    /// Looks at some more runs; gives what was found when the walk is through.
    pub(super) async fn runs(&mut self) -> Result<Option<Vec<Overdue>>, Fault> {
        let (tenant, now) = (TenantId::default_tenant(), self.partitions.cx.now());
        let at = self.walk.at.or(self.walk.settled);
        if self.walk.at.is_none() {
            self.walk.only_ended = true;
        }
        let page = self.partitions.journal.list_streams(&tenant, Run::PREFIX, at, false, PAGE).await;
        let page = page.map_err(Fault::from)?.streams;
        let is_last = page.len() < PAGE;
        for (stream, cursor) in page {
            self.walk.at = Some(cursor);
            if self.walk.ended.contains(&cursor) {
                self.walk.note_ended(cursor);
                continue;
            }
            let Ok(owned) = self.partitions.holdings.of(&stream) else {
                self.walk.only_ended = false;
                continue;
            };
            // One that is set aside is found there.
            let seen = match self.partitions.directory.peek(&owned, &stream).await {
                Ok(seen) => seen,
                Err(Fault::Refused { .. }) => None,
                Err(fault) => return Err(fault),
            };
            let has_ended = seen.as_ref().is_some_and(|run| !run["endedAt"].is_null());
            if has_ended {
                self.walk.note_ended(cursor);
                continue;
            }
            self.walk.only_ended = false;
            if let Some(run) = seen.filter(waits_for_nothing) {
                self.walk.seen.insert(stream.id);
                // What it did just now may not have been read: it counts when it is seen so twice.
                if self.walk.suspects.contains(&stream.id) {
                    self.walk.found.push(idle(stream.id, &run, now));
                }
            }
        }
        if !is_last {
            return Ok(None);
        }
        self.walk.at = None;
        self.walk.suspects = std::mem::take(&mut self.walk.seen);
        Ok(Some(std::mem::take(&mut self.walk.found)))
    }
}

fn waits_for_nothing(run: &Value) -> bool {
    run["waitingFor"].as_array().is_none_or(Vec::is_empty)
}

fn idle(stream: StreamId, run: &Value, now: Timestamp) -> Overdue {
    let status = run["status"].as_str().unwrap_or_default();
    let since = run["startedAt"].as_str().and_then(|at| at.parse().ok()).unwrap_or(now);
    Overdue {
        kind: OverdueKind::Run,
        id: stream.to_string(),
        stream,
        waits_for: format!("nothing, though it is {status}"),
        since,
        until: since,
        overdue_ms: u64::try_from(now.since(since).as_millis()).unwrap_or(u64::MAX),
        hint: "look at its events; a signal makes it look again, `cancel` undoes what it did".to_owned(),
    }
}
