//! What becomes of versions: what each command leads to.

use serde_json::json;

use super::life::{Act, Life};
use super::{Acted, Change, Event, RegisteredVersion, Rejection, Scheduling, WorkflowDefinition};
use crate::entity::{DecideCx, Decision, Entity, EventCx};
use crate::journal::Seq;
use crate::workflow::definition::{MAX_SOURCE_BYTES, digest, is_semver};
use crate::workflow::versions::by_release;

type Decided = Result<Decision<Event>, Rejection>;

/// A text that is to be registered.
pub(super) struct Text {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) source: String,
    pub(super) digest: String,
}

/// Registers a version.
pub(super) fn register(
    state: Option<&WorkflowDefinition>,
    text: Text,
    scheduling: Option<Scheduling>,
) -> Decided {
    let Text { name, version, source, digest: claimed } = text;
    let unsound = |reason| Err(Rejection::Unsound { reason });
    if source.len() > MAX_SOURCE_BYTES {
        return unsound("the text is too long");
    }
    if claimed != digest(&source) {
        return unsound("the digest is not that of the text");
    }
    if !is_semver(&version) {
        return unsound("the version is no semantic version");
    }
    if state.is_some_and(|state| state.name != name) {
        return unsound("the name is not that of this workflow");
    }
    let reply = json!({ "name": name, "version": version });
    match state.and_then(|state| state.version(&version)) {
        Some(known) if known.life.is_deleted() => {
            return Err(Rejection::Deleted { name, version, status: known.life.name() });
        }
        Some(known) if known.digest == claimed => return Ok(Decision::none().reply(reply)),
        Some(_) => return Err(Rejection::VersionTaken { name, version }),
        None => {}
    }
    let latest = state.is_none_or(|state| state.will_be_latest(&version));
    let was = state.is_some_and(|state| state.scheduled);
    let scheduling = scheduling.filter(|_| latest);
    let scheduled = scheduling.as_ref().map(|scheduling| scheduling.plan.is_some());
    let event = Event::Registered { name: name.clone(), version, source, digest: claimed, scheduled };
    Ok(rescheduled(Decision::event(event).reply(reply), name, scheduling, was))
}

impl WorkflowDefinition {
    /// Has a version take no new runs.
    pub(super) fn deprecate(&self, change: Change, cx: &DecideCx<'_>) -> Decided {
        match &self.known(&change.version)?.life {
            Life::Active => self.changed(Event::Deprecated, change, cx),
            Life::Deprecated(_) => Ok(self.unchanged(&change.version)),
            Life::Retiring { .. } | Life::Deleted(_) => Err(self.going(&change.version)),
        }
    }

    /// Has a version take runs again that was deprecated, or whose deletion has not come to an end.
    pub(super) fn restore(&self, change: Change, cx: &DecideCx<'_>) -> Decided {
        match &self.known(&change.version)?.life {
            Life::Deprecated(_) | Life::Retiring { .. } => self.changed(Event::Restored, change, cx),
            Life::Active => Ok(self.unchanged(&change.version)),
            Life::Deleted(_) => Err(self.going(&change.version)),
        }
    }

    /// Makes a version the latest.
    pub(super) fn promote(&self, change: Change, cx: &DecideCx<'_>) -> Decided {
        match &self.known(&change.version)?.life {
            Life::Active if self.latest() == Some(&change.version) => Ok(self.unchanged(&change.version)),
            Life::Active => self.changed(Event::Promoted, change, cx),
            Life::Deprecated(_) => {
                Err(Rejection::Deprecated { name: self.name.clone(), version: change.version })
            }
            Life::Retiring { .. } | Life::Deleted(_) => Err(self.going(&change.version)),
        }
    }

    /// Has a version take no runs at all, unless others are there and it is the latest.
    pub(super) fn retire(&self, change: Change, cx: &DecideCx<'_>) -> Decided {
        let life = &self.known(&change.version)?.life;
        if matches!(life, Life::Retiring { .. } | Life::Deleted(_)) {
            return Ok(self.unchanged(&change.version));
        }
        let is_only = self.versions.iter().filter(|known| !known.life.is_deleted()).count() == 1;
        if self.latest() == Some(&change.version) && !is_only {
            return Err(Rejection::IsLatest { name: self.name.clone(), version: change.version });
        }
        self.changed(Event::Retired, change, cx)
    }

    /// Has a version be as it was before it was retired.
    pub(super) fn keep(&self, change: Change, cx: &DecideCx<'_>) -> Decided {
        match &self.known(&change.version)?.life {
            Life::Retiring { .. } => self.changed(Event::Kept, change, cx),
            Life::Active | Life::Deprecated(_) | Life::Deleted(_) => Ok(self.unchanged(&change.version)),
        }
    }

    /// Deletes a version of which no run was found open since it was retired.
    pub(super) fn delete(
        &self,
        version: String,
        reason: Option<String>,
        (open, retired): (u64, Seq),
        cx: &DecideCx<'_>,
    ) -> Decided {
        let name = self.name.clone();
        match &self.known(&version)?.life {
            Life::Deleted(_) => Ok(self.unchanged(&version)),
            _ if open > 0 => Err(Rejection::InUse { name, version, open }),
            Life::Retiring { seq, .. } if *seq == retired => {
                let by = cx.principal.to_owned();
                let reply =
                    json!({ "name": name, "version": version, "status": "deleted", "latest": self.latest() });
                let acted = Acted { version, by, reason, scheduled: None };
                Ok(Decision::event(Event::Deleted(acted)).reply(reply))
            }
            life @ (Life::Active | Life::Deprecated(_) | Life::Retiring { .. }) => {
                Err(Rejection::Overtaken { name, version, status: life.name() })
            }
        }
    }

    fn known(&self, version: &str) -> Result<&RegisteredVersion, Rejection> {
        let unknown = || Rejection::UnknownVersion { name: self.name.clone(), version: version.to_owned() };
        self.version(version).ok_or_else(unknown)
    }

    /// Refuses what is not for a version that is deleted or about to be.
    fn going(&self, version: &str) -> Rejection {
        let status = self.version(version).map_or("", |known| known.life.name());
        Rejection::Deleted { name: self.name.clone(), version: version.to_owned(), status }
    }

    /// Nothing happens, since it is so already.
    fn unchanged(&self, version: &str) -> Decision<Event> {
        let status = self.version(version).map(|known| known.life.name());
        let reply =
            json!({ "name": self.name, "version": version, "status": status, "latest": self.latest() });
        Decision::none().reply(reply)
    }

    /// Something is done to a version. Where the latest is another one then, runs begin by themselves as that one says.
    fn changed(&self, event: fn(Acted) -> Event, change: Change, cx: &DecideCx<'_>) -> Decided {
        let Change { version, reason, schedule, mut plans } = change;
        let acted = |scheduled| {
            let (version, by, reason) = (version.clone(), cx.principal.to_owned(), reason.clone());
            event(Acted { version, by, reason, scheduled })
        };
        let mut after = self.clone();
        let folding = EventCx { id: cx.id, at: cx.now, seq: cx.seq + 1 };
        after.apply(&acted(None), &folding);
        let scheduling = match after.latest() {
            same if same == self.latest() => None,
            None => Some(Scheduling { schedule, plan: None }),
            Some(latest) => match plans.remove(latest) {
                Some(plan) => Some(Scheduling { schedule, plan }),
                // One that was registered since the plans were looked up.
                None => {
                    let status = self.known(&version)?.life.name();
                    return Err(Rejection::Overtaken { name: self.name.clone(), version, status });
                }
            },
        };
        let scheduled = scheduling.as_ref().map(|scheduling| scheduling.plan.is_some());
        let decision =
            Decision { reply: after.unchanged(&version).reply, ..Decision::event(acted(scheduled)) };
        Ok(rescheduled(decision, self.name.clone(), scheduling, self.scheduled))
    }

    /// True if a version that is not there yet would be the latest.
    fn will_be_latest(&self, version: &str) -> bool {
        let active = self.versions.iter().filter(|known| known.life.is_active());
        active.map(|known| by_release(&known.version, version)).all(std::cmp::Ordering::is_lt)
    }

    /// Takes a version in. One that is newer than all takes the place of one that was promoted.
    pub(super) fn add(&mut self, version: RegisteredVersion) {
        if self.will_be_latest(&version.version) {
            self.promoted = None;
        }
        self.versions.push(version);
    }

    /// Has a version enter another part of its life. One that is not active is not promoted any more.
    pub(super) fn enter(&mut self, acted: &Acted, cx: &EventCx, into: impl FnOnce(&Life, Act) -> Life) {
        self.scheduled = acted.scheduled.unwrap_or(self.scheduled);
        let Some(known) = self.versions.iter_mut().find(|known| known.version == acted.version) else {
            return;
        };
        known.life = into(&known.life, acted.act(cx));
        if !known.life.is_active() && self.promoted() == Some(&acted.version) {
            self.promoted = None;
        }
    }
}

impl Acted {
    /// Who did it, when, and why.
    pub(super) fn act(&self, cx: &EventCx) -> Act {
        Act { at: cx.at, by: self.by.clone(), reason: self.reason.clone() }
    }
}

/// Tells the schedule of a workflow what its runs begin by from now on, where that is another thing.
fn rescheduled(
    decision: Decision<Event>,
    workflow: String,
    scheduling: Option<Scheduling>,
    was: bool,
) -> Decision<Event> {
    match scheduling {
        Some(Scheduling { schedule, plan: Some(plan) }) => {
            decision.send(schedule, "set", json!({ "workflow": workflow, "plan": plan }))
        }
        Some(Scheduling { schedule, plan: None }) if was => decision.send(schedule, "clear", json!({})),
        Some(_) | None => decision,
    }
}
