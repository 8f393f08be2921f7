//! The tail of the journal: everything once, in order, from any place.

use std::sync::Arc;

use uuid::Uuid;

use super::*;
use crate::journal::Event;
use crate::projection::{Cursor, Start, Tail, TailError};

fn follow(node: &Node, start: &Start) -> Result<Tail, TailError> {
    node.tail(start, None, Arc::new(|event: &Event| event.stream.id.prefix() == Prefix::new("tally")))
}

/// Whose slot decides the partition.
fn of_slot(slot: u16) -> StreamId {
    StreamId::new(Prefix::new("tally"), uuid_v7(1, Slot::new(slot), slot.into()))
}

#[tokio::test(start_paused = true)]
async fn a_tail_gives_each_event_once_from_any_place() {
    let store = MemoryStore::with_partitions(1, 4);
    let node = start(&store).await;
    let mut now = follow(&node, &Start::Now).unwrap();
    for round in 0..300 {
        add(&node, of_slot(round % 5 * 800), 1).await;
    }
    let mut tail = follow(&node, &Start::Beginning).unwrap();
    let (mut all, mut live, mut cursors) = (Vec::new(), Vec::new(), vec![tail.cursor()]);
    while all.len() < 300 {
        let event = tail.next().await.unwrap();
        let seen = now.next().await.unwrap();
        live.push((node.info().partition_of(&seen.stream), seen.position));
        all.push(event);
        cursors.push(tail.cursor());
    }
    for stream in 0..5 {
        let of_it = all.iter().filter(|event| event.stream.id == of_slot(stream * 800));
        assert_eq!(of_it.map(|event| event.seq).collect::<Vec<_>>(), (1..=60).collect::<Vec<_>>());
    }
    let order = |event: &Event| (node.info().partition_of(&event.stream), event.position);
    let mut whole: Vec<_> = all.iter().map(order).collect();
    whole.sort_unstable();
    live.sort_unstable();
    assert_eq!(live, whole, "whoever was there already sees the same");
    node.stop().await;
    let node = start(&store).await;
    for at in (0..=300).step_by(7) {
        let start = Start::After(Cursor::from_bytes(&cursors[at].to_bytes()).unwrap());
        let mut resumed = follow(&node, &start).unwrap();
        resumed.prime().await.unwrap();
        let mut rest = Vec::new();
        for _ in at..300 {
            rest.push(resumed.next().await.unwrap());
        }
        let order = |event: &Event| (node.info().partition_of(&event.stream), event.position);
        let mut wanted: Vec<_> = all[at..].iter().map(order).collect();
        wanted.sort_unstable();
        let mut rest: Vec<_> = rest.iter().map(order).collect();
        rest.sort_unstable();
        assert_eq!(rest, wanted, "behind {at}");
        let more = tokio::time::timeout(Duration::from_secs(1), resumed.next()).await;
        assert!(more.is_err(), "nothing comes twice");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_given_up_loses_nothing() {
    let store = MemoryStore::new(1);
    let node = start(&store).await;
    let mut tail = follow(&node, &Start::Now).unwrap();
    for round in 1..=20 {
        assert!(tokio::time::timeout(Duration::from_millis(1), tail.next()).await.is_err());
        add(&node, tally(1), 1).await;
        assert_eq!(tail.next().await.unwrap().seq, round);
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_not_there_any_more_is_refused() {
    let store = MemoryStore::new(1);
    let retention = vec![(Prefix::new("tally"), Duration::from_secs(100))];
    let node = start_with(&store, Config { retention, ..Config::default() }).await;
    add(&node, tally(1), 1).await;
    let mut tail = follow(&node, &Start::Beginning).unwrap();
    tail.next().await.unwrap();
    let early = tail.cursor();
    for _ in 0..5 {
        add(&node, tally(1), 1).await;
    }
    let other = Cursor::new(Uuid::from_u128(7), [(0, 1)]);
    assert!(matches!(follow(&node, &Start::After(other)), Err(TailError::OtherHistory)));
    let (history, head) = (node.info().history, node.positions()[0].1);
    let beyond = Cursor::new(history, [(0, head + 1)]);
    assert!(matches!(follow(&node, &Start::After(beyond)), Err(TailError::Ahead { .. })));
    let nothing = Cursor::new(history, []);
    assert!(matches!(follow(&node, &Start::After(nothing)), Err(TailError::NotCovered { partition: 0 })));
    follow(&node, &Start::After(early.clone())).unwrap().prime().await.expect("everything is kept yet");
    node.cx().sleep(Duration::from_secs(300)).await;
    let mut late = follow(&node, &Start::After(early)).unwrap();
    assert!(matches!(late.prime().await, Err(TailError::Trimmed { partition: 0, .. })), "events have gone");
    let mut kept = follow(&node, &Start::Beginning).unwrap();
    kept.prime().await.unwrap();
    assert_eq!(kept.next().await.unwrap().seq, 6, "what is kept can be followed");
}

#[tokio::test(start_paused = true)]
async fn a_tail_ends_with_what_it_follows() {
    let store = MemoryStore::new(1);
    let node = start(&store).await;
    let mut tail = follow(&node, &Start::Now).unwrap();
    let ending = node.clone();
    node.cx().spawn("loss", async move {
        let owned = ending.0.partitions.holdings.all();
        ending.0.partitions.let_go(&owned, "test");
    });
    assert!(matches!(tail.next().await, Err(TailError::NotOwner(_))));
    assert!(matches!(follow(&node, &Start::Now), Err(TailError::NotOwner(_))));
}
