//! `emit`: sends an event to those who listen for it. The output is the event.

use std::sync::Arc;

use serde_json::{Value, json};

use super::event::RunEvent;
use super::turn::Turn;
use crate::journal::{Json, Message, MessageId};
use crate::workflow::action::WorkflowError;
use crate::workflow::definition::Kind;

impl Turn<'_> {
    pub(super) fn emit_event(&mut self, at: &str) {
        let Kind::Emit { event } = &self.node(at).kind else { return };
        let made = self.evaluate(event, &self.input(at), &self.scene(at));
        let event = match made.and_then(|made| self.completed_event(at, made)) {
            Ok(event) => Arc::new(event),
            Err(e) => return self.fault(at, e),
        };
        let run = self.cx.stream.id.to_string();
        for topic in self.interests.topics(&self.cx.stream.tenant, &event) {
            let id = MessageId::derive(&[&run, at, "emit", &topic.to_string()]);
            self.send(id, topic, "offer", &json!({ "event": *event }));
        }
        self.emit(RunEvent::EventEmitted { path: at.to_owned(), event: event.clone() });
        self.complete(at, event, None);
    }

    /// Adds the attributes that the definition leaves to the engine (CloudEvents 1.0, section 3.1).
    fn completed_event(&self, at: &str, made: Value) -> Result<Value, WorkflowError> {
        let wrong = |name: &str, value: &Value| {
            let detail = format!("the attribute `{name}` of an event is text that is not empty, not {value}");
            WorkflowError::standard("expression", 400, detail)
        };
        let Value::Object(mut event) = made else { return Err(wrong("type", &made)) };
        let run = self.cx.stream.id.to_string();
        let bits = crate::id::digest("event", &[&run, at]);
        let id = crate::id::uuid_v8(bits, None).to_string();
        event.retain(|name, value| name == "data" || !value.is_null());
        for (name, value) in [
            ("specversion", json!("1.0")),
            ("id", json!(id)),
            ("source", json!(format!("/runs/{run}"))),
            ("time", json!(self.cx.now)),
        ] {
            event.entry(name).or_insert(value);
        }
        if !event.contains_key("type") {
            return Err(wrong("type", &Value::Null));
        }
        for name in ["id", "source", "type", "time", "subject", "datacontenttype", "dataschema"] {
            if let Some(value) = event.get(name)
                && value.as_str().is_none_or(str::is_empty)
            {
                return Err(wrong(name, value));
            }
        }
        Ok(Value::Object(event))
    }

    /// Sends a message whose answer nothing waits for.
    pub(super) fn send(
        &mut self,
        id: MessageId,
        to: crate::id::StreamId,
        command: &'static str,
        body: &Value,
    ) {
        let run = self.cx.stream.id.to_string();
        let origin = Arc::new(self.cx.origin.caused(&id.to_string(), &run));
        let (from, body) = (self.cx.stream.clone(), Json::from(body));
        self.step.messages.push(Message { id, from, to, command: command.into(), body, origin });
    }
}
