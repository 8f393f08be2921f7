//! The adapter that makes a [`Machine`] of an [`Entity`].

use std::sync::Arc;

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::{
    CommandInfo, Corruption, DecideCx, Decision, Entity, EventCx, Input, KindInfo, Machine, Outgoing, Reason,
    Step, StepCx, invalid, not_found,
};
use crate::codec::{self, Shapes};
use crate::journal::{Event, Json, Message, MessageId, NewEvent, Rejected, Snapshot};

/// An entity behind the face of a machine.
pub struct Typed<E> {
    state: Option<E>,
}

impl<E: Entity> Typed<E> {
    /// The shapes that the entity writes and reads.
    const SHAPES: Shapes = Shapes {
        events: E::EVENTS,
        upcasters: E::UPCASTERS,
        state: E::STATE_VERSION,
        state_upcasters: E::STATE_UPCASTERS,
    };

    /// The machine of an entity that does not exist yet.
    pub fn new() -> Self {
        Self { state: None }
    }

    /// The state; `None` if the entity does not exist.
    pub fn state(&self) -> Option<&E> {
        self.state.as_ref()
    }

    /// The catalog's entry of this entity.
    pub fn info() -> KindInfo {
        KindInfo {
            kind: E::KIND,
            create: Some(E::CREATE),
            commands: commands::<E::Command>(),
            events: E::EVENTS.iter().map(|(name, version)| ((*name).to_owned(), *version)).collect(),
            shapes: Self::SHAPES,
            retention: E::RETENTION,
            own_retention: None,
            own_deletion: None,
            event_schema: schema::<E::Event>(),
            fields: None,
            public: true,
            machine: Arc::new(|_| Box::new(Self::new())),
        }
    }

    fn decide(&self, command: E::Command, cx: &DecideCx<'_>) -> Result<Decision<E::Event>, Rejected> {
        if self.state.is_none() && !E::creates(&command) {
            return Err(not_found(cx.id));
        }
        E::decide(self.state.as_ref(), command, cx).map_err(|reason| Rejected {
            kind: reason.kind(),
            code: reason.code().into(),
            message: reason.to_string(),
            detail: Json::from(&reason.detail()),
        })
    }

    fn fold(&mut self, event: &E::Event, cx: &EventCx) -> Result<(), Corruption> {
        match &mut self.state {
            Some(state) => state.apply(event, cx),
            None => {
                let begun = E::begin(event, cx);
                let reason = "an entity cannot begin with this event".to_owned();
                self.state = Some(begun.ok_or(Corruption { seq: cx.seq, reason })?);
            }
        }
        Ok(())
    }

    fn record(&mut self, decision: Decision<E::Event>, cx: &StepCx<'_>) -> Step {
        let mut step = Step { timers: decision.timers, ..Step::default() };
        step.reply = (!decision.reply.is_null()).then(|| Json::from(&decision.reply));
        for event in &decision.events {
            let (name, data) = codec::write_named(event).expect("events are enums of struct variants");
            let declared = E::EVENTS.iter().find(|(known, _)| *known == name);
            let (name, version) = *declared.expect("every event is listed in EVENTS");
            let seq = cx.seq + 1 + step.events.len() as u64;
            let folded = self.fold(event, &EventCx { id: cx.stream.id, at: cx.now, seq });
            folded.expect("what was decided can be folded");
            step.events.push(NewEvent { name: name.into(), version, data, origin: cx.origin.clone() });
        }
        step.messages = messages(decision.messages, cx);
        step
    }
}

impl<E: Entity> Default for Typed<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Entity> Machine for Typed<E> {
    fn step(&mut self, input: &Input, cx: &StepCx<'_>) -> Result<Step, Rejected> {
        let mut external_key = None;
        let command = match input {
            Input::Command { name, body, external_key: key } => {
                external_key = key.as_deref();
                let read = codec::read_named::<E::Command>(name, body.text());
                Some(read.map_err(|e| invalid("invalid_command", e.message))?)
            }
            Input::Timer { name, .. } => self.state.as_ref().and_then(|state| state.on_timer(name)),
            Input::Reply { id, outcome } => {
                self.state.as_ref().and_then(|state| state.on_reply(*id, outcome))
            }
            Input::Effect { .. } => None,
        };
        let Some(command) = command else { return Ok(Step::default()) };
        let (principal, causation) = (&*cx.origin.principal, &*cx.origin.causation);
        let decide =
            DecideCx { id: cx.stream.id, now: cx.now, seq: cx.seq, external_key, principal, causation };
        let decision = self.decide(command, &decide)?;
        Ok(self.record(decision, cx))
    }

    fn apply(&mut self, event: &Event) -> Result<(), Corruption> {
        let corrupt = |reason: String| Corruption { seq: event.seq, reason };
        let (name, version) = (event.body.name.as_ref(), event.body.version);
        let text = Self::SHAPES.upcast_event(name, version, &event.body.data);
        let text = text.map_err(|e| corrupt(e.to_string()))?;
        let typed = codec::read_named::<E::Event>(name, &text).map_err(|e| corrupt(e.to_string()))?;
        self.fold(&typed, &EventCx { id: event.stream.id, at: event.at, seq: event.seq })
    }

    fn view(&self) -> Option<Value> {
        self.state.as_ref().map(E::view)
    }

    fn snapshot(&self) -> Option<(u16, Json)> {
        let data = Json::of(self.state.as_ref()?).ok()?;
        Some((E::STATE_VERSION, data))
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<bool, Corruption> {
        let Ok(text) = Self::SHAPES.upcast_state(snapshot.version, &snapshot.data) else { return Ok(false) };
        let read = serde_json::from_str(&text);
        self.state = Some(read.map_err(|e| Corruption { seq: 0, reason: e.to_string() })?);
        Ok(true)
    }
}

fn messages(outgoing: Vec<Outgoing>, cx: &StepCx<'_>) -> Vec<Message> {
    let from = cx.stream.to_string();
    let made = outgoing.into_iter().enumerate().map(|(i, out)| {
        let own = || {
            let parts = [&from, &cx.seq.to_string(), &*cx.origin.causation, &i.to_string()];
            let id = MessageId::derive(&parts);
            (id, Arc::new(cx.origin.caused(&id.to_string(), &cx.stream.id.to_string())))
        };
        let ((id, origin), body) = (out.given.unwrap_or_else(own), Json::from(&out.body));
        Message { id, from: cx.stream.clone(), to: out.to, command: out.command, body, origin }
    });
    made.collect()
}

/// The JSON Schema of a type, draft 2020-12, with its definitions inside.
pub(crate) fn schema<T: schemars::JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
    SchemaGenerator::new(settings).into_root_schema_for::<T>().to_value()
}

/// Takes the variants of a command enum apart: name, summary, schema of the body.
pub(crate) fn commands<C: schemars::JsonSchema>() -> Vec<CommandInfo> {
    let schema = schema::<C>();
    let variants = schema["oneOf"].as_array().cloned().unwrap_or_default();
    let one = |variant: Value| {
        let (name, body) = variant["properties"].as_object()?.iter().next()?;
        let text = variant["description"].as_str().unwrap_or_default();
        let summary = text.split("\n\n").next().unwrap_or_default().replace('\n', " ");
        Some(CommandInfo { name: name.clone(), summary, schema: body.clone() })
    };
    variants.into_iter().filter_map(one).collect()
}
