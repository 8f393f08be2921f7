//! Rows on their way into the file: one JSON array per table.

use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::journal::plan::{Rows, json_text, origin_text, phase};

/// Writes the row of this number: a tuple of numbers and texts. What is JSON itself goes in as text.
type WriteRow<'a> = Box<dyn Fn(usize, &mut Vec<u8>) + 'a>;

/// The rows of one table on their way, for `jsonb_each`.
pub(super) struct Table<'a> {
    rows: usize,
    write: WriteRow<'a>,
}

impl Table<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The text of a JSON array with every row.
    pub(super) fn text(&self) -> String {
        array(0..self.rows, |row, text| (self.write)(row, text))
    }
}

/// The text of a JSON array, for `jsonb_each`.
pub(super) fn array<T>(items: impl IntoIterator<Item = T>, write: impl Fn(T, &mut Vec<u8>)) -> String {
    let mut text = vec![b'['];
    for item in items {
        if text.len() > 1 {
            text.push(b',');
        }
        write(item, &mut text);
    }
    text.push(b']');
    String::from_utf8(text).expect("JSON is written as UTF-8")
}

/// Writes a number, a text or a tuple of such.
pub(super) fn write_row<T: Serialize>(row: &T, text: &mut Vec<u8>) {
    serde_json::to_writer(text, row).expect("rows of numbers and texts can always be written");
}

/// The rows of a plan but for events and keys: a table for each of the statements of `rows.sql`, in their order.
pub(super) fn tables<'a>(rows: &'a Rows<'_>) -> [Table<'a>; 11] {
    [
        table(&rows.streams, |row| {
            let (tenant, prefix) = (row.key.tenant.as_str(), row.key.id.prefix());
            (row.no, tenant, prefix.as_str().to_owned(), Hex(row.key.id.uuid().into_bytes()), row.at.ms())
        }),
        table(&rows.received, |row| {
            let outcome = json_text(&row.received.outcome);
            (row.at.ms(), row.no, Hex(row.received.id.uuid().into_bytes()), outcome)
        }),
        table(&rows.acknowledged, |(id, no)| (Hex(id.uuid().into_bytes()), *no)),
        table(&rows.messages, |row| {
            let (message, to) = (row.message, row.message.to);
            let (id, uuid) = (Hex(message.id.uuid().into_bytes()), Hex(to.uuid().into_bytes()));
            let (prefix, origin) = (to.prefix().as_str().to_owned(), origin_text(&message.origin));
            (id, row.no, prefix, uuid, message.command.as_ref(), origin, message.body.text())
        }),
        table(&rows.withdrawn, |(id, no)| (Hex(id.uuid().into_bytes()), *no)),
        table(&rows.cleared, |(no, name)| (*no, *name)),
        table(&rows.fired, |(due, no, name)| (due.ms(), *no, *name)),
        table(&rows.timers, |row| (row.no, row.name, row.due.ms(), row.slot)),
        table(&rows.steps, |row| {
            let step = row.columns();
            let key = Hex(row.key.uuid().into_bytes());
            (key, row.no, step.dispatch, step.attempt, step.end, step.phase, step.at)
        }),
        table(&rows.effects, |row| {
            let effect = &row.effect;
            let (connector, operation) = (effect.connector.as_ref(), effect.operation.as_ref());
            let (state, origin) = (json_text(&effect.state), origin_text(&effect.origin));
            let (key, ended) = (Hex(effect.key.uuid().into_bytes()), row.ended.map(Timestamp::ms));
            let (phase, at, request) = (phase(&effect.state), effect.at.ms(), effect.request.text());
            let life = (phase, ended, effect.attempts, at);
            (key, row.no, life.0, life.1, life.2, life.3, connector, operation, state, origin, request)
        }),
        table(&rows.snapshots, |(no, snapshot)| (*no, snapshot.seq, snapshot.version, snapshot.data.text())),
    ]
}

fn table<'a, T, R: Serialize>(rows: &'a [T], row: impl Fn(&'a T) -> R + 'a) -> Table<'a> {
    let write = move |number: usize, text: &mut Vec<u8>| write_row(&row(&rows[number]), text);
    Table { rows: rows.len(), write: Box::new(write) }
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
