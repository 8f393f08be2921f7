use super::*;
use crate::id::{Slot, StreamId, uuid_v7};
use crate::journal::{Json, NewEvent, Origin};

fn stream(n: u64) -> StreamKey {
    StreamKey::new(
        TenantId::default_tenant(),
        StreamId::new(Prefix::new("thing"), uuid_v7(1, Slot::new(7), n)),
    )
}

fn entry(n: u64, expected: Seq) -> Entry {
    let mut entry = Entry::new(stream(n), Timestamp::from_ms(1_000 + expected.cast_signed()));
    let origin = Arc::new(Origin::root("test", "test"));
    entry.events.push(NewEvent { name: "was".into(), version: 1, data: Json::null(), origin });
    entry.expected = Some(expected);
    entry
}

async fn append(journal: &SqliteJournal, fence: Fence, n: u64, expected: Seq) -> Position {
    journal.append(fence, &[entry(n, expected)]).await.unwrap()[0].as_ref().unwrap().position
}

#[tokio::test]
async fn a_copy_made_while_appends_go_on_is_one_moment_of_the_store() {
    let (dir, copies) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let journal = Arc::new(SqliteJournal::open(dir.path()).await.unwrap());
    let fence = journal.take_over(PARTITION, Uuid::from_u128(1)).await.unwrap().fence;
    for seq in 0..50 {
        append(&journal, fence, 1, seq).await;
    }
    let writing = async {
        for seq in 0..200 {
            append(&journal, fence, 2, seq).await;
        }
    };
    let to = copies.path().join("copy.db");
    let (copied, ()) = tokio::join!(journal.back_up(&to), writing);
    let copied = copied.unwrap();
    assert!((50..=250).contains(&copied.position), "{copied:?}");
    assert_eq!((copied.log, copied.history), (journal.info().log, journal.info().history));
    assert_eq!(check_backup(&to).await.unwrap(), copied);
    assert!(matches!(journal.back_up(&to).await, Err(Error::Unavailable { .. })), "no copy is overwritten");
    let all = journal.read_log(PARTITION, 0, usize::MAX).await.unwrap();
    assert_eq!(all.len(), 250, "appends went on");

    let new = copies.path().join("new");
    let restored = restore(&to, &new).await.unwrap();
    assert_eq!((restored.log, restored.position), (copied.log, copied.position));
    assert_ne!(restored.history, copied.history);
    let second = SqliteJournal::open(&new).await.unwrap();
    let info = second.info();
    let derived = |info: &crate::journal::Info| info.secret.digest("anything", &["a"]);
    assert_eq!((info.history, derived(info)), (restored.history, derived(journal.info())));
    assert!(info.resumed_at.is_some_and(|at| at >= copied.last), "{:?}", info.resumed_at);
    assert_eq!(journal.info().resumed_at, None);
    let taken = second.read_log(PARTITION, 0, usize::MAX).await.unwrap();
    let facts = |event: &crate::journal::Event| (event.position, event.stream.clone(), event.seq, event.at);
    assert!(taken.iter().map(facts).eq(all.iter().take(taken.len()).map(facts)));
    assert!(matches!(second.append(fence, &[]).await, Err(Error::Fenced { .. })), "the old owner is fenced");
    let lease = second.take_over(PARTITION, Uuid::from_u128(2)).await.unwrap();
    assert_eq!(append(&second, lease.fence, 3, 0).await, copied.position + 1);
}

#[tokio::test]
async fn a_copy_that_is_cut_off_or_changed_is_refused() {
    let (dir, copies) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let journal = SqliteJournal::open(dir.path()).await.unwrap();
    let fence = journal.take_over(PARTITION, Uuid::from_u128(1)).await.unwrap().fence;
    for seq in 0..300 {
        append(&journal, fence, 1, seq).await;
    }
    let to = copies.path().join("copy.db");
    journal.back_up(&to).await.unwrap();
    let whole = std::fs::read(&to).unwrap();
    let new = copies.path().join("new");
    std::fs::write(&to, &whole[..whole.len() / 2]).unwrap();
    assert!(restore(&to, &new).await.is_err(), "it is cut off");
    std::fs::write(&to, b"no database").unwrap();
    assert!(restore(&to, &new).await.is_err(), "it is no database");
    std::fs::write(&to, &whole).unwrap();
    let mut conn = sqlx::ConnectOptions::connect(&super::super::files::base(&to)).await.unwrap();
    sqlx::Executor::execute(&mut conn, "DELETE FROM event WHERE pos = 7").await.unwrap();
    sqlx::Connection::close(conn).await.unwrap();
    assert!(matches!(restore(&to, &new).await, Err(Error::Corrupt { .. })), "an event is missing");
    std::fs::write(&to, &whole).unwrap();
    restore(&to, &new).await.unwrap();
    assert!(matches!(restore(&to, &new).await, Err(Error::Unavailable { .. })), "there is a store already");
}
