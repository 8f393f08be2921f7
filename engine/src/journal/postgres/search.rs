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
use crate::id::StreamKey;
use crate::journal::{Error, Fence, PartitionId, Position};
use crate::projection::index::{Bound, Change, Index, Query, Search, Tables, changes_text, find_in};

pub(super) const MARK: &str =
    "SELECT position FROM promptsales.search_mark WHERE partition = $1 AND made_of = $2";

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

pub(super) const MARKED: &str = "INSERT INTO promptsales.search_mark AS m (partition, made_of, position)
    SELECT $1, $4, $5 WHERE EXISTS (
        SELECT FROM promptsales.partition WHERE id = $1 AND epoch = $2 AND incarnation = $3)
    ON CONFLICT (partition) DO UPDATE SET made_of = excluded.made_of, position = excluded.position";

pub(super) const NUMBER: &str = "SELECT e.no FROM promptsales.search_entry AS e
    JOIN promptsales.search_kind AS k ON k.no = e.kind WHERE e.uuid = $1 AND k.tenant = $2 AND k.prefix = $3";

#[async_trait]
impl Index for PostgresJournal {
    async fn mark(&self, of: Uuid, partition: PartitionId) -> Result<Option<Position>, Error> {
        let params: [Param<'_>; 2] = [(&partition.cast_signed(), Type::INT4), (&of, Type::UUID)];
        let rows = self.fetch(MARK, &params).await?;
        rows.first().map(|row| uint(row, 0)).transpose()
    }

    async fn write(
        &self,
        of: Uuid,
        fence: Fence,
        changes: &[Change],
        mark: Option<Position>,
    ) -> Result<(), Error> {
        self.check_open()?;
        let (partition, epoch) = (fence.partition.cast_signed(), fence.epoch.cast_signed());
        let owner: [Param<'_>; 3] =
            [(&partition, Type::INT4), (&epoch, Type::INT8), (&fence.incarnation, Type::UUID)];
        if !changes.is_empty() {
            let text = changes_text(changes);
            let params: Vec<Param<'_>> =
                [(&text as _, Type::TEXT)].into_iter().chain(owner.clone()).collect();
            for sql in [KINDS, ENTRIES, FIELDS] {
                self.readers.execute(sql, &params).await?;
            }
        }
        if let Some(mark) = mark.map(u64::cast_signed) {
            let marked: [Param<'_>; 2] = [(&of, Type::UUID), (&mark, Type::INT8)];
            let params: Vec<Param<'_>> = owner.into_iter().chain(marked).collect();
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
        find_in(&mut Reading(self), search, before, limit).await
    }

    async fn number(&self, stream: &StreamKey) -> Result<Option<u64>, Error> {
        let (uuid, tenant, prefix) = (stream.id.uuid(), stream.tenant.as_str(), stream.id.prefix());
        let prefix = prefix.as_str();
        let params: [Param<'_>; 3] = [(&uuid, Type::UUID), (&tenant, Type::TEXT), (&prefix, Type::TEXT)];
        let rows = self.fetch(NUMBER, &params).await?;
        rows.first().map(|row| uint(row, 0)).transpose()
    }
}

/// The journal that a search reads by.
struct Reading<'a>(&'a PostgresJournal);

#[async_trait]
impl Tables for Reading<'_> {
    const NAMES: &'static str = "promptsales.search_";

    async fn numbers(&mut self, query: Query) -> Result<Option<(i64, i64)>, Error> {
        let rows = rows_of(self.0, &query).await?;
        rows.first().map(|row| Ok((get(row, 0)?, get(row, 1)?))).transpose()
    }

    async fn entries(&mut self, query: Query) -> Result<Vec<(u64, Uuid)>, Error> {
        let rows = rows_of(self.0, &query).await?;
        rows.iter().map(|row| Ok((uint(row, 0)?, get(row, 1)?))).collect()
    }
}

async fn rows_of(journal: &PostgresJournal, query: &Query) -> Result<Vec<Row>, Error> {
    fn param(bound: &Bound) -> Param<'_> {
        match bound {
            Bound::Text(text) => (text, Type::TEXT),
            Bound::Number(number) => (number, Type::INT8),
        }
    }
    let params: Vec<_> = query.bound.iter().map(param).collect();
    journal.fetch(&query.sql, &params).await
}
