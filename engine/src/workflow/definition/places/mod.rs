//! Where in a definition's text a JSON pointer leads: the line and the column, for whoever has to correct it.
//!
//! The tree that a definition is compiled from knows no places. They are looked up in a second pass over the text,
//! which is made only when there is a problem to be shown.

use std::collections::HashSet;
use std::fmt;

mod json;
mod yaml;

#[cfg(test)]
mod tests;

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1, in characters.
    pub column: u32,
}

impl Position {
    /// The beginning of a text.
    pub const START: Self = Self { line: 1, column: 1 };

    /// A place of numbers that count from 1.
    pub(super) fn new(line: usize, column: usize) -> Self {
        let within = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).max(1);
        Self { line: within(line), column: within(column) }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Where a value stands, and those inside of it.
#[derive(Debug)]
struct Spot {
    at: Position,
    content: Content,
}

/// What a value holds: other values by the place of their key or item, which is not theirs if they are aliases.
#[derive(Debug)]
enum Content {
    Plain(String),
    List(Vec<(Position, usize)>),
    Mapping(Vec<(String, Position, usize)>),
}

/// The places of all values of a text.
#[derive(Debug, Default)]
pub(super) struct Places {
    spots: Vec<Spot>,
    root: Option<usize>,
}

impl Places {
    /// Finds the places in a text that has been read as JSON or YAML. What is not understood is left out.
    pub(super) fn of(source: &str) -> Self {
        let is_json = source.trim_start().starts_with('{')
            && serde_json::from_str::<serde::de::IgnoredAny>(source).is_ok();
        if is_json { json::places(source) } else { yaml::places(source) }
    }

    /// The place of a JSON pointer: of the key or the list item that it names, or of the nearest around it.
    pub(super) fn find(&self, pointer: &str) -> Position {
        let Some(mut index) = self.root else { return Position::START };
        let mut at = self.spots[index].at;
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            let next = match &self.spots[index].content {
                Content::Plain(_) => None,
                Content::List(items) => step.parse().ok().and_then(|place: usize| items.get(place).copied()),
                Content::Mapping(fields) => {
                    let field = fields.iter().find(|(name, ..)| *name == step);
                    field.map(|(_, at, value)| (*at, *value))
                }
            };
            let Some((place, inside)) = next else { break };
            (at, index) = (place, inside);
        }
        at
    }
}

impl Places {
    /// The first key of a text that repeats one of its mapping.
    pub(super) fn repeated(&self) -> Option<Position> {
        let keys = self.spots.iter().filter_map(|spot| match &spot.content {
            Content::Mapping(fields) => Some(fields),
            Content::Plain(_) | Content::List(_) => None,
        });
        let repeated = keys.filter_map(|fields| {
            let mut seen = HashSet::new();
            fields.iter().find(|(name, ..)| !seen.insert(name)).map(|(_, at, _)| *at)
        });
        repeated.min()
    }
}

/// Puts places together in the order of the text.
#[derive(Debug, Default)]
struct Builder {
    places: Places,
    open: Vec<Open>,
}

/// A list or mapping that has not ended.
#[derive(Debug)]
struct Open {
    spot: usize,
    /// The key whose value comes next.
    key: Option<(String, Position)>,
}

impl Builder {
    /// A value without others inside of it.
    fn plain(&mut self, at: Position, text: String) -> usize {
        let spot = self.add(at, Content::Plain(text));
        self.attach(at, spot);
        spot
    }

    /// A list or a mapping begins.
    fn begin(&mut self, at: Position, content: Content) -> usize {
        let spot = self.add(at, content);
        self.open.push(Open { spot, key: None });
        spot
    }

    /// The innermost list or mapping ends.
    fn end(&mut self) {
        if let Some(Open { spot, .. }) = self.open.pop() {
            self.attach(self.places.spots[spot].at, spot);
        }
    }

    /// A value that stands elsewhere is named here.
    fn attach(&mut self, at: Position, spot: usize) {
        let Some(open) = self.open.last_mut() else {
            self.places.root.get_or_insert(spot);
            return;
        };
        match (&mut self.places.spots[open.spot].content, open.key.take()) {
            (Content::Plain(_), _) => {}
            (Content::List(items), _) => items.push((at, spot)),
            (Content::Mapping(fields), Some((name, at))) => fields.push((name, at, spot)),
            (Content::Mapping(_), None) => {
                let text = match &self.places.spots[spot].content {
                    Content::Plain(text) => text.clone(),
                    Content::List(_) | Content::Mapping(_) => String::new(),
                };
                open.key = Some((text, at));
            }
        }
    }

    /// The places, also of a text that broke off.
    fn finish(mut self) -> Places {
        while !self.open.is_empty() {
            self.end();
        }
        self.places
    }

    fn add(&mut self, at: Position, content: Content) -> usize {
        self.places.spots.push(Spot { at, content });
        self.places.spots.len() - 1
    }
}
