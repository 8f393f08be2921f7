//! The index over what entities are, in the same database. See [`Index`].
//!
//! Each step of a write is one statement, guarded by the partition's row, and may be repeated: the mark moves last. The
//! steps before it do not wait for the disk (`synchronous_commit` is off for each statement by itself, which is no state
//! of the session): what the database loses of them in a crash, it loses together with the mark.

use async_trait::async_trait;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::PostgresJournal;
use super::row::{get, uint};
use super::session::Param;
use crate::id::{StreamId, StreamKey};
use crate::journal::{Error, Fence, Info, PartitionId, Position};
use crate::projection::index::{Bound, Change, Index, Query, Search, changes_text};

/// What the tables' names begin with.
const TABLES: &str = "promptsales.search_";

pub(super) const MARK: &str =
    "SELECT position FROM promptsales.search_mark WHERE partition = $1 AND history = $2";

pub(super) const KIND: &str = "SELECT no FROM promptsales.search_kind WHERE tenant = $1 AND prefix = $2";

pub(super) const KINDS: &str =
    "WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)),
    owner AS MATERIALIZED (SELECT FROM promptsales.partition, quick
        WHERE id = $2 AND epoch = $3 AND incarnation = $4)
    INSERT INTO promptsales.search_kind (tenant, prefix)
    SELECT DISTINCT c ->> 0, c ->> 1 FROM jsonb_array_elements($1::jsonb) AS c
    WHERE EXISTS (SELECT FROM owner) AND NOT EXISTS (
        SELECT FROM promptsales.search_kind AS k WHERE k.tenant = c ->> 0 AND k.prefix = c ->> 1)
    ON CONFLICT DO NOTHING";

pub(super) const ENTRIES: &str =
    "WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)),
    owner AS MATERIALIZED (SELECT FROM promptsales.partition, quick
        WHERE id = $2 AND epoch = $3 AND incarnation = $4)
    INSERT INTO promptsales.search_entry (kind, uuid)
    SELECT k.no, (c.value ->> 2)::uuid FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS c(value, place)
    JOIN promptsales.search_kind AS k ON k.tenant = c.value ->> 0 AND k.prefix = c.value ->> 1
    LEFT JOIN LATERAL (SELECT no FROM promptsales.search_entry AS e
        WHERE e.uuid = (c.value ->> 2)::uuid AND e.kind = k.no OFFSET 0) AS known ON true
    WHERE c.value -> 3 <> 'null' AND known.no IS NULL AND EXISTS (SELECT FROM owner)
    ORDER BY c.place ON CONFLICT DO NOTHING";

// Rows are looked up one by one (`OFFSET 0` keeps the planner from joining whole tables, of which it knows little at
// first), and go by their place.
pub(super) const FIELDS: &str =
    "WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)),
    owner AS MATERIALIZED (SELECT FROM promptsales.partition, quick
        WHERE id = $2 AND epoch = $3 AND incarnation = $4),
    new AS MATERIALIZED (
        SELECT e.no AS entry, k.no AS kind, c -> 3 AS fields FROM jsonb_array_elements($1::jsonb) AS c
        JOIN promptsales.search_kind AS k ON k.tenant = c ->> 0 AND k.prefix = c ->> 1
        CROSS JOIN LATERAL (SELECT no FROM promptsales.search_entry AS e
            WHERE e.uuid = (c ->> 2)::uuid AND e.kind = k.no OFFSET 0) AS e
        WHERE EXISTS (SELECT FROM owner)),
    field AS MATERIALIZED (SELECT n.entry, n.kind, f ->> 0 AS name, f ->> 1 AS value FROM new AS n
        CROSS JOIN LATERAL jsonb_array_elements(CASE n.fields WHEN 'null' THEN '[]' ELSE n.fields END) AS f),
    old AS MATERIALIZED (SELECT f.place, f.entry, f.name, f.value FROM new AS n CROSS JOIN LATERAL (
        SELECT ctid AS place, entry, name, value FROM promptsales.search_field AS f
        WHERE f.entry = n.entry OFFSET 0) AS f),
    gone AS (DELETE FROM promptsales.search_field WHERE ctid = ANY (ARRAY(SELECT old.place FROM old
        WHERE NOT EXISTS (SELECT FROM field AS f
            WHERE f.entry = old.entry AND f.name = old.name AND f.value = old.value)))),
    left_over AS (DELETE FROM promptsales.search_entry
        WHERE no = ANY (ARRAY(SELECT entry FROM new WHERE fields = 'null')))
    INSERT INTO promptsales.search_field (entry, kind, name, value)
    SELECT DISTINCT f.entry, f.kind, f.name, f.value FROM field AS f
    WHERE NOT EXISTS (SELECT FROM old WHERE old.entry = f.entry AND old.name = f.name AND old.value = f.value)
    ON CONFLICT DO NOTHING";

pub(super) const MARKED: &str = "INSERT INTO promptsales.search_mark AS m (partition, history, position)
    SELECT $1, $4, $5 WHERE EXISTS (
        SELECT FROM promptsales.partition WHERE id = $1 AND epoch = $2 AND incarnation = $3)
    ON CONFLICT (partition) DO UPDATE SET history = excluded.history, position = excluded.position";

#[async_trait]
impl Index for PostgresJournal {
    async fn mark(&self, info: &Info, partition: PartitionId) -> Result<Option<Position>, Error> {
        let params: [Param<'_>; 2] = [(&partition.cast_signed(), Type::INT4), (&info.history, Type::UUID)];
        let rows = self.fetch(MARK, &params).await?;
        rows.first().map(|row| uint(row, 0)).transpose()
    }

    async fn write(
        &self,
        info: &Info,
        fence: Fence,
        changes: &[Change],
        mark: Option<Position>,
    ) -> Result<(), Error> {
        self.check_open()?;
        let (partition, epoch) = (fence.partition.cast_signed(), fence.epoch.cast_signed());
        if !changes.is_empty() {
            let text = changes_text(changes);
            let params: [Param<'_>; 4] = [
                (&text, Type::TEXT),
                (&partition, Type::INT4),
                (&epoch, Type::INT8),
                (&fence.incarnation, Type::UUID),
            ];
            for sql in [KINDS, ENTRIES, FIELDS] {
                self.readers.execute(sql, &params).await?;
            }
        }
        if let Some(mark) = mark {
            let params: [Param<'_>; 5] = [
                (&partition, Type::INT4),
                (&epoch, Type::INT8),
                (&fence.incarnation, Type::UUID),
                (&info.history, Type::UUID),
                (&mark.cast_signed(), Type::INT8),
            ];
            self.readers.execute(MARKED, &params).await?;
        }
        Ok(())
    }

    async fn find(
        &self,
        search: &Search,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, StreamKey)>, Error> {
        let (tenant, prefix) = (search.tenant.as_str(), search.prefix.as_str());
        let params: [Param<'_>; 2] = [(&tenant, Type::TEXT), (&prefix, Type::TEXT)];
        let rows = self.fetch(KIND, &params).await?;
        let Some(kind) = rows.first().map(|row| get(row, 0)).transpose()? else { return Ok(Vec::new()) };
        let mut fewest: Option<(u64, usize)> = None;
        for (index, test) in search.tests.iter().enumerate() {
            let Some(query) = Query::count(TABLES, kind, test) else { continue };
            let rows = self.rows_of(&query).await?;
            let count = rows.first().map_or(Ok(0), |row| uint(row, 0))?;
            if fewest.is_none_or(|(least, _)| count < least) {
                fewest = Some((count, index));
            }
        }
        let first = fewest.map(|(_, index)| index);
        let rows = self.rows_of(&Query::find(TABLES, kind, search, first, before, limit)).await?;
        let key = |row: &Row| {
            let id = StreamId::new(search.prefix, get::<Uuid>(row, 1)?);
            Ok((uint(row, 0)?, StreamKey::new(search.tenant.clone(), id)))
        };
        rows.iter().map(key).collect()
    }
}

impl PostgresJournal {
    async fn rows_of(&self, query: &Query) -> Result<Vec<Row>, Error> {
        fn param(bound: &Bound) -> Param<'_> {
            match bound {
                Bound::Text(text) => (text, Type::TEXT),
                Bound::Number(number) => (number, Type::INT8),
            }
        }
        let params: Vec<_> = query.bound.iter().map(param).collect();
        self.fetch(&query.sql, &params).await
    }
}
