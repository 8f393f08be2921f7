//! A topic as an entity.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::TOPIC;
use super::kept::{KEPT_FOR, Kept, Shelf};
use crate::clock::Timestamp;
use crate::entity::{DecideCx, Decision, Entity, EventCx, Kind, Reason};
use crate::id::StreamId;
use crate::journal::{Json, RejectionKind};

/// Listeners that are sent to in one commit.
pub(super) const FAN_OUT: usize = 256;

/// The timer by which a topic goes on sending.
pub(super) const GO_ON: &str = "go-on";

/// A topic.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Topic {
    /// The number of the last event.
    last: u64,
    pub(super) kept: Shelf,
    pub(super) listeners: BTreeMap<StreamId, Listener>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listener {
    /// The last event that it was sent, or is not to be sent.
    cursor: u64,
    /// False while it does not listen; it may again.
    active: bool,
}

/// What a topic can be told to do.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Command {
    /// Takes an event in.
    Offer {
        /// The event, in the JSON format of CloudEvents.
        event: Value,
    },
    /// Sends a run what there is since a time, and what comes.
    Subscribe {
        /// The run.
        #[schemars(with = "String")]
        run: StreamId,
        /// Since when, the first time.
        #[schemars(with = "String")]
        since: Timestamp,
    },
    /// Stops sending to a run, and keeps its place.
    Unsubscribe {
        /// The run.
        #[schemars(with = "String")]
        run: StreamId,
    },
    /// Forgets a run.
    Forget {
        /// The run.
        #[schemars(with = "String")]
        run: StreamId,
    },
    /// Goes on sending.
    GoOn {},
}

/// What can have happened to a topic.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Event {
    /// An event came.
    Offered {
        /// The event.
        event: Json,
    },
    /// A run listens.
    Subscribed {
        /// The run.
        #[schemars(with = "String")]
        run: StreamId,
        /// The last event that it is not to be sent.
        cursor: u64,
    },
    /// A run does not listen for now.
    Unsubscribed {
        /// The run.
        #[schemars(with = "String")]
        run: StreamId,
    },
    /// A run will not listen any more.
    Forgotten {
        /// The run.
        #[schemars(with = "String")]
        run: StreamId,
    },
    /// Runs were sent what there is.
    Sent {
        /// The runs.
        #[schemars(with = "Vec<String>")]
        runs: Vec<StreamId>,
        /// The last event among it.
        through: u64,
    },
}

/// Why a topic can refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// What is offered is no event.
    #[error("what is offered is no mapping")]
    NoEvent,
}

impl Reason for Rejection {
    fn code(&self) -> &'static str {
        "not_an_event"
    }

    fn kind(&self) -> RejectionKind {
        RejectionKind::Invalid
    }
}

impl Entity for Topic {
    const KIND: Kind = Kind { name: "topic", plural: "topics", prefix: TOPIC };
    const CREATE: &'static str = "offer";
    const EVENTS: &'static [(&'static str, u16)] =
        &[("offered", 1), ("subscribed", 1), ("unsubscribed", 1), ("forgotten", 1), ("sent", 1)];
    const RETENTION: Option<Duration> = Some(KEPT_FOR);

    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn creates(command: &Command) -> bool {
        matches!(command, Command::Offer { .. } | Command::Subscribe { .. })
    }

    fn decide(
        state: Option<&Self>,
        command: Command,
        cx: &DecideCx<'_>,
    ) -> Result<Decision<Event>, Rejection> {
        let empty = Self::default();
        let state = state.unwrap_or(&empty);
        match command {
            Command::Offer { event } if event.is_object() => {
                let event = Json::from(&event);
                let decision = Decision::event(Event::Offered { event: event.clone() });
                Ok(state.sending(Some(&event), None, decision, cx))
            }
            Command::Offer { .. } => Err(Rejection::NoEvent),
            Command::Subscribe { run, since } => {
                let known = state.listeners.get(&run);
                if known.is_some_and(|listener| listener.active) {
                    return Ok(Decision::none());
                }
                let cursor = known.map_or_else(|| state.before(since), |listener| listener.cursor);
                let decision = Decision::event(Event::Subscribed { run, cursor });
                Ok(state.sending(None, Some((run, cursor)), decision, cx))
            }
            Command::Unsubscribe { run } if state.listeners.get(&run).is_some_and(|l| l.active) => {
                Ok(Decision::event(Event::Unsubscribed { run }))
            }
            Command::Forget { run } if state.listeners.contains_key(&run) => {
                Ok(Decision::event(Event::Forgotten { run }))
            }
            Command::Unsubscribe { .. } | Command::Forget { .. } => Ok(Decision::none()),
            Command::GoOn {} => Ok(state.sending(None, None, Decision::none(), cx)),
        }
    }

    fn begin(event: &Event, cx: &EventCx) -> Option<Self> {
        let mut state = Self::default();
        state.apply(event, cx);
        Some(state)
    }

    fn apply(&mut self, event: &Event, cx: &EventCx) {
        match event {
            Event::Offered { event } => self.take(event.clone(), cx.at),
            Event::Subscribed { run, cursor } => {
                self.listeners.insert(*run, Listener { cursor: *cursor, active: true });
            }
            Event::Unsubscribed { run } => {
                if let Some(listener) = self.listeners.get_mut(run) {
                    listener.active = false;
                }
            }
            Event::Forgotten { run } => drop(self.listeners.remove(run)),
            Event::Sent { runs, through } => {
                for run in runs {
                    if let Some(listener) = self.listeners.get_mut(run) {
                        listener.cursor = *through;
                    }
                }
            }
        }
    }

    fn on_timer(&self, name: &str) -> Option<Command> {
        (name == GO_ON).then_some(Command::GoOn {})
    }

    fn view(&self) -> Value {
        json!({
            "last": self.last,
            "kept": self.kept.events().iter().map(|kept| json!({ "seq": kept.seq, "event": kept.event.value() })).collect::<Vec<_>>(),
            "listeners": self.listeners.iter().map(|(run, listener)| {
                json!({ "run": run, "cursor": listener.cursor, "active": listener.active })
            }).collect::<Vec<_>>(),
        })
    }
}

impl Topic {
    fn take(&mut self, event: Json, at: Timestamp) {
        self.last += 1;
        let gone = self.kept.push(Kept { seq: self.last, at, event });
        let Some(first) = self.kept.events().front().filter(|_| gone > 0).map(|kept| kept.seq) else {
            return;
        };
        // Who has missed events and does not listen gets all there is if it listens again, as when it is not known.
        self.listeners.retain(|_, listener| listener.active || listener.cursor + 1 >= first);
    }

    /// The last event of before a time.
    fn before(&self, since: Timestamp) -> u64 {
        self.kept.events().iter().find(|kept| kept.at >= since).map_or(self.last, |kept| kept.seq - 1)
    }

    /// Adds what is to be sent to those who listen, and the timer for the rest of them. `offered` is an event that
    /// comes, `joined` a run that begins to listen, with its cursor.
    fn sending(
        &self,
        offered: Option<&Json>,
        joined: Option<(StreamId, u64)>,
        mut decision: Decision<Event>,
        cx: &DecideCx<'_>,
    ) -> Decision<Event> {
        let last = self.last + u64::from(offered.is_some());
        let active = self.listeners.iter().filter(|(_, listener)| listener.active);
        let active = active.map(|(run, listener)| (*run, listener.cursor));
        let mut waiting = joined.into_iter().chain(active).filter(|(_, cursor)| *cursor < last);
        let now: Vec<(StreamId, u64)> = waiting.by_ref().take(FAN_OUT).collect();
        let Some(oldest) = now.iter().map(|(_, cursor)| *cursor).min() else { return decision };
        let leaving = offered.map_or(0, |event| self.kept.leaving(event, cx.now));
        let kept = self.kept.events().iter().skip(leaving).map(|kept| (kept.seq, &kept.event));
        let kept = kept.chain(offered.map(|event| (last, event))).filter(|(seq, _)| *seq > oldest);
        let events: Vec<(u64, Value)> = kept.map(|(seq, event)| (seq, event.value())).collect();
        // Those who have come as far get the same.
        let mut bodies: BTreeMap<usize, Value> = BTreeMap::new();
        for (run, cursor) in &now {
            let from = events.partition_point(|(seq, _)| seq <= cursor);
            if from < events.len() {
                let body = bodies.entry(from).or_insert_with(|| {
                    let events: Vec<&Value> = events[from..].iter().map(|(_, event)| event).collect();
                    json!({ "topic": cx.id, "events": events })
                });
                decision = decision.send(*run, "hear", body.clone());
            }
        }
        let runs = now.into_iter().map(|(run, _)| run).collect();
        decision = decision.and(Event::Sent { runs, through: last });
        match waiting.next() {
            Some(_) => decision.timer(GO_ON, cx.now.plus(Duration::from_millis(1))),
            None => decision,
        }
    }
}
