use tempfile::TempDir;

use super::*;
use crate::id::{Slot, StreamId, uuid_v7};

const OF: Uuid = Uuid::from_u128(7);
const FENCE: Fence = Fence { partition: 0, epoch: 1, incarnation: Uuid::nil() };

#[test]
fn what_is_written_of_terms_is_in_their_order() {
    let numbers = [f64::MIN, -1e9, -1.5, -1e-300, 0.0, 1e-300, 1.0, 1.5, 2.0, 10.0, f64::MAX];
    let texts = ["", "10", "9", "a", "true", "ä"];
    let terms = numbers.map(Term::Number).into_iter().chain(texts.map(Term::text));
    let written: Vec<_> = terms.map(|term| term.encoded()).collect();
    assert!(written.is_sorted_by(|a, b| a < b), "{written:?}");
    assert_eq!(Term::Number(-0.0).encoded(), Term::Number(0.0).encoded());
    assert_eq!(Term::text("2026-01-01T01:00:00+01:00"), Term::text("2026-01-01T00:00:00Z"));
    assert_eq!(Term::text(&"é".repeat(200)), Term::Text("é".repeat(128)));
    assert_eq!(Term::meant("12"), [Term::Number(12.0), Term::text("12")]);
    assert_eq!(Term::meant("inf"), [Term::text("inf")]);
}

#[tokio::test]
async fn an_index_in_a_file_answers_as_one_in_memory() {
    for seed in 0..20 {
        let dir = TempDir::new().unwrap();
        let index = SqliteIndex::open(dir.path()).await.unwrap();
        conformance::same_answers(seed, OF, FENCE, &index).await;
        index.close_index().await;
    }
}

#[tokio::test]
async fn a_file_is_used_again_and_made_anew_where_it_cannot_be() {
    let dir = TempDir::new().unwrap();
    let search =
        Search { tenant: TenantId::default_tenant(), prefix: Prefix::new("thing"), tests: Vec::new() };
    let stream =
        StreamKey::new(TenantId::default_tenant(), StreamId::new(search.prefix, uuid_v7(1, Slot::new(3), 1)));
    let index = SqliteIndex::open(dir.path()).await.unwrap();
    index.write(OF, FENCE, &[(stream.clone(), Some(Vec::new()))], Some(7)).await.unwrap();
    index.close_index().await;
    assert!(index.find(&search, None, 9).await.is_err(), "it is closed");
    let index = SqliteIndex::open(dir.path()).await.unwrap();
    assert_eq!(index.mark(OF, 0).await.unwrap(), Some(7));
    assert_eq!(index.find(&search, None, 9).await.unwrap().len(), 1);
    assert_eq!(index.mark(Uuid::from_u128(8), 0).await.unwrap(), None, "it is of something else");
    assert!(index.find(&search, None, 9).await.unwrap().is_empty());
    index.close_index().await;
    for broken in [&b"no database at all, but long enough to be looked at"[..], &[0; 8192]] {
        std::fs::write(dir.path().join("search.db"), broken).unwrap();
        let index = SqliteIndex::open(dir.path()).await.unwrap();
        assert_eq!(index.mark(OF, 0).await.unwrap(), None);
        index.close_index().await;
    }
}

#[tokio::test]
async fn what_found_no_room_is_written_later_and_a_damaged_file_is_made_anew() {
    let dir = TempDir::new().unwrap();
    let index = SqliteIndex::open(dir.path()).await.unwrap();
    let stream = |n| {
        let id = StreamId::new(Prefix::new("thing"), uuid_v7(1, Slot::new(3), n));
        StreamKey::new(TenantId::default_tenant(), id)
    };
    let write = async |from: u64| {
        let field = |n: u64| ("name".to_owned(), Term::text(&format!("{n} {}", "x".repeat(200))));
        let changes: Vec<_> = (from..from + 200).map(|n| (stream(n), Some(vec![field(n)]))).collect();
        index.write(OF, FENCE, &changes, Some(from)).await
    };
    let found = async || {
        let tests = Vec::new();
        let search = Search { tenant: TenantId::default_tenant(), prefix: Prefix::new("thing"), tests };
        index.find(&search, None, 1_000).await.map(|found| found.len())
    };
    write(0).await.unwrap();
    index.fill_up().await;
    assert!(write(200).await.is_err(), "there is no room");
    write(200).await.unwrap();
    assert_eq!(found().await.unwrap(), 400, "readers see it");
    index.damage().await;
    let mut failures = 0;
    while index.mark(OF, 0).await.is_err() || write(0).await.is_err() {
        failures += 1;
        assert!(failures < 4, "it is made anew");
    }
    assert_eq!(found().await.unwrap(), 200);
    index.close_index().await;
}
