//! Reading: rows of the file, found through the tail and the index.
//!
//! The tail is asked before the index, as things move from the tail into the index and never back.

use std::collections::BTreeMap;

use futures_util::FutureExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::sqlite::SqliteRow;
use sqlx::{Executor, Row, SqliteConnection};
use uuid::Uuid;

use super::SqliteJournal;
use super::error::{corrupt, unavailable};
use super::rows::{array, write_row};
use super::writer::BoundQuery;
use crate::clock::Timestamp;
use crate::id::{Prefix, StreamId, StreamKey, TenantId};
use crate::journal::plan::read_origin;
use crate::journal::{
    Error, Event, Json, Loaded, MessageId, NewEvent, Position, Received, Seq, Snapshot, StreamPage,
};

/// The events of one stream: those that the index knows, and those whose positions are given.
const STREAM_SQL: &str = "WITH found(pos) AS (
        SELECT pos FROM (SELECT pos FROM idx.event WHERE stream = ?1 AND seq > ?2 ORDER BY seq LIMIT ?4)
        UNION SELECT value FROM jsonb_each(?3))
    SELECT e.pos, e.seq, e.version, e.at, e.name, e.origin, e.data
    FROM found CROSS JOIN main.event AS e ON e.pos = found.pos WHERE e.stream = ?1
    ORDER BY e.pos LIMIT ?4";

impl SqliteJournal {
    /// Brings a stream to life, together with those that are asked for meanwhile.
    pub(super) async fn load_stream(&self, key: &StreamKey) -> Result<Loaded, Error> {
        self.wait_settled().await?;
        let together = |keys: Vec<StreamKey>| {
            async move {
                let loaded = self.try_load(&keys).await;
                loaded.unwrap_or_else(|error| keys.iter().map(|_| Err(error.clone())).collect())
            }
            .boxed()
        };
        let loaded = self.loads.ask(key.clone(), together).await;
        let loaded = loaded.unwrap_or_else(|| Err(unavailable("the journal", "it has been closed")));
        if matches!(loaded, Err(Error::Corrupt { .. })) {
            // The view of the index is not the view of the file: events may have been trimmed between the two.
            return self.try_load(std::slice::from_ref(key)).await?.pop().unwrap_or(loaded);
        }
        loaded
    }

    /// Loads some streams in one view, each for itself.
    async fn try_load(&self, keys: &[StreamKey]) -> Result<Vec<Result<Loaded, Error>>, Error> {
        loop {
            self.wait_settled().await?;
            let mut reader = self.readers.get().await?;
            // Found before the view begins: within it the index must not be read before the tail is.
            let mut numbers = Vec::with_capacity(keys.len());
            for key in keys {
                numbers.push(self.find_stream(&mut reader, key).await?);
            }
            if numbers.iter().all(Option::is_none) {
                reader.done();
                return Ok(keys.iter().map(|_| Ok(Loaded::default())).collect());
            }
            let view = self.views.read().await;
            reader.execute("BEGIN").await?;
            let pos: i64 =
                sqlx::query_scalar("SELECT pos FROM main.partition").fetch_one(&mut *reader).await?;
            let upto = pos.unsigned_abs();
            if self.tail.mark().pos >= upto {
                let mut loaded = Vec::with_capacity(keys.len());
                for (key, no) in keys.iter().zip(&numbers) {
                    loaded.push(match no {
                        Some(no) => match self.load_view(&mut reader, key, *no, upto).await {
                            Err(error) if !matches!(error, Error::Corrupt { .. }) => return Err(error),
                            loaded => loaded,
                        },
                        None => Ok(Loaded::default()),
                    });
                }
                reader.execute("COMMIT").await?;
                reader.done();
                return Ok(loaded);
            }
            // The append that went further has committed and will say so in a moment.
            reader.execute("COMMIT").await?;
            reader.done();
            drop(view);
            let mut writer = self.writer.lock().await;
            self.settle(&mut writer).await?;
        }
    }

    pub(super) async fn stream_events(
        &self,
        key: &StreamKey,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Event>, Error> {
        match self.try_stream_events(key, after, limit).await {
            // It was forgotten between two looks: then nothing of it is found any more.
            Err(Error::Corrupt { .. }) => self.try_stream_events(key, after, limit).await,
            read => read,
        }
    }

    async fn try_stream_events(
        &self,
        key: &StreamKey,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Event>, Error> {
        self.wait_settled().await?;
        let mut reader = self.readers.get().await?;
        let events = match self.find_stream(&mut reader, key).await? {
            Some(no) => {
                let events = self.events_of(&mut reader, key, no, (after, Position::MAX), limit).await?;
                // Behind the events: what was deleted meanwhile has left a base.
                let base = self.base_of(&mut reader, no).await?;
                if let Some(base) = base.filter(|base| base.snapshot.seq - 1 > after) {
                    reader.done();
                    return Err(base.trimmed(key));
                }
                check_gap_free(key, after, &events)?;
                events
            }
            None => Vec::new(),
        };
        reader.done();
        Ok(events)
    }

    pub(super) async fn log_events(&self, after: Position, limit: usize) -> Result<Vec<Event>, Error> {
        const SQL: &str =
            "SELECT e.pos, e.seq, e.version, e.at, e.name, e.origin, e.data, s.tenant, s.prefix, s.uuid
            FROM main.event AS e CROSS JOIN main.stream AS s ON s.no = e.stream
            WHERE e.pos > ?1 ORDER BY e.pos LIMIT ?2";
        let rows = self.fetch(sqlx::query(SQL).bind(int(after)).bind(size(limit))).await?;
        rows.iter().map(|row| event(row, stream_key(row, 7)?)).collect()
    }

    pub(super) async fn kind_page(
        &self,
        tenant: &TenantId,
        prefix: Prefix,
        (above, below): (Position, Position),
        newest_first: bool,
        limit: usize,
    ) -> Result<StreamPage, Error> {
        const OLDEST: &str =
            "SELECT k.first_pos, s.uuid FROM idx.kind AS k CROSS JOIN main.stream AS s ON s.no = k.stream
            WHERE k.tenant = ?1 AND k.prefix = ?2 AND k.first_pos > ?3 AND k.first_pos < ?4
            ORDER BY k.first_pos LIMIT ?5";
        const NEWEST: &str =
            "SELECT k.first_pos, s.uuid FROM idx.kind AS k CROSS JOIN main.stream AS s ON s.no = k.stream
            WHERE k.tenant = ?1 AND k.prefix = ?2 AND k.first_pos > ?3 AND k.first_pos < ?4
            ORDER BY k.first_pos DESC LIMIT ?5";
        self.wait_settled().await?;
        let (kind, between) = ((tenant, prefix), (above, below));
        let key = |(pos, id): (Position, StreamId)| (StreamKey::new(tenant.clone(), id), pos);
        let mut held = None;
        let in_memory = if newest_first {
            let found = self.tail.newest(kind, between, limit);
            if found.is_whole {
                return Ok(StreamPage { streams: found.streams.into_iter().map(key).collect() });
            }
            held = Some(found.held);
            found.streams
        } else {
            self.tail.oldest(kind, between, limit)
        };
        let query = sqlx::query(if newest_first { NEWEST } else { OLDEST })
            .bind(tenant.as_str().to_owned())
            .bind(prefix.as_str().to_owned())
            .bind(int(above))
            .bind(int(below))
            .bind(size(limit));
        let rows = self.fetch(query).await?;
        let stored = rows.iter().map(|row| Ok((uint(row, 0)?, StreamId::new(prefix, uuid(row, 1)?))));
        let stored = stored.collect::<Result<Vec<_>, Error>>()?;
        if let Some(held) = held.filter(|_| (above, below) == (0, Position::MAX)) {
            self.tail.learn(kind, &stored, stored.len() < limit, held);
        }
        let found: BTreeMap<Position, StreamId> = in_memory.into_iter().chain(stored).collect();
        let streams = if newest_first {
            found.into_iter().rev().take(limit).map(key).collect()
        } else {
            found.into_iter().take(limit).map(key).collect()
        };
        Ok(StreamPage { streams })
    }

    /// Fetches the rows of one statement, which is one consistent view.
    pub(super) async fn fetch(&self, query: BoundQuery) -> Result<Vec<SqliteRow>, Error> {
        self.wait_settled().await?;
        let mut reader = self.readers.get().await?;
        let rows = query.fetch_all(&mut *reader).await?;
        reader.done();
        Ok(rows)
    }

    async fn load_view(
        &self,
        reader: &mut SqliteConnection,
        key: &StreamKey,
        no: u64,
        upto: Position,
    ) -> Result<Loaded, Error> {
        // A base is of use where somebody has kept an older state since.
        const NEWEST: &str = "SELECT seq, version, data, 1 AS is_kept FROM main.snapshot WHERE stream = ?1
            UNION ALL SELECT seq, version, data, 0 FROM main.base WHERE stream = ?1
            ORDER BY seq DESC, is_kept DESC LIMIT 1";
        let query = sqlx::query(NEWEST).bind(int(no));
        let snapshot = query.fetch_optional(&mut *reader).await?.as_ref().map(snapshot).transpose()?;
        let seen = snapshot.as_ref().map_or(0, |snapshot| snapshot.seq);
        let events = self.events_of(reader, key, no, (seen, upto), usize::MAX).await?;
        check_gap_free(key, seen, &events)?;
        let query = sqlx::query("SELECT message, outcome FROM main.inbox WHERE stream = ?1 ORDER BY id");
        let rows = query.bind(int(no)).fetch_all(&mut *reader).await?;
        let received = rows.iter().map(received).collect::<Result<_, _>>()?;
        let head = seen + events.len() as u64;
        let mut loaded = Loaded { snapshot, events, head, received, ..Loaded::default() };
        loaded.note_ends();
        if loaded.last.is_none() && head > 0 {
            // The snapshot holds the last event too, and knows neither its place nor its time.
            let last = self.events_of(reader, key, no, (head - 1, upto), 1).await?;
            loaded.last = last.first().map(|event| (event.position, event.at));
        }
        if loaded.created_at.is_none() && head > 0 {
            loaded.created_at = match self.base_of(reader, no).await? {
                Some(base) => Some(base.created_at),
                None => self.events_of(reader, key, no, (0, upto), 1).await?.first().map(|event| event.at),
            };
        }
        Ok(loaded)
    }

    async fn events_of(
        &self,
        reader: &mut SqliteConnection,
        key: &StreamKey,
        no: u64,
        (after, upto): (Seq, Position),
        limit: usize,
    ) -> Result<Vec<Event>, Error> {
        let positions = rows_text(self.tail.positions(no, after, upto, limit));
        let query = sqlx::query(STREAM_SQL).bind(int(no)).bind(int(after)).bind(positions).bind(size(limit));
        let rows = query.fetch_all(&mut *reader).await?;
        rows.iter().map(|row| event(row, key.clone())).collect()
    }

    pub(super) async fn find_stream(
        &self,
        reader: &mut SqliteConnection,
        key: &StreamKey,
    ) -> Result<Option<u64>, Error> {
        const SQL: &str = "SELECT no FROM idx.stream WHERE uuid = ?1 AND prefix = ?2 AND tenant = ?3";
        if let Some(no) = self.tail.number(key) {
            return Ok(Some(no));
        }
        let query = sqlx::query(SQL)
            .bind(key.id.uuid().as_bytes().to_vec())
            .bind(key.id.prefix().as_str().to_owned())
            .bind(key.tenant.as_str().to_owned());
        query.fetch_optional(reader).await?.map(|row| uint(&row, 0)).transpose()
    }
}

fn check_gap_free(key: &StreamKey, after: Seq, events: &[Event]) -> Result<(), Error> {
    let is_gap_free = events.iter().zip(after.saturating_add(1)..).all(|(event, seq)| event.seq == seq);
    if is_gap_free { Ok(()) } else { Err(corrupt("the index", format!("it misses events of {key}"))) }
}

fn event(row: &SqliteRow, stream: StreamKey) -> Result<Event, Error> {
    let version: i64 = row.try_get(2)?;
    let name: String = row.try_get(4)?;
    Ok(Event {
        position: uint(row, 0)?,
        stream,
        seq: uint(row, 1)?,
        at: time(row, 3)?,
        body: NewEvent {
            name: name.into(),
            version: u16::try_from(version).map_err(|error| corrupt("an event's version", error))?,
            data: body(row, 6)?,
            origin: read_origin(row.try_get(5)?)?,
        },
    })
}

pub(super) fn snapshot(row: &SqliteRow) -> Result<Snapshot, Error> {
    let version: i64 = row.try_get(1)?;
    Ok(Snapshot {
        seq: uint(row, 0)?,
        version: u16::try_from(version).map_err(|error| corrupt("a snapshot's version", error))?,
        data: body(row, 2)?,
    })
}

pub(super) fn received(row: &SqliteRow) -> Result<Received, Error> {
    Ok(Received { id: MessageId::from_uuid(uuid(row, 0)?), outcome: json(row, 1)? })
}

/// Reads tenant, prefix and UUID from three columns on.
pub(super) fn stream_key(row: &SqliteRow, from: usize) -> Result<StreamKey, Error> {
    let tenant: &str = row.try_get(from)?;
    let tenant = tenant.parse().map_err(|error| corrupt("a stream's tenant", error))?;
    Ok(StreamKey::new(tenant, stream_id(row, from + 1)?))
}

/// Reads prefix and UUID from two columns on.
pub(super) fn stream_id(row: &SqliteRow, from: usize) -> Result<StreamId, Error> {
    let prefix: &str = row.try_get(from)?;
    let prefix = prefix.parse().map_err(|error| corrupt("a stream's prefix", error))?;
    Ok(StreamId::new(prefix, uuid(row, from + 1)?))
}

pub(super) fn uuid(row: &SqliteRow, index: usize) -> Result<Uuid, Error> {
    Uuid::from_slice(row.try_get(index)?).map_err(|error| corrupt("a stored UUID", error))
}

pub(super) fn time(row: &SqliteRow, index: usize) -> Result<Timestamp, Error> {
    Ok(Timestamp::from_ms(row.try_get(index)?))
}

pub(super) fn body(row: &SqliteRow, index: usize) -> Result<Json, Error> {
    Json::from_text(row.try_get(index)?).map_err(|error| corrupt("stored JSON", error))
}

pub(super) fn json<T: DeserializeOwned>(row: &SqliteRow, index: usize) -> Result<T, Error> {
    let text: &str = row.try_get(index)?;
    serde_json::from_str(text).map_err(|error| corrupt("stored JSON", error))
}

/// Reads a number that is never negative.
pub(super) fn uint(row: &SqliteRow, index: usize) -> Result<u64, Error> {
    let number: i64 = row.try_get(index)?;
    u64::try_from(number).map_err(|error| corrupt("a stored number", error))
}

/// A number as SQLite has it; what is beyond its range stands for "no bound".
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn size(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Writes values as the text of a JSON array.
pub(super) fn rows_text<T: Serialize>(values: impl IntoIterator<Item = T>) -> String {
    array(values, |value, text| write_row(&value, text))
}
