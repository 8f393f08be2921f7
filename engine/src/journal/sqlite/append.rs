//! Appending: what is known, the plan, one commit, and what to make of it when something goes wrong.

use std::sync::atomic::Ordering;

use sqlx::Row;

use super::SqliteJournal;
use super::error::is_full;
use super::keys::TAKEN;
use super::read::{int, rows_text, uint};
use super::tail::Additions;
use super::writer::{PARTITION, Unsettled, WriteError, Writer};
use crate::clock::Timestamp;
use crate::hashing::FastMap;
use crate::id::StreamKey;
use crate::journal::check::refused;
use crate::journal::plan::{Head, Known, Mark, Plan, Planned};
use crate::journal::{Appended, Entry, EntryError, Error, Fence, KeyHash};

pub(super) type Answers = Vec<Result<Appended, EntryError>>;

/// How an attempt to append ended.
enum Attempt {
    Answered(Answers),
    /// The fence was not hit, though memory says that it holds; the file has been read again since.
    Stale,
}

/// What a commit that has been written comes to.
#[derive(Default)]
pub(super) struct Written {
    mark: Mark,
    known: Known,
    new: Additions,
    latest: Option<Timestamp>,
}

impl Written {
    /// A commit that adds nothing.
    pub(super) fn nothing(mark: Mark) -> Self {
        Self { mark, ..Self::default() }
    }

    /// Adds what a plan that went on from this one has come to.
    fn absorb(&mut self, next: Planned<'_>) {
        self.new.extend(Additions::of(&next.rows));
        self.latest = self.latest.max(next.latest);
        self.mark = next.mark;
        self.known = next.known;
    }
}

impl From<Planned<'_>> for Written {
    fn from(planned: Planned<'_>) -> Self {
        let new = Additions::of(&planned.rows);
        Self { mark: planned.mark, known: planned.known, new, latest: planned.latest }
    }
}

impl SqliteJournal {
    pub(super) async fn append_batch(&self, fence: Fence, batch: &[Entry]) -> Result<Answers, Error> {
        let mut writer = self.writer.lock().await;
        for _ in 0..2 {
            self.settle(&mut writer).await?;
            let standing = writer.standing;
            let holds = fence.partition == PARTITION
                && (standing.epoch, standing.incarnation) == (fence.epoch, fence.incarnation);
            if !holds {
                return Err(Error::Fenced { partition: fence.partition });
            }
            match self.attempt(&mut writer, fence, batch).await? {
                Attempt::Answered(answers) => return Ok(answers),
                Attempt::Stale => {}
            }
        }
        Err(Error::Fenced { partition: fence.partition })
    }

    /// Makes sure that nothing is half-done, and that memory says what the file says.
    pub(super) async fn settle(&self, writer: &mut Writer) -> Result<(), Error> {
        writer.conn().await?;
        if !self.unsettled.load(Ordering::Acquire) {
            return Ok(());
        }
        writer.roll_back().await?;
        writer.heads.clear();
        self.tail.forget_newest();
        writer.standing = writer.read_standing().await?;
        self.catch_up(writer.conn().await?).await?;
        self.unsettled.store(false, Ordering::Release);
        Ok(())
    }

    async fn attempt(&self, writer: &mut Writer, fence: Fence, batch: &[Entry]) -> Result<Attempt, Error> {
        let known = self.know(writer, batch).await?;
        let mut plan = Plan::new(self.tail.mark(), known);
        let answers: Answers = batch.iter().map(|entry| plan.add(entry)).collect();
        let planned = plan.finish();
        if planned.latest.is_none() {
            return Ok(Attempt::Answered(answers));
        }
        let guard = Unsettled::unless_disarmed(&self.unsettled);
        match writer.write(fence, &planned).await {
            Ok(()) => {}
            Err(WriteError::Fence) => return Ok(Attempt::Stale),
            Err(WriteError::Row(reason)) => {
                writer.roll_back().await?;
                if self.make_way(writer, batch).await? {
                    guard.disarm();
                    return Box::pin(self.attempt(writer, fence, batch)).await;
                }
                if batch.len() > 1 {
                    return self.attempt_singly(writer, fence, batch, guard).await;
                }
                guard.disarm();
                return Ok(Attempt::Answered(vec![Err(refused(&batch[0], reason))]));
            }
            Err(WriteError::Store(error)) => return Err(self.give_up(writer, error).await),
        }
        self.commit(writer, planned.into(), guard).await.map(|()| Attempt::Answered(answers))
    }

    /// Appends a batch of which some entry is refused by the database: entry by entry, still in one commit.
    async fn attempt_singly(
        &self,
        writer: &mut Writer,
        fence: Fence,
        batch: &[Entry],
        guard: Unsettled<'_>,
    ) -> Result<Attempt, Error> {
        let known = self.know(writer, batch).await?;
        let mut total = Written { mark: self.tail.mark(), known, ..Written::default() };
        let mut answers = Vec::with_capacity(batch.len());
        match writer.begin(fence).await {
            Ok(()) => {}
            Err(WriteError::Fence) => return Ok(Attempt::Stale),
            Err(WriteError::Row(reason)) => return Err(Error::Unavailable { reason }),
            Err(WriteError::Store(error)) => return Err(self.give_up(writer, error).await),
        }
        for entry in batch {
            let mut plan = Plan::new(total.mark, total.known.clone());
            let answer = plan.add(entry);
            let planned = plan.finish();
            if answer.is_err() || planned.latest.is_none() {
                answers.push(answer);
                continue;
            }
            match writer.write_one(&planned).await {
                Ok(()) => {
                    total.absorb(planned);
                    answers.push(answer);
                }
                Err(WriteError::Row(reason)) => answers.push(Err(refused(entry, reason))),
                Err(WriteError::Fence) => return Ok(Attempt::Stale),
                Err(WriteError::Store(error)) => return Err(self.give_up(writer, error).await),
            }
        }
        if total.latest.is_some() {
            match writer.advance(total.mark.pos, total.latest).await {
                Ok(()) => self.commit(writer, total, guard).await?,
                Err(WriteError::Fence) => return Ok(Attempt::Stale),
                Err(WriteError::Row(reason)) => return Err(Error::Unavailable { reason }),
                Err(WriteError::Store(error)) => return Err(self.give_up(writer, error).await),
            }
        }
        Ok(Attempt::Answered(answers))
    }

    /// Commits, and lets memory follow. Where the commit fails, the file tells whether it stands.
    pub(super) async fn commit(
        &self,
        writer: &mut Writer,
        written: Written,
        guard: Unsettled<'_>,
    ) -> Result<(), Error> {
        let before = writer.standing.commits;
        #[cfg(test)]
        let committed = self.sabotage.commit(writer).await;
        #[cfg(not(test))]
        let committed = writer.commit().await;
        let Err(error) = committed else {
            writer.standing.commits += 1;
            writer.standing.pos = written.mark.pos;
            writer.standing.last = writer.standing.last.max(written.latest.map_or(i64::MIN, Timestamp::ms));
            for (key, head) in written.known.heads.into_iter().filter(|(_, head)| head.no > 0) {
                writer.heads.put(key, head);
            }
            self.tail.publish(written.new, written.mark);
            guard.disarm();
            return Ok(());
        };
        drop(guard);
        self.resolve(writer, &error).await?;
        if writer.standing.commits == before + 1 {
            return Ok(());
        }
        if !is_full(&error) {
            let guard = Unsettled::unless_disarmed(&self.unsettled);
            let unknown = |healing: Error| Error::Unknown { reason: format!("{error}; then {healing}") };
            writer.heal().await.map_err(unknown)?;
            guard.disarm();
        }
        Err(error.into())
    }

    /// After a failure of the store before the commit: nothing stands. Tries to make the journal usable again.
    async fn give_up(&self, writer: &mut Writer, error: sqlx::Error) -> Error {
        // Where this fails the writer stays unsettled, and the next use tries again.
        let _ = self.resolve(writer, &error).await;
        error.into()
    }

    /// After a failure of the store: opens the file anew and reads how far it is.
    async fn resolve(&self, writer: &mut Writer, error: &sqlx::Error) -> Result<(), Error> {
        tracing::error!(error = %error, "an append failed, and the journal is read again");
        self.unsettled.store(true, Ordering::Release);
        if !is_full(error) {
            writer.give_up().await;
        }
        let unknown = |settling: Error| Error::Unknown { reason: format!("{error}; then {settling}") };
        self.settle(writer).await.map_err(unknown)
    }

    /// Finds out what decides about a batch: where its streams stand, and which of its keys are taken.
    async fn know(&self, writer: &mut Writer, batch: &[Entry]) -> Result<Known, Error> {
        let mut known = Known::default();
        let mut missing = Vec::new();
        for entry in batch {
            if known.heads.contains_key(&entry.stream) {
                continue;
            }
            let cached = writer.heads.get(&entry.stream);
            if cached.is_none() {
                missing.push(entry.stream.clone());
            }
            known.heads.insert(entry.stream.clone(), cached.unwrap_or_default());
        }
        if !missing.is_empty() {
            self.find_heads(writer, missing, &mut known.heads).await?;
        }
        let keys: Vec<KeyHash> =
            batch.iter().flat_map(|entry| &entry.keys).map(|record| record.key).collect();
        if !keys.is_empty() {
            self.find_taken(writer, &keys, &mut known).await?;
        }
        Ok(known)
    }

    pub(super) async fn find_heads(
        &self,
        writer: &mut Writer,
        keys: Vec<StreamKey>,
        heads: &mut FastMap<StreamKey, Head>,
    ) -> Result<(), Error> {
        // The index may know a stream still that has been forgotten.
        const SQL: &str = "SELECT wanted.key, s.no, (SELECT max(seq) FROM idx.event AS e WHERE e.stream = s.no)
            FROM jsonb_each(?1) AS wanted CROSS JOIN idx.stream AS s CROSS JOIN main.stream AS m ON m.no = s.no
            WHERE s.uuid = unhex(wanted.value->>0) AND s.prefix = wanted.value->>1 AND s.tenant = wanted.value->>2";
        let mut older = Vec::new();
        for (head, key) in self.tail.heads(&keys).into_iter().zip(keys) {
            match head {
                Some(head) => {
                    heads.insert(key, head);
                }
                None => older.push(key),
            }
        }
        if older.is_empty() || self.tail.is_all() {
            return Ok(());
        }
        let wanted = rows_text(older.iter().map(|key| {
            let uuid = key.id.uuid().simple().to_string();
            (uuid, key.id.prefix().as_str().to_owned(), key.tenant.as_str().to_owned())
        }));
        for row in writer.look_up(sqlx::query(SQL).bind(wanted)).await? {
            let (at, no) = (uint(&row, 0)?, uint(&row, 1)?);
            let indexed: Option<i64> = row.try_get(2)?;
            let seq = self.tail.last(no).unwrap_or(indexed.map_or(0, i64::unsigned_abs));
            if let Some(key) = usize::try_from(at).ok().and_then(|at| older.get(at)) {
                heads.insert(key.clone(), Head { no, seq });
            }
        }
        Ok(())
    }

    async fn find_taken(
        &self,
        writer: &mut Writer,
        keys: &[KeyHash],
        known: &mut Known,
    ) -> Result<(), Error> {
        let (mut in_tail, mut older) = (Vec::new(), Vec::new());
        for key in keys {
            match self.tail.key(key) {
                Some(id) => in_tail.push(int(id)),
                None => older.push(uuid::Uuid::from_bytes(*key).simple().to_string()),
            }
        }
        if in_tail.is_empty() && self.tail.is_all() {
            return Ok(());
        }
        let query = sqlx::query(TAKEN).bind(rows_text(in_tail)).bind(rows_text(older));
        for row in writer.look_up(query).await? {
            let key: Vec<u8> = row.try_get(0)?;
            known.taken.extend(KeyHash::try_from(key));
        }
        Ok(())
    }
}
