//! What goes wrong: the disk, the commit, the caller, the file, a second process.

use std::future::Future;
use std::pin::pin;

use futures_util::poll;
use sqlx::{Connection, Executor};

use super::*;
use crate::id::{StreamId, uuid_v7};
use crate::journal::{Json, NewEvent, Origin};

async fn open(dir: &TempDir) -> (SqliteJournal, Fence) {
    let journal = SqliteJournal::open(dir.path()).await.unwrap();
    let lease = journal.take_over(PARTITION, Uuid::from_u128(1)).await.unwrap();
    (journal, lease.fence)
}

fn made(n: u64, expected: Seq, text: &str) -> Entry {
    let id = StreamId::new(Prefix::new("thing"), uuid_v7(1, crate::id::Slot::new(0), n));
    let mut entry = Entry::new(StreamKey::new(TenantId::default_tenant(), id), Timestamp::from_ms(1));
    entry.expected = Some(expected);
    let origin = Arc::new(Origin::root("test", "test"));
    let data = Json::of(text).unwrap();
    entry.events = vec![NewEvent { name: "made".into(), version: 1, data, origin }];
    entry
}

async fn log(journal: &SqliteJournal) -> Vec<(Position, StreamKey, Seq)> {
    let log = journal.read_log(PARTITION, 0, usize::MAX).await.unwrap();
    log.into_iter().map(|event| (event.position, event.stream, event.seq)).collect()
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let dir = TempDir::new().unwrap();
    let (journal, fence) = open(&dir).await;
    let Err(Error::InUse { reason }) = SqliteJournal::open(dir.path()).await else { panic!("it was let in") };
    assert!(reason.contains(&std::process::id().to_string()), "{reason}");
    journal.append(fence, &[made(1, 0, "x")]).await.unwrap();
    drop(journal);
    let (journal, fence) = open(&dir).await;
    assert_eq!(fence.epoch, 2);
    assert_eq!(log(&journal).await.len(), 1, "dropped without being closed, nothing is lost");
}

#[tokio::test]
async fn a_file_that_is_no_journal_or_too_new_is_refused() {
    for (sql, is_corrupt) in [
        ("PRAGMA application_id = 5; CREATE TABLE other (a)", true),
        ("CREATE TABLE other (a)", true),
        ("PRAGMA application_id = 1347644012; PRAGMA user_version = 99", false),
    ] {
        let dir = TempDir::new().unwrap();
        let mut conn = Files::new(dir.path()).open_writer().await.unwrap();
        sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
        let error = SqliteJournal::open(dir.path()).await.unwrap_err();
        assert_eq!(matches!(error, Error::Corrupt { .. }), is_corrupt, "{error}");
        assert!(matches!(error, Error::Corrupt { .. } | Error::Unavailable { .. }), "{error}");
    }
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("journal.db"), "no database at all, but long enough to be looked at")
        .unwrap();
    assert!(matches!(SqliteJournal::open(dir.path()).await, Err(Error::Corrupt { .. })));
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_found_out() {
    let dir = TempDir::new().unwrap();
    let (journal, fence) = open(&dir).await;
    journal.sabotage.next(Failing::LostAnswer);
    let answers = journal.append(fence, &[made(1, 0, "a"), made(2, 0, "b")]).await.unwrap();
    assert_eq!(answers[1].as_ref().unwrap().position, 2);
    journal.append(fence, &[made(1, 1, "c")]).await.unwrap();
    let seqs: Vec<_> = log(&journal).await.into_iter().map(|(position, _, seq)| (position, seq)).collect();
    assert_eq!(seqs, [(1, 1), (2, 1), (3, 2)]);
    let mut beside = made(1, 2, "");
    beside.events.clear();
    beside.snapshot = Some(crate::journal::Snapshot { seq: 2, version: 1, data: Json::null() });
    journal.sabotage.next(Failing::LostAnswer);
    assert!(journal.append(fence, &[beside]).await.unwrap()[0].is_ok(), "without events too");
}

#[tokio::test]
async fn a_commit_that_failed_left_nothing() {
    let dir = TempDir::new().unwrap();
    let (journal, fence) = open(&dir).await;
    journal.append(fence, &[made(1, 0, "a")]).await.unwrap();
    journal.sabotage.next(Failing::Lost);
    let error = journal.append(fence, &[made(1, 1, "b"), made(2, 0, "b")]).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    assert_eq!(journal.load(&made(1, 0, "").stream).await.unwrap().head, 1);
    assert_eq!(journal.load(&made(2, 0, "").stream).await.unwrap().head, 0);
    journal.append(fence, &[made(2, 0, "c"), made(1, 1, "c")]).await.unwrap();
    assert_eq!(log(&journal).await.len(), 3);
}

#[tokio::test]
async fn a_full_disk_refuses_and_works_again_when_there_is_room() {
    let dir = TempDir::new().unwrap();
    let (journal, fence) = open(&dir).await;
    journal.append(fence, &[made(1, 0, "a")]).await.unwrap();
    let limit = |pages: u32| format!("PRAGMA max_page_count = {pages}");
    let set = async |sql: String| {
        let mut writer = journal.writer.lock().await;
        writer.conn().await.unwrap().execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
    };
    set(limit(1)).await;
    let large = "x".repeat(1 << 20);
    for _ in 0..3 {
        let error = journal.append(fence, &[made(1, 1, &large), made(2, 0, "b")]).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "{error}");
        assert_eq!(log(&journal).await.len(), 1);
        assert_eq!(journal.load(&made(1, 0, "").stream).await.unwrap().head, 1);
    }
    set(limit(1_000_000)).await;
    assert!(
        journal
            .append(fence, &[made(1, 1, &large), made(2, 0, "b")])
            .await
            .unwrap()
            .iter()
            .all(Result::is_ok)
    );
    assert_eq!(log(&journal).await.len(), 3);
}

#[tokio::test]
async fn memory_that_fell_behind_the_file_follows_it() {
    let dir = TempDir::new().unwrap();
    let (journal, fence) = open(&dir).await;
    journal.append(fence, &[made(1, 0, "a")]).await.unwrap();
    let mut other = Files::new(dir.path()).open_writer().await.unwrap();
    other.execute("UPDATE partition SET commits = commits + 5").await.unwrap();
    assert!(journal.append(fence, &[made(1, 1, "b")]).await.unwrap()[0].is_ok());
    other.execute("UPDATE partition SET epoch = epoch + 1").await.unwrap();
    let error = journal.append(fence, &[made(1, 2, "c")]).await.unwrap_err();
    assert!(matches!(error, Error::Fenced { partition: PARTITION }), "{error}");
    assert_eq!(log(&journal).await.len(), 2);
}

/// Polls a future some times, and then drops it where it stands.
async fn poll_and_drop<T>(future: impl Future<Output = T>, polls: u32) -> bool {
    let mut future = pin!(future);
    for _ in 0..polls {
        if poll!(&mut future).is_ready() {
            return true;
        }
        std::thread::yield_now();
        tokio::task::yield_now().await;
    }
    false
}

#[tokio::test]
async fn an_append_may_be_dropped_at_any_await() {
    let dir = TempDir::new().unwrap();
    let (journal, fence) = open(&dir).await;
    let (mut head, mut dropped) = (0, 0);
    for round in 0..400 {
        let mut one = made(1, head, "one");
        if round % 7 == 0 {
            // The database itself refuses the second entry, so that the batch goes entry by entry.
            let outcome = crate::journal::Outcome::Rejected(crate::journal::Rejected {
                kind: crate::journal::RejectionKind::Conflict,
                code: "no".into(),
                message: String::new(),
                detail: Json::null(),
            });
            let id = crate::journal::MessageId::derive(&["dropped", &round.to_string()]);
            one.received = vec![crate::journal::Received { id, outcome }; 1 + usize::from(round % 2 == 0)];
        }
        let batch = [one, made(2 + round, 0, "two")];
        // How far it comes by then is the machine's affair: half of them have little time.
        let polls = u32::try_from(round).unwrap() % if round % 2 == 0 { 80 } else { 6 };
        dropped += u32::from(!poll_and_drop(journal.append(fence, &batch), polls).await);
        let seen = journal.load(&batch[0].stream).await.unwrap();
        let second = journal.load(&batch[1].stream).await.unwrap();
        assert!(seen.head == head || seen.head == head + 1);
        let is_refused = round % 14 == 0;
        assert!(is_refused || (seen.head > head) == (second.head > 0), "all of it stands, or nothing");
        assert_eq!(seen.events.len() as u64, seen.head);
        head = seen.head;
    }
    assert!(dropped > 50 && head > 50, "{dropped} dropped, {head} committed");
    let log = log(&journal).await;
    let positions: Vec<_> = log.iter().map(|(position, ..)| *position).collect();
    assert_eq!(positions, (1..=positions.len() as u64).collect::<Vec<_>>());
    journal.close().await;
    let (journal, _) = open(&dir).await;
    assert_eq!(journal.load(&made(1, 0, "").stream).await.unwrap().head, head);
}

#[tokio::test]
async fn other_calls_may_be_dropped_too() {
    let dir = TempDir::new().unwrap();
    let (journal, fence) = open(&dir).await;
    let key = made(1, 0, "").stream;
    for seq in 0..20 {
        journal.append(fence, &[made(1, seq, "one")]).await.unwrap();
    }
    for polls in 0..60 {
        poll_and_drop(journal.load(&key), polls).await;
        poll_and_drop(journal.maintain(Timestamp::from_ms(1)), polls).await;
        poll_and_drop(journal.merge(), polls).await;
        poll_and_drop(journal.read_log(PARTITION, 0, 100), polls).await;
    }
    assert_eq!(journal.load(&key).await.unwrap().events.len(), 20);
    for polls in 0..40 {
        poll_and_drop(journal.take_over(PARTITION, Uuid::from_u128(7)), polls).await;
    }
    let lease = journal.take_over(PARTITION, Uuid::from_u128(8)).await.unwrap();
    assert!(journal.append(lease.fence, &[made(1, 20, "one")]).await.unwrap()[0].is_ok());
}

#[tokio::test]
async fn checkpoints_move_the_log_into_the_file() {
    let dir = TempDir::new().unwrap();
    let (journal, fence) = open(&dir).await;
    let large = "x".repeat(1 << 20);
    for n in 0..6 {
        journal.append(fence, &[made(n, 0, &large)]).await.unwrap();
    }
    let size = || std::fs::metadata(dir.path().join("journal.db")).unwrap().len();
    let before = size();
    journal.maintain(Timestamp::from_ms(1)).await.unwrap();
    assert!(size() > before + (6 << 20), "{before} and then {}", size());
}
