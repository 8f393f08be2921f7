//! Schedules: runs that begin by themselves, as the latest version of a workflow says.
//!
//! `(nothing) --set--> set --tick, hear, child-ended--> set --clear--> cleared --set--> set`
//!
//! One entity for each workflow. A run that it starts has an id made of the schedule and of what it is started for, so
//! that it is started once. Of times that were missed while nothing ran, one run makes up.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::definition::{Consumption, consumption_of};
use super::run::Run;
use crate::clock::Timestamp;
use crate::entity::{DecideCx, Decision, Entity, EventCx, Kind, Reason};
use crate::id::{IdKind, Prefix, StreamId, TenantId};
use crate::journal::{MessageId, Outcome, RejectionKind};

mod plan;
mod sets;
#[cfg(test)]
mod tests;

pub use plan::Plan;
pub use sets::Set;

/// The prefix of schedules' ids.
pub const SCHEDULE: Prefix = Prefix::new("sched");

/// The timer of the next run.
const TICK: &str = "tick";

/// The shortest time after which a run that was refused is tried again, in milliseconds.
const AGAIN_MS: u64 = 60_000;

/// The id of the schedule of a workflow.
pub fn schedule_id(tenant: &TenantId, workflow: &str) -> StreamId {
    let bits = crate::id::digest("schedule", &[tenant.as_str(), workflow]);
    StreamId::new(SCHEDULE, crate::id::uuid_v8(bits, None))
}

/// A schedule.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    workflow: String,
    plan: Option<Plan>,
    /// When the next run begins, where that is known.
    next: Option<Timestamp>,
    /// The last run, and when it was started.
    last: Option<Started>,
    /// How many were started.
    count: u64,
    /// Why the last one could not be started, if it could not.
    refused: Option<String>,
    /// Sets of events that are not complete.
    sets: VecDeque<Set>,
    #[serde(skip)]
    compiled: Arc<OnceLock<Option<Consumption>>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Started {
    run: StreamId,
    at: Timestamp,
}

/// What a schedule can be told to do.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Command {
    /// Begins runs of a workflow from now on.
    Set {
        /// The workflow.
        workflow: String,
        /// By what.
        plan: Plan,
    },
    /// Begins no more runs.
    Clear {},
    /// The time of the next run has come.
    Tick {},
    /// Brings events of a topic.
    Hear {
        /// The topic.
        #[schemars(with = "String")]
        topic: StreamId,
        /// The events.
        events: Vec<Value>,
    },
    /// Tells how a run ended that it has started.
    ChildEnded {
        /// The run.
        #[schemars(with = "String")]
        child: StreamId,
        /// How.
        ending: Value,
    },
    /// Notes that a run could not be started.
    NoteRefusal {
        /// Why.
        reason: String,
    },
}

/// What can have happened to a schedule.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Event {
    /// It was set.
    Set {
        /// The workflow.
        workflow: String,
        /// By what runs begin.
        plan: Plan,
        /// When the next one begins, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<Timestamp>,
    },
    /// It was cleared.
    Cleared {},
    /// A run was started.
    Started {
        /// The run.
        #[schemars(with = "String")]
        run: StreamId,
        /// When the next one begins, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<Timestamp>,
    },
    /// The next run was set to a time.
    Planned {
        /// When.
        next: Timestamp,
    },
    /// Events came that make no whole set yet; these are the sets that are kept.
    Collected {
        /// The sets.
        sets: Vec<Set>,
    },
    /// A run could not be started.
    Refused {
        /// Why.
        reason: String,
    },
}

/// A schedule refuses nothing but what does not fit it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such schedule")]
pub struct Rejection;

impl Reason for Rejection {
    fn code(&self) -> &'static str {
        "no_schedule"
    }

    fn kind(&self) -> RejectionKind {
        RejectionKind::NotFound
    }
}

impl Entity for Schedule {
    const KIND: Kind = Kind { name: "schedule", plural: "schedules", prefix: SCHEDULE };
    const CREATE: &'static str = "set";
    const EVENTS: &'static [(&'static str, u16)] =
        &[("set", 1), ("cleared", 1), ("started", 1), ("planned", 1), ("collected", 1), ("refused", 1)];

    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn creates(command: &Command) -> bool {
        matches!(command, Command::Set { .. })
    }

    fn decide(
        state: Option<&Self>,
        command: Command,
        cx: &DecideCx<'_>,
    ) -> Result<Decision<Event>, Rejection> {
        match (command, state) {
            (Command::Set { workflow, plan }, state) => Ok(set(state, workflow, plan, cx)),
            (_, None) => Err(Rejection),
            (Command::Clear {}, Some(state)) => Ok(state.clear(cx)),
            (Command::Tick {}, Some(state)) => Ok(state.tick(cx)),
            (Command::Hear { events, .. }, Some(state)) => Ok(state.hear(events, cx)),
            (Command::ChildEnded { child, .. }, Some(state)) => Ok(state.child_ended(child, cx)),
            (Command::NoteRefusal { reason }, Some(state)) => Ok(state.note_refusal(reason, cx)),
        }
    }

    fn begin(event: &Event, cx: &EventCx) -> Option<Self> {
        let mut state = Self {
            workflow: String::new(),
            plan: None,
            next: None,
            last: None,
            count: 0,
            refused: None,
            sets: VecDeque::new(),
            compiled: Arc::default(),
        };
        state.apply(event, cx);
        Some(state)
    }

    fn apply(&mut self, event: &Event, cx: &EventCx) {
        match event {
            Event::Set { workflow, plan, next } => {
                self.workflow.clone_from(workflow);
                if self.plan.as_ref() != Some(plan) {
                    self.sets.clear();
                    self.compiled = Arc::default();
                }
                self.plan = Some(plan.clone());
                self.next = *next;
            }
            Event::Cleared {} => {
                self.plan = None;
                self.next = None;
                self.sets.clear();
            }
            Event::Started { run, next } => {
                self.last = Some(Started { run: *run, at: cx.at });
                self.count += 1;
                self.next = *next;
                self.refused = None;
            }
            Event::Planned { next } => self.next = Some(*next),
            Event::Collected { sets } => self.sets = sets.clone().into(),
            Event::Refused { reason } => self.refused = Some(reason.clone()),
        }
    }

    fn on_timer(&self, name: &str) -> Option<Command> {
        (name == TICK).then_some(Command::Tick {})
    }

    fn on_reply(&self, _: MessageId, outcome: &Outcome) -> Option<Command> {
        match outcome {
            Outcome::Rejected(rejected) => Some(Command::NoteRefusal { reason: rejected.message.clone() }),
            Outcome::Accepted(_) => None,
        }
    }

    fn view(&self) -> Value {
        json!({
            "workflow": self.workflow, "active": self.plan.is_some(), "plan": self.plan, "next": self.next,
            "lastRun": self.last.as_ref().map(|last| last.run), "lastAt": self.last.as_ref().map(|last| last.at),
            "count": self.count, "refused": self.refused, "incomplete": self.sets.len(),
        })
    }
}

/// Sets a schedule anew: its topics are followed, and the time of its next run is found.
fn set(state: Option<&Schedule>, workflow: String, plan: Plan, cx: &DecideCx<'_>) -> Decision<Event> {
    if state.is_some_and(|state| state.plan.as_ref() == Some(&plan)) {
        return Decision::none();
    }
    let mut next = plan.next(cx.now);
    if plan.after_ms.is_some() {
        // The first run begins at once; of those that another plan has begun, none starts the next.
        next = Some(cx.now.plus(Duration::from_millis(1)));
    }
    let before: BTreeSet<StreamId> =
        state.and_then(|state| state.plan.as_ref()).map_or_else(BTreeSet::new, topics);
    let wanted = topics(&plan);
    let mut decision = Decision::none();
    for topic in before.difference(&wanted) {
        decision = decision.send(*topic, "forget", json!({ "run": cx.id }));
    }
    for topic in wanted.difference(&before) {
        decision = decision.send(*topic, "subscribe", json!({ "run": cx.id, "since": cx.now }));
    }
    decision = with_timer(decision, next);
    decision.and(Event::Set { workflow, plan, next })
}

fn topics(plan: &Plan) -> BTreeSet<StreamId> {
    plan.topics.iter().copied().collect()
}

fn with_timer(decision: Decision<Event>, next: Option<Timestamp>) -> Decision<Event> {
    match next {
        Some(due) => decision.timer(TICK, due),
        None => {
            Decision { timers: vec![crate::journal::TimerOp::Clear { name: TICK.to_owned() }], ..decision }
        }
    }
}

impl Schedule {
    fn clear(&self, cx: &DecideCx<'_>) -> Decision<Event> {
        let Some(plan) = &self.plan else { return Decision::none() };
        let mut decision = with_timer(Decision::event(Event::Cleared {}), None);
        for topic in topics(plan) {
            decision = decision.send(topic, "forget", json!({ "run": cx.id }));
        }
        decision
    }

    fn tick(&self, cx: &DecideCx<'_>) -> Decision<Event> {
        let (Some(plan), Some(due)) = (&self.plan, self.next) else { return Decision::none() };
        if cx.now < due {
            return Decision::none().timer(TICK, due);
        }
        let next = plan.next(cx.now);
        with_timer(self.starting(Decision::none(), &due.to_string(), json!({}), next, cx), next)
    }

    /// Starts a run for a reason that has not been there before.
    fn starting(
        &self,
        decision: Decision<Event>,
        reason: &str,
        input: Value,
        next: Option<Timestamp>,
        cx: &DecideCx<'_>,
    ) -> Decision<Event> {
        let bits = crate::id::digest("scheduled", &[&cx.id.to_string(), reason]);
        let run = StreamId::new(Run::PREFIX, crate::id::uuid_v8(bits, None));
        let parent = self.plan.as_ref().and_then(|plan| plan.after_ms).map(|_| cx.id);
        let body = json!({
            "workflow": self.workflow, "input": input, "cause": format!("schedule {reason}"), "parent": parent,
        });
        decision.send(run, "start", body).and(Event::Started { run, next })
    }

    fn child_ended(&self, child: StreamId, cx: &DecideCx<'_>) -> Decision<Event> {
        let after = self.plan.as_ref().and_then(|plan| plan.after_ms);
        let is_last = self.last.as_ref().is_some_and(|last| last.run == child);
        let Some(after) = after.filter(|_| is_last) else { return Decision::none() };
        let next = cx.now.plus(Duration::from_millis(after));
        Decision::event(Event::Planned { next }).timer(TICK, next)
    }

    /// Notes that a run could not be started. One that starts the next when it ends is tried again.
    fn note_refusal(&self, reason: String, cx: &DecideCx<'_>) -> Decision<Event> {
        let refused = Decision::event(Event::Refused { reason });
        let after = self.plan.as_ref().and_then(|plan| plan.after_ms).filter(|_| self.next.is_none());
        let Some(after) = after else { return refused };
        let next = cx.now.plus(Duration::from_millis(after.max(AGAIN_MS)));
        refused.and(Event::Planned { next }).timer(TICK, next)
    }

    fn hear(&self, events: Vec<Value>, cx: &DecideCx<'_>) -> Decision<Event> {
        let Some(on) = self.consumption() else { return Decision::none() };
        let mut decision = Decision::none();
        let mut sets = self.sets.clone();
        for event in events {
            let reason = format!("{} {}", event["source"].as_str().unwrap_or_default(), event["id"]);
            if let Some(input) = sets::taken(on, &mut sets, event) {
                decision = self.starting(decision, &reason, Value::Array(input), self.next, cx);
            }
        }
        match sets == self.sets {
            true => decision,
            false => decision.and(Event::Collected { sets: sets.into() }),
        }
    }

    fn consumption(&self) -> Option<&Consumption> {
        let on = self.plan.as_ref()?.on.as_ref()?;
        self.compiled.get_or_init(|| consumption_of(on)).as_ref()
    }
}
