//! The metered value that jaq computes with.
//!
//! A value knows its size in bytes and its depth, so that both are checked before a larger one is built. Cloning,
//! comparing and reading a value takes fuel. Operations are in `operate.rs`, reading and updating parts of a value
//! in `access.rs`, the order in `order.rs`, JSON in `json.rs`.

mod access;
mod json;
mod operate;
mod order;
#[cfg(test)]
mod tests;

use std::rc::Rc;

use super::meter;

pub(super) use access::positions;
pub(super) use json::text_of;
pub(super) use operate::normal;

/// Bytes that a number, a boolean or null counts for.
const SCALAR_BYTES: usize = 4;

/// Steps from the value that a path began at; bounds the length of jaq's path lists, which are dropped recursively.
const MAX_HOPS: u32 = 1_000;

pub(super) type Error = jaq_core::Error<Val>;
pub(super) type ValR = jaq_core::ValR<Val>;
pub(super) type Map = jaq_json::Map<Rc<String>, Val>;

/// A JSON value under the meter.
#[derive(Debug, Default)]
pub(super) struct Val {
    pub(super) kind: Kind,
    /// Indexing steps that led to this value from one that was built, input or bound.
    hops: u32,
}

/// What a [`Val`] is.
#[derive(Debug, Clone, Default)]
pub(super) enum Kind {
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    /// An integer above `i64::MAX`.
    Wide(u64),
    Float(f64),
    Text(Rc<String>),
    Array(Rc<Array>),
    Object(Rc<Object>),
}

/// Elements with their size and depth.
#[derive(Debug, Clone, Default)]
pub(super) struct Array {
    items: Vec<Val>,
    bytes: usize,
    /// Depth of the deepest element.
    depth: usize,
}

/// Fields in order of insertion with their size and depth.
#[derive(Debug, Clone, Default)]
pub(super) struct Object {
    map: Map,
    bytes: usize,
    /// Depth of the deepest field.
    depth: usize,
}

impl Clone for Val {
    #[inline]
    fn clone(&self) -> Self {
        meter::step();
        Self { kind: self.kind.clone(), hops: self.hops }
    }
}

impl From<Kind> for Val {
    fn from(kind: Kind) -> Self {
        Self { kind, hops: 0 }
    }
}

impl Val {
    /// Builds a number of an integer: exact where JSON can hold it.
    pub(super) fn from_integer(value: i128) -> Self {
        operate::integer(value)
    }

    /// Builds a text, if it is within the limits.
    pub(super) fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        meter::charge_bytes(text.len());
        meter::admit(text.len(), 0);
        Kind::Text(Rc::new(text)).into()
    }

    /// Builds an object, if it is within the limits.
    pub(super) fn object(fields: impl IntoIterator<Item = (Rc<String>, Self)>) -> Self {
        let mut object = Object::default();
        for (key, value) in fields {
            object.insert(key, value);
        }
        Kind::Object(Rc::new(object)).into()
    }

    /// Returns the text, if this is one, taking the fuel to read all of it.
    pub(super) fn as_text(&self) -> Option<&Rc<String>> {
        match &self.kind {
            Kind::Text(text) => {
                meter::charge_bytes(text.len());
                Some(text)
            }
            _ => None,
        }
    }

    /// Returns the text, or the error that it is none.
    pub(super) fn try_text(&self) -> Result<&Rc<String>, Error> {
        self.as_text().ok_or_else(|| Error::typ(self.clone(), "string"))
    }

    /// Returns the elements, or the error that this is no array.
    pub(super) fn try_items(&self) -> Result<&[Self], Error> {
        match &self.kind {
            Kind::Array(array) => Ok(&array.items),
            _ => Err(Error::typ(self.clone(), "array")),
        }
    }

    /// Names the type as `type` of jq does.
    pub(super) fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Null => "null",
            Kind::Bool(_) => "boolean",
            Kind::Int(_) | Kind::Wide(_) | Kind::Float(_) => "number",
            Kind::Text(_) => "string",
            Kind::Array(_) => "array",
            Kind::Object(_) => "object",
        }
    }

    /// Size in bytes, about that of its JSON.
    pub(super) fn bytes(&self) -> usize {
        match &self.kind {
            Kind::Null | Kind::Bool(_) | Kind::Int(_) | Kind::Wide(_) | Kind::Float(_) => SCALAR_BYTES,
            Kind::Text(text) => text.len() + 2,
            Kind::Array(array) => array.bytes + 2,
            Kind::Object(object) => object.bytes + 2,
        }
    }

    /// Levels of nesting: 0 for a scalar, 1 for an array of scalars.
    pub(super) fn depth(&self) -> usize {
        match &self.kind {
            Kind::Array(array) => array.depth + 1,
            Kind::Object(object) => object.depth + 1,
            _ => 0,
        }
    }

    /// Marks this value as one step away from a value at `hops` steps.
    fn reached_from(mut self, hops: u32) -> Self {
        if hops >= MAX_HOPS {
            meter::trip(meter::Trip::Depth);
        }
        self.hops = hops + 1;
        self
    }
}

impl Array {
    /// Returns the elements.
    pub(super) fn items(&self) -> &[Val] {
        &self.items
    }

    /// Counts the elements.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    fn push(&mut self, item: Val) {
        meter::charge(1);
        self.grow(&item);
        self.items.push(item);
    }

    fn grow(&mut self, item: &Val) {
        self.bytes += item.bytes() + 1;
        self.depth = self.depth.max(item.depth());
        meter::admit(self.bytes, self.depth + 1);
    }

    /// Recomputes size and depth after elements went away or changed.
    fn measure(&mut self) {
        meter::charge(self.items.len() as u64);
        self.bytes = self.items.iter().map(|item| item.bytes() + 1).sum();
        self.depth = self.items.iter().map(Val::depth).max().unwrap_or(0);
        meter::admit(self.bytes, self.depth + 1);
    }

    /// Replaces the element at `index`, whose size and depth were `old`.
    fn replace(&mut self, index: usize, old: (usize, usize), item: Val) {
        let rescan = old.1 == self.depth && item.depth() < old.1;
        self.bytes = self.bytes - old.0 + item.bytes();
        self.depth = self.depth.max(item.depth());
        meter::admit(self.bytes, self.depth + 1);
        self.items[index] = item;
        if rescan {
            self.measure();
        }
    }
}

impl Object {
    /// Returns the fields in order.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&Rc<String>, &Val)> {
        self.map.iter()
    }

    /// Finds the value of a field.
    pub(super) fn get(&self, key: &Rc<String>) -> Option<&Val> {
        self.map.get(key)
    }

    /// Counts the fields.
    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    fn insert(&mut self, key: Rc<String>, value: Val) {
        meter::charge_bytes(key.len());
        match self.map.get_mut(&key).map(|old| (old.bytes(), old.depth())) {
            Some(old) => self.replace(&key, old, value),
            None => {
                self.bytes += key.len() + 4 + value.bytes();
                self.depth = self.depth.max(value.depth());
                meter::admit(self.bytes, self.depth + 1);
                self.map.insert(key, value);
            }
        }
    }

    /// Replaces the value of `key`, whose size and depth were `old`.
    fn replace(&mut self, key: &Rc<String>, old: (usize, usize), value: Val) {
        let rescan = old.1 == self.depth && value.depth() < old.1;
        self.bytes = self.bytes - old.0 + value.bytes();
        self.depth = self.depth.max(value.depth());
        meter::admit(self.bytes, self.depth + 1);
        if let Some(place) = self.map.get_mut(key) {
            *place = value;
        }
        if rescan {
            self.measure();
        }
    }

    fn measure(&mut self) {
        meter::charge(self.map.len() as u64);
        self.bytes = self.map.iter().map(|(key, value)| key.len() + 4 + value.bytes()).sum();
        self.depth = self.map.values().map(Val::depth).max().unwrap_or(0);
    }
}

impl FromIterator<Self> for Val {
    fn from_iter<I: IntoIterator<Item = Self>>(items: I) -> Self {
        let mut array = Array::default();
        for item in items {
            array.push(item);
        }
        Kind::Array(Rc::new(array)).into()
    }
}

impl From<bool> for Val {
    fn from(value: bool) -> Self {
        Kind::Bool(value).into()
    }
}

impl From<isize> for Val {
    fn from(value: isize) -> Self {
        meter::charge(1);
        Kind::Int(value as i64).into()
    }
}

impl From<usize> for Val {
    fn from(value: usize) -> Self {
        operate::integer(value as i128)
    }
}

impl From<f64> for Val {
    fn from(value: f64) -> Self {
        normal(value)
    }
}

impl From<String> for Val {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<jaq_core::val::Range<Self>> for Val {
    fn from(range: jaq_core::val::Range<Self>) -> Self {
        let bound = |name: &str, value: Option<Self>| value.map(|value| (Rc::new(name.to_owned()), value));
        Self::object([bound("start", range.start), bound("end", range.end)].into_iter().flatten())
    }
}
