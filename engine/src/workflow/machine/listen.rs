//! `listen`: waits for signals and events. What came before is taken at once; the output is an array of what was read.
//!
//! Signals are sent to the run; events come from the topics at which its listeners listen. Both wait in the run, in
//! the order in which they came, until a listener takes them; who has listened longest is first.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::event::RunEvent;
use super::path;
use super::scene::Scene;
use super::state::{Listening, Phase, Signal};
use super::terms::{Data, Part};
use super::turn::Turn;
use crate::id::StreamId;
use crate::workflow::action::WorkflowError;
use crate::workflow::definition::{
    Consumption, EventFilter, Foreach, Kind, ListenSpec, Read, Strategy, Until,
};
use crate::workflow::topic::{EVERY_TYPE, shape_of, topic_id};

/// Where the tasks for each event stand in a listener.
pub(super) const FOREACH: &str = "foreach/do";

/// How a listener takes a signal.
struct Taking {
    /// Which filter it meets; those of `until` behind the others.
    filter: Option<usize>,
    keys: BTreeMap<String, Value>,
    /// True if it counts towards the end alone.
    ends: bool,
}

impl<'a> Turn<'a> {
    fn listener(&self, at: &str) -> Option<&'a ListenSpec> {
        match &self.node(at).kind {
            Kind::Listen(spec) => Some(spec),
            _ => None,
        }
    }

    pub(super) fn listen(&mut self, at: &str) {
        let Some(spec) = self.listener(at) else { return };
        match self.topics(at, &spec.to) {
            Ok(topics) => {
                let foreach = spec.foreach.as_ref().is_some_and(|foreach| foreach.acts);
                let (path, signal) = (at.to_owned(), spec.to.in_words());
                self.emit(RunEvent::ListenStarted { path, signal, topics, foreach });
                self.deliver_signals();
            }
            Err(e) => self.fault(at, e),
        }
    }

    /// The topics at which the events of a strategy come.
    fn topics(&self, at: &str, to: &Consumption) -> Result<Vec<StreamId>, WorkflowError> {
        let tenant = &self.cx.stream.tenant;
        let mut topics = Vec::new();
        if to.is_open() {
            topics.push(topic_id(tenant, EVERY_TYPE, &[]));
        }
        for filter in to.all_filters() {
            let kind = filter.kind.as_deref().unwrap_or(EVERY_TYPE);
            let shape = shape_of(filter);
            let mut named: Vec<_> = filter.correlate.iter().collect();
            named.sort_unstable_by_key(|correlation| (&correlation.name, &correlation.source));
            let mut values = Vec::new();
            for correlation in named.iter().take(shape.len()) {
                let Some(expect) = &correlation.expect else { continue };
                values.push(self.evaluate(expect, &self.input(at), &self.scene(at))?);
            }
            let keys: Vec<_> = shape.iter().map(String::as_str).zip(&values).collect();
            topics.push(topic_id(tenant, kind, &keys));
        }
        topics.sort_unstable();
        topics.dedup();
        Ok(topics)
    }

    /// Takes events of a topic in, each once. One that no listener of the topic wants is let go, unless another may
    /// come to want it: then it waits.
    pub(super) fn hear_events(&mut self, topic: StreamId, events: Vec<Value>) {
        for event in events {
            if self.state.has_heard(&event) {
                continue;
            }
            let name = event["type"].as_str().unwrap_or_default().to_owned();
            let number = self.state.last_signal + 1;
            let data = Arc::new(event);
            let signal =
                Signal { number, name: name.clone(), data: data.clone(), at: self.cx.now, event: true };
            let taking = self.next_taking(&signal);
            let listens = self.state.wanted_topics().contains(&topic);
            if listens && taking.is_none() && !self.may_come_to_want(&name) {
                continue;
            }
            self.make_room();
            self.emit(RunEvent::SignalReceived { number, name, data, event: true });
            // While the run stands still, it waits.
            if self.state.paused.is_none()
                && self.state.end.is_none()
                && let Some((at, taking)) = taking
            {
                self.hear(&at, &signal, taking);
            }
        }
    }

    /// Whether a listener that does not listen now may come to want events of a type: another one, or the same one in
    /// the next round of a loop.
    fn may_come_to_want(&self, kind: &str) -> bool {
        let listening = |at: &str, phase: &Phase| {
            matches!(phase, Phase::Listening(_)).then(|| (path::reference(at), at.contains('[')))
        };
        let now: BTreeMap<String, bool> =
            self.state.frames.iter().filter_map(|(at, frame)| listening(at, &frame.phase)).collect();
        self.definition.nodes.iter().any(|node| {
            let Kind::Listen(spec) = &node.kind else { return false };
            let of_kind = |filter: &EventFilter| filter.kind.as_deref().is_none_or(|wanted| wanted == kind);
            let wants = spec.to.is_open() || spec.to.all_filters().any(of_kind);
            wants && now.get(&node.reference).is_none_or(|in_loop| *in_loop)
        })
    }

    /// Lets the oldest events go where as many wait as are kept; signals are refused instead.
    fn make_room(&mut self) {
        while self.state.signals.len() >= self.limits.signals {
            let Some(oldest) = self.state.signals.iter().find(|signal| signal.event) else { return };
            let number = oldest.number;
            self.emit(RunEvent::SignalDropped { number });
        }
    }

    /// Hands what waits to the tasks that wait for it.
    pub(super) fn deliver_signals(&mut self) {
        while let Some((at, signal, taking)) = self.next_delivery() {
            self.hear(&at, &signal, taking);
            if self.state.end.is_some() {
                return;
            }
        }
    }

    fn next_delivery(&self) -> Option<(String, Signal, Result<Taking, WorkflowError>)> {
        self.state.signals.iter().find_map(|signal| {
            let (at, taking) = self.next_taking(signal)?;
            Some((at, signal.clone(), taking))
        })
    }

    /// The listener that takes a signal, and how.
    fn next_taking(&self, signal: &Signal) -> Option<(String, Result<Taking, WorkflowError>)> {
        let mut listening: Vec<_> = self
            .state
            .frames
            .iter()
            .filter_map(|(at, frame)| match &frame.phase {
                Phase::Listening(listening) if !listening.closed => Some((frame.order, at, listening)),
                _ => None,
            })
            .collect();
        listening.sort_unstable_by_key(|(order, at, _)| (*order, *at));
        listening.into_iter().find_map(|(_, at, listening)| {
            let spec = self.listener(at)?;
            self.taking(at, spec, listening, signal).transpose().map(|taking| (at.clone(), taking))
        })
    }

    /// How a listener takes a signal; none if it does not want it.
    fn taking(
        &self,
        at: &str,
        spec: &ListenSpec,
        listening: &Listening,
        signal: &Signal,
    ) -> Result<Option<Taking>, WorkflowError> {
        let event = self.as_event(signal);
        let scene = self.scene(at);
        let to = &spec.to;
        if let Some(Until::Consumed(until)) = &to.until {
            for (index, filter) in until.filters.iter().enumerate() {
                let index = to.filters.len() + index;
                let open = until.strategy != Strategy::All || !listening.met.contains(&index);
                if open && let Some(keys) = self.meets(at, filter, &event, signal, listening, &scene)? {
                    return Ok(Some(Taking { filter: Some(index), keys, ends: true }));
                }
            }
        }
        if to.is_open() {
            return Ok(Some(Taking { filter: None, keys: BTreeMap::new(), ends: false }));
        }
        for (index, filter) in to.filters.iter().enumerate() {
            if to.strategy == Strategy::All && listening.met.contains(&index) {
                continue;
            }
            if let Some(keys) = self.meets(at, filter, &event, signal, listening, &scene)? {
                return Ok(Some(Taking { filter: Some(index), keys, ends: false }));
            }
        }
        Ok(None)
    }

    /// Whether an event meets a filter; if so, the correlations that it sets.
    fn meets(
        &self,
        at: &str,
        filter: &EventFilter,
        event: &Value,
        signal: &Signal,
        listening: &Listening,
        scene: &Scene,
    ) -> Result<Option<BTreeMap<String, Value>>, WorkflowError> {
        let found = filter.matches(event, &|formula, dot| self.evaluate(formula, dot, scene));
        // A signal is sent to this run alone: there is nothing to correlate.
        if !found || !signal.event {
            return Ok(found.then(BTreeMap::new));
        }
        let mut expected = listening.keys.clone();
        for correlation in &filter.correlate {
            if let Some(expect) = &correlation.expect {
                expected.insert(correlation.name.clone(), self.evaluate(expect, &self.input(at), scene)?);
            }
        }
        let own = Scene::default();
        Ok(filter.correlates(event, &expected, &|formula, dot| self.evaluate(formula, dot, &own)))
    }

    fn hear(&mut self, at: &str, signal: &Signal, taking: Result<Taking, WorkflowError>) {
        let Some(spec) = self.listener(at) else { return };
        let heard = taking.and_then(|taking| {
            let data = match taking.ends {
                true => None,
                false => Some(self.read(at, spec, signal)?),
            };
            let closes = self.closes(at, spec, &taking, data.as_ref())?;
            Ok((taking, data, closes))
        });
        match heard {
            Ok((Taking { filter, keys, ends }, data, closes)) => {
                let data = data.filter(|data| *data != signal.data);
                let (number, path) = (signal.number, at.to_owned());
                self.emit(RunEvent::SignalConsumed { number, path, filter, data, keys, ends, closes });
            }
            Err(e) => self.fault(at, e),
        }
    }

    /// What a listener reads of a signal; where there are no tasks for each event, as `foreach` reshapes it.
    fn read(&self, at: &str, spec: &ListenSpec, signal: &Signal) -> Result<Data, WorkflowError> {
        let read = match spec.read {
            Read::Envelope => Arc::new(self.as_event(signal)),
            Read::Data | Read::Raw if signal.event => Arc::new(signal.data["data"].clone()),
            Read::Data | Read::Raw => signal.data.clone(),
        };
        match &spec.foreach {
            Some(foreach) if !foreach.acts => self.reshaped(at, foreach, &read, &read),
            Some(_) | None => Ok(read),
        }
    }

    /// What the tasks for an event gave, as `foreach` reshapes it.
    pub(super) fn reshaped(
        &self,
        at: &str,
        foreach: &Foreach,
        item: &Data,
        output: &Data,
    ) -> Result<Data, WorkflowError> {
        let mut scene = self.scene(at);
        scene.raw_output = Some(output.clone());
        scene.extra = vec![(foreach.item.clone(), (**item).clone())];
        let formula = foreach.output.formula.as_ref();
        let shaped = formula.map(|formula| self.evaluate(formula, output, &scene)).transpose()?;
        let shaped = shaped.map_or_else(|| output.clone(), Arc::new);
        if let Some(schema) = &foreach.output.schema {
            schema.check(&shaped).map_err(|reason| super::scene::misfit("output", &reason))?;
        }
        Ok(shaped)
    }

    /// Whether a listener has enough once it has taken this.
    fn closes(
        &self,
        at: &str,
        spec: &ListenSpec,
        taking: &Taking,
        data: Option<&Data>,
    ) -> Result<bool, WorkflowError> {
        let Some(Phase::Listening(listening)) = self.state.frames.get(at).map(|frame| &frame.phase) else {
            return Ok(false);
        };
        let met = |from: usize, count: usize| {
            (from..from + count).all(|index| listening.met.contains(&index) || taking.filter == Some(index))
        };
        let to = &spec.to;
        match (&to.until, to.strategy) {
            (Some(Until::Consumed(until)), _) if taking.ends => {
                Ok(until.strategy != Strategy::All || met(to.filters.len(), until.filters.len()))
            }
            (Some(Until::Consumed(_)), _) => Ok(false),
            (Some(Until::Condition(condition)), _) => {
                let taken = listening.taken.iter().chain(data).map(|data| (**data).clone());
                self.holds(condition, &Value::Array(taken.collect()), &self.scene(at))
            }
            (None, Strategy::One | Strategy::Any) => Ok(true),
            (None, Strategy::All) => Ok(met(0, to.filters.len())),
        }
    }

    /// Goes on with a listener that has something to do: begins with the next event, or ends.
    pub(super) fn go_listening(&mut self, at: &str) {
        let Some(Phase::Listening(listening)) = self.state.frames.get(at).map(|frame| &frame.phase) else {
            return;
        };
        if !listening.queue.is_empty() {
            let round = listening.round;
            return self.first_of(at, Part::Iteration(round), FOREACH, 0);
        }
        let outputs = if listening.foreach { &listening.outputs } else { &listening.taken };
        let outputs = outputs.iter().map(|output| (**output).clone()).collect();
        self.complete(at, Arc::new(Value::Array(outputs)), None);
    }

    /// A signal as an event of the CloudEvents specification.
    fn as_event(&self, signal: &Signal) -> Value {
        if signal.event {
            return (*signal.data).clone();
        }
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
