//! Runs of other workflows: they start, end and are cancelled as a script says, without a definition.

use serde_json::json;

use super::Failure;
use super::play::{Coming, Next, Play, Rank};
use crate::id::StreamId;
use crate::journal::{Accepted, Json, Message, Outcome};

impl Play<'_> {
    /// Starts a run that a call asks for, and puts its end at its time where the call waits for it.
    pub(super) fn start_child(&mut self, call: u64, start: &Message) {
        let Some(called) = self.log.call(call).cloned() else { return };
        let name = called.name();
        match self.script.child(&called, self.now) {
            Ok(child) => {
                self.log.note(self.now, "runs", &format!("{name}: {}", child.told));
                let awaited = called.arguments["await"] == json!(true);
                let run = awaited.then_some(start.to);
                let reply = Json::from(&json!({ "runId": start.to, "status": "running", "child": run }));
                let outcome = Outcome::Accepted(Accepted { seq: 1, events: Vec::new(), reply });
                self.schedule(self.now, Rank::Answer, Coming::Started { id: start.id, outcome });
                if awaited {
                    let ending = Coming::ChildEnded { child: start.to, ending: child.ending };
                    self.schedule(self.now.plus(child.takes), Rank::Answer, ending);
                    self.children.insert(start.to, name);
                }
            }
            Err(failure) => self.break_off(failure),
        }
        self.log.calls.push(called);
    }

    /// Cancels a run that is not needed any more, unless it has ended.
    pub(super) fn cancel_child(&mut self, message: &Message) {
        let child = message.to;
        let is_under_way = self.coming.values().any(|coming| coming.ends(child));
        let Some(name) = self.children.remove(&child).filter(|_| is_under_way) else { return };
        self.coming.retain(|_, coming| !coming.ends(child));
        self.log.note(self.now, "cancels", &name);
        let ending = json!({ "status": "cancelled", "reason": message.body.value()["reason"] });
        self.schedule(self.now, Rank::Answer, Coming::ChildEnded { child, ending });
    }

    /// Tells a run that has ended of those whose start it did not wait for: it cancels them.
    pub(super) fn settle_starts(&mut self) {
        let is_start = |coming: &Coming| matches!(coming, Coming::Started { .. });
        while let Some(place) = self.coming.iter().find(|(_, it)| is_start(it)).map(|(place, _)| *place) {
            if let Some(start) = self.coming.remove(&place) {
                self.take(Next::Coming(start));
            }
        }
    }

    /// Ends the scenario: it cannot be played as it is written.
    pub(super) fn break_off(&mut self, failure: Failure) {
        self.failures.push(failure);
        self.broken = true;
    }
}

impl Coming {
    /// Whether it is the end of a run.
    fn ends(&self, run: StreamId) -> bool {
        matches!(self, Self::ChildEnded { child, .. } if *child == run)
    }
}
