//! What the tests of the journal in PostgreSQL are made of.

use std::sync::Arc;

use promptsales_engine::clock::Timestamp;
use promptsales_engine::id::{Prefix, Slot, StreamId, StreamKey, TenantId, uuid_v7};
use promptsales_engine::journal::postgres::{PostgresJournal, PostgresOptions};
use promptsales_engine::journal::{
    Entry, Fence, Journal, Json, KeyRecord, NewEvent, Origin, Outcome, Rejected, RejectionKind, Seq,
};
use uuid::Uuid;

pub(super) const PARTITIONS: u32 = 4;

pub(super) async fn open(url: &str) -> PostgresJournal {
    let options = PostgresOptions { partitions: PARTITIONS, ..PostgresOptions::default() };
    PostgresJournal::open(url, options).await.expect("the journal can be opened")
}

/// Takes every partition over.
pub(super) async fn own(journal: &PostgresJournal, incarnation: u128) -> Vec<Fence> {
    let mut fences = Vec::new();
    for id in 0..PARTITIONS {
        let lease = journal.take_over(id, Uuid::from_u128(incarnation)).await;
        fences.push(lease.expect("it can be taken over").fence);
    }
    fences
}

/// The `n`th stream; its partition is `n % PARTITIONS`.
pub(super) fn stream(n: u64) -> StreamKey {
    let width = 4096 / u64::from(PARTITIONS);
    let slot = n % u64::from(PARTITIONS) * width + n / u64::from(PARTITIONS) % width;
    let slot = Slot::new(u16::try_from(slot).expect("a slot"));
    StreamKey::new(TenantId::default_tenant(), StreamId::new(Prefix::new("thing"), uuid_v7(1, slot, n)))
}

/// An entry of one event.
pub(super) fn made(n: u64, expected: Seq) -> Entry {
    let mut entry = Entry::new(stream(n), Timestamp::from_ms(1));
    entry.expected = Some(expected);
    let origin = Arc::new(Origin::root("test", "test"));
    let data = Json::of(&format!("{n} {expected}")).expect("a text is JSON");
    entry.events = vec![NewEvent { name: "made".into(), version: 1, data, origin }];
    entry
}

/// The record of a key of a stream.
pub(super) fn key(n: u64, key: u8) -> KeyRecord {
    let outcome = Outcome::Rejected(Rejected {
        kind: RejectionKind::Conflict,
        code: "no".into(),
        message: String::new(),
        detail: Json::null(),
    });
    KeyRecord { key: [key; 16], digest: [0; 16], stream: stream(n), range: None, outcome }
}

/// The number of a stream's last event.
pub(super) async fn head(journal: &PostgresJournal, n: u64) -> Seq {
    journal.load(&stream(n)).await.expect("it can be loaded").head
}
