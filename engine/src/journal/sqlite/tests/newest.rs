//! The newest streams in memory: with or without them a list is the same.

use super::*;
use crate::id::{Slot, StreamId, uuid_v7};
use crate::journal::conformance::everything_of;

const KINDS: [Prefix; 2] = [Prefix::new("thing"), Prefix::new("other")];

fn stream(n: u64) -> StreamKey {
    let tenant = if n.is_multiple_of(3) { "one" } else { "two" };
    let id = StreamId::new(KINDS[(n % 2) as usize], uuid_v7(1, Slot::new(7), n));
    StreamKey::new(tenant.parse().unwrap(), id)
}

/// Every page of every list, the newest first, against the order in which the streams were made.
async fn check(journal: &SqliteJournal, made: u64, limits: &[usize]) {
    for tenant in ["one", "two", "none"] {
        for prefix in KINDS {
            let all = (0..made).map(stream).filter(|key| key.tenant.as_str() == tenant);
            let mut all: Vec<_> = all.filter(|key| key.id.prefix() == prefix).collect();
            all.reverse();
            for limit in limits {
                let (mut listed, mut after) = (Vec::new(), None);
                loop {
                    let tenant = tenant.parse().unwrap();
                    let page = journal.list_streams(&tenant, prefix, after, true, *limit).await.unwrap();
                    listed.extend(page.streams.iter().map(|(key, _)| key.clone()));
                    let Some((_, cursor)) = page.streams.last() else { break };
                    after = Some(*cursor);
                }
                assert_eq!(listed, all, "{tenant}, {made} made, pages of {limit}");
            }
        }
    }
}

async fn make(journal: &SqliteJournal, fence: Fence, numbers: std::ops::Range<u64>) {
    let entries: Vec<_> = numbers.map(|n| everything_of(&stream(n), n, 0)).collect();
    for answer in journal.append(fence, &entries).await.unwrap() {
        answer.unwrap();
    }
}

#[tokio::test]
async fn lists_are_the_same_whatever_is_in_memory() {
    let sqlite = Sqlite::new();
    let mut made = 0;
    for life in 0..3 {
        let journal = SqliteJournal::open(sqlite.dir.path()).await.unwrap();
        let fence = journal.take_over(PARTITION, Uuid::from_u128(life + 1)).await.unwrap().fence;
        for step in 0..20 {
            let limits: &[usize] = if step % 5 == 4 { &[1, 2, 7, 100] } else { &[3] };
            let more = [0, 1, 2, 5, 30, 900][(step * 7 % 11 % 6) as usize];
            make(&journal, fence, made..made + more).await;
            made += more;
            if step % 3 != 1 {
                check(&journal, made, limits).await;
            }
            if step % 4 == 1 {
                journal.merge().await.unwrap();
            }
        }
        check(&journal, made, &[1, 20, 100]).await;
        journal.close().await;
    }
}

#[tokio::test]
async fn first_pages_need_no_query() {
    let sqlite = Sqlite::new();
    let journal = SqliteJournal::open(sqlite.dir.path()).await.unwrap();
    let fence = journal.take_over(PARTITION, Uuid::from_u128(1)).await.unwrap().fence;
    make(&journal, fence, 0..300).await;
    journal.merge().await.unwrap();
    journal.close().await;
    let journal = SqliteJournal::open(sqlite.dir.path()).await.unwrap();
    let fence = journal.take_over(PARTITION, Uuid::from_u128(2)).await.unwrap().fence;
    let first = async |limit| {
        let page = journal.list_streams(&stream(1).tenant, KINDS[1], None, true, limit).await.unwrap();
        page.streams.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    let newest = first(20).await;
    journal.readers.close().await;
    assert_eq!(first(20).await, newest, "the first page has been learnt");
    make(&journal, fence, 300..318).await;
    let expected: Vec<_> = [317, 313, 311, 307, 305, 301].map(stream).into_iter().chain(newest).collect();
    assert_eq!(first(20).await, expected[..20]);
    journal.merge().await.unwrap();
    assert_eq!(first(20).await, expected[..20]);
    assert_eq!(first(26).await, expected);
    let unknown = journal.list_streams(&stream(0).tenant, KINDS[0], None, true, 20).await;
    assert!(unknown.is_err(), "of this kind nothing is known");
}
