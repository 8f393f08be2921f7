//! Reading everything that stands beside the events, for an export: a page at a time, each from an index.

use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::PostgresJournal;
use super::beside::{effect, message};
use super::read::{key_record, snapshot};
use super::row::{get, int, json, size, stream_key, time, uint};
use super::session::Param;
use crate::clock::Timestamp;
use crate::journal::transfer::{Beside, Cursor, Part};
use crate::journal::{Error, MessageId, Received, Timer};

/// In the order of their times, since where they are forgotten by their order, the oldest are to come first. Those of forgotten streams are left out within
/// a page, as a page without any is the last.
pub(super) const KEYS: &str =
    "SELECT i.key, i.digest, i.first_seq, i.last_seq, i.outcome, s.tenant, s.prefix, s.uuid, i.at
    FROM (SELECT * FROM promptsales.idem AS k WHERE (at, key) > ($1, $2)
        AND EXISTS (SELECT FROM promptsales.stream AS s WHERE s.no = k.stream) ORDER BY at, key LIMIT $3) AS i
    JOIN promptsales.stream AS s ON s.no = i.stream ORDER BY i.at, i.key";

/// Whole streams, as their numbers are those of their partitions.
pub(super) const RECEIVED: &str = "SELECT i.stream, i.at, i.message, i.outcome, s.tenant, s.prefix, s.uuid
    FROM (SELECT DISTINCT stream FROM promptsales.inbox WHERE stream > $1 ORDER BY stream LIMIT $2) AS p
    CROSS JOIN LATERAL (SELECT * FROM promptsales.inbox WHERE stream = p.stream OFFSET 0) AS i
    JOIN promptsales.stream AS s ON s.no = i.stream ORDER BY i.stream, i.no";

/// Whole streams, as a timer has no number of its own.
pub(super) const TIMERS: &str = "SELECT t.stream, t.due, t.name, s.tenant, s.prefix, s.uuid
    FROM (SELECT DISTINCT stream FROM promptsales.timer WHERE stream > $1 ORDER BY stream LIMIT $2) AS p
    CROSS JOIN LATERAL (SELECT * FROM promptsales.timer WHERE stream = p.stream OFFSET 0) AS t
    JOIN promptsales.stream AS s ON s.no = t.stream ORDER BY t.stream, t.name";

pub(super) const MESSAGES: &str = "SELECT o.no, o.message, o.prefix, o.uuid, o.command, o.origin, o.body,
        s.tenant, s.prefix, s.uuid, o.partition
    FROM (SELECT * FROM promptsales.outbox WHERE (partition, no) > ($1, $2) ORDER BY partition, no LIMIT $3) AS o
    JOIN promptsales.stream AS s ON s.no = o.stream ORDER BY o.partition, o.no";

pub(super) const OPEN_EFFECTS: &str =
    "SELECT e.no, e.key, e.attempts, e.at, e.connector, e.operation, e.state,
        e.origin, e.request, s.tenant, s.prefix, s.uuid, e.partition
    FROM (SELECT * FROM promptsales.effect WHERE phase = 0 AND (partition, no) > ($1, $2)
        ORDER BY partition, no LIMIT $3) AS e
    JOIN promptsales.stream AS s ON s.no = e.stream ORDER BY e.partition, e.no";

pub(super) const ENDED_EFFECTS: &str =
    "SELECT e.no, e.key, e.attempts, e.at, e.connector, e.operation, e.state,
        e.origin, e.request, s.tenant, s.prefix, s.uuid, e.ended
    FROM (SELECT * FROM promptsales.effect AS o WHERE ended IS NOT NULL AND (ended, key) > ($1, $2)
        AND EXISTS (SELECT FROM promptsales.stream AS s WHERE s.no = o.stream)
        ORDER BY ended, key LIMIT $3) AS e
    JOIN promptsales.stream AS s ON s.no = e.stream ORDER BY e.ended, e.key";

pub(super) const BASES: &str =
    "SELECT b.stream, b.created, b.seq, b.version, s.tenant, s.prefix, s.uuid, b.data
    FROM (SELECT * FROM promptsales.base WHERE stream > $1 ORDER BY stream LIMIT $2) AS b
    JOIN promptsales.stream AS s ON s.no = b.stream ORDER BY b.stream";

pub(super) const SNAPSHOTS: &str =
    "SELECT h.stream, 0::int8, h.seq, h.version, s.tenant, s.prefix, s.uuid, h.data
    FROM (SELECT * FROM promptsales.snapshot WHERE stream > $1 ORDER BY stream LIMIT $2) AS h
    JOIN promptsales.stream AS s ON s.no = h.stream ORDER BY h.stream";

impl PostgresJournal {
    pub(super) async fn part(
        &self,
        part: Part,
        after: Cursor,
        limit: usize,
    ) -> Result<Vec<(Cursor, Beside)>, Error> {
        self.wait_settled(None).await?;
        let (bytes, uuid) = (after.1.to_be_bytes(), Uuid::from_u128(after.1));
        let (bytes, no) = (bytes.as_slice(), int(u64::try_from(after.1).unwrap_or(u64::MAX)));
        let (first, limit): (Param<'_>, i64) = ((&after.0, Type::INT8), size(limit));
        let second: Option<Param<'_>> = match part {
            Part::Keys => Some((&bytes, Type::BYTEA)),
            Part::Messages | Part::OpenEffects => Some((&no, Type::INT8)),
            Part::EndedEffects => Some((&uuid, Type::UUID)),
            Part::Received | Part::Timers | Part::Bases | Part::Snapshots => None,
        };
        let mut params = vec![first];
        params.extend(second);
        params.push((&limit, Type::INT8));
        let rows = self.fetch(statement(part), &params).await?;
        rows.iter().map(|row| thing(part, row)).collect()
    }
}

fn statement(part: Part) -> &'static str {
    match part {
        Part::Keys => KEYS,
        Part::Received => RECEIVED,
        Part::Timers => TIMERS,
        Part::Messages => MESSAGES,
        Part::OpenEffects => OPEN_EFFECTS,
        Part::EndedEffects => ENDED_EFFECTS,
        Part::Bases => BASES,
        Part::Snapshots => SNAPSHOTS,
    }
}

fn thing(part: Part, row: &Row) -> Result<(Cursor, Beside), Error> {
    let by_stream = || Ok::<_, Error>(Cursor(get(row, 0)?, 0));
    let by_number =
        |partition| Ok::<_, Error>(Cursor(get::<i32>(row, partition)?.into(), uint(row, 0)?.into()));
    Ok(match part {
        Part::Keys => {
            let (at, record) = (time(row, 8)?, key_record(row)?);
            (Cursor(at.ms(), u128::from_be_bytes(record.key)), Beside::Key { at, record })
        }
        Part::Received => {
            let received = Received { id: MessageId::from_uuid(get(row, 2)?), outcome: json(row, 3)? };
            (by_stream()?, Beside::Received { at: time(row, 1)?, stream: stream_key(row, 4)?, received })
        }
        Part::Timers => {
            let timer = Timer { due: time(row, 1)?, name: get(row, 2)?, stream: stream_key(row, 3)? };
            (by_stream()?, Beside::Timer(timer))
        }
        Part::Messages => (by_number(10)?, Beside::Message(message(row)?)),
        Part::OpenEffects => (by_number(12)?, Beside::Effect { effect: effect(row)?, ended: None }),
        Part::EndedEffects => {
            let (ended, effect): (i64, _) = (get(row, 12)?, effect(row)?);
            let cursor = Cursor(ended, effect.key.uuid().as_u128());
            (cursor, Beside::Effect { effect, ended: Some(Timestamp::from_ms(ended)) })
        }
        Part::Bases => {
            let (stream, created_at) = (stream_key(row, 4)?, time(row, 1)?);
            (by_stream()?, Beside::Base { stream, snapshot: snapshot(row)?, created_at, first: 0 })
        }
        Part::Snapshots => {
            (by_stream()?, Beside::Snapshot { stream: stream_key(row, 4)?, snapshot: snapshot(row)? })
        }
    })
}
