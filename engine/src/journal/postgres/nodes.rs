//! Leases: which node may serve which partition.
//!
//! Whether a lease has run out is decided by the database's clock, on a row that is locked while it is looked at: a
//! claim and a heartbeat of the owner come one after the other. A heartbeat reads the partitions in a statement of its
//! own, behind the one that renewed the lease, so that it sees every claim that came before it.

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
            OR (p.owner = $1 AND p.id = ANY ($3)) OR (p.owner <> $1 AND coalesce(n.expires <= clock_timestamp(), true))
    FROM promptsales.partition AS p LEFT JOIN promptsales.node AS n ON n.id = p.owner ORDER BY p.id";

/// Takes a partition over, if it still is at its epoch and free. The owner's node is locked first. What is the node's
/// own already it may take again: it may not have heard of it.
pub(super) const CLAIM: &str = "WITH held AS MATERIALIZED (SELECT n.id, n.expires FROM promptsales.node AS n
        WHERE n.id = (SELECT owner FROM promptsales.partition WHERE id = $1) AND n.id <> $3 FOR UPDATE),
    own AS MATERIALIZED (SELECT id FROM promptsales.node WHERE id = $3 AND incarnation = $4)
    UPDATE promptsales.partition AS p
        SET epoch = greatest(p.epoch + 1, $5), incarnation = $4, owner = $3
    WHERE p.id = $1 AND p.epoch = $2 AND EXISTS (SELECT FROM own)
        AND (p.owner IS NULL OR p.owner = $3
            OR (p.owner <> $3 AND NOT EXISTS (SELECT FROM held WHERE held.id = p.owner AND held.expires > clock_timestamp())))
    RETURNING ";

/// Gives a partition up; the epoch rises, so that nothing that is under way can be appended.
pub(super) const RELEASE: &str = "UPDATE promptsales.partition SET owner = NULL, epoch = epoch + 1
    WHERE id = $1 AND epoch = $2 AND incarnation = $3 RETURNING id";

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
        let mut leases = Vec::new();
        for standing in wanted {
            let Some(desk) = self.desks.get(&standing.partition) else { continue };
            let (id, epoch, least) =
                (standing.partition.cast_signed(), int(standing.epoch), desk.least_epoch());
            let params: [Param<'_>; 5] = [
                (&id, Type::INT4),
                (&epoch, Type::INT8),
                (&member.node, Type::UUID),
                (&member.incarnation, Type::UUID),
                (&least, Type::INT8),
            ];
            // One at a time, so that no two claims wait for each other.
            let rows = match self.nodes.query(&sql, &params).await {
                Ok(rows) => rows,
                // What has been taken over is told; the rest is found at the next heartbeat.
                Err(_) if !leases.is_empty() => break,
                Err(failure) => return Err(failure.into()),
            };
            if let Some(row) = rows.first() {
                let row = PartitionRow::read(row)?;
                self.own(desk, row).await;
                leases.push(row.lease());
            }
        }
        Ok(leases)
    }

    async fn release(&self, fences: &[Fence]) -> Result<(), Error> {
        self.check_open()?;
        for fence in fences {
            let (id, epoch) = (fence.partition.cast_signed(), int(fence.epoch));
            let params: [Param<'_>; 3] =
                [(&id, Type::INT4), (&epoch, Type::INT8), (&fence.incarnation, Type::UUID)];
            self.nodes.query(RELEASE, &params).await?;
        }
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
    })
}
