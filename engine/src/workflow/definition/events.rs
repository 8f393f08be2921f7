//! Events: what `emit` sends, and what `listen` and `schedule.on` wait for.

use serde_json::{Map, Value};

use super::compiler::{Compiler, Place};
use super::fields::{Fields, join, kind_of};
use super::ir::Kind;
use super::matching::matching;
use super::shaping::{Formula, Shaping};
use crate::workflow::expression::unwrap_expression;

/// The variables that an iteration over events binds, if it names none.
const ITEM: (&str, &str) = ("item", "index");

/// What a `listen` waits for, and what it makes of it.
#[derive(Debug)]
pub struct ListenSpec {
    /// Which events, and how many.
    pub to: Consumption,
    /// How events are read.
    pub read: Read,
    /// What is done for each.
    pub foreach: Option<Foreach>,
}

/// A strategy to consume events.
#[derive(Debug)]
pub struct Consumption {
    /// How many of the filters must be met.
    pub strategy: Strategy,
    /// The filters; none of them in an `any` takes every event.
    pub filters: Vec<EventFilter>,
    /// When an `any` is over; without it, after one event.
    pub until: Option<Until>,
}

/// How many of the filters must be met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// The one there is.
    One,
    /// Any of them.
    Any,
    /// Each of them once.
    All,
}

/// When an `any` is over.
#[derive(Debug)]
pub enum Until {
    /// When the condition holds over the events consumed so far.
    Condition(Formula),
    /// When these events have been consumed, which are no part of the output.
    Consumed(Box<Consumption>),
}

/// How an event is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// Its data.
    Data,
    /// Its data as it came.
    Raw,
    /// All of it.
    Envelope,
}

/// What is done for each event that a `listen` consumes.
#[derive(Debug)]
pub struct Foreach {
    /// The variable that holds the event.
    pub item: String,
    /// The variable that holds its number, from 0.
    pub at: String,
    /// True if there are tasks.
    pub acts: bool,
    /// What becomes of the output.
    pub output: Shaping,
    /// What becomes of the run's context.
    pub export: Shaping,
}

/// Which events are wanted.
#[derive(Debug)]
pub struct EventFilter {
    /// The type, where it is known from the definition.
    pub kind: Option<String>,
    /// What each attribute must be.
    pub with: Vec<(String, Wanted)>,
    /// What links the events to the run.
    pub correlate: Vec<Correlation>,
}

/// What an attribute must be.
#[derive(Debug)]
pub enum Wanted {
    /// This value; or, for text that is a regular expression, what it matches as a whole.
    Literal(Value, Option<Formula>),
    /// An expression over the attribute's value that gives true, or the value itself.
    Formula(Formula),
}

/// A link between an event and the run.
#[derive(Debug)]
pub struct Correlation {
    /// Its name.
    pub name: String,
    /// The source of the expression that takes the value out of an event.
    pub source: String,
    /// The same, compiled.
    pub from: Formula,
    /// What it must be; none for whatever the first event has.
    pub expect: Option<Formula>,
}

impl Consumption {
    /// The filters, those of `until` behind the others.
    pub fn all_filters(&self) -> impl Iterator<Item = &EventFilter> {
        let until = match &self.until {
            Some(Until::Consumed(until)) => until.filters.as_slice(),
            Some(Until::Condition(_)) | None => &[],
        };
        self.filters.iter().chain(until)
    }

    /// What it waits for, for a person.
    pub(in crate::workflow) fn in_words(&self) -> String {
        let names: Vec<&str> =
            self.filters.iter().map(|filter| filter.kind.as_deref().unwrap_or("any type")).collect();
        match self.strategy {
            _ if self.is_open() => "any event".to_owned(),
            Strategy::One => names.concat(),
            Strategy::Any => names.join(" or "),
            Strategy::All => names.join(" and "),
        }
    }

    /// True if it takes every event.
    pub fn is_open(&self) -> bool {
        self.strategy == Strategy::Any && self.filters.is_empty()
    }
}

impl<'a> Compiler<'a> {
    pub(super) fn emit(&mut self, fields: &mut Fields<'_>) -> Option<Kind> {
        let at = fields.pointer("emit");
        let mut emit = Fields::open(fields.get("emit")?, &at, &mut self.problems)?;
        let event = emit.require("event", &mut self.problems);
        emit.close(&mut self.problems);
        let at = join(&at, "event");
        let mut event = Fields::open(event?, &at, &mut self.problems)?;
        let with = event.require("with", &mut self.problems);
        event.close(&mut self.problems);
        let at = join(&at, "with");
        let with = with?;
        let mut names = Fields::open(with, &at, &mut self.problems)?;
        names.require("type", &mut self.problems);
        self.attributes(with, &at);
        self.template(with, &at, Place::Task).map(|event| Kind::Emit { event })
    }

    /// Checks the names and the plain values of an event's attributes.
    fn attributes(&mut self, with: &Value, at: &str) {
        for (name, value) in with.as_object().into_iter().flatten() {
            if !attribute_name(name) {
                let fix = "use 1 to 20 lower-case letters and digits (CloudEvents 1.0, section 3.1.1)";
                self.problems.error(&join(at, name), format!("`{name}` is no name of an attribute"), fix);
            }
            if name != "data" && !matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_)) {
                let message = format!("an attribute is text, a number or a flag, not {}", kind_of(value));
                self.problems.error(&join(at, name), message, "put what has structure under `data`");
            }
        }
    }

    pub(super) fn listen(&mut self, fields: &mut Fields<'_>) -> Option<Kind> {
        let at = fields.pointer("listen");
        let mut spec = Fields::open(fields.get("listen")?, &at, &mut self.problems)?;
        let read = match spec.text("read", &mut self.problems) {
            None | Some("data") => Read::Data,
            Some("raw") => Read::Raw,
            Some("envelope") => Read::Envelope,
            Some(other) => {
                let message = format!("`{other}` cannot be read");
                self.problems.error(&spec.pointer("read"), message, "use `data`, `raw` or `envelope`");
                Read::Data
            }
        };
        let to = spec.require("to", &mut self.problems);
        let to = to.and_then(|value| self.consumption(value, &spec.pointer("to"), Place::Task));
        spec.close(&mut self.problems);
        let foreach = match fields.get("foreach") {
            Some(value) => Some(self.foreach(value, &fields.pointer("foreach"))?),
            None => None,
        };
        let to = to?;
        self.signals.extend(to.all_filters().filter_map(|filter| filter.kind.clone()));
        self.hears_all |= to.is_open() || to.all_filters().any(|filter| filter.kind.is_none());
        Some(Kind::Listen(Box::new(ListenSpec { to, read, foreach })))
    }

    fn foreach(&mut self, value: &Value, at: &str) -> Option<Foreach> {
        let mut spec = Fields::open(value, at, &mut self.problems)?;
        let item = spec.text("item", &mut self.problems).unwrap_or(ITEM.0);
        let item = self.variable(item, &spec.pointer("item"));
        let index = spec.text("at", &mut self.problems).unwrap_or(ITEM.1);
        let index = self.variable(index, &spec.pointer("at"));
        self.bound.extend([item.clone(), index.clone()]);
        let tasks = spec.get("do");
        if let Some(list) = tasks {
            self.list(list, &spec.pointer("do"));
        }
        let output = self.shaping(spec.get("output"), &spec.pointer("output"), "as", Place::Task);
        let export = self.shaping(spec.get("export"), &spec.pointer("export"), "as", Place::Export);
        self.bound.truncate(self.bound.len() - 2);
        spec.close(&mut self.problems);
        Some(Foreach { item, at: index, acts: tasks.is_some(), output, export })
    }

    /// Reads a strategy to consume events.
    pub(super) fn consumption(&mut self, value: &Value, at: &str, place: Place) -> Option<Consumption> {
        let mut to = Fields::open(value, at, &mut self.problems)?;
        let [one, any, all] = ["one", "any", "all"].map(|name| to.get(name).map(|value| (name, value)));
        let until = to.get("until");
        let found: Vec<_> = [one, any, all].into_iter().flatten().collect();
        to.close(&mut self.problems);
        let [(name, value)] = found.as_slice() else {
            self.problems.error(at, "expected one strategy", "write one of `one`, `any` and `all`");
            return None;
        };
        let (name, at_filters) = (*name, join(at, name));
        let (strategy, filters) = match (name, value) {
            ("one", filter) => (Strategy::One, vec![self.event_filter(filter, &at_filters, place)?]),
            (_, Value::Array(items)) => {
                let strategy = if name == "any" { Strategy::Any } else { Strategy::All };
                let each = items.iter().enumerate().map(|(index, item)| {
                    self.event_filter(item, &join(&at_filters, &index.to_string()), place)
                });
                (strategy, each.collect::<Vec<_>>().into_iter().collect::<Option<_>>()?)
            }
            (_, other) => {
                let message = format!("expected a list of filters, found {}", kind_of(other));
                self.problems.error(&at_filters, message, "write `- with: { type: ... }` for each");
                return None;
            }
        };
        if strategy == Strategy::All && filters.is_empty() {
            self.problems.error(
                &at_filters,
                "there are no filters",
                "add one, or use `any: []` for all events",
            );
        }
        let until_at = join(at, "until");
        let until = match until {
            None => None,
            Some(_) if strategy != Strategy::Any => {
                self.problems.error(&until_at, "`until` belongs to `any`", "remove it, or use `any`");
                None
            }
            Some(Value::String(_)) => Some(Until::Condition(self.expression(until?, &until_at, place)?)),
            Some(value) => {
                let inner = self.consumption(value, &until_at, place)?;
                if inner.until.is_some() {
                    self.problems.error(&until_at, "an `until` has no `until`", "remove the inner one");
                }
                Some(Until::Consumed(Box::new(inner)))
            }
        };
        Some(Consumption { strategy, filters, until })
    }

    fn event_filter(&mut self, value: &Value, at: &str, place: Place) -> Option<EventFilter> {
        let mut filter = Fields::open(value, at, &mut self.problems)?;
        let with = filter.require("with", &mut self.problems);
        let correlate = filter.get("correlate");
        filter.close(&mut self.problems);
        let at_with = join(at, "with");
        let map = with.and_then(|with| {
            Fields::open(with, &at_with, &mut self.problems)?;
            with.as_object()
        })?;
        if map.is_empty() {
            self.problems.error(&at_with, "the filter has no attribute", "add one, like `type`");
        }
        let wanted = map.iter().map(|(name, value)| {
            Some((name.clone(), self.wanted(name, value, &join(&at_with, name), place)?))
        });
        let with: Vec<_> = wanted.collect::<Vec<_>>().into_iter().collect::<Option<_>>()?;
        let kind = with.iter().find_map(|(name, wanted)| match wanted {
            Wanted::Literal(Value::String(text), None) if name == "type" => Some(text.clone()),
            _ => None,
        });
        let correlate = match correlate {
            Some(value) => self.correlations(value, &join(at, "correlate"), place)?,
            None => Vec::new(),
        };
        Some(EventFilter { kind, with, correlate })
    }

    fn wanted(&mut self, name: &str, value: &Value, at: &str, place: Place) -> Option<Wanted> {
        if !attribute_name(name) {
            let fix = "use 1 to 20 lower-case letters and digits (CloudEvents 1.0, section 3.1.1)";
            self.problems.error(at, format!("`{name}` is no name of an attribute"), fix);
        }
        match value {
            Value::String(text) if unwrap_expression(text).is_some() => {
                self.expression(value, at, place).map(Wanted::Formula)
            }
            Value::String(text) if text.contains(['*', '+', '?', '[', '(', '|', '^', '$', '\\']) => {
                Some(Wanted::Literal(value.clone(), matching(text)))
            }
            other => Some(Wanted::Literal(other.clone(), None)),
        }
    }

    fn correlations(&mut self, value: &Value, at: &str, place: Place) -> Option<Vec<Correlation>> {
        Fields::open(value, at, &mut self.problems)?;
        let empty = Map::new();
        let mut all = Vec::new();
        for (name, value) in value.as_object().unwrap_or(&empty) {
            let at = join(at, name);
            let mut fields = Fields::open(value, &at, &mut self.problems)?;
            let from = fields.require("from", &mut self.problems);
            let expect = fields.get("expect");
            fields.close(&mut self.problems);
            let bound = std::mem::take(&mut self.bound);
            let compiled = from.and_then(|from| self.expression(from, &join(&at, "from"), Place::Event));
            self.bound = bound;
            let expect = match expect {
                Some(value) => Some(self.template(value, &join(&at, "expect"), place)?),
                None => None,
            };
            let source = from.and_then(Value::as_str).unwrap_or_default();
            let source = unwrap_expression(source).unwrap_or(source).trim().to_owned();
            all.push(Correlation { name: name.clone(), source, from: compiled?, expect });
        }
        Some(all)
    }
}

/// True for a name that an attribute of an event can have (CloudEvents 1.0, section 3.1.1).
pub(crate) fn attribute_name(name: &str) -> bool {
    (1..=20).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}
