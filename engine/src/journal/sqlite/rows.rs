//! Rows on their way into the file: one JSON array per table, and the compact form of what is stored as JSON.

use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

use super::error::corrupt;
use crate::journal::{Error, Origin};

/// The rows of one table as the text of a JSON array, for `jsonb_each`.
#[derive(Debug)]
pub(super) struct Table(Vec<u8>);

impl Default for Table {
    fn default() -> Self {
        Self(vec![b'['])
    }
}

impl Table {
    /// Adds a row: a tuple of numbers and texts. What is JSON itself goes in as text.
    pub(super) fn push<T: Serialize>(&mut self, row: &T) {
        if !self.is_empty() {
            self.0.push(b',');
        }
        serde_json::to_writer(&mut self.0, row).expect("rows of numbers and texts can always be written");
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.len() == 1
    }

    /// The whole array.
    pub(super) fn into_text(mut self) -> String {
        self.0.push(b']');
        String::from_utf8(self.0).expect("JSON is written as UTF-8")
    }
}

/// The rows that a batch commits, by statement of `rows.sql`.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) streams: Table,
    pub(super) events: Table,
    pub(super) keys: Table,
    pub(super) received: Table,
    pub(super) acknowledged: Table,
    pub(super) messages: Table,
    pub(super) withdrawn: Table,
    pub(super) cleared: Table,
    pub(super) fired: Table,
    pub(super) timers: Table,
    pub(super) effects: Table,
    pub(super) steps: Table,
    pub(super) snapshots: Table,
}

impl Rows {
    /// The arrays in the order of the statements' parameters.
    pub(super) fn into_texts(self) -> [String; 13] {
        [
            self.streams,
            self.events,
            self.keys,
            self.received,
            self.acknowledged,
            self.messages,
            self.withdrawn,
            self.cleared,
            self.fired,
            self.timers,
            self.effects,
            self.steps,
            self.snapshots,
        ]
        .map(Table::into_text)
    }
}

/// Sixteen bytes, written as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hex(pub(super) [u8; 16]);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut digits = [0; 32];
        serializer.serialize_str(Uuid::from_bytes(self.0).simple().encode_lower(&mut digits))
    }
}

/// An origin as it is stored: what is the same is stored once, what is not there not at all.
#[derive(Serialize, Deserialize)]
struct StoredOrigin<T> {
    #[serde(rename = "c")]
    causation: T,
    #[serde(rename = "r", default = "none", skip_serializing_if = "Option::is_none")]
    correlation: Option<T>,
    #[serde(rename = "t", default = "none", skip_serializing_if = "Option::is_none")]
    trace: Option<T>,
    #[serde(rename = "p")]
    principal: T,
}

fn none<T>() -> Option<T> {
    None
}

/// Writes an origin compactly.
pub(super) fn origin_text(origin: &Origin) -> String {
    let stored = StoredOrigin {
        causation: &*origin.causation,
        correlation: (origin.correlation != origin.causation).then_some(&*origin.correlation),
        trace: origin.trace.as_deref(),
        principal: &*origin.principal,
    };
    serde_json::to_string(&stored).expect("four texts can always be written")
}

/// Reads an origin.
pub(super) fn read_origin(text: &str) -> Result<Arc<Origin>, Error> {
    let stored: StoredOrigin<Arc<str>> =
        serde_json::from_str(text).map_err(|error| corrupt("an origin", error))?;
    Ok(Arc::new(Origin {
        correlation: stored.correlation.unwrap_or_else(|| stored.causation.clone()),
        causation: stored.causation,
        trace: stored.trace,
        principal: stored.principal,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_survives_and_is_stored_compactly() {
        let root = Origin::root("req_1", "user:ada");
        assert_eq!(origin_text(&root), r#"{"c":"req_1","p":"user:ada"}"#);
        let mut caused = root.caused("msg_2", "run:x");
        caused.trace = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into());
        for origin in [root, caused] {
            assert_eq!(*read_origin(&origin_text(&origin)).unwrap(), origin);
        }
    }
}
