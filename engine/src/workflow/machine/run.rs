//! `run`: another workflow, in a run of its own. It is called like an action: asked to start, and then waited for.
//!
//! The other run tells its parent when it ends. Where the parent does not need it any more, it is cancelled.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::event::RunEvent;
use super::state::{Call, End, RunState};
use super::turn::Turn;
use crate::id::StreamId;
use crate::journal::{Accepted, Json, Message, MessageId, Outcome};
use crate::workflow::action::StepResult;
use crate::workflow::definition::{Compensate, Kind};

/// The name of the action that runs a workflow.
pub(in crate::workflow) const RUN: &str = "run.workflow";

impl Turn<'_> {
    pub(super) fn begin_run(&mut self, at: &str) {
        let Kind::Run(spec) = &self.node(at).kind else { return };
        let resumed = self.resumption(at);
        let input = match self.evaluate(&spec.input, &self.input(at), &self.scene(at)) {
            Ok(input) => input,
            Err(e) => return self.fault(at, e),
        };
        let mut arguments = json!({
            "namespace": spec.namespace, "name": spec.name, "version": spec.version, "input": input,
            "await": spec.awaited,
        });
        if spec.silent {
            arguments["silent"] = true.into();
        }
        let compensates = matches!(spec.compensate, Compensate::By { .. });
        self.begin_or_resume(at, resumed, RUN, Arc::new(arguments), compensates);
    }

    /// Takes the end of a run in that this one has started. It may come before the answer to the start.
    pub(super) fn child_ended(&mut self, child: StreamId, ending: Value) {
        if self.state.pending.contains_key(&child.to_string()) {
            return self.take_ending(child, &ending);
        }
        let start = format!("{child} start");
        let asked = |call: &Call| call.waiting.as_ref().is_some_and(|waiting| waiting.what == start);
        if self.state.calls.values().any(asked) {
            self.emit(RunEvent::ChildEnded { child, ending: Arc::new(ending) });
        }
    }

    fn take_ending(&mut self, child: StreamId, ending: &Value) {
        let reply = Accepted { seq: 0, events: Vec::new(), reply: Json::from(ending) };
        let result = StepResult::Command(Outcome::Accepted(reply));
        if let Some(event) = self.state.answer_to(&child.to_string(), result) {
            self.answered_children.insert(child);
            self.emit(event);
        }
    }

    /// Goes on at once with a run whose end is known already.
    pub(super) fn take_early_ending(&mut self, child: StreamId) {
        if let Some(ending) = self.state.early.get(&child).cloned() {
            self.take_ending(child, &ending);
        }
    }

    /// Sends what follows from how the run stands now and stood before: to topics, to the parent, to children.
    pub(super) fn tell_others(&mut self, topics: &BTreeSet<StreamId>, children: &BTreeMap<StreamId, bool>) {
        let run = self.cx.stream.id;
        let wanted = self.state.wanted_topics();
        let place = format!("{}.{}", self.cx.seq, self.step.events.len());
        let id =
            |to: StreamId, what: &str| MessageId::derive(&[&run.to_string(), &to.to_string(), what, &place]);
        if self.had_ended && self.state.end.is_some() {
            return;
        }
        let ended = self.state.end.is_some();
        for topic in wanted.difference(topics) {
            let body = json!({ "run": run, "since": self.state.started_at });
            self.send(id(*topic, "subscribe"), *topic, "subscribe", &body);
        }
        // One that may be taken up again keeps its places at the topics.
        let (gone, what) = match ended && self.state.failed.is_none() {
            true => (self.state.topics.clone(), "forget"),
            false => (topics.difference(&wanted).copied().collect(), "unsubscribe"),
        };
        for topic in gone {
            self.send(id(topic, what), topic, what, &json!({ "run": run }));
        }
        let now = self.state.children();
        for (child, stopped) in children {
            let needless = match now.get(child) {
                Some(stopped_now) => *stopped_now && !stopped,
                None => !self.answered_children.contains(child),
            };
            if needless {
                self.send(id(*child, "cancel"), *child, "cancel", &abandoned(run));
            }
        }
        if let (Some(parent), Some(ending)) = (self.state.parent, ending(&self.state)) {
            let body = json!({ "child": run, "ending": ending });
            self.send(id(parent, "child-ended"), parent, "child-ended", &body);
        }
    }
}

/// How a run ended, for the run that waits for it.
fn ending(state: &RunState) -> Option<Value> {
    Some(match state.end.as_ref()? {
        End::Completed { output } => json!({ "status": "completed", "output": output }),
        End::Faulted { error } => json!({ "status": "faulted", "error": error }),
        End::Compensated { error } => json!({ "status": "compensated", "error": error }),
        End::Cancelled { reason } => json!({ "status": "cancelled", "reason": reason }),
    })
}

fn abandoned(run: StreamId) -> Value {
    json!({ "reason": format!("`{run}`, which started it, does not need it any more") })
}

/// The message that cancels a run whose start was answered when nothing waited for it any more.
pub(in crate::workflow) fn orphan(result: &StepResult, cx: &crate::entity::StepCx<'_>) -> Option<Message> {
    let StepResult::Command(Outcome::Accepted(accepted)) = result else { return None };
    let reply = accepted.reply.value();
    let child: StreamId = reply["child"].as_str()?.parse().ok()?;
    let run = cx.stream.id.to_string();
    let id = MessageId::derive(&[&run, &child.to_string(), "cancel", "orphan"]);
    let origin = Arc::new(cx.origin.caused(&id.to_string(), &run));
    let body = Json::from(&abandoned(cx.stream.id));
    Some(Message { id, from: cx.stream.clone(), to: child, command: "cancel".into(), body, origin })
}
