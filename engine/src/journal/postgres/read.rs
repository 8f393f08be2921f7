//! Reading streams, the log, lists and keys. Each call is one statement, and so one consistent view.

use std::collections::HashSet;

use futures_util::FutureExt;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::PostgresJournal;
use super::error::corrupt;
use super::row::{body, get, int, json, size, stream_key, time, uint};
use super::session::Param;
use crate::id::{Prefix, StreamId, StreamKey, TenantId};
use crate::journal::plan::read_origin;
use crate::journal::{
    Base, Error, Event, KeyHash, KeyRecord, Loaded, MessageId, NewEvent, PartitionId, Position, Received,
    Seq, Snapshot, StreamPage,
};

/// How many batches of streams are brought to life at once.
pub(super) const LOADS: usize = 2;

/// The streams that one batch brings to life at most.
pub(super) const LOADED_TOGETHER: usize = 64;

/// What brings some streams to life, by their places: 0 the snapshot (or the base, where somebody has kept an older
/// state since), 1 the events after it, 2 the messages taken in; and behind a snapshot 3 the first event and 4 the last
/// one that the snapshot holds.
///
/// Every table is reached from a stream's number through an index: an `OFFSET 0` keeps the database from turning that
/// into a join over the whole table.
pub(super) const LOAD: &str = "WITH s AS MATERIALIZED (SELECT r.n, s.no
        FROM unnest($1::uuid[], $2::text[], $3::text[]) WITH ORDINALITY AS r (uuid, prefix, tenant, n)
        CROSS JOIN LATERAL (SELECT no FROM promptsales.stream
            WHERE uuid = r.uuid AND prefix = r.prefix AND tenant = r.tenant OFFSET 0) AS s),
    held AS MATERIALIZED (SELECT s.n, s.no, h.seq, h.version, h.data FROM s CROSS JOIN LATERAL (
        SELECT seq, version, data, 1 AS is_kept FROM promptsales.snapshot WHERE stream = s.no
        UNION ALL SELECT seq, version, data, 0 FROM promptsales.base WHERE stream = s.no
        ORDER BY seq DESC, is_kept DESC LIMIT 1) AS h)
    SELECT 0 AS part, 0::int8 AS pos, seq AS seq, version, 0::int8, '', '', data, NULL::uuid, n AS n FROM held
    UNION ALL SELECT 1, e.pos, e.seq, e.version, e.at, e.name, e.origin, e.data, NULL, s.n
        FROM s LEFT JOIN held AS h ON h.n = s.n CROSS JOIN LATERAL (SELECT * FROM promptsales.event
            WHERE stream = s.no AND seq > coalesce(h.seq, 0) OFFSET 0) AS e
    UNION ALL SELECT 2, 0, i.no, 0, 0, '', '', i.outcome, i.message, s.n
        FROM s CROSS JOIN LATERAL (SELECT * FROM promptsales.inbox WHERE stream = s.no OFFSET 0) AS i
    UNION ALL SELECT 3, 0, 0, 0, f.at, '', '', '', NULL, h.n FROM held AS h CROSS JOIN LATERAL (
        SELECT created AS at FROM promptsales.base WHERE stream = h.no
        UNION ALL SELECT at FROM promptsales.event WHERE stream = h.no AND seq = 1 LIMIT 1) AS f
    UNION ALL SELECT 4, e.pos, e.seq, 0, e.at, '', '', '', NULL, h.n FROM held AS h CROSS JOIN LATERAL (
        SELECT pos, seq, at FROM promptsales.event WHERE stream = h.no AND seq = h.seq OFFSET 0) AS e
    ORDER BY n, part, seq";

/// 0 the base of the stream, where it lies behind what is asked for, 1 the events.
pub(super) const STREAM: &str = "WITH s AS MATERIALIZED (
        SELECT no FROM promptsales.stream WHERE uuid = $1 AND prefix = $2 AND tenant = $3)
    SELECT 0 AS part, 0::int8 AS pos, seq AS seq, version, at, '', '', data, created FROM promptsales.base
        WHERE stream = (SELECT no FROM s) AND seq - 1 > $4
    UNION ALL (SELECT 1, pos, seq, version, at, name, origin, data, 0 FROM promptsales.event
        WHERE stream = (SELECT no FROM s) AND seq > $4 ORDER BY seq LIMIT $5)
    ORDER BY part, seq";

pub(super) const LOG: &str =
    "SELECT 1, e.pos, e.seq, e.version, e.at, e.name, e.origin, e.data, s.tenant, s.prefix, s.uuid
    FROM (SELECT * FROM promptsales.event WHERE partition = $1 AND pos > $2 ORDER BY pos LIMIT $3) AS e
    JOIN promptsales.stream AS s ON s.no = e.stream ORDER BY e.pos";

pub(super) const OLDEST: &str = "SELECT birth, uuid FROM promptsales.stream
    WHERE tenant = $1 AND prefix = $2 AND birth > $3 AND birth < $4 ORDER BY birth LIMIT $5";

pub(super) const NEWEST: &str = "SELECT birth, uuid FROM promptsales.stream
    WHERE tenant = $1 AND prefix = $2 AND birth > $3 AND birth < $4 ORDER BY birth DESC LIMIT $5";

pub(super) const KEY: &str =
    "SELECT i.key, i.digest, i.first_seq, i.last_seq, i.outcome, s.tenant, s.prefix, s.uuid
    FROM promptsales.idem AS i JOIN promptsales.stream AS s ON s.no = i.stream WHERE i.key = $1";

pub(super) const TAKEN: &str = "SELECT i.key FROM promptsales.idem AS i WHERE i.key = ANY ($1)
    AND EXISTS (SELECT FROM promptsales.stream AS s WHERE s.no = i.stream)";

impl PostgresJournal {
    /// Runs a statement that only reads. It may be run twice.
    pub(super) async fn fetch(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Error> {
        self.check_open()?;
        match self.readers.query(sql, params).await {
            // A connection that was idle while the database was restarted fails at its next use.
            Err(super::error::Failure::Lost(_)) => Ok(self.readers.query(sql, params).await?),
            other => Ok(other?),
        }
    }

    /// Brings a stream to life, together with those that are asked for meanwhile.
    pub(super) async fn load_stream(&self, key: &StreamKey) -> Result<Loaded, Error> {
        self.wait_settled(Some(self.infos.last().partition_of(key))).await?;
        let together = |keys: Vec<StreamKey>| {
            async move {
                let loaded = self.load_streams(&keys).await;
                loaded.unwrap_or_else(|error| keys.iter().map(|_| Err(error.clone())).collect())
            }
            .boxed()
        };
        let loaded = self.loads.ask(key.clone(), together).await;
        loaded.unwrap_or_else(|| Err(corrupt("an answer", "it has not a row for each stream")))
    }

    async fn load_streams(&self, keys: &[StreamKey]) -> Result<Vec<Result<Loaded, Error>>, Error> {
        let uuids: Vec<Uuid> = keys.iter().map(|key| key.id.uuid()).collect();
        let prefixes: Vec<String> = keys.iter().map(|key| key.id.prefix().as_str().to_owned()).collect();
        let tenants: Vec<&str> = keys.iter().map(|key| key.tenant.as_str()).collect();
        let params: [Param<'_>; 3] =
            [(&uuids, Type::UUID_ARRAY), (&prefixes, Type::TEXT_ARRAY), (&tenants, Type::TEXT_ARRAY)];
        let rows = self.fetch(LOAD, &params).await?;
        let mut rows = rows.iter().peekable();
        let mut loaded = Vec::with_capacity(keys.len());
        for (key, place) in keys.iter().zip(1_i64..) {
            let of_key =
                std::iter::from_fn(|| rows.next_if(|row| get(row, 9).is_ok_and(|n: i64| n == place)));
            loaded.push(loaded_of(key, of_key.collect::<Vec<_>>()));
        }
        Ok(loaded)
    }

    pub(super) async fn stream_events(
        &self,
        key: &StreamKey,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Event>, Error> {
        self.wait_settled(Some(self.infos.last().partition_of(key))).await?;
        let (uuid, prefix, tenant) = (key.id.uuid(), key.id.prefix(), key.tenant.as_str());
        let (prefix, from, limit) = (prefix.as_str(), int(after), size(limit));
        let params: [Param<'_>; 5] = [
            (&uuid, Type::UUID),
            (&prefix, Type::TEXT),
            (&tenant, Type::TEXT),
            (&from, Type::INT8),
            (&limit, Type::INT8),
        ];
        let rows = self.fetch(STREAM, &params).await?;
        if let Some(row) = rows.first().filter(|row| get::<i32>(row, 0).is_ok_and(|part| part == 0)) {
            return Err(base(row)?.trimmed(key));
        }
        let events: Vec<_> = rows.iter().map(|row| event(row, key.clone())).collect::<Result<_, _>>()?;
        check_gap_free(key, after, &events)?;
        Ok(events)
    }

    pub(super) async fn log_events(
        &self,
        partition: PartitionId,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Event>, Error> {
        self.wait_settled(Some(partition)).await?;
        let (id, after, limit) = (partition.cast_signed(), int(after), size(limit));
        let params: [Param<'_>; 3] = [(&id, Type::INT4), (&after, Type::INT8), (&limit, Type::INT8)];
        let rows = self.fetch(LOG, &params).await?;
        rows.iter().map(|row| event(row, stream_key(row, 8)?)).collect()
    }

    pub(super) async fn kind_page(
        &self,
        tenant: &TenantId,
        prefix: Prefix,
        (above, below): (u64, u64),
        newest_first: bool,
        limit: usize,
    ) -> Result<StreamPage, Error> {
        self.wait_settled(None).await?;
        let (kind, whose, limit) = (prefix.as_str(), tenant.as_str(), size(limit));
        let (above, below) = (int(above), int(below));
        let params: [Param<'_>; 5] = [
            (&whose, Type::TEXT),
            (&kind, Type::TEXT),
            (&above, Type::INT8),
            (&below, Type::INT8),
            (&limit, Type::INT8),
        ];
        let rows = self.fetch(if newest_first { NEWEST } else { OLDEST }, &params).await?;
        let stream = |row: &Row| {
            let id = StreamId::new(prefix, get(row, 1)?);
            Ok((StreamKey::new(tenant.clone(), id), uint(row, 0)?))
        };
        Ok(StreamPage { streams: rows.iter().map(stream).collect::<Result<_, Error>>()? })
    }

    pub(super) async fn keys_taken(&self, keys: &[KeyHash]) -> Result<HashSet<KeyHash>, Error> {
        self.wait_settled(None).await?;
        let wanted: Vec<&[u8]> = keys.iter().map(KeyHash::as_slice).collect();
        let rows = self.fetch(TAKEN, &[(&wanted, Type::BYTEA_ARRAY)]).await?;
        rows.iter().map(|row| hash(row, 0)).collect()
    }

    pub(super) async fn key_record(&self, key: &KeyHash) -> Result<Option<KeyRecord>, Error> {
        self.wait_settled(None).await?;
        let rows = self.fetch(KEY, &[(&key.as_slice(), Type::BYTEA)]).await?;
        rows.first().map(key_record).transpose()
    }
}

/// Puts a stream together of its rows in [`LOAD`].
fn loaded_of(key: &StreamKey, rows: Vec<&Row>) -> Result<Loaded, Error> {
    let mut loaded = Loaded::default();
    for row in rows {
        match get::<i32>(row, 0)? {
            0 => loaded.snapshot = Some(snapshot(row)?),
            1 => loaded.events.push(event(row, key.clone())?),
            2 => {
                let id = MessageId::from_uuid(get(row, 8)?);
                loaded.received.push(Received { id, outcome: json(row, 7)? });
            }
            3 => loaded.created_at = Some(time(row, 4)?),
            _ => loaded.last = Some((uint(row, 1)?, time(row, 4)?)),
        }
    }
    let seen = loaded.snapshot.as_ref().map_or(0, |snapshot| snapshot.seq);
    check_gap_free(key, seen, &loaded.events)?;
    loaded.head = seen + loaded.events.len() as u64;
    loaded.note_ends();
    Ok(loaded)
}

fn check_gap_free(key: &StreamKey, after: Seq, events: &[Event]) -> Result<(), Error> {
    let is_gap_free = events.iter().zip(after.saturating_add(1)..).all(|(event, seq)| event.seq == seq);
    if is_gap_free { Ok(()) } else { Err(corrupt("the log", format!("it misses events of {key}"))) }
}

fn version(row: &Row) -> Result<u16, Error> {
    u16::try_from(get::<i32>(row, 3)?).map_err(|error| corrupt("a stored version", error))
}

fn event(row: &Row, stream: StreamKey) -> Result<Event, Error> {
    let name: String = get(row, 5)?;
    let origin = read_origin(get(row, 6)?)?;
    let body = NewEvent { name: name.into(), version: version(row)?, data: body(row, 7)?, origin };
    Ok(Event { position: uint(row, 1)?, stream, seq: uint(row, 2)?, at: time(row, 4)?, body })
}

/// Reads a base, whose columns stand as an event's do.
pub(super) fn base(row: &Row) -> Result<Base, Error> {
    Ok(Base { snapshot: snapshot(row)?, created_at: time(row, 8)?, at: time(row, 4)? })
}

pub(super) fn snapshot(row: &Row) -> Result<Snapshot, Error> {
    Ok(Snapshot { seq: uint(row, 2)?, version: version(row)?, data: body(row, 7)? })
}

fn hash(row: &Row, index: usize) -> Result<[u8; 16], Error> {
    let bytes: &[u8] = get(row, index)?;
    bytes.try_into().map_err(|_| corrupt("an idempotency key", "it has not 16 bytes"))
}

pub(super) fn key_record(row: &Row) -> Result<KeyRecord, Error> {
    let (first, last): (Option<i64>, Option<i64>) = (get(row, 2)?, get(row, 3)?);
    Ok(KeyRecord {
        key: hash(row, 0)?,
        digest: hash(row, 1)?,
        stream: stream_key(row, 5)?,
        range: first.zip(last).map(|(first, last)| (first.unsigned_abs(), last.unsigned_abs())),
        outcome: json(row, 4)?,
    })
}
