//! Trimming: a snapshot becomes a stream's base, and the events before it go, a piece in each transaction.

use sqlx::sqlite::SqliteRow;
use sqlx::{Executor, Row};

use super::SqliteJournal;
use super::error::corrupt;
use super::read::{int, rows_text, size, snapshot, stream_key, time, uint};
use super::writer::Unsettled;
use crate::clock::Timestamp;
use crate::id::{Prefix, StreamKey};
use crate::journal::{Age, Base, Error, OldStreams, Position, Seq};

/// How often what a commit left in memory is merged before a stream is given up for now: others may be merging too.
const MERGES: usize = 2;

/// The base that a stream could have: of its newest snapshot.
struct Wanted {
    base: Base,
    first: Position,
}

impl SqliteJournal {
    pub(super) async fn read_base(&self, key: &StreamKey) -> Result<Option<Base>, Error> {
        self.wait_settled().await?;
        let mut reader = self.readers.get().await?;
        let base = match self.find_stream(&mut reader, key).await? {
            Some(no) => self.base_of(&mut reader, no).await?,
            None => None,
        };
        reader.done();
        Ok(base)
    }

    /// Reads the base of a stream by its number.
    pub(super) async fn base_of(
        &self,
        reader: &mut sqlx::SqliteConnection,
        no: u64,
    ) -> Result<Option<Base>, Error> {
        const SQL: &str = "SELECT seq, version, data, created, at FROM main.base WHERE stream = ?1";
        let row = sqlx::query(SQL).bind(int(no)).fetch_optional(reader).await?;
        let base = |row: &SqliteRow| {
            Ok(Base { snapshot: snapshot(row)?, created_at: time(row, 3)?, at: time(row, 4)? })
        };
        row.as_ref().map(base).transpose()
    }

    pub(super) async fn trim_stream(&self, key: &StreamKey, limit: usize) -> Result<usize, Error> {
        self.wait_settled().await?;
        let mut reader = self.readers.get().await?;
        let found = self.find_stream(&mut reader, key).await?;
        reader.done();
        let Some(no) = found else { return Ok(0) };
        // What is deleted must be in the index, as that is filled from what is there.
        for _ in 0..MERGES {
            if self.tail.last(no).is_some() {
                self.merge().await?;
            }
        }
        if self.tail.last(no).is_some() {
            return Ok(0);
        }
        let mut reader = self.readers.get().await?;
        let old = self.base_of(&mut reader, no).await?;
        reader.done();
        let wanted = self.wanted_base(no, old.as_ref()).await?;
        let below = wanted.as_ref().map(|wanted| &wanted.base).or(old.as_ref()).map(|base| base.snapshot.seq);
        let Some(below) = below else { return Ok(0) };
        self.delete_events(key, no, wanted.as_ref(), below, limit).await
    }

    /// The base that the newest snapshot makes, where that is newer than the one there is.
    async fn wanted_base(&self, no: u64, old: Option<&Base>) -> Result<Option<Wanted>, Error> {
        const SQL: &str = "SELECT n.seq, n.version, n.data, l.at, f.pos, f.at
            FROM main.snapshot AS n CROSS JOIN idx.event AS i ON i.stream = n.stream AND i.seq = n.seq
            CROSS JOIN main.event AS l ON l.pos = i.pos
            LEFT JOIN idx.event AS j ON j.stream = n.stream AND j.seq = 1 LEFT JOIN main.event AS f ON f.pos = j.pos
            WHERE n.stream = ?1 AND n.seq > ?2";
        let least = old.map_or(1, |base| base.snapshot.seq);
        let rows = self.fetch(sqlx::query(SQL).bind(int(no)).bind(int(least))).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let first: (Option<i64>, Option<i64>) = (row.try_get(4)?, row.try_get(5)?);
        let (first, created_at) = match (first, old) {
            ((Some(pos), Some(at)), _) => (pos.unsigned_abs(), Timestamp::from_ms(at)),
            (_, Some(old)) => (0, old.created_at),
            _ => return Err(corrupt("the index", format!("it misses the beginning of stream {no}"))),
        };
        Ok(Some(Wanted { base: Base { snapshot: snapshot(row)?, created_at, at: time(row, 3)? }, first }))
    }

    async fn delete_events(
        &self,
        key: &StreamKey,
        no: u64,
        wanted: Option<&Wanted>,
        below: Seq,
        limit: usize,
    ) -> Result<usize, Error> {
        const FOUND: &str =
            "SELECT seq, pos FROM idx.event WHERE stream = ?1 AND seq < ?2 ORDER BY seq LIMIT ?3";
        // Where there is a base already it knows where the stream began.
        const BASE: &str = "INSERT INTO base (stream, prefix, seq, version, data, created, at, first_pos)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (stream) DO UPDATE SET
            seq = excluded.seq, version = excluded.version, data = excluded.data, at = excluded.at
            WHERE excluded.seq > base.seq";
        const DELETE: &str =
            "DELETE FROM event WHERE pos IN (SELECT value FROM jsonb_each(?1)) AND stream = ?2";
        let rows = self.fetch(sqlx::query(FOUND).bind(int(no)).bind(int(below)).bind(size(limit))).await?;
        let number = |index| rows.iter().map(move |row| uint(row, index)).collect::<Result<Vec<_>, _>>();
        let (seqs, positions) = (number(0)?, number(1)?);
        if positions.is_empty() {
            return Ok(0);
        }
        let mut writer = self.writer.lock().await;
        self.settle(&mut writer).await?;
        let guard = Unsettled::unless_disarmed(&self.unsettled);
        let conn = writer.conn().await?;
        conn.execute("BEGIN IMMEDIATE").await?;
        if let Some(Wanted { base, first }) = wanted {
            let query = sqlx::query(BASE).bind(int(no)).bind(key.id.prefix().as_str().to_owned());
            let query = query.bind(int(base.snapshot.seq)).bind(i64::from(base.snapshot.version));
            let query = query.bind(base.snapshot.data.text().to_owned()).bind(base.created_at.ms());
            query.bind(base.at.ms()).bind(int(*first)).execute(&mut *conn).await?;
        }
        sqlx::query(DELETE).bind(rows_text(positions)).bind(int(no)).execute(&mut *conn).await?;
        conn.execute("COMMIT").await?;
        guard.disarm();
        drop(writer);
        self.unindex_events(no, &seqs).await?;
        Ok(seqs.len())
    }

    /// Takes events out of the index whose rows are gone. What is missed here does no harm: it leads to no row.
    async fn unindex_events(&self, no: u64, seqs: &[Seq]) -> Result<(), Error> {
        const SQL: &str = "DELETE FROM event WHERE stream = ?1 AND seq IN (SELECT value FROM jsonb_each(?2))";
        let mut index = self.index.lock().await;
        let Some(conn) = index.as_mut() else { return Ok(()) };
        sqlx::query(SQL).bind(int(no)).bind(rows_text(seqs)).execute(conn).await?;
        Ok(())
    }

    pub(super) async fn find_old(
        &self,
        prefix: Prefix,
        age: Age,
        after: u64,
        limit: usize,
    ) -> Result<OldStreams, Error> {
        const SQL: &str = "SELECT s.no, s.tenant, s.prefix, s.uuid, s.prefix = ?3 AND coalesce((
                SELECT e.at < ?5 OR e.at < ?4 AND (SELECT min(seq) FROM idx.event WHERE stream = s.no) < i.seq
                FROM idx.event AS i CROSS JOIN main.event AS e ON e.pos = i.pos
                WHERE i.stream = s.no ORDER BY i.seq DESC LIMIT 1), false)
            FROM main.stream AS s WHERE s.no > ?1 ORDER BY s.no LIMIT ?2";
        if after == 0 && self.tail.len() > 0 {
            // Old events of a store that is little used may be there alone.
            self.merge().await?;
        }
        let (trim, forget) = age.bounds();
        let query = sqlx::query(SQL).bind(int(after)).bind(size(limit)).bind(prefix.as_str().to_owned());
        let rows = self.fetch(query.bind(trim).bind(forget)).await?;
        let mut old = OldStreams::default();
        for row in &rows {
            let no = uint(row, 0)?;
            // What has events in memory has had them lately.
            if row.try_get(4)? && self.tail.last(no).is_none() {
                old.streams.push(stream_key(row, 1)?);
            }
            old.next = Some(no).filter(|_| rows.len() >= limit);
        }
        Ok(old)
    }

    pub(super) async fn find_base_shapes(&self) -> Result<Vec<(Prefix, u16)>, Error> {
        const SQL: &str = "SELECT DISTINCT prefix, version FROM main.base ORDER BY prefix, version";
        let shape = |row: &SqliteRow| {
            let prefix: &str = row.try_get(0)?;
            let version: i64 = row.try_get(1)?;
            let prefix = prefix.parse().map_err(|error| corrupt("a base's prefix", error))?;
            Ok((prefix, u16::try_from(version).map_err(|error| corrupt("a base's version", error))?))
        };
        self.fetch(sqlx::query(SQL)).await?.iter().map(shape).collect()
    }
}
