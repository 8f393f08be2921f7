//! Which topics an event belongs to: those that some definition may listen at.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{EVERY_TYPE, topic_id};
use crate::id::{StreamId, TenantId};
use crate::workflow::definition::{Consumption, Definition, EventFilter, Form, Formula, Kind};
use crate::workflow::expression::{Expression, Limits};

/// How an event is told apart from others of its type: the sources of its correlations, in the order of their names.
type Shape = Vec<String>;

/// What the definitions of a tenant listen for.
#[derive(Debug, Default)]
pub struct Interests {
    by_type: BTreeMap<String, BTreeSet<Shape>>,
    compiled: BTreeMap<String, Expression>,
}

impl Interests {
    /// What definitions listen for.
    pub fn of<'a>(definitions: impl Iterator<Item = &'a Definition>) -> Self {
        let mut all = Self::default();
        for definition in definitions {
            let listens = definition.nodes.iter().filter_map(|node| match &node.kind {
                Kind::Listen(spec) => Some(&spec.to),
                _ => None,
            });
            let starts = definition.schedule.as_ref().and_then(|schedule| schedule.on.as_ref());
            listens.chain(starts).for_each(|to| all.add(to));
        }
        all
    }

    /// The topics of an event, which is given in the JSON format.
    pub fn topics(&self, tenant: &TenantId, event: &Value) -> Vec<StreamId> {
        let kind = event["type"].as_str().unwrap_or_default();
        let mut found = Vec::new();
        for name in [kind, EVERY_TYPE] {
            for shape in self.by_type.get(name).into_iter().flatten() {
                let values: Option<Vec<Value>> =
                    shape.iter().map(|source| self.value(source, event)).collect();
                let Some(values) = values else { continue };
                let keys: Vec<_> = shape.iter().map(String::as_str).zip(&values).collect();
                found.push(topic_id(tenant, name, &keys));
            }
        }
        found
    }

    /// True if events of this type may be wanted.
    pub fn may_want(&self, kind: &str) -> bool {
        self.by_type.contains_key(kind) || self.by_type.contains_key(EVERY_TYPE)
    }

    fn add(&mut self, to: &Consumption) {
        if to.is_open() {
            self.by_type.entry(EVERY_TYPE.to_owned()).or_default().insert(Shape::new());
        }
        for filter in to.all_filters() {
            let kind = filter.kind.as_deref().unwrap_or(EVERY_TYPE).to_owned();
            let shape = shape_of(filter);
            for source in &shape {
                if let Ok(compiled) = Expression::compile(source, &[]) {
                    self.compiled.insert(source.clone(), compiled);
                }
            }
            self.by_type.entry(kind).or_default().insert(shape);
        }
    }

    /// The value of a correlation; an event without it belongs to no topic of that shape.
    fn value(&self, source: &str, event: &Value) -> Option<Value> {
        let found = self.compiled.get(source)?.evaluate(event, &[], 0, &Limits::default()).ok()?;
        (!found.is_null()).then_some(found)
    }
}

/// The topics of a strategy that belongs to no run, and so expects constants alone.
pub(in crate::workflow) fn topics_of(tenant: &TenantId, to: &Consumption) -> BTreeSet<StreamId> {
    let open = to.is_open().then(|| topic_id(tenant, EVERY_TYPE, &[]));
    let each = to.all_filters().map(|filter| {
        let mut named: Vec<_> = filter.correlate.iter().collect();
        named.sort_unstable_by_key(|correlation| (&correlation.name, &correlation.source));
        let shape = shape_of(filter);
        let expected = named
            .iter()
            .take(shape.len())
            .filter_map(|correlation| constant(correlation.expect.as_ref()?, &Value::Null));
        let values: Vec<Value> = expected.collect();
        let keys: Vec<_> = shape.iter().map(String::as_str).zip(&values).collect();
        topic_id(tenant, filter.kind.as_deref().unwrap_or(EVERY_TYPE), &keys)
    });
    each.chain(open).collect()
}

/// Evaluates what needs no run.
pub(in crate::workflow) fn constant(formula: &Formula, dot: &Value) -> Option<Value> {
    let limits = Limits::default();
    match &formula.form {
        Form::Expression(expression) => expression.evaluate(dot, &[], 0, &limits).ok(),
        Form::Template(template) => template.evaluate(dot, &[], 0, &limits).ok(),
    }
}

/// The shape under which a filter's events are found.
pub(in crate::workflow) fn shape_of(filter: &EventFilter) -> Shape {
    if !filter.is_keyed() {
        return Shape::new();
    }
    let mut named: Vec<_> = filter.correlate.iter().map(|c| (c.name.as_str(), c.source.as_str())).collect();
    named.sort_unstable();
    named.into_iter().map(|(_, source)| source.to_owned()).collect()
}
