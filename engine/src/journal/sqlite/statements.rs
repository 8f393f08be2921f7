//! The text of a commit: only the statements that its batch needs, with what they take.
//!
//! Events and idempotency keys come in almost every commit, many at once, and their columns are bound one by one: as
//! JSON each column would be searched for in its row anew, which took a third of a commit's instructions. So that
//! few texts are prepared, a number of rows is rounded up to a power of two, and the rows beyond it are NULL; what
//! goes beyond the largest text comes in further ones. All other tables take their rows as a JSON array each.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, AssertSqlSafe, Encode, Sqlite};

use super::read::int;
use super::rows;
use super::writer::BoundQuery;
use crate::journal::Fence;
use crate::journal::plan::{EventRow, KeyRow, Rows, json_text, origin_text};

const FENCE: &str = include_str!("sql/fence.sql");
/// Which statement of `fence.sql` is the fence itself, from 0.
pub(super) const FENCE_STATEMENT: usize = 1;
/// Rows of a table that one text takes at most; with its columns it stays below SQLite's 32,766 parameters.
const MOST: usize = 1_024;
/// Texts that are kept at most. There are far fewer, unless batches are very uneven.
const TEXTS: usize = 512;

/// The statements that take JSON, in their order.
static ROWS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let statements = include_str!("sql/rows.sql").split_inclusive(";\n").map(str::trim);
    statements.filter(|statement| !statement.is_empty()).collect()
});

/// A table whose rows are bound one by one.
struct Bound {
    table: &'static str,
    columns: &'static [&'static str],
}

const EVENTS: Bound = Bound {
    table: "event",
    columns: &["pos", "slot", "stream", "seq", "name", "version", "at", "origin", "data"],
};

const KEYS: Bound = Bound {
    table: "idem",
    columns: &["id", "at", "key", "digest", "stream", "first_seq", "last_seq", "outcome"],
};

/// What decides about a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Shape {
    is_fenced: bool,
    /// A bit for each statement that takes JSON and is needed.
    needed: u16,
    /// Rows of events and of keys that there is room for.
    events: usize,
    keys: usize,
}

/// What the fence takes, beside the fence itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct FenceArguments {
    pub(super) fence: Fence,
    /// Commits before this one.
    pub(super) commits: u64,
    /// Events that it has.
    pub(super) events: u64,
    /// Their latest time.
    pub(super) latest: i64,
}

/// The texts that have been put together so far.
#[derive(Debug, Default)]
pub(super) struct Statements(HashMap<Shape, Arc<str>>);

impl Statements {
    /// Puts together what begins a commit, if there is a fence, and what writes rows: queries that follow each other.
    pub(super) fn queries(&mut self, fence: Option<FenceArguments>, rows: &Rows<'_>) -> Vec<BoundQuery> {
        let mut events = rows.events.chunks(MOST);
        let mut keys = rows.keys.chunks(MOST);
        let tables = rows::tables(rows);
        let first =
            self.query(fence, &tables, (events.next().unwrap_or_default(), keys.next().unwrap_or_default()));
        let mut queries = vec![first];
        queries.extend(events.map(|events| self.query(None, &[], (events, &[]))));
        queries.extend(keys.map(|keys| self.query(None, &[], (&[], keys))));
        queries
    }

    fn query(
        &mut self,
        fence: Option<FenceArguments>,
        tables: &[rows::Table<'_>],
        (events, keys): (&[EventRow<'_>], &[KeyRow<'_>]),
    ) -> BoundQuery {
        let needed = tables.iter().enumerate().filter(|(_, table)| !table.is_empty());
        let needed = needed.fold(0, |needed, (statement, _)| needed | 1 << statement);
        let (room, key_room) = (rounded(events.len()), rounded(keys.len()));
        let shape = Shape { is_fenced: fence.is_some(), needed, events: room, keys: key_room };
        let mut arguments = SqliteArguments::default();
        arguments.reserve(16 + room * EVENTS.columns.len() + key_room * KEYS.columns.len(), 0);
        if let Some(fence) = fence {
            add_fence(&mut arguments, &fence);
        }
        events.iter().for_each(|row| add_event(&mut arguments, row));
        pad(&mut arguments, (room - events.len()) * EVENTS.columns.len());
        keys.iter().for_each(|row| add_key(&mut arguments, row));
        pad(&mut arguments, (key_room - keys.len()) * KEYS.columns.len());
        for table in tables.iter().filter(|table| !table.is_empty()) {
            add(&mut arguments, table.text());
        }
        sqlx::query_with(AssertSqlSafe(self.text(shape)), arguments)
    }

    fn text(&mut self, shape: Shape) -> Arc<str> {
        if self.0.len() >= TEXTS {
            self.0.clear();
        }
        self.0.entry(shape).or_insert_with(|| shape.text().into()).clone()
    }
}

impl Shape {
    fn text(self) -> String {
        let mut text = if self.is_fenced { FENCE.to_owned() } else { String::new() };
        EVENTS.write(self.events, &mut text);
        KEYS.write(self.keys, &mut text);
        let needed = ROWS.iter().enumerate().filter(|(statement, _)| self.needed >> statement & 1 == 1);
        for (_, sql) in needed {
            text.push('\n');
            text.push_str(sql);
        }
        text
    }
}

impl Bound {
    fn write(&self, rows: usize, text: &mut String) {
        if rows == 0 {
            return;
        }
        let row = format!("({})", vec!["?"; self.columns.len()].join(","));
        let numbers: Vec<_> = (1..=self.columns.len()).map(|column| format!("column{column}")).collect();
        text.push_str(&format!(
            "\nINSERT INTO {} ({}) SELECT {} FROM (VALUES {}) WHERE column1 IS NOT NULL;",
            self.table,
            self.columns.join(", "),
            numbers.join(", "),
            vec![row; rows].join(","),
        ));
    }
}

/// The number of rows that there is room for in a text of so many.
fn rounded(rows: usize) -> usize {
    if rows == 0 { 0 } else { rows.next_power_of_two() }
}

fn add_fence(arguments: &mut SqliteArguments, given: &FenceArguments) {
    let FenceArguments { fence, commits, events, latest } = *given;
    add(arguments, int(events));
    add(arguments, latest);
    add(arguments, i64::from(fence.partition));
    add(arguments, int(fence.epoch));
    add(arguments, fence.incarnation.as_bytes().to_vec());
    add(arguments, int(commits));
}

fn add_event(arguments: &mut SqliteArguments, row: &EventRow<'_>) {
    add(arguments, int(row.pos));
    add(arguments, i64::from(row.stream.slot().get()));
    add(arguments, int(row.no));
    add(arguments, int(row.seq));
    add(arguments, Arc::<str>::from(row.event.name.as_ref()));
    add(arguments, i64::from(row.event.version));
    add(arguments, row.at.ms());
    add(arguments, origin_text(&row.event.origin).into_boxed_str());
    add(arguments, Arc::<str>::from(row.event.data.text()));
}

fn add_key(arguments: &mut SqliteArguments, row: &KeyRow<'_>) {
    let (first, last) = row.record.range.unzip();
    add(arguments, int(row.id));
    add(arguments, row.at.ms());
    add(arguments, row.record.key.to_vec());
    add(arguments, row.record.digest.to_vec());
    add(arguments, int(row.no));
    add(arguments, first.map(int));
    add(arguments, last.map(int));
    add(arguments, json_text(&row.record.outcome).into_boxed_str());
}

fn pad(arguments: &mut SqliteArguments, count: usize) {
    (0..count).for_each(|_| add(arguments, None::<i64>));
}

fn add<'a, T: Encode<'a, Sqlite> + sqlx::Type<Sqlite>>(arguments: &mut SqliteArguments, value: T) {
    arguments.add(value).expect("numbers, texts and bytes can always be bound");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statements_are_those_that_the_tables_stand_for() {
        assert_eq!(ROWS.len(), rows::tables(&Rows::default()).len());
        assert!(ROWS.iter().all(|statement| statement.matches("jsonb_each(?)").count() == 1));
    }

    #[test]
    fn rows_are_rounded_up_to_a_power_of_two() {
        let sizes = [0, 1, 2, 3, 5, 1_000, 1_024].map(rounded);
        assert_eq!(sizes, [0, 1, 2, 4, 8, 1_024, 1_024]);
    }
}
