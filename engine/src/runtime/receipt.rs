//! Events from outside under an idempotency key: taken in once by themselves, and answered alike each time.
//!
//! The key is claimed with the digest of the payload before anything is taken in, so that another payload under it is
//! refused, also at the same moment. The answer is recorded behind it, under a key derived from the first. What is
//! broken off in between is taken in again by the next request under the key: each event counts once by itself.

use std::sync::Arc;

use serde_json::json;

use super::Node;
use super::inlet::{INLET, Incoming, TakenIn};
use crate::entity::{Dedup, Fault};
use crate::id::{StreamId, StreamKey, TenantId, uuid_v8};
use crate::journal::{Accepted, Entry, EntryError, Json, KeyHash, KeyRecord, Origin, Outcome};
use crate::partition::LaneError;

impl Node {
    /// Takes events from outside in, as [`Node::take_in`] does, and under an idempotency key answers alike each time.
    /// The answer is true with what was recorded before.
    ///
    /// # Errors
    ///
    /// [`Fault`]; [`Fault::KeyReused`] where the key was used with another payload.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the events may still be taken in.
    pub async fn take_in_once(
        &self,
        tenant: &TenantId,
        origin: &Arc<Origin>,
        events: Vec<Incoming>,
        dedup: Dedup,
    ) -> Result<(TakenIn, bool), Fault> {
        let Dedup::Key { key, digest } = dedup else {
            return Ok((self.take_in(tenant, origin, events).await?, false));
        };
        if self.is_held() {
            return Err(Fault::Held);
        }
        let claimed = self.record(tenant, key, digest, Json::null()).await?;
        if claimed.is_some_and(|(known, _)| known != digest) {
            return Err(Fault::KeyReused);
        }
        let answer = self.info().secret.digest("receipt", &[&hex(key)]);
        if let Some(record) = self.journal().find_key(&answer).await? {
            return Ok((read(&record.outcome), true));
        }
        let taken = self.take_in(tenant, origin, events).await?;
        let reply = json!({ "accepted": taken.accepted, "duplicates": taken.duplicates });
        match self.record(tenant, answer, digest, Json::from(&reply)).await? {
            None => Ok((taken, false)),
            Some((_, outcome)) => Ok((read(&outcome), true)),
        }
    }

    /// Records an answer under a key; where one stands there already, that is returned.
    async fn record(
        &self,
        tenant: &TenantId,
        key: KeyHash,
        digest: [u8; 16],
        reply: Json,
    ) -> Result<Option<([u8; 16], Outcome)>, Fault> {
        let stream = StreamKey::new(tenant.clone(), StreamId::new(INLET, uuid_v8(key, None)));
        let outcome = Outcome::Accepted(Accepted { seq: 0, events: Vec::new(), reply });
        let mut entry = Entry::new(stream.clone(), self.cx().now());
        entry.keys.push(KeyRecord { key, digest, stream: stream.clone(), range: None, outcome });
        let owned = self.owned(&stream)?;
        let appended = owned.append(entry);
        match self.directory().hear(&owned, appended, || Fault::Unknown).await? {
            Ok(_) => Ok(None),
            Err(LaneError::Entry(EntryError::KeyTaken { .. })) => {
                let found = self.journal().find_key(&key).await?;
                // Keys are kept for days: one that was there a moment ago is gone only if its time was over just then.
                found.map(|record| Some((record.digest, record.outcome))).ok_or(Fault::Unknown)
            }
            Err(error) => Err(self.directory().append_failed(&owned, &error)),
        }
    }
}

fn read(outcome: &Outcome) -> TakenIn {
    let Outcome::Accepted(accepted) = outcome else { return TakenIn::default() };
    let reply = accepted.reply.value();
    let count = |name: &str| reply[name].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
    TakenIn { accepted: count("accepted"), duplicates: count("duplicates"), marks: Vec::new() }
}

fn hex(key: KeyHash) -> String {
    uuid::Uuid::from_bytes(key).simple().to_string()
}
