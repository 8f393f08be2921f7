//! Reading the answers given under idempotency keys.

use std::collections::HashSet;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::SqliteJournal;
use super::error::corrupt;
use super::read::{int, json, rows_text, stream_key};
use crate::journal::{Error, KeyHash, KeyRecord, Outcome};

/// Which idempotency keys are taken, of numbers of rows in the tail and of keys to be looked up in the index.
///
/// A row may be gone while its key still stands in the tail or the index: the time it is kept is over. It counts for
/// nothing where its stream has been forgotten.
pub(super) const TAKEN: &str =
    "SELECT i.key FROM jsonb_each(?1) AS wanted CROSS JOIN main.idem AS i CROSS JOIN main.stream AS s
    WHERE i.id = wanted.value AND s.no = i.stream
    UNION ALL SELECT i.key FROM jsonb_each(?2) AS wanted CROSS JOIN idx.key AS k CROSS JOIN main.idem AS i
        CROSS JOIN main.stream AS s
    WHERE k.key = unhex(wanted.value) AND i.id = k.id AND i.key = k.key AND s.no = i.stream";

impl SqliteJournal {
    pub(super) async fn key_record(&self, key: &KeyHash) -> Result<Option<KeyRecord>, Error> {
        const SQL: &str =
            "SELECT i.key, i.digest, i.first_seq, i.last_seq, i.outcome, s.tenant, s.prefix, s.uuid
            FROM main.idem AS i CROSS JOIN main.stream AS s ON s.no = i.stream
            WHERE i.id = coalesce(?1, (SELECT id FROM idx.key WHERE key = ?2)) AND i.key = ?2";
        self.wait_settled().await?;
        let number = self.tail.key(key);
        let rows = self.fetch(sqlx::query(SQL).bind(number.map(int)).bind(key.to_vec())).await?;
        rows.first().map(key_record).transpose()
    }

    pub(super) async fn keys_taken(&self, keys: &[KeyHash]) -> Result<HashSet<KeyHash>, Error> {
        self.wait_settled().await?;
        let (mut in_tail, mut older) = (Vec::new(), Vec::new());
        for key in keys {
            match self.tail.key(key) {
                Some(id) => in_tail.push(int(id)),
                None => older.push(Uuid::from_bytes(*key).simple().to_string()),
            }
        }
        let query = sqlx::query(TAKEN).bind(rows_text(in_tail)).bind(rows_text(older));
        let mut taken = HashSet::new();
        for row in self.fetch(query).await? {
            let key: Vec<u8> = row.try_get(0)?;
            taken.extend(KeyHash::try_from(key));
        }
        Ok(taken)
    }
}

pub(super) fn key_record(row: &SqliteRow) -> Result<KeyRecord, Error> {
    let hash = |index| -> Result<[u8; 16], Error> {
        let bytes: Vec<u8> = row.try_get(index)?;
        bytes.try_into().map_err(|_| corrupt("an idempotency key", "it has not 16 bytes"))
    };
    let (first, last): (Option<i64>, Option<i64>) = (row.try_get(2)?, row.try_get(3)?);
    let outcome: Outcome = json(row, 4)?;
    Ok(KeyRecord {
        key: hash(0)?,
        digest: hash(1)?,
        stream: stream_key(row, 5)?,
        range: first.zip(last).map(|(first, last)| (first.unsigned_abs(), last.unsigned_abs())),
        outcome,
    })
}
