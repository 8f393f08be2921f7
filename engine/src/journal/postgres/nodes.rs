//! Leases: which node may serve which partition.
//!
//! Whether a lease has run out is decided by the database's clock, on a row that is locked while it is looked at: a
//! claim and a heartbeat of the owner come one after the other. A heartbeat reads the partitions in a statement of its
//! own, behind the one that renewed the lease, so that it sees every claim that came before it.

use std::time::Duration;

use async_trait::async_trait;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::PostgresJournal;
use super::desk::{Desk, STANDING, Standing as PartitionRow};
use super::row::{get, int, uint};
use super::session::Param;
use crate::journal::{Error, Fence, Lease};
use crate::partition::{Beat, Member, Owner, Ownership, Standing};

/// Renews a lease, unless a later start of the same node has been seen. A start that has not been seen is the latest.
pub(super) const BEAT: &str = "WITH seen AS (
        INSERT INTO promptsales.start (node, incarnation) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING node)
    INSERT INTO promptsales.node AS n (id, incarnation, address, lease_ms, expires)
        VALUES ($1, $2, $3, $4::int8, clock_timestamp() + $4::int8 * interval '1 millisecond')
    ON CONFLICT (id) DO UPDATE SET incarnation = excluded.incarnation, address = excluded.address,
            lease_ms = excluded.lease_ms, expires = clock_timestamp() + $4::int8 * interval '1 millisecond'
        WHERE n.incarnation = excluded.incarnation OR EXISTS (SELECT FROM seen)
    RETURNING id";

/// How the partitions stand, as a node sees them. Of its own, those are free that it must take over anew.
pub(super) const PARTITIONS: &str =
    "SELECT p.id, p.epoch, p.commits, p.owner, p.incarnation, coalesce(n.address, ''),
        p.owner IS NULL OR (p.owner = $1 AND p.incarnation <> $2)
            OR (p.owner = $1 AND p.id = ANY ($3)) OR (p.owner <> $1 AND coalesce(n.expires <= clock_timestamp(), true)),
        coalesce(ceil(extract(epoch FROM n.expires - clock_timestamp()) * 1000), 0)::int8
    FROM promptsales.partition AS p LEFT JOIN promptsales.node AS n ON n.id = p.owner ORDER BY p.id";

/// Takes partitions over that still are at their epochs and free, all in one statement, so that of two nodes one gets
/// them and neither a part. The owners' nodes ($6) are locked first, and then the partitions in their order: what is
/// read of a row behind its lock is how it stands. Whoever changes an owner raises the epoch, so the owners that were
/// seen at these epochs are all that there are. What is the node's own already it may take again: it may not have
/// heard of it. Nothing is free while an import fills the store, or once it has become another one ($7).
pub(super) const CLAIM: &str = "WITH
    held AS MATERIALIZED (SELECT n.id, n.expires FROM promptsales.node AS n
        WHERE n.id = ANY ($6) AND n.id <> $4 ORDER BY n.id FOR UPDATE),
    found AS MATERIALIZED (SELECT p.id, p.owner, w.least
        FROM promptsales.partition AS p JOIN unnest($1::int4[], $2::int8[], $3::int8[]) AS w (id, epoch, least)
            ON w.id = p.id AND w.epoch = p.epoch
        WHERE (SELECT count(*) FROM held) >= 0 ORDER BY p.id FOR UPDATE OF p),
    free AS MATERIALIZED (SELECT f.id, f.least FROM found AS f
        WHERE EXISTS (SELECT FROM promptsales.node WHERE id = $4 AND incarnation = $5)
            AND EXISTS (SELECT FROM promptsales.meta WHERE log = $7) AND NOT EXISTS (SELECT FROM promptsales.import)
            AND (f.owner IS NULL OR f.owner = $4
                OR NOT EXISTS (SELECT FROM held WHERE held.id = f.owner AND held.expires > clock_timestamp())))
    UPDATE promptsales.partition AS p SET epoch = greatest(p.epoch + 1, free.least), incarnation = $5, owner = $4
    FROM free WHERE p.id = free.id
    RETURNING ";

/// Gives partitions up, all in one statement; the epoch rises, so that nothing that is under way can be appended.
pub(super) const RELEASE: &str = "WITH held AS MATERIALIZED (SELECT p.id FROM promptsales.partition AS p
        JOIN unnest($1::int4[], $2::int8[], $3::uuid[]) AS w (id, epoch, incarnation)
            ON w.id = p.id AND w.epoch = p.epoch AND w.incarnation = p.incarnation ORDER BY p.id FOR UPDATE OF p)
    UPDATE promptsales.partition AS p SET owner = NULL, epoch = p.epoch + 1
    FROM held WHERE p.id = held.id RETURNING p.id";

#[async_trait]
impl Ownership for PostgresJournal {
    async fn heartbeat(&self, member: &Member) -> Result<Beat, Error> {
        self.check_open()?;
        let lease_ms = i64::try_from(member.lease.as_millis()).unwrap_or(i64::MAX);
        let address = member.address.as_str();
        let params: [Param<'_>; 4] = [
            (&member.node, Type::UUID),
            (&member.incarnation, Type::UUID),
            (&address, Type::TEXT),
            (&lease_ms, Type::INT8),
        ];
        if self.nodes.query(BEAT, &params).await?.is_empty() {
            return Ok(Beat::Replaced);
        }
        let seen: Vec<_> = self.desks.values().map(|desk| (desk, desk.seen())).collect();
        let lost: Vec<i32> = self.desks.values().filter(|desk| desk.is_lost()).map(Desk::id).collect();
        let params: [Param<'_>; 3] =
            [(&member.node, Type::UUID), (&member.incarnation, Type::UUID), (&lost, Type::INT4_ARRAY)];
        let rows = self.nodes.query(PARTITIONS, &params).await?;
        let (mut standings, mut found) = (Vec::with_capacity(rows.len()), std::collections::HashMap::new());
        for row in &rows {
            let standing = standing(row)?;
            found.insert(standing.partition, (standing.epoch, uint(row, 2)?));
            standings.push(standing);
        }
        self.compare(&seen, |partition| found.get(&partition).copied()).await?;
        Ok(Beat::Renewed(standings))
    }

    async fn claim(&self, member: &Member, wanted: &[Standing]) -> Result<Vec<Lease>, Error> {
        self.check_open()?;
        let sql = format!("{CLAIM}{STANDING}");
        let known: Vec<_> = wanted.iter().filter_map(|s| Some((s, self.desks.get(&s.partition)?))).collect();
        let ids: Vec<_> = known.iter().map(|(_, desk)| desk.id()).collect();
        let epochs: Vec<_> = known.iter().map(|(standing, _)| int(standing.epoch)).collect();
        let least: Vec<_> = known.iter().map(|(_, desk)| desk.least_epoch()).collect();
        let owners: Vec<_> = wanted.iter().filter_map(|s| Some(s.owner.as_ref()?.node)).collect();
        let params: [Param<'_>; 7] = [
            (&ids, Type::INT4_ARRAY),
            (&epochs, Type::INT8_ARRAY),
            (&least, Type::INT8_ARRAY),
            (&member.node, Type::UUID),
            (&member.incarnation, Type::UUID),
            (&owners, Type::UUID_ARRAY),
            (&self.infos.last().log, Type::UUID),
        ];
        let rows = self.nodes.query(&sql, &params).await?;
        let mut leases = Vec::with_capacity(rows.len());
        for row in &rows {
            let row = PartitionRow::read(row)?;
            if let Some(desk) = self.desks.get(&row.partition) {
                self.own(desk, row).await;
                leases.push(row.lease());
            }
        }
        leases.sort_unstable_by_key(|lease| lease.fence.partition);
        if !leases.is_empty() {
            // The database may have been restored while this node had no lease.
            self.follow_history().await?;
        }
        Ok(leases)
    }

    async fn release(&self, fences: &[Fence]) -> Result<(), Error> {
        self.check_open()?;
        let ids: Vec<_> = fences.iter().map(|fence| fence.partition.cast_signed()).collect();
        let epochs: Vec<_> = fences.iter().map(|fence| int(fence.epoch)).collect();
        let incarnations: Vec<_> = fences.iter().map(|fence| fence.incarnation).collect();
        let params: [Param<'_>; 3] =
            [(&ids, Type::INT4_ARRAY), (&epochs, Type::INT8_ARRAY), (&incarnations, Type::UUID_ARRAY)];
        self.nodes.query(RELEASE, &params).await?;
        Ok(())
    }
}

fn standing(row: &Row) -> Result<Standing, Error> {
    let owner: Option<Uuid> = get(row, 3)?;
    let (incarnation, address) = (get(row, 4)?, get(row, 5)?);
    Ok(Standing {
        partition: get::<i32>(row, 0)?.cast_unsigned(),
        epoch: uint(row, 1)?,
        owner: owner.map(|node| Owner { node, incarnation, address }),
        free: get(row, 6)?,
        left: Duration::from_millis(get::<i64>(row, 7)?.max(0).cast_unsigned()),
    })
}
