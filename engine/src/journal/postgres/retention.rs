//! Trimming: a snapshot becomes a stream's base, and the events before it go. Each piece is one statement.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::PostgresJournal;
use super::error::corrupt;
use super::read::base;
use super::row::{get, int, size, stream_key, uint};
use super::session::Param;
use crate::id::{Prefix, StreamKey};
use crate::journal::{Age, Base, Error, OldStreams, PartitionId};

pub(super) const BASE: &str = "SELECT 0, 0::int8, b.seq, b.version, b.at, '', '', b.data, b.created
    FROM promptsales.base AS b
    WHERE b.stream = (SELECT no FROM promptsales.stream WHERE uuid = $1 AND prefix = $2 AND tenant = $3)";

/// Raises the base to the newest snapshot, and deletes some events before it, the earliest first.
pub(super) const TRIM: &str = "WITH s AS MATERIALIZED (
        SELECT no FROM promptsales.stream WHERE uuid = $1 AND prefix = $2 AND tenant = $3),
    old AS MATERIALIZED (SELECT b.* FROM promptsales.base AS b WHERE b.stream = (SELECT no FROM s)),
    held AS MATERIALIZED (SELECT h.*, e.at, coalesce((SELECT created FROM old),
            (SELECT f.at FROM promptsales.event AS f WHERE f.stream = h.stream AND f.seq = 1)) AS created
        FROM promptsales.snapshot AS h JOIN promptsales.event AS e ON e.stream = h.stream AND e.seq = h.seq
        WHERE h.stream = (SELECT no FROM s) AND h.seq > greatest(1, (SELECT seq FROM old))),
    raised AS (INSERT INTO promptsales.base AS b (stream, seq, created, at, version, prefix, data)
        SELECT stream, seq, created, at, version, $2, data FROM held
        ON CONFLICT (stream) DO UPDATE SET seq = excluded.seq, at = excluded.at, version = excluded.version,
            data = excluded.data WHERE b.seq < excluded.seq
        RETURNING b.seq),
    gone AS (DELETE FROM promptsales.event WHERE stream = (SELECT no FROM s) AND seq IN (
        SELECT seq FROM promptsales.event WHERE stream = (SELECT no FROM s)
            AND seq < coalesce((SELECT seq FROM raised), (SELECT seq FROM old)) ORDER BY seq LIMIT $4) RETURNING seq)
    SELECT count(*) FROM gone";

/// Looks at some streams of a partition, whose numbers lie between two, for those of a kind that have some age.
pub(super) const OLD: &str = "WITH page AS MATERIALIZED (
        SELECT no, tenant, prefix, uuid FROM promptsales.stream WHERE no > $1 AND no < $2 ORDER BY no LIMIT $3)
    SELECT p.no, p.tenant, p.prefix, p.uuid, coalesce(l.at < $6 OR l.at < $5 AND EXISTS (
            SELECT FROM promptsales.event AS e WHERE e.stream = p.no AND e.seq < l.seq), false)
    FROM page AS p LEFT JOIN LATERAL (SELECT seq, at FROM promptsales.event AS e WHERE e.stream = p.no
        ORDER BY seq DESC LIMIT 1) AS l ON p.prefix = $4
    ORDER BY p.no";

pub(super) const SHAPES: &str =
    "SELECT DISTINCT prefix, version FROM promptsales.base ORDER BY prefix, version";

impl PostgresJournal {
    pub(super) async fn read_base(&self, key: &StreamKey) -> Result<Option<Base>, Error> {
        let (uuid, prefix, tenant) = (key.id.uuid(), key.id.prefix(), key.tenant.as_str());
        let prefix = prefix.as_str();
        let params: [Param<'_>; 3] = [(&uuid, Type::UUID), (&prefix, Type::TEXT), (&tenant, Type::TEXT)];
        self.fetch(BASE, &params).await?.first().map(base).transpose()
    }

    pub(super) async fn trim_stream(&self, key: &StreamKey, limit: usize) -> Result<usize, Error> {
        self.check_open()?;
        let (uuid, prefix, tenant) = (key.id.uuid(), key.id.prefix(), key.tenant.as_str());
        let (prefix, limit) = (prefix.as_str(), size(limit));
        let params: [Param<'_>; 4] =
            [(&uuid, Type::UUID), (&prefix, Type::TEXT), (&tenant, Type::TEXT), (&limit, Type::INT8)];
        let rows = self.readers.query(TRIM, &params).await?;
        let gone = rows.first().map_or(Ok(0), |row| uint(row, 0))?;
        usize::try_from(gone).map_err(|error| corrupt("a count", error))
    }

    pub(super) async fn find_old(
        &self,
        partition: PartitionId,
        prefix: Prefix,
        age: Age,
        after: u64,
        limit: usize,
    ) -> Result<OldStreams, Error> {
        let Some(desk) = self.desks.get(&partition) else { return Ok(OldStreams::default()) };
        let range = desk.numbers();
        let (kind, from) = (prefix.as_str(), int(after.max(range.start)));
        let (trim, forget) = age.bounds();
        let (to, count) = (int(range.end), size(limit));
        let params: [Param<'_>; 6] = [
            (&from, Type::INT8),
            (&to, Type::INT8),
            (&count, Type::INT8),
            (&kind, Type::TEXT),
            (&trim, Type::INT8),
            (&forget, Type::INT8),
        ];
        let rows = self.fetch(OLD, &params).await?;
        let mut old = OldStreams::default();
        for row in &rows {
            if get(row, 4)? {
                old.streams.push(stream_key(row, 1)?);
            }
            old.next = Some(uint(row, 0)?).filter(|_| rows.len() >= limit);
        }
        Ok(old)
    }

    pub(super) async fn find_base_shapes(&self) -> Result<Vec<(Prefix, u16)>, Error> {
        let shape = |row: &Row| {
            let prefix = get::<&str>(row, 0)?.parse().map_err(|error| corrupt("a base's prefix", error))?;
            let version = u16::try_from(get::<i32>(row, 1)?);
            Ok((prefix, version.map_err(|error| corrupt("a base's version", error))?))
        };
        self.fetch(SHAPES, &[]).await?.iter().map(shape).collect()
    }
}
