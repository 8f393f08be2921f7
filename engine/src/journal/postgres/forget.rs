//! Forgetting streams whole: those of a partition that are asked for together go in one statement, which is fenced as an
//! append is, and whose lost answer is resolved as an append's.

use futures_util::FutureExt;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::PostgresJournal;
use super::append::Work;
use super::desk::Doubt;
use super::error::{Failure, unavailable};
use super::look_up::HEADS;
use super::row::{get, int, size, stream_key, uint};
use super::session::Param;
use crate::id::StreamKey;
use crate::journal::plan::Head;
use crate::journal::{Error, Fence, Forgotten, PartitionId, Seq};

/// Forgets streams, by their numbers and the numbers of their last events. Tells which are gone; no row says that the
/// fence was not hit.
pub(super) const FORGET: &str = "WITH fence AS (UPDATE promptsales.partition AS p SET commits = p.commits + 1
        WHERE p.id = $1 AND p.epoch = $2 AND p.incarnation = $3 AND p.commits = $4 RETURNING p.id),
    wanted AS MATERIALIZED (SELECT s.no, s.uuid, s.prefix, s.tenant, r.head
        FROM unnest($5::int8[], $6::int8[]) AS r (no, head) JOIN promptsales.stream AS s ON s.no = r.no
        WHERE EXISTS (SELECT FROM fence)),
    gone AS MATERIALIZED (SELECT w.no, w.uuid, w.prefix, w.tenant FROM wanted AS w
        WHERE w.head = (SELECT max(e.seq) FROM promptsales.event AS e WHERE e.stream = w.no)
        AND NOT EXISTS (SELECT FROM promptsales.timer AS t WHERE t.stream = w.no)
        AND w.no NOT IN (SELECT o.stream FROM promptsales.outbox AS o)
        AND w.no NOT IN (SELECT e.stream FROM promptsales.effect AS e WHERE e.partition = $1 AND e.phase = 0)
        AND (w.uuid, w.prefix, w.tenant) NOT IN (SELECT o.uuid, o.prefix, f.tenant
            FROM promptsales.outbox AS o JOIN promptsales.stream AS f ON f.no = o.stream)),
    events AS (DELETE FROM promptsales.event WHERE stream = ANY (ARRAY(SELECT no FROM gone))),
    snapshots AS (DELETE FROM promptsales.snapshot WHERE stream = ANY (ARRAY(SELECT no FROM gone))),
    bases AS (DELETE FROM promptsales.base WHERE stream = ANY (ARRAY(SELECT no FROM gone))),
    received AS (DELETE FROM promptsales.inbox WHERE stream = ANY (ARRAY(SELECT no FROM gone))),
    streams AS (DELETE FROM promptsales.stream WHERE no = ANY (ARRAY(SELECT no FROM gone))),
    noted AS (INSERT INTO promptsales.forgotten (partition, uuid, prefix, tenant)
        SELECT $1, uuid, prefix, tenant FROM gone ORDER BY no)
    SELECT f.id, g.no FROM fence AS f LEFT JOIN gone AS g ON true";

pub(super) const FORGOTTEN: &str = "SELECT no, tenant, prefix, uuid FROM promptsales.forgotten
    WHERE partition = $1 AND no > $2 ORDER BY no LIMIT $3";

pub(super) const SETTLED: &str = "DELETE FROM promptsales.forgotten WHERE partition = $1 AND no <= $4
    AND EXISTS (SELECT FROM promptsales.partition WHERE id = $1 AND epoch = $2 AND incarnation = $3)";

/// Deletes what forgotten streams have left under idempotency keys and keys of effects that others are to have.
pub(super) const MAKE_WAY: &str = "WITH keys AS (DELETE FROM promptsales.idem AS i WHERE i.key = ANY ($1)
        AND NOT EXISTS (SELECT FROM promptsales.stream AS s WHERE s.no = i.stream))
    DELETE FROM promptsales.effect AS e WHERE e.key = ANY ($2)
        AND NOT EXISTS (SELECT FROM promptsales.stream AS s WHERE s.no = e.stream)";

/// A stream that is to be forgotten.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    fence: Fence,
    stream: StreamKey,
    head: Seq,
}

type Answer = Result<Forgotten, Error>;

impl PostgresJournal {
    pub(super) async fn forget_stream(&self, fence: Fence, stream: &StreamKey, head: Seq) -> Answer {
        let together = |wishes: Vec<Wish>| {
            async move {
                let mut answers = Vec::with_capacity(wishes.len());
                // Those of one fence mostly come together.
                for wishes in wishes.chunk_by(|one, next| one.fence == next.fence) {
                    let forgotten = self.forget_all(wishes[0].fence, wishes).await;
                    answers.extend(match forgotten {
                        Ok(forgotten) => forgotten.into_iter().map(Ok).collect::<Vec<_>>(),
                        Err(error) => wishes.iter().map(|_| Err(error.clone())).collect(),
                    });
                }
                answers
            }
            .boxed()
        };
        let answer = self.forgets.ask(Wish { fence, stream: stream.clone(), head }, together).await;
        answer.unwrap_or_else(|| Err(unavailable("the journal", "it has been closed")))
    }

    /// Forgets streams of one partition.
    async fn forget_all(&self, fence: Fence, wishes: &[Wish]) -> Result<Vec<Forgotten>, Error> {
        let mut work = self.open_work(0, fence, &[]).await?;
        let heads = self.heads_of(wishes).await?;
        let leaving: Vec<_> =
            wishes.iter().zip(&heads).filter(|(wish, head)| head.seq == wish.head).collect();
        let answer = |head: &Head| if head.seq == 0 { Forgotten::Gone } else { Forgotten::Kept };
        let Some(standing) = work.book.standing.filter(|_| leaving.iter().any(|(wish, _)| wish.head > 0))
        else {
            return self.idle(&mut work).await.map(|()| heads.iter().map(answer).collect());
        };
        let numbers: Vec<i64> = leaving.iter().map(|(_, head)| int(head.no)).collect();
        let ends: Vec<i64> = leaving.iter().map(|(wish, _)| int(wish.head)).collect();
        let (partition, epoch, commits) =
            (fence.partition.cast_signed(), int(fence.epoch), int(standing.commits));
        let params: [Param<'_>; 6] = [
            (&partition, Type::INT4),
            (&epoch, Type::INT8),
            (&fence.incarnation, Type::UUID),
            (&commits, Type::INT8),
            (&numbers, Type::INT8_ARRAY),
            (&ends, Type::INT8_ARRAY),
        ];
        let doubt = Doubt::until_known(work.desk);
        let written = self.writers.query(FORGET, &params).await;
        for wish in wishes {
            work.book.heads.remove(&wish.stream);
        }
        match written {
            Ok(rows) => {
                doubt.known();
                if rows.is_empty() {
                    self.idle(&mut work).await?;
                    return Err(unavailable("a partition", "it has gone on meanwhile; it is read again"));
                }
                work.note_commit();
                let gone: Vec<_> = rows.iter().map(|row| get(row, 1)).collect::<Result<_, _>>()?;
                let is_gone = |head: &Head| head.seq == 0 || gone.contains(&Some(int(head.no)));
                let answer = |head| if is_gone(head) { Forgotten::Gone } else { Forgotten::Kept };
                Ok(heads.iter().map(answer).collect())
            }
            Err(Failure::Lost(reason)) => {
                drop(doubt);
                self.resolve(&mut work, &reason).await?;
                Ok(self.heads_of(wishes).await?.iter().map(answer).collect())
            }
            Err(failure) => {
                doubt.known();
                Err(failure.into())
            }
        }
    }

    /// Fails where the fence does not hold; takes up the partition's row as it stands otherwise.
    async fn idle(&self, work: &mut Work<'_>) -> Result<(), Error> {
        let found = self.read_standings(&[work.fence.partition]).await?;
        match found.into_iter().find(|found| found.fence() == work.fence) {
            Some(found) => {
                work.book.adopt(work.desk, found);
                Ok(())
            }
            None => {
                work.book.standing = None;
                Err(Error::Fenced { partition: work.fence.partition })
            }
        }
    }

    /// Where some streams stand.
    async fn heads_of(&self, wishes: &[Wish]) -> Result<Vec<Head>, Error> {
        let uuids: Vec<Uuid> = wishes.iter().map(|wish| wish.stream.id.uuid()).collect();
        let prefixes: Vec<String> =
            wishes.iter().map(|wish| wish.stream.id.prefix().as_str().to_owned()).collect();
        let tenants: Vec<&str> = wishes.iter().map(|wish| wish.stream.tenant.as_str()).collect();
        let params: [Param<'_>; 3] =
            [(&uuids, Type::UUID_ARRAY), (&prefixes, Type::TEXT_ARRAY), (&tenants, Type::TEXT_ARRAY)];
        let mut heads = vec![Head::default(); wishes.len()];
        for row in self.writers.query(HEADS, &params).await? {
            let place = usize::try_from(uint(&row, 0)?).ok().and_then(|at| heads.get_mut(at.checked_sub(1)?));
            if let Some(head) = place {
                *head = Head { no: uint(&row, 1)?, seq: uint(&row, 2)? };
            }
        }
        Ok(heads)
    }

    pub(super) async fn forgotten_streams(
        &self,
        partition: PartitionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, StreamKey)>, Error> {
        self.wait_settled(Some(partition)).await?;
        let (id, after, limit) = (partition.cast_signed(), int(after), size(limit));
        let params: [Param<'_>; 3] = [(&id, Type::INT4), (&after, Type::INT8), (&limit, Type::INT8)];
        let rows = self.fetch(FORGOTTEN, &params).await?;
        rows.iter().map(|row: &Row| Ok((uint(row, 0)?, stream_key(row, 1)?))).collect()
    }

    pub(super) async fn settle_streams(&self, fence: Fence, upto: u64) -> Result<(), Error> {
        self.check_open()?;
        let (partition, epoch, upto) = (fence.partition.cast_signed(), int(fence.epoch), int(upto));
        let params: [Param<'_>; 4] = [
            (&partition, Type::INT4),
            (&epoch, Type::INT8),
            (&fence.incarnation, Type::UUID),
            (&upto, Type::INT8),
        ];
        self.readers.execute(SETTLED, &params).await?;
        Ok(())
    }
}
