//! Imports and exports in this process: what is taken over, what is refused, and what happens at the same time.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use promptsales_engine::clock::Timestamp;
use promptsales_engine::id::{Prefix, Slot, StreamId, StreamKey, TenantId, uuid_v7};
use promptsales_engine::journal::conformance::{Backend, same_answers};
use promptsales_engine::journal::memory::{MemoryJournal, MemoryStore};
use promptsales_engine::journal::postgres::{
    ImportStore, PostgresJournal, PostgresOptions, StillStore, Target, mark_restored,
};
use promptsales_engine::journal::sqlite::{self, SqliteJournal};
use promptsales_engine::journal::transfer::{self, Header, Import, Trailer, verify};
use promptsales_engine::journal::{
    Entry, Error, Journal, Json, NewEvent, Origin, PartitionId, Snapshot, TimerOp,
};
use promptsales_engine::partition::{Beat, Member, Ownership};
use promptsales_tests::{Dice, Postgres, database_of, until};
use tempfile::TempDir;
use uuid::Uuid;

use super::told;

struct Memory(MemoryStore);

#[async_trait]
impl Backend for Memory {
    async fn open(&self) -> Arc<dyn Journal> {
        MemoryJournal::open(&self.0)
    }
}

struct Sqlite(TempDir);

#[async_trait]
impl Backend for Sqlite {
    async fn open(&self) -> Arc<dyn Journal> {
        Arc::new(open_folder(self.0.path()).await)
    }
}

/// Opens a store that nobody has. For a moment a process that another test starts may hold a copy of its lock.
async fn open_folder(folder: &Path) -> SqliteJournal {
    until("the end of its use", || async {
        match SqliteJournal::open(folder).await {
            Err(Error::InUse { .. }) => None,
            opened => Some(opened.expect("the journal can be opened")),
        }
    })
    .await
}

fn folder() -> TempDir {
    TempDir::new().expect("a folder can be made")
}

fn target(url: &str) -> Target {
    url.parse().expect("the URL is one")
}

fn options(partitions: u32) -> PostgresOptions {
    PostgresOptions { partitions, ..PostgresOptions::default() }
}

async fn file_of(folder: &Path) -> Vec<u8> {
    let journal = open_folder(folder).await;
    let mut file = Vec::new();
    transfer::export(&journal, &mut file, 0, |_| {}).await.expect("it can be exported");
    journal.close().await;
    file
}

async fn file_of_database(url: &str) -> Result<Vec<u8>, transfer::Error> {
    let store = Box::pin(StillStore::open(&target(url), options(64))).await?;
    let mut file = Vec::new();
    Box::pin(transfer::export_merged(store.journal(), &mut file, store.check(), |_| {})).await?;
    Ok(file)
}

fn checked(file: &[u8]) -> (Header, Trailer) {
    verify(file, |_| {}).expect("the file is sound")
}

async fn open(url: &str, file: &[u8], partitions: u32) -> Result<ImportStore, Error> {
    let (header, trailer) = checked(file);
    ImportStore::open(&target(url), options(partitions), &header, &trailer).await
}

/// Imports a file from where an earlier import of it was broken off.
async fn import(url: &str, file: &[u8], partitions: u32) {
    let store = open(url, file, partitions).await.expect("it can be begun");
    let mut lines = Import::new(store.journal(), store.fences(), file, store.done());
    while let Some(count) = lines.next().await.expect("it is taken in") {
        store.note(count).await.expect("it can be noted");
    }
    store.finish(&checked(file).1).await.expect("it is whole");
}

async fn import_into(folder: &Path, file: &[u8]) {
    let (header, trailer) = checked(file);
    let store = sqlite::ImportStore::open(folder, &header).await.expect("it can be begun");
    let lease = store.journal().take_over(0, Uuid::from_u128(7)).await.expect("it can be taken over");
    let mut lines = Import::new(store.journal(), &[lease.fence], file, None);
    while lines.next().await.expect("it is taken in").is_some() {}
    store.finish(&trailer).await.expect("it is whole");
}

fn stream(n: u64) -> StreamKey {
    let slot = Slot::new(u16::try_from(n * 37 % 4096).expect("a slot"));
    StreamKey::new(TenantId::default_tenant(), StreamId::new(Prefix::new("thing"), uuid_v7(1, slot, n)))
}

/// A file of so many streams with three events, a timer and a kept state each; of every fifth one event is kept.
pub(super) async fn large_file(streams: u64) -> Vec<u8> {
    let folder = folder();
    let journal = open_folder(folder.path()).await;
    let fence = journal.take_over(0, Uuid::from_u128(1)).await.expect("it can be taken over").fence;
    let origin = Arc::new(Origin::root("test", "test"));
    for seq in 0..3 {
        let entry = |n: u64| {
            let mut entry = Entry::new(stream(n), Timestamp::from_ms((seq * streams + n).cast_signed()));
            entry.expected = Some(seq);
            let data = Json::of(&format!("{n} {seq}")).expect("a text is JSON");
            entry.events = vec![NewEvent { name: "made".into(), version: 1, data, origin: origin.clone() }];
            entry.timers.push(TimerOp::Set { name: format!("{seq}"), due: Timestamp::from_ms(9) });
            entry.snapshot = Some(Snapshot { seq: seq + 1, version: 1, data: Json::null() });
            entry
        };
        let batch: Vec<_> = (0..streams).map(entry).collect();
        for answer in journal.append(fence, &batch).await.expect("it is taken") {
            answer.expect("it is in order");
        }
    }
    for n in (0..streams).step_by(5) {
        assert_eq!(journal.trim(&stream(n), 9).await.expect("it can be trimmed"), 2);
    }
    journal.close().await;
    file_of(folder.path()).await
}

async fn listed(journal: &dyn Journal) -> Vec<StreamKey> {
    let (tenant, kind) = (TenantId::default_tenant(), Prefix::new("thing"));
    let page = journal.list_streams(&tenant, kind, None, false, usize::MAX).await.expect("it can be read");
    page.streams.into_iter().map(|(key, _)| key).collect()
}

#[tokio::test]
async fn a_random_store_is_the_same_after_the_way_there_and_back() {
    let server = Postgres::shared();
    let mut dice = Dice::new("there and back", 31);
    for partitions in [1, 3, 64] {
        let seed = dice.roll(1 << 32);
        println!("seed {seed}, {partitions} partitions");
        let from = Arc::new(Sqlite(folder()));
        same_answers(seed, 120, from.clone(), Arc::new(Memory(MemoryStore::new(seed)))).await;
        let first = file_of(from.0.path()).await;
        let url = server.database();
        import(&url, &first, partitions).await;
        let second = file_of_database(&url).await.expect("it can be exported");
        assert_eq!(told(&first), told(&second), "in the database");
        let back = folder();
        import_into(back.path(), &second).await;
        assert_eq!(told(&first), told(&file_of(back.path()).await), "and back");
        let again = server.database();
        import(&again, &second, 5).await;
        let third = file_of_database(&again).await.expect("it can be exported");
        assert_eq!(told(&first), told(&third), "in another database");
    }
}

#[tokio::test]
async fn an_import_that_was_broken_off_goes_on_wherever_that_was() {
    let server = Postgres::shared();
    let file = large_file(600).await;
    let (header, trailer) = checked(&file);
    let url = server.database();
    let mut tries = 0_usize;
    loop {
        let store = open(&url, &file, 8).await.expect("it can be begun or gone on with");
        let mut lines = Import::new(store.journal(), store.fences(), file.as_slice(), store.done());
        let mut last = 0;
        let mut is_over = true;
        for _ in 0..2 {
            let Some(count) = lines.next().await.expect("it is taken in") else { break };
            is_over = count == trailer.position + trailer.beside + 2;
            if last > 0 {
                // The note is older than what stands when the process dies here.
                store.note(last).await.expect("it can be noted");
            }
            last = count;
        }
        if is_over {
            store.finish(&trailer).await.expect("it is whole");
            break;
        }
        let opened = PostgresJournal::open(&url, options(8)).await;
        let error = opened.expect_err("it is no store yet").to_string();
        assert!(error.contains("import that is not done"), "{error}");
        tries += 1;
        assert!(tries < 60, "it comes to an end");
        store.break_off().await;
    }
    assert!(tries > 4, "{tries}");
    let journal = PostgresJournal::open(&url, options(8)).await.expect("it is a store now");
    assert!(journal.info().resumed_at.is_some(), "it starts held");
    assert_eq!(journal.info().log, header.log);
    assert_ne!(journal.info().history, header.history);
    let secret: String = journal.info().secret.bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(Some(secret), header.secret);
    assert_eq!(listed(&journal).await, (0..600).map(stream).collect::<Vec<_>>(), "by age");
    journal.close().await;
    assert_eq!(told(&file), told(&file_of_database(&url).await.expect("it can be exported")));
    let error = open(&url, &file, 8).await.expect_err("it is not empty").to_string();
    assert!(error.contains("not empty"), "{error}");
}

#[tokio::test]
async fn of_two_imports_at_the_same_time_one_goes_on() {
    let server = Postgres::shared();
    let file = large_file(400).await;
    let trailer = checked(&file).1;
    let url = server.database();
    // Opened before there was anything to import: it must not get hold of what comes into its place.
    let early = PostgresJournal::open(&url, options(8)).await.expect("the journal can be opened");
    let first = open(&url, &file, 8).await.expect("it can be begun");
    let mut one = Import::new(first.journal(), first.fences(), file.as_slice(), first.done());
    let count = one.next().await.expect("it is taken in").expect("there is more");
    first.note(count).await.expect("it can be noted");
    let error = open(&url, &file, 8).await.expect_err("one is under way").to_string();
    assert!(error.contains("another import is under way"), "{error}");
    let other = open(&url, &large_file(3).await, 8).await.expect_err("another file").to_string();
    assert!(other.contains("another file"), "{other}");
    let marked = mark_restored(&target(&url), &options(8)).await.expect_err("it is no store").to_string();
    assert!(marked.contains("import that is not done"), "{marked}");
    let error = file_of_database(&url).await.expect_err("it is no store").to_string();
    assert!(error.contains("cannot be used"), "{error}");
    assert_eq!(claimed(&early, 1).await, [0; 0], "nobody serves a part of a store");

    // As if the first one had not been heard of for long.
    let late = "UPDATE promptsales.import SET expires = clock_timestamp() - interval '1 s'";
    server.sql(database_of(&url), late);
    let second = open(&url, &file, 8).await.expect("it can be gone on with");
    assert_eq!(second.done(), Some(count));
    let mut two = Import::new(second.journal(), second.fences(), file.as_slice(), second.done());
    two.next().await.expect("it is taken in");
    let fenced = one.next().await.expect_err("it has been taken over");
    assert!(matches!(fenced, transfer::Error::Journal(Error::Fenced { .. })), "{fenced}");
    assert!(matches!(first.note(9_999).await, Err(Error::InUse { .. })));
    assert!(matches!(first.finish(&trailer).await, Err(Error::InUse { .. })));
    while two.next().await.expect("it is taken in").is_some() {}
    second.finish(&trailer).await.expect("it is whole");
    assert_eq!(claimed(&early, 1).await, [0; 0], "it is another store now");
    let late = PostgresJournal::open(&url, options(8)).await.expect("it is a store");
    assert_eq!(claimed(&late, 2).await.len(), 8);
}

/// The partitions that a node gets when it claims all that are free.
async fn claimed(journal: &PostgresJournal, start: u128) -> Vec<PartitionId> {
    let member = Member {
        node: Uuid::from_u128(5),
        incarnation: Uuid::from_u128(start),
        address: "http://five".to_owned(),
        lease: Duration::from_millis(1),
    };
    let Beat::Renewed(standings) = journal.heartbeat(&member).await.expect("it answers") else {
        panic!("it has been replaced")
    };
    let leases = journal.claim(&member, &standings).await.expect("it answers");
    leases.into_iter().map(|lease| lease.fence.partition).collect()
}

#[tokio::test]
async fn a_store_that_does_not_stand_still_is_not_exported() {
    let server = Postgres::shared();
    let url = server.database();
    let error = file_of_database(&url).await.expect_err("there is nothing").to_string();
    assert!(error.contains("cannot be used"), "{error}");
    assert_eq!(
        server.sql(database_of(&url), "SELECT count(*) FROM pg_namespace WHERE nspname = 'promptsales'"),
        "0"
    );
    import(&url, &large_file(20).await, 4).await;
    let still = StillStore::open(&target(&url), options(4)).await.expect("nobody serves it");
    let journal = PostgresJournal::open(&url, options(4)).await.expect("the journal can be opened");
    still.check().await.expect("nobody has taken it up");
    assert_eq!(claimed(&journal, 1).await.len(), 4);
    let mut file = Vec::new();
    let error = transfer::export_merged(still.journal(), &mut file, still.check(), |_| {}).await;
    assert!(matches!(error, Err(transfer::Error::Journal(Error::InUse { .. }))), "{error:?}");
    assert!(verify(file.as_slice(), |_| {}).is_err(), "the file has no end");
}
