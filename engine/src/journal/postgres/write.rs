//! Putting the statement of an append together, and running it.

use std::collections::HashSet;

use super::columns::Columns;
use super::error::Failure;
use super::pool::Pool;
use super::session::Param;
use super::sql;
use crate::journal::PartitionId;

/// A statement made of the parts that a batch needs.
struct Statement<'c> {
    text: String,
    params: Vec<Param<'c>>,
}

/// How much of the statement is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parts {
    /// Those that there are rows for.
    Needed,
    /// All of them, to be checked.
    All,
}

impl<'c> Statement<'c> {
    fn of(columns: &'c Columns<'_>, parts: Parts) -> Self {
        let mut statement = Self { text: String::with_capacity(4096), params: Vec::with_capacity(48) };
        statement.text.push_str("WITH ");
        statement.add(sql::FENCE, columns.fences.params());
        let acknowledges = !columns.acknowledged.is_empty() || parts == Parts::All;
        let messages = if acknowledges { sql::MESSAGES_BEHIND } else { sql::MESSAGES };
        let is_birthless = columns.streams.is_empty() && columns.born.is_empty();
        let optional = [
            (is_birthless, sql::BIRTH, Vec::new()),
            (columns.streams.is_empty(), sql::STREAMS, columns.streams.params()),
            (columns.born.is_empty(), sql::BORN, columns.born.params()),
            (columns.events.is_empty(), sql::EVENTS, columns.events.params()),
            (columns.keys.is_empty(), sql::KEYS, columns.keys.params()),
            (columns.received.is_empty(), sql::RECEIVED, columns.received.params()),
            (columns.acknowledged.is_empty(), sql::ACKNOWLEDGED, columns.acknowledged.params()),
            (columns.messages.is_empty(), messages, columns.messages.params()),
            (columns.cleared.is_empty(), sql::CLEARED, columns.cleared.params()),
            (columns.fired.is_empty(), sql::FIRED, columns.fired.params()),
            (columns.timers.is_empty(), sql::TIMERS, columns.timers.params()),
            (columns.steps.is_empty(), sql::STEPS, columns.steps.params()),
            (columns.effects.is_empty(), sql::EFFECTS, columns.effects.params()),
            (columns.again.is_empty(), sql::AGAIN, columns.again.params()),
            (columns.snapshots.is_empty(), sql::SNAPSHOTS, columns.snapshots.params()),
        ];
        for (is_empty, part, params) in optional {
            if !is_empty || parts == Parts::All {
                statement.text.push_str(",\n");
                statement.add(part, params);
            }
        }
        statement.text.push('\n');
        statement.text.push_str(sql::END);
        statement
    }

    /// Adds a part, and gives its parameters their numbers.
    fn add(&mut self, part: &str, params: Vec<Param<'c>>) {
        let before = self.params.len();
        let mut pieces = part.split('#');
        self.text.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
            let number = piece[..digits].parse().unwrap_or(0) + before;
            self.text.push('$');
            self.text.push_str(&number.to_string());
            self.text.push_str(&piece[digits..]);
        }
        self.params.extend(params);
    }
}

/// Runs the append of some plans; returns the partitions whose fence was hit, and which alone were written.
pub(super) async fn write(pool: &Pool, columns: &Columns<'_>) -> Result<HashSet<PartitionId>, Failure> {
    if columns.fences.is_empty() {
        return Ok(HashSet::new());
    }
    let Statement { text, params } = Statement::of(columns, Parts::Needed);
    let rows = pool.query(&text, &params).await?;
    let id = |row: &tokio_postgres::Row| row.try_get::<_, i32>(0).map(i32::cast_unsigned);
    rows.iter().map(id).collect::<Result<_, _>>().map_err(Failure::from)
}

/// The statement with all of its parts, to be checked against the schema.
pub(super) fn full_statement() -> String {
    Statement::of(&Columns::default(), Parts::All).text
}
