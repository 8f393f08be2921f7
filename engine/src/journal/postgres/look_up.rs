//! Finding out what decides about a batch.

use std::collections::{BTreeSet, HashSet};

use tokio_postgres::types::Type;
use uuid::Uuid;

use super::PostgresJournal;
use super::append::Work;
use super::forget::MAKE_WAY;
use super::row::{get, uint};
use super::session::Param;
use crate::effect::{EffectKey, EffectOp};
use crate::id::StreamKey;
use crate::journal::plan::{Head, Known};
use crate::journal::{Entry, Error, KeyHash, MessageId};

/// How much is looked up before a plan is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Only what the database's constraints would not find out: where streams stand that are not known and not said to
    /// be new.
    Needed,
    /// Everything, so that every answer is exact.
    All,
}

/// The numbers of streams and where they stand.
pub(super) const HEADS: &str =
    "SELECT r.at, s.no, coalesce((SELECT max(e.seq) FROM promptsales.event AS e WHERE e.stream = s.no), 0)
    FROM unnest($1::uuid[], $2::text[], $3::text[]) WITH ORDINALITY AS r (uuid, prefix, tenant, at)
    JOIN promptsales.stream AS s ON s.uuid = r.uuid AND s.prefix = r.prefix AND s.tenant = r.tenant";

/// Keys that are taken, messages taken in, messages that wait, effects of the ledger: what there is of each.
pub(super) const TAKEN: &str = "SELECT 1, key, NULL::uuid, 0::int8, 0 FROM promptsales.idem WHERE key = ANY ($1)
    UNION ALL SELECT 2, NULL, i.message, i.stream, 0 FROM unnest($2::int8[], $3::uuid[]) AS r (stream, message)
        JOIN promptsales.inbox AS i ON i.stream = r.stream AND i.message = r.message
    UNION ALL SELECT 3, NULL, message, stream, 0 FROM promptsales.outbox WHERE message = ANY ($4)
    UNION ALL SELECT 4, NULL, key, stream, phase FROM promptsales.effect WHERE key = ANY ($5)";

impl PostgresJournal {
    /// Finds out what decides about some batches.
    pub(super) async fn know(&self, works: &[&Work<'_>], depth: Depth) -> Result<Vec<Known>, Error> {
        let mut knowns = Vec::with_capacity(works.len());
        let mut missing: Vec<(usize, &StreamKey)> = Vec::new();
        for (at, work) in works.iter().enumerate() {
            let standing = work.book.standing.as_ref();
            let mut known =
                Known { number: standing.map_or(0, |standing| standing.numbers), ..Known::default() };
            let mut looked_at = HashSet::new();
            for entry in work.entries {
                if !looked_at.insert(&entry.stream) {
                    continue;
                }
                match work.book.heads.get(&entry.stream) {
                    Some(head) => {
                        known.heads.insert(entry.stream.clone(), head);
                    }
                    None if depth == Depth::Needed && is_said_to_be_new(entry) => {}
                    None => missing.push((at, &entry.stream)),
                }
            }
            known.is_complete = depth == Depth::All;
            knowns.push(known);
        }
        self.find_heads(&missing, &mut knowns).await?;
        if depth == Depth::All {
            self.find_taken(works, &mut knowns).await?;
        }
        Ok(knowns)
    }

    async fn find_heads(&self, missing: &[(usize, &StreamKey)], knowns: &mut [Known]) -> Result<(), Error> {
        if missing.is_empty() {
            return Ok(());
        }
        let uuids: Vec<Uuid> = missing.iter().map(|(_, key)| key.id.uuid()).collect();
        let prefixes: Vec<String> =
            missing.iter().map(|(_, key)| key.id.prefix().as_str().to_owned()).collect();
        let tenants: Vec<&str> = missing.iter().map(|(_, key)| key.tenant.as_str()).collect();
        let params: [Param<'_>; 3] =
            [(&uuids, Type::UUID_ARRAY), (&prefixes, Type::TEXT_ARRAY), (&tenants, Type::TEXT_ARRAY)];
        for row in self.writers.query(HEADS, &params).await? {
            let place = usize::try_from(uint(&row, 0)?).ok().and_then(|at| missing.get(at.checked_sub(1)?));
            let head = Head { no: uint(&row, 1)?, seq: uint(&row, 2)? };
            if let Some((at, key)) = place {
                knowns[*at].heads.insert((*key).clone(), head);
            }
        }
        Ok(())
    }

    async fn find_taken(&self, works: &[&Work<'_>], knowns: &mut [Known]) -> Result<(), Error> {
        let (mut keys, mut streams, mut received) = (Vec::new(), Vec::new(), Vec::new());
        let (mut messages, mut effects) = (BTreeSet::new(), BTreeSet::new());
        for (work, known) in works.iter().zip(knowns.iter()) {
            for entry in work.entries {
                keys.extend(entry.keys.iter().map(|record| record.key.as_slice()));
                let no = known.heads.get(&entry.stream).map_or(0, |head| head.no);
                for each in &entry.received {
                    streams.push(no.cast_signed());
                    received.push(each.id.uuid());
                }
                messages.extend(entry.messages.iter().map(|message| message.id.uuid()));
                effects.extend(entry.effects.iter().map(|op| key_of(op).uuid()));
            }
        }
        let messages: Vec<Uuid> = messages.into_iter().collect();
        let effects: Vec<Uuid> = effects.into_iter().collect();
        if keys.is_empty() && received.is_empty() && messages.is_empty() && effects.is_empty() {
            return Ok(());
        }
        if !keys.is_empty() || !effects.is_empty() {
            let params: [Param<'_>; 2] = [(&keys, Type::BYTEA_ARRAY), (&effects, Type::UUID_ARRAY)];
            self.writers.execute(MAKE_WAY, &params).await?;
        }
        let params: [Param<'_>; 5] = [
            (&keys, Type::BYTEA_ARRAY),
            (&streams, Type::INT8_ARRAY),
            (&received, Type::UUID_ARRAY),
            (&messages, Type::UUID_ARRAY),
            (&effects, Type::UUID_ARRAY),
        ];
        for row in self.writers.query(TAKEN, &params).await? {
            let kind: i32 = get(&row, 0)?;
            for known in knowns.iter_mut() {
                match kind {
                    1 => known.taken.extend(KeyHash::try_from(get::<&[u8]>(&row, 1)?)),
                    2 => _ = known.received.insert((uint(&row, 3)?, MessageId::from_uuid(get(&row, 2)?))),
                    3 => _ = known.waiting.insert(MessageId::from_uuid(get(&row, 2)?), uint(&row, 3)?),
                    _ => {
                        let phase = u8::try_from(get::<i32>(&row, 4)?).unwrap_or(1);
                        known.effects.insert(EffectKey::from_uuid(get(&row, 2)?), (uint(&row, 3)?, phase));
                    }
                }
            }
        }
        Ok(())
    }
}

/// True if the entry would begin its stream, so that the database refuses it if that stands already.
fn is_said_to_be_new(entry: &Entry) -> bool {
    entry.expected == Some(0) && !entry.events.is_empty()
}

fn key_of(op: &EffectOp) -> EffectKey {
    match op {
        EffectOp::Intend(effect) => effect.key,
        EffectOp::Dispatch { key, .. } | EffectOp::End { key, .. } => *key,
    }
}

/// True if a batch intends an effect of which it has taken steps before: whether it may depends on what stands in the
/// ledger, and no constraint finds out.
pub(super) fn intends_behind_steps(entries: &[Entry]) -> bool {
    let mut stepped = HashSet::new();
    entries.iter().flat_map(|entry| &entry.effects).any(|op| match op {
        EffectOp::Intend(effect) => stepped.contains(&effect.key),
        EffectOp::Dispatch { key, .. } | EffectOp::End { key, .. } => {
            stepped.insert(*key);
            false
        }
    })
}
