//! Forgetting streams whole: those that are asked for together go in one commit, which is fenced as an append is.
//!
//! Events are found through the index, so what is in the tail is merged first. The index itself is cleared when the
//! streams are [settled](SqliteJournal::settle): until then it leads to streams that have no row, which nobody follows.

use std::collections::HashSet;

use futures_util::FutureExt;
use sqlx::{Executor, Row};
use uuid::Uuid;

use super::SqliteJournal;
use super::append::Written;
use super::error::{corrupt, unavailable};
use super::index::roll_back;
use super::read::{int, rows_text, size, stream_key, uint};
use super::writer::{PARTITION, Unsettled, Writer};
use crate::effect::EffectOp;
use crate::hashing::FastMap;
use crate::id::StreamKey;
use crate::journal::plan::Head;
use crate::journal::{Entry, Error, Fence, Forgotten, Position, Seq};

/// How often the tail is merged before a stream is kept for now: others may be merging too.
const MERGES: usize = 2;

type Answer = Result<Forgotten, Error>;

/// A stream that is to be forgotten.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    fence: Fence,
    stream: StreamKey,
    head: Seq,
}

/// What there is of a stream, as the index has it.
struct Found {
    no: u64,
    first: Position,
    positions: Vec<Position>,
}

impl SqliteJournal {
    pub(super) async fn forget_stream(&self, fence: Fence, stream: &StreamKey, head: Seq) -> Answer {
        let together = |wishes: Vec<Wish>| {
            async move {
                let forgotten = self.forget_all(&wishes).await;
                forgotten.unwrap_or_else(|error| wishes.iter().map(|_| Err(error.clone())).collect())
            }
            .boxed()
        };
        let answer = self.forgets.ask(Wish { fence, stream: stream.clone(), head }, together).await;
        answer.unwrap_or_else(|| Err(unavailable("the journal", "it has been closed")))
    }

    async fn forget_all(&self, wishes: &[Wish]) -> Result<Vec<Answer>, Error> {
        self.wait_settled().await?;
        let mut found = Vec::with_capacity(wishes.len());
        for wish in wishes {
            found.push(self.find_whole(wish).await?);
        }
        let mut writer = self.writer.lock().await;
        self.settle(&mut writer).await?;
        let standing = writer.standing;
        let holds = |fence: &Fence| {
            fence.partition == PARTITION
                && (standing.epoch, standing.incarnation) == (fence.epoch, fence.incarnation)
        };
        let mut heads = FastMap::default();
        let keys = wishes.iter().map(|wish| wish.stream.clone()).collect();
        self.find_heads(&mut writer, keys, &mut heads).await?;
        let (mut answers, mut leaving) = (Vec::with_capacity(wishes.len()), Vec::new());
        for (place, (wish, found)) in wishes.iter().zip(found).enumerate() {
            let head = heads.get(&wish.stream).copied().unwrap_or_default();
            answers.push(match found {
                _ if !holds(&wish.fence) => Err(Error::Fenced { partition: wish.fence.partition }),
                _ if head.seq == 0 => Ok(Forgotten::Gone),
                Some(found) if self.is_all(wish, head, &found) => {
                    leaving.push((place, found));
                    Ok(Forgotten::Gone)
                }
                Some(_) | None => Ok(Forgotten::Kept),
            });
        }
        if leaving.is_empty() {
            return Ok(answers);
        }
        for busy in self.delete_streams(&mut writer, wishes, &leaving).await? {
            answers[busy] = Ok(Forgotten::Kept);
        }
        Ok(answers)
    }

    /// Finds what there is of a stream; nothing where it is not known, or not all of it is in the index.
    async fn find_whole(&self, wish: &Wish) -> Result<Option<Found>, Error> {
        // Rows of the index may lead to no event, where that was trimmed.
        const SQL: &str = "SELECT i.pos, i.seq, (SELECT first_pos FROM main.base WHERE stream = ?1)
            FROM idx.event AS i CROSS JOIN main.event AS e ON e.pos = i.pos AND e.stream = i.stream
            WHERE i.stream = ?1 ORDER BY i.seq";
        let mut reader = self.readers.get().await?;
        let no = self.find_stream(&mut reader, &wish.stream).await?;
        reader.done();
        let Some(no) = no else { return Ok(None) };
        for _ in 0..MERGES {
            if self.tail.last(no).is_some() {
                self.merge().await?;
            }
        }
        let rows = self.fetch(sqlx::query(SQL).bind(int(no))).await?;
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(None) };
        let (begins, ends) = (uint(first, 1)?, uint(last, 1)?);
        let base: Option<i64> = first.try_get(2)?;
        let first = base.map_or(uint(first, 0)?, i64::unsigned_abs);
        let is_whole =
            ends == wish.head && ends - begins + 1 == rows.len() as u64 && (begins == 1 || base.is_some());
        let positions = rows.iter().map(|row| uint(row, 0)).collect::<Result<_, _>>()?;
        Ok(is_whole.then_some(Found { no, first, positions }))
    }

    /// True if what has been found is still all that there is, and ends as the caller knows it.
    fn is_all(&self, wish: &Wish, head: Head, found: &Found) -> bool {
        (head.no, head.seq) == (found.no, wish.head) && self.tail.last(found.no).is_none()
    }

    /// Deletes streams in one commit, but for those that something is under way for; returns the places of these.
    async fn delete_streams(
        &self,
        writer: &mut Writer,
        wishes: &[Wish],
        leaving: &[(usize, Found)],
    ) -> Result<Vec<usize>, Error> {
        const FENCE: &str = "UPDATE partition SET commits = commits + 1
            WHERE id = 0 AND epoch = ?1 AND incarnation = ?2 AND commits = ?3";
        const EVENTS: &str = "DELETE FROM event WHERE pos IN (SELECT value FROM jsonb_each(?1))";
        const SUM: &str = "UPDATE forgotten_sum SET events = events + ?1, stream = max(stream, ?2)";
        let guard = Unsettled::unless_disarmed(&self.unsettled);
        let standing = writer.standing;
        let conn = writer.conn().await?;
        conn.execute("BEGIN IMMEDIATE").await?;
        let fence = sqlx::query(FENCE).bind(int(standing.epoch));
        let fence = fence.bind(standing.incarnation.as_bytes().to_vec()).bind(int(standing.commits));
        if fence.execute(&mut *conn).await?.rows_affected() == 0 {
            return Err(unavailable("the journal", "memory and file have come apart; it is read again"));
        }
        let busy = busy(conn, leaving).await?;
        let going: Vec<_> = leaving.iter().filter(|(_, found)| !busy.contains(&found.no)).collect();
        let numbers = || rows_text(going.iter().map(|(_, found)| found.no));
        let positions = rows_text(going.iter().flat_map(|(_, found)| &found.positions));
        sqlx::query(EVENTS).bind(positions).execute(&mut *conn).await?;
        for sql in OF_STREAM {
            sqlx::query(sql).bind(numbers()).execute(&mut *conn).await?;
        }
        let noted = going.iter().map(|(place, found)| {
            let key = &wishes[*place].stream;
            let uuid = key.id.uuid().simple().to_string();
            (found.no, key.tenant.as_str(), key.id.prefix().as_str().to_owned(), uuid, found.first)
        });
        sqlx::query(NOTE).bind(rows_text(noted)).execute(&mut *conn).await?;
        let events: u64 = going.iter().map(|(place, _)| wishes[*place].head).sum();
        let greatest = going.iter().map(|(_, found)| found.no).max().unwrap_or(0);
        sqlx::query(SUM).bind(int(events)).bind(int(greatest)).execute(&mut *conn).await?;
        self.commit(writer, Written::nothing(self.tail.mark()), guard).await?;
        for (place, found) in going {
            writer.heads.remove(&wishes[*place].stream);
            self.tail.forget(&wishes[*place].stream, found.first);
        }
        Ok(leaving.iter().filter(|(_, found)| busy.contains(&found.no)).map(|(place, _)| *place).collect())
    }

    /// Deletes the effects of forgotten streams that stand in the way of a batch; true if there were any.
    pub(super) async fn make_way(&self, writer: &mut Writer, batch: &[Entry]) -> Result<bool, Error> {
        const SQL: &str = "DELETE FROM effect WHERE key IN (SELECT unhex(value) FROM jsonb_each(?1))
            AND NOT EXISTS (SELECT 1 FROM stream AS s WHERE s.no = effect.stream)";
        let intended = batch.iter().flat_map(|entry| &entry.effects).filter_map(|op| match op {
            EffectOp::Intend(effect) => Some(effect.key.uuid().simple().to_string()),
            EffectOp::Dispatch { .. } | EffectOp::End { .. } => None,
        });
        let intended: Vec<_> = intended.collect();
        if intended.is_empty() {
            return Ok(false);
        }
        let deleted = sqlx::query(SQL).bind(rows_text(intended)).execute(writer.conn().await?).await?;
        Ok(deleted.rows_affected() > 0)
    }

    pub(super) async fn forgotten_streams(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, StreamKey)>, Error> {
        const SQL: &str =
            "SELECT id, tenant, prefix, uuid FROM main.forgotten WHERE id > ?1 ORDER BY id LIMIT ?2";
        let rows = self.fetch(sqlx::query(SQL).bind(int(after)).bind(size(limit))).await?;
        rows.iter().map(|row| Ok((uint(row, 0)?, stream_key(row, 1)?))).collect()
    }

    pub(super) async fn count_forgotten(&self) -> Result<u64, Error> {
        let rows = self.fetch(sqlx::query("SELECT events FROM main.forgotten_sum")).await?;
        rows.first().map_or(Ok(0), |row| uint(row, 0))
    }

    /// Takes the forgotten streams up to a number out of the index, and then off the list.
    pub(super) async fn settle_streams(&self, fence: Fence, upto: u64) -> Result<(), Error> {
        const SQL: &str =
            "SELECT stream, tenant, prefix, hex(uuid), first_pos FROM main.forgotten WHERE id <= ?1";
        const DONE: &str = "DELETE FROM forgotten WHERE id <= ?1";
        let rows = self.fetch(sqlx::query(SQL).bind(int(upto))).await?;
        let mut streams = Vec::with_capacity(rows.len());
        for row in &rows {
            let (tenant, prefix, uuid): (String, String, String) =
                (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
            let uuid = uuid.parse::<Uuid>().map_err(|error| corrupt("a stored UUID", error))?;
            streams.push((uint(row, 0)?, tenant, prefix, uuid.simple().to_string(), uint(row, 4)?));
        }
        self.unindex(&rows_text(streams)).await?;
        let mut writer = self.writer.lock().await;
        self.settle(&mut writer).await?;
        if (writer.standing.epoch, writer.standing.incarnation) != (fence.epoch, fence.incarnation) {
            return Ok(());
        }
        let guard = Unsettled::unless_disarmed(&self.unsettled);
        sqlx::query(DONE).bind(int(upto)).execute(writer.conn().await?).await?;
        guard.disarm();
        Ok(())
    }

    async fn unindex(&self, streams: &str) -> Result<(), Error> {
        let mut index = self.index.lock().await;
        let Some(conn) = index.as_mut() else {
            return Err(unavailable("the journal", "it has been closed"));
        };
        let done = async {
            roll_back(conn).await?;
            conn.execute("BEGIN").await?;
            for sql in OF_INDEX {
                sqlx::query(sql).bind(streams.to_owned()).execute(&mut *conn).await?;
            }
            conn.execute("COMMIT").await?;
            Ok(())
        };
        let done: Result<(), sqlx::Error> = done.await;
        if let Err(error) = done {
            self.reopen(conn).await;
            return Err(error.into());
        }
        Ok(())
    }
}

/// What goes with streams, by their numbers `?1`.
const OF_STREAM: [&str; 4] = [
    "DELETE FROM snapshot WHERE stream IN (SELECT value FROM jsonb_each(?1))",
    "DELETE FROM base WHERE stream IN (SELECT value FROM jsonb_each(?1))",
    "DELETE FROM inbox WHERE stream IN (SELECT value FROM jsonb_each(?1))",
    "DELETE FROM stream WHERE no IN (SELECT value FROM jsonb_each(?1))",
];

const NOTE: &str = "INSERT INTO forgotten (stream, tenant, prefix, uuid, first_pos)
    SELECT value->>0, value->>1, value->>2, unhex(value->>3), value->>4 FROM jsonb_each(?1)";

/// What goes from the index, by rows `?1` of number, tenant, prefix, UUID and first position.
const OF_INDEX: [&str; 3] = [
    "DELETE FROM main.event WHERE stream IN (SELECT value->>0 FROM jsonb_each(?1))",
    "DELETE FROM main.kind WHERE (tenant, prefix, first_pos, stream) IN (
        SELECT value->>1, value->>2, value->>4, value->>0 FROM jsonb_each(?1))",
    // A stream of the same name may have begun since: it has another number.
    "DELETE FROM main.stream WHERE (uuid, prefix, tenant, no) IN (
        SELECT unhex(value->>3), value->>2, value->>1, value->>0 FROM jsonb_each(?1))",
];

/// The numbers of the streams that something is under way for.
async fn busy(conn: &mut sqlx::SqliteConnection, leaving: &[(usize, Found)]) -> Result<HashSet<u64>, Error> {
    const SQL: &str = "SELECT s.no FROM stream AS s
        WHERE s.no IN (SELECT value FROM jsonb_each(?1)) AND (
            EXISTS (SELECT 1 FROM timer AS t WHERE t.stream = s.no)
            OR s.no IN (SELECT o.stream FROM outbox AS o)
            OR s.no IN (SELECT e.stream FROM effect AS e INDEXED BY effect_open WHERE e.phase = 0)
            OR (s.uuid, s.prefix, s.tenant) IN (SELECT o.uuid, o.prefix, f.tenant
                FROM outbox AS o CROSS JOIN stream AS f ON f.no = o.stream))";
    let numbers = rows_text(leaving.iter().map(|(_, found)| found.no));
    let rows = sqlx::query(SQL).bind(numbers).fetch_all(conn).await?;
    rows.iter().map(|row| uint(row, 0)).collect()
}
