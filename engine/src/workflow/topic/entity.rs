//! A topic as an entity.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::TOPIC;
use crate::clock::Timestamp;
use crate::entity::{DecideCx, Decision, Entity, EventCx, Kind, Reason};
use crate::id::StreamId;
use crate::journal::{Json, RejectionKind};

/// Events that a topic keeps.
pub(super) const MOST_KEPT: usize = 1_000;

/// Bytes of the events that a topic keeps.
pub(super) const MOST_BYTES: usize = 1024 * 1024;

/// How long a topic keeps an event.
pub(super) const KEPT_FOR: Duration = Duration::from_secs(7 * 86_400);

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
    pub(super) kept: VecDeque<Kept>,
    pub(super) listeners: BTreeMap<StreamId, Listener>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    seq: u64,
    at: Timestamp,
    event: Json,
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
                let mut next = state.clone();
                next.take(event.clone(), cx.now);
                Ok(next.sending(Decision::event(Event::Offered { event }), cx))
            }
            Command::Offer { .. } => Err(Rejection::NoEvent),
            Command::Subscribe { run, since } => {
                let known = state.listeners.get(&run);
                if known.is_some_and(|listener| listener.active) {
                    return Ok(Decision::none());
                }
                let cursor = known.map_or_else(|| state.before(since), |listener| listener.cursor);
                let mut next = state.clone();
                next.listeners.insert(run, Listener { cursor, active: true });
                Ok(next.sending(Decision::event(Event::Subscribed { run, cursor }), cx))
            }
            Command::Unsubscribe { run } if state.listeners.get(&run).is_some_and(|l| l.active) => {
                Ok(Decision::event(Event::Unsubscribed { run }))
            }
            Command::Forget { run } if state.listeners.contains_key(&run) => {
                Ok(Decision::event(Event::Forgotten { run }))
            }
            Command::Unsubscribe { .. } | Command::Forget { .. } => Ok(Decision::none()),
            Command::GoOn {} => Ok(state.sending(Decision::none(), cx)),
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
            "kept": self.kept.iter().map(|kept| json!({ "seq": kept.seq, "event": kept.event.value() })).collect::<Vec<_>>(),
            "listeners": self.listeners.iter().map(|(run, listener)| {
                json!({ "run": run, "cursor": listener.cursor, "active": listener.active })
            }).collect::<Vec<_>>(),
        })
    }
}

impl Topic {
    fn take(&mut self, event: Json, at: Timestamp) {
        self.last += 1;
        self.kept.push_back(Kept { seq: self.last, at, event });
        let mut bytes: usize = self.kept.iter().map(|kept| kept.event.text().len()).sum();
        let horizon = at.ms() - KEPT_FOR.as_millis() as i64;
        while let Some(first) = self.kept.front() {
            if self.kept.len() == 1
                || (self.kept.len() <= MOST_KEPT && bytes <= MOST_BYTES && first.at.ms() >= horizon)
            {
                return;
            }
            bytes -= first.event.text().len();
            self.kept.pop_front();
        }
    }

    /// The last event of before a time.
    fn before(&self, since: Timestamp) -> u64 {
        self.kept.iter().find(|kept| kept.at >= since).map_or(self.last, |kept| kept.seq - 1)
    }

    /// Adds what is to be sent to those who listen, and the timer for the rest of them.
    fn sending(&self, decision: Decision<Event>, cx: &DecideCx<'_>) -> Decision<Event> {
        let behind = |listener: &Listener| listener.active && listener.cursor < self.last;
        let mut waiting = self.listeners.iter().filter(|(_, listener)| behind(listener));
        let now: Vec<_> = waiting.by_ref().take(FAN_OUT).collect();
        if now.is_empty() {
            return decision;
        }
        let mut decision = decision;
        for (run, listener) in &now {
            let events: Vec<Value> = self
                .kept
                .iter()
                .filter(|kept| kept.seq > listener.cursor)
                .map(|kept| kept.event.value())
                .collect();
            if !events.is_empty() {
                decision = decision.send(**run, "hear", json!({ "topic": cx.id, "events": events }));
            }
        }
        let runs = now.into_iter().map(|(run, _)| *run).collect();
        decision = decision.and(Event::Sent { runs, through: self.last });
        match waiting.next() {
            Some(_) => decision.timer(GO_ON, cx.now.plus(Duration::from_millis(1))),
            None => decision,
        }
    }
}
