//! Views that are left to readers: never older than what somebody has been told.

use futures_util::FutureExt;

use super::*;

/// What is answered at once, without the actor.
fn shown(node: &Node, id: StreamId) -> Option<Value> {
    let read = node.read(&key(id)).now_or_never()?;
    Some(read.expect("it can be read").expect("it exists").state.value()["total"].clone())
}

/// A tally of 1 whose view is published.
async fn published(store: &MemoryStore, config: Config) -> Node {
    let node = start_with(store, config).await;
    add(&node, tally(1), 1).await;
    for _ in 0..2 {
        assert_eq!(shown(&node, tally(1)), None, "the view is not kept for who asks once");
        assert_eq!(total(&node, tally(1)).await, json!(1));
    }
    assert_eq!(shown(&node, tally(1)), Some(json!(1)));
    node
}

#[tokio::test(start_paused = true)]
async fn a_view_is_shown_until_the_state_changes() {
    let store = MemoryStore::new(1);
    let node = published(&store, Config::default()).await;
    let first = view(&node, tally(1)).await.unwrap();
    for n in 2..20 {
        add(&node, tally(1), 1).await;
        assert_eq!(shown(&node, tally(1)), None, "what was answered has changed the state");
        assert_eq!(total(&node, tally(1)).await, json!(n));
        assert_eq!(total(&node, tally(1)).await, json!(n));
        assert_eq!(shown(&node, tally(1)), Some(json!(n)));
    }
    let last = view(&node, tally(1)).await.unwrap();
    assert_eq!((first.seq, last.seq), (1, 19));
    assert!(first.position < last.position);
    assert!(store.events().iter().any(|event| event.position == last.position && event.seq == last.seq));
}

#[tokio::test(start_paused = true)]
async fn a_read_waits_for_an_append_under_way() {
    let store = MemoryStore::new(1);
    let node = published(&store, Config::default()).await;
    store.set_sync(SyncMode::Held);
    let mut command = std::pin::pin!(add(&node, tally(1), 1));
    let mut under_way = false;
    for _ in 0..100 {
        assert!((&mut command).now_or_never().is_none());
        under_way |= shown(&node, tally(1)).is_none();
        assert!(!under_way || shown(&node, tally(1)).is_none(), "the store may tell of it already");
        node.cx().sleep(Duration::from_millis(1)).await;
    }
    assert!(under_way);
    let mut read = std::pin::pin!(total(&node, tally(1)));
    assert!((&mut read).now_or_never().is_none());
    store.set_sync(SyncMode::Always);
    store.sync();
    assert_eq!(read.await, json!(2));
    command.await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_append_takes_the_view_away() {
    for (fault, after) in [(memory::Fault::Unavailable, 1), (memory::Fault::UnknownCommitted, 3)] {
        let store = MemoryStore::new(1);
        let node = published(&store, Config::default()).await;
        store.inject(fault);
        let add = command(tally(1), "add", &json!({ "amount": 2 }));
        assert!(node.command(add).await.is_err());
        assert_eq!(shown(&node, tally(1)), None);
        assert_eq!(total(&node, tally(1)).await, json!(after));
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejection_leaves_the_view() {
    let node = published(&MemoryStore::new(1), Config::default()).await;
    add(&node, tally(1), -5).await;
    assert_eq!(shown(&node, tally(1)), Some(json!(1)));
}

#[tokio::test(start_paused = true)]
async fn a_fault_takes_the_view_away() {
    let node = published(&MemoryStore::new(1), Config::default()).await;
    for n in 0..3 {
        let _ = node.command(keyed(tally(1), "explode", &json!({}), &format!("boom {n}"))).await;
        assert_eq!(node.read(&key(tally(1))).now_or_never().and_then(Result::ok).map(|_| ()), None);
    }
    assert_eq!(total(&node, tally(1)).await, json!(1), "it goes on as it was");
}

#[tokio::test(start_paused = true)]
async fn who_reads_a_view_keeps_the_entity_alive() {
    let idle = Duration::from_secs(10);
    let node = published(&MemoryStore::new(1), Config { idle, ..Config::default() }).await;
    for _ in 0..20 {
        node.cx().sleep(idle / 2).await;
        assert_eq!(shown(&node, tally(1)), Some(json!(1)));
    }
    node.cx().sleep(idle * 3).await;
    assert!(node.tree().entities.is_empty(), "it is at rest");
    assert_eq!(shown(&node, tally(1)), None);
}

#[tokio::test(start_paused = true)]
async fn several_are_read_at_once_in_their_order() {
    let store = MemoryStore::new(1);
    let node = published(&store, Config::default()).await;
    add(&node, tally(3), 3).await;
    let streams = [tally(3), tally(2), tally(1)].map(key);
    let views: Vec<_> = node.read_each(&streams).await.into_iter().map(Result::unwrap).collect();
    let totals: Vec<_> =
        views.iter().map(|view| view.as_ref().map(|v| v.state.value()["total"].clone())).collect();
    assert_eq!(totals, [Some(json!(3)), None, Some(json!(1))]);
}
