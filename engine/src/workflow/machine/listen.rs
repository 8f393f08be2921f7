//! `listen`: waits for a signal. One that came before is taken at once; the output is an array of what it brought.

use std::sync::Arc;

use serde_json::{Value, json};

use super::event::RunEvent;
use super::state::{Phase, Signal};
use super::turn::Turn;
use crate::workflow::definition::Kind;

impl Turn<'_> {
    pub(super) fn listen(&mut self, at: &str) {
        let Kind::Listen { signal, .. } = &self.node(at).kind else { return };
        match self.state.signals.iter().find(|kept| kept.name == *signal).cloned() {
            Some(kept) => self.hear(at, &kept),
            None => self.emit(RunEvent::ListenStarted { path: at.to_owned(), signal: signal.clone() }),
        }
    }

    /// Hands the signals that are kept to the tasks that wait for them; who has waited longest is first.
    pub(super) fn deliver_signals(&mut self) {
        while let Some((at, signal)) = self.next_delivery() {
            self.hear(&at, &signal);
            if self.state.end.is_some() {
                return;
            }
        }
    }

    fn next_delivery(&self) -> Option<(String, Signal)> {
        self.state.signals.iter().find_map(|signal| {
            let waits =
                |phase: &Phase| matches!(phase, Phase::Listening { signal: name } if *name == signal.name);
            let waiting = self.state.frames.iter().filter(|(_, frame)| waits(&frame.phase));
            let first = waiting.min_by_key(|(_, frame)| frame.order);
            first.map(|(at, _)| (at.clone(), signal.clone()))
        })
    }

    fn hear(&mut self, at: &str, signal: &Signal) {
        let Kind::Listen { envelope, .. } = self.node(at).kind else { return };
        let event: Value = if envelope { self.envelope(signal) } else { (*signal.data).clone() };
        self.emit(RunEvent::SignalConsumed { number: signal.number, path: at.to_owned() });
        self.complete(at, Arc::new(json!([event])), None);
    }

    /// The signal as an event of the CloudEvents specification.
    fn envelope(&self, signal: &Signal) -> Value {
        json!({
            "specversion": "1.0",
            "id": signal.number.to_string(),
            "source": format!("/runs/{}", self.cx.stream.id),
            "type": signal.name,
            "time": signal.at,
            "data": signal.data,
        })
    }
}
