//! Filters over events, in the dialects of the CloudEvents Subscriptions API 1.0, section 3.2.4.
//!
//! ```yaml
//! - exact: { type: com.example.order.placed, source: /shop }   # each attribute is this text
//! - prefix: { subject: order_ }                                 # each begins with it
//! - suffix: { type: .placed }                                   # each ends with it
//! - all: [ ..., ... ]                                           # all of the filters pass
//! - any: [ ..., ... ]                                           # one of them does
//! - not: { exact: { source: /tests/ } }                         # the filter does not
//! ```
//!
//! All filters of a list must pass, so that an empty list takes every event; a filter alone is a list of one. Filters
//! are over the attributes of an event, extensions among them, and never over its data. An attribute that is absent
//! matches nothing. One that is a number or true or false is compared as its text.

use serde_json::Value;

use super::reader::Reader;
use crate::workflow::definition::{Fields, Problem, join, kind_of};
use crate::workflow::expression::unwrap_expression;

#[cfg(test)]
mod tests;

/// The dialects that compare texts.
const TEXTS: [(&str, How); 3] = [("exact", How::Exact), ("prefix", How::Prefix), ("suffix", How::Suffix)];

/// What to do where a filter should be.
const WRITE: &str = "write a filter, like `exact: { type: com.example.order.placed }`";

/// Filters, all of which an event has to pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filters {
    filters: Vec<Filter>,
    /// True if they were written as a list, and are pointed to as its items.
    is_list: bool,
}

/// The types of events that can pass filters. A type is named once at most, by itself or by one prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Types {
    /// These types.
    pub exact: Vec<String>,
    /// Types that begin with one of these.
    pub prefix: Vec<String>,
    /// Events of any type, and those without one; nothing else is said then.
    pub any: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Filter {
    Text(How, Vec<(String, String)>),
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
}

/// How the text of an attribute is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Exact,
    Prefix,
    Suffix,
}

impl Filters {
    /// Compiles a filter or a list of filters from its text in YAML or JSON.
    ///
    /// # Errors
    ///
    /// Every problem that was found.
    pub fn parse(source: &str) -> Result<Self, Vec<Problem>> {
        Reader::read(source, |reader, value| Self::read(reader, value, ""))
    }

    /// Reads the filters at a place of a document.
    pub(super) fn read(reader: &mut Reader, value: &Value, at: &str) -> Option<Self> {
        match value {
            Value::Array(items) => {
                let filters = read_items(reader, items, at)?;
                Some(Self { filters, is_list: true })
            }
            Value::Object(_) => {
                let filter = Filter::read(reader, value, at)?;
                Some(Self { filters: vec![filter], is_list: false })
            }
            other => {
                let message = format!("expected a filter or a list of filters, found {}", kind_of(other));
                reader.error(at, message, WRITE);
                None
            }
        }
    }

    /// Takes an event in the JSON format.
    ///
    /// # Errors
    ///
    /// The JSON pointer, from the filters on, of the filter that does not pass, or of the attribute in it.
    pub fn passes(&self, event: &Value) -> Result<(), String> {
        match self.filters.iter().position(|filter| !filter.passes(event)) {
            None => Ok(()),
            Some(index) if self.is_list => Err(format!("/{index}{}", self.filters[index].refusal(event))),
            Some(index) => Err(self.filters[index].refusal(event)),
        }
    }

    /// The types of the events that can pass: all of them, and as few others as is simple.
    pub fn types(&self) -> Types {
        Types::narrowest(self.filters.iter().map(Filter::types))
    }
}

impl Types {
    /// True if an event of a type can pass.
    pub fn has(&self, kind: &str) -> bool {
        let begins = |prefix: &String| kind.starts_with(prefix.as_str());
        self.any || self.exact.iter().any(|exact| exact == kind) || self.prefix.iter().any(begins)
    }

    fn every() -> Self {
        Self { any: true, ..Self::default() }
    }

    /// Those that say least; all if there are none.
    fn narrowest(all: impl Iterator<Item = Self>) -> Self {
        all.min_by_key(|types| (types.any, types.prefix.len(), types.exact.len())).unwrap_or_else(Self::every)
    }

    /// All of them together.
    fn union(all: impl Iterator<Item = Self>) -> Self {
        let mut whole = Self::default();
        for Self { exact, prefix, any } in all {
            whole.exact.extend(exact);
            whole.prefix.extend(prefix);
            whole.any |= any;
        }
        if whole.any {
            return Self::every();
        }
        let Self { exact, prefix, .. } = &mut whole;
        prefix.sort_unstable();
        // Behind a prefix, in order, stand those that begin with it.
        prefix.dedup_by(|longer, shorter| longer.starts_with(shorter.as_str()));
        exact.sort_unstable();
        exact.dedup();
        exact.retain(|kind| !prefix.iter().any(|prefix| kind.starts_with(prefix.as_str())));
        whole
    }
}

impl Filter {
    fn read(reader: &mut Reader, value: &Value, at: &str) -> Option<Self> {
        if !reader.count_part(at) {
            return None;
        }
        let mut fields = reader.open(value, at)?;
        let texts = TEXTS.map(|(name, how)| fields.get(name).map(|value| (name, how, value)));
        let [all, any, not] = ["all", "any", "not"].map(|name| fields.get(name).map(|value| (name, value)));
        let fix = "use `exact`, `prefix`, `suffix`, `all`, `any` and `not`, and `when` for the rest";
        fields.refuse("sql", fix, &mut reader.problems);
        let mut dialects: Vec<&str> = texts.iter().flatten().map(|(name, ..)| *name).collect();
        dialects.extend([all, any, not].into_iter().flatten().map(|(name, _)| name));
        let place = |name: &str| join(at, name);
        let mut read = Vec::new();
        read.extend(texts.into_iter().flatten().map(|(name, how, value)| {
            let attributes = read_attributes(reader, value, &place(name))?;
            Some(Self::Text(how, attributes))
        }));
        read.extend(all.map(|(name, value)| read_list(reader, value, &place(name)).map(Self::All)));
        read.extend(any.map(|(name, value)| read_list(reader, value, &place(name)).map(Self::Any)));
        read.extend(not.map(|(name, value)| {
            let inner = Self::read(reader, value, &place(name))?;
            Some(Self::Not(Box::new(inner)))
        }));
        say_number(reader, &dialects, value, at);
        fields.close(&mut reader.problems);
        read.pop().flatten()
    }

    fn passes(&self, event: &Value) -> bool {
        match self {
            Self::Text(how, attributes) => attributes.iter().all(|attribute| how.matches(attribute, event)),
            Self::All(filters) => filters.iter().all(|filter| filter.passes(event)),
            Self::Any(filters) => filters.iter().any(|filter| filter.passes(event)),
            Self::Not(filter) => !filter.passes(event),
        }
    }

    /// Where in the filter it is decided that an event does not pass.
    fn refusal(&self, event: &Value) -> String {
        match self {
            Self::Text(how, attributes) => {
                let missed = attributes.iter().find(|attribute| !how.matches(attribute, event));
                let name = missed.map_or_else(String::new, |(name, _)| format!("/{name}"));
                format!("/{}{name}", how.name())
            }
            Self::All(filters) => match filters.iter().position(|filter| !filter.passes(event)) {
                Some(index) => format!("/all/{index}{}", filters[index].refusal(event)),
                None => "/all".to_owned(),
            },
            Self::Any(_) => "/any".to_owned(),
            Self::Not(_) => "/not".to_owned(),
        }
    }

    fn types(&self) -> Types {
        match self {
            Self::Text(how, attributes) => {
                let wanted = attributes.iter().find(|(name, _)| name == "type").map(|(_, text)| text.clone());
                match (how, wanted) {
                    (How::Exact, Some(kind)) => Types { exact: vec![kind], ..Types::default() },
                    (How::Prefix, Some(prefix)) => Types { prefix: vec![prefix], ..Types::default() },
                    (How::Suffix, _) | (_, None) => Types::every(),
                }
            }
            Self::All(filters) => Types::narrowest(filters.iter().map(Self::types)),
            Self::Any(filters) => Types::union(filters.iter().map(Self::types)),
            Self::Not(_) => Types::every(),
        }
    }
}

impl How {
    fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Prefix => "prefix",
            Self::Suffix => "suffix",
        }
    }

    fn matches(self, (name, wanted): &(String, String), event: &Value) -> bool {
        match event.get(name) {
            Some(Value::String(text)) => self.fits(text, wanted),
            Some(Value::Bool(flag)) => self.fits(if *flag { "true" } else { "false" }, wanted),
            Some(Value::Number(number)) => self.fits(&number.to_string(), wanted),
            Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => false,
        }
    }

    fn fits(self, text: &str, wanted: &str) -> bool {
        match self {
            Self::Exact => text == wanted,
            Self::Prefix => text.starts_with(wanted),
            Self::Suffix => text.ends_with(wanted),
        }
    }
}

/// Says it where a filter has not one dialect.
fn say_number(reader: &mut Reader, dialects: &[&str], value: &Value, at: &str) {
    match dialects {
        [_] => {}
        // What stands there instead is told as unknown.
        [] if value.as_object().is_some_and(|fields| !fields.is_empty()) => {}
        [] => reader.error(at, "the filter is empty", WRITE),
        several => {
            let message = format!("a filter has one dialect, and here are `{}`", several.join("`, `"));
            reader.error(at, message, "make each a filter of its own: all filters of a list must pass");
        }
    }
}

fn read_list(reader: &mut Reader, value: &Value, at: &str) -> Option<Vec<Filter>> {
    let items = reader.list(value, at, "write a list of filters, like `- exact: { type: ... }`")?;
    read_items(reader, items, at)
}

fn read_items(reader: &mut Reader, items: &[Value], at: &str) -> Option<Vec<Filter>> {
    let items = items.iter().enumerate();
    let read: Vec<_> =
        items.map(|(index, item)| Filter::read(reader, item, &format!("{at}/{index}"))).collect();
    read.into_iter().collect()
}

fn read_attributes(reader: &mut Reader, value: &Value, at: &str) -> Option<Vec<(String, String)>> {
    Fields::open(value, at, &mut reader.problems)?;
    let wanted = value.as_object().into_iter().flatten();
    let read: Vec<_> =
        wanted.map(|(name, value)| read_attribute(reader, name, value, &join(at, name))).collect();
    if read.is_empty() {
        reader.error(at, "no attribute is named", "name one, like `type: com.example.order.placed`");
        return None;
    }
    read.into_iter().collect()
}

fn read_attribute(reader: &mut Reader, name: &str, value: &Value, at: &str) -> Option<(String, String)> {
    if !reader.count_part(at) {
        return None;
    }
    if name == "data" || name == "data_base64" {
        let fix = "compare data in `when`, like `{ field: event.data.total, op: gte, value: 100 }`";
        reader.error(at, format!("`{name}` is no attribute: filters do not look at data"), fix);
        return None;
    }
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
        let fix = "use lower-case letters and digits (CloudEvents 1.0, section 3.1.1)";
        reader.error(at, format!("`{name}` is no name of an attribute"), fix);
        return None;
    }
    let (message, fix) = match value {
        Value::String(text) if text.is_empty() => ("the text is empty", "give at least one character"),
        Value::String(text) if unwrap_expression(text).is_some() => {
            ("a filter compares with constants", "put what is computed into `when`")
        }
        Value::String(text) => return Some((name.to_owned(), text.clone())),
        other => {
            let message = format!("expected text, found {}", kind_of(other));
            reader.error(at, message, "put the value in quotes");
            return None;
        }
    };
    reader.error(at, message, fix);
    None
}
