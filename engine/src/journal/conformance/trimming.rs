//! Trimming: a kept state takes the place of the events before it, and nothing else changes.

use std::sync::Arc;

use serde_json::json;

use super::Backend;
use super::fixture::{Desk, PARTITION, THING, at, entry, id, tenant, thing, told};
use crate::id::{Prefix, StreamKey};
use crate::journal::{Age, Base, Entry, Error, Json, Snapshot};

/// An entry of some events, and of a state that holds a number of them.
fn with_state(stream: &StreamKey, expected: u64, names: &[&str], seq: u64) -> Entry {
    let mut made = entry(stream, expected, names);
    made.snapshot = Some(snapshot(seq));
    made
}

fn snapshot(seq: u64) -> Snapshot {
    Snapshot { seq, version: 3, data: Json::from(&json!({ "state": seq })) }
}

/// Trims a stream until nothing is left to trim; returns how many events went.
async fn trim(desk: &Desk, stream: &StreamKey, piece: usize) -> usize {
    let mut gone = 0;
    loop {
        let trimmed = desk.journal.trim(stream, piece).await.expect("it can be trimmed");
        gone += trimmed;
        if trimmed < piece {
            return gone;
        }
    }
}

/// The numbers of a stream's events behind a number, or of the first that can be read.
async fn numbers(desk: &Desk, stream: &StreamKey, after: u64) -> Result<Vec<u64>, u64> {
    match desk.journal.read_stream(stream, after, 99).await {
        Ok(events) => Ok(events.iter().map(|event| event.seq).collect()),
        Err(Error::Trimmed { stream: found, seq, .. }) if found == *stream => Err(seq),
        Err(error) => panic!("{error}"),
    }
}

pub(super) async fn a_state_takes_the_place_of_the_events_before_it(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    desk.put(entry(&thing(1), 0, &["a"])).await;
    desk.put(entry(&thing(2), 0, &["other", "other"])).await;
    let mut later = with_state(&thing(1), 1, &["b", "c", "d"], 3);
    later.at = at(5);
    desk.put(later).await;
    desk.put(entry(&thing(1), 4, &["e"])).await;
    let before = desk.journal.load(&thing(1)).await.expect("loads");
    assert_eq!(desk.journal.base(&thing(1)).await.expect("reads"), None);
    assert_eq!(desk.journal.trim(&thing(1), 1).await.expect("trims"), 1);
    assert_eq!(numbers(&desk, &thing(1), 0).await, Err(3), "what is half gone is not shown");
    assert_eq!(trim(&desk, &thing(1), 1).await, 1);
    let base = Base { snapshot: snapshot(3), created_at: at(0), at: at(5) };
    let mut desk = desk;
    for _ in 0..2 {
        assert_eq!(desk.journal.base(&thing(1)).await.expect("reads").as_ref(), Some(&base));
        assert_eq!(numbers(&desk, &thing(1), 0).await, Err(3));
        assert_eq!(numbers(&desk, &thing(1), 1).await, Err(3));
        assert_eq!(numbers(&desk, &thing(1), 2).await, Ok(vec![3, 4, 5]), "the base's own event is there");
        assert_eq!(numbers(&desk, &thing(1), 3).await, Ok(vec![4, 5]));
        assert_eq!(numbers(&desk, &thing(1), 9).await, Ok(vec![]));
        assert_eq!(numbers(&desk, &thing(2), 0).await, Ok(vec![1, 2]), "other streams keep theirs");
        let loaded = desk.journal.load(&thing(1)).await.expect("loads");
        assert_eq!((&loaded.snapshot, loaded.head), (&before.snapshot, 5));
        assert_eq!(
            loaded.events.iter().map(told).collect::<Vec<_>>(),
            before.events.iter().map(told).collect::<Vec<_>>()
        );
        let error = desk.journal.read_stream(&thing(1), 0, 1).await.expect_err("it is gone");
        assert!(matches!(error, Error::Trimmed { at: horizon, created_at, .. }
            if (horizon, created_at) == (at(5), at(0))));
        desk = desk.reopen().await;
    }
}

pub(super) async fn the_log_has_gaps_and_goes_on_behind_them(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    desk.put(entry(&thing(1), 0, &["a", "b"])).await;
    desk.put(entry(&thing(2), 0, &["x"])).await;
    desk.put(with_state(&thing(1), 2, &["c"], 3)).await;
    assert_eq!(trim(&desk, &thing(1), 9).await, 2);
    let positions = |log: Vec<crate::journal::Event>| log.iter().map(|e| e.position).collect::<Vec<_>>();
    assert_eq!(positions(desk.log().await), [3, 4]);
    let appended = desk.put(entry(&thing(1), 3, &["d"])).await;
    assert_eq!((appended.seq, appended.position), (4, 5), "numbers and positions go on");
    let desk = desk.reopen().await;
    assert_eq!(positions(desk.log().await), [3, 4, 5]);
    for (after, wanted) in [(0, vec![3, 4]), (1, vec![3, 4]), (3, vec![4, 5])] {
        let log = desk.journal.read_log(PARTITION, after, 2).await.expect("reads");
        assert_eq!(positions(log), wanted, "after {after}");
    }
    let listed = desk.journal.list_streams(&tenant("default"), THING, None, false, 9).await.expect("reads");
    let keys: Vec<_> = listed.streams.iter().map(|(key, _)| key.clone()).collect();
    assert_eq!(keys, [thing(1), thing(2)], "it keeps its place");
    let rest =
        desk.journal.list_streams(&tenant("default"), THING, Some(listed.streams[0].1), false, 9).await;
    assert_eq!(rest.expect("reads").streams.len(), 1);
    desk.put(entry(&thing(2), 1, &["y"])).await;
}

pub(super) async fn a_base_rises_with_the_newest_snapshot(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    desk.put(entry(&thing(1), 0, &["a", "b"])).await;
    assert_eq!(trim(&desk, &thing(1), 9).await, 0, "there is no state to stand for them");
    assert_eq!(trim(&desk, &thing(7), 9).await, 0, "there is no such stream");
    desk.put(with_state(&thing(1), 2, &["c"], 1)).await;
    assert_eq!(trim(&desk, &thing(1), 9).await, 0, "nothing stands before it");
    desk.put(with_state(&thing(1), 3, &["d"], 2)).await;
    assert_eq!((trim(&desk, &thing(1), 9).await, trim(&desk, &thing(1), 9).await), (1, 0));
    let mut last = with_state(&thing(1), 4, &["e"], 5);
    last.at = at(9);
    desk.put(last).await;
    assert_eq!(numbers(&desk, &thing(1), 1).await, Ok(vec![2, 3, 4, 5]), "only a trim raises it");
    assert_eq!(trim(&desk, &thing(1), 2).await, 3);
    let base = desk.journal.base(&thing(1)).await.expect("reads").expect("there is one");
    assert_eq!((base.snapshot.seq, base.created_at, base.at), (5, at(0), at(9)));
    assert_eq!(numbers(&desk, &thing(1), 4).await, Ok(vec![5]));
    let error = desk.refused(entry(&thing(1), 3, &["late"])).await;
    assert!(matches!(error, crate::journal::EntryError::Conflict { actual: 5, .. }), "{error}");
    desk.put(entry(&thing(1), 5, &["f"])).await;
    assert_eq!(desk.journal.load(&thing(1)).await.expect("loads").head, 6);
}

pub(super) async fn old_streams_are_found_a_page_at_a_time(backend: Arc<dyn Backend>) {
    const OTHER: Prefix = Prefix::new("other");
    let desk = Desk::open(backend).await;
    for n in 1..=5 {
        let mut made = with_state(&thing(n), 0, &["a", "b"], 2);
        made.at = at(n.cast_signed());
        desk.put(made).await;
    }
    desk.put(entry(&thing(6), 0, &["alone"])).await;
    desk.put(entry(&StreamKey::new(tenant("default"), id(OTHER, 1)), 0, &["a", "b"])).await;
    let find = async |before: i64, limit: usize| {
        let (mut found, mut after) = (Vec::new(), 0);
        loop {
            let age = Age { trim: Some(at(before)), forget: None };
            let old = desk.journal.old_streams(PARTITION, THING, age, after, limit).await;
            let old = old.expect("reads");
            found.extend(old.streams);
            let Some(next) = old.next else { return found };
            after = next;
        }
    };
    for limit in [1, 2, 100] {
        assert_eq!(find(4, limit).await, [thing(1), thing(2), thing(3)], "{limit}");
    }
    assert!(find(1, 100).await.is_empty());
    assert_eq!(desk.journal.base_shapes().await.expect("reads"), []);
    assert_eq!(trim(&desk, &thing(2), 9).await, 1);
    assert_eq!(find(4, 100).await, [thing(1), thing(3)]);
    assert_eq!(desk.journal.base_shapes().await.expect("reads"), [(THING, 3)]);
    let find_whole = async |forget| {
        let old = desk.journal.old_streams(PARTITION, THING, Age { trim: None, forget }, 0, 99).await;
        old.expect("reads").streams
    };
    assert_eq!(find_whole(Some(at(3))).await, [thing(1), thing(2), thing(6)], "trimmed or not");
    assert!(find_whole(None).await.is_empty());
    let age = Age { trim: Some(at(9)), forget: Some(at(9)) };
    let nowhere = desk.journal.old_streams(4095, THING, age, 0, 9).await.expect("reads");
    assert_eq!((nowhere.streams.len(), nowhere.next), (0, None));
}
