//! The state as of a moment.

use super::*;
use crate::clock::Timestamp;

async fn total_at(node: &Node, at: Timestamp) -> Option<(u64, Value, Timestamp, Timestamp)> {
    let view = node.read_at(&key(tally(1)), at).await.unwrap()?;
    Some((view.seq, view.state.value()["total"].clone(), view.created_at, view.updated_at))
}

#[tokio::test(start_paused = true)]
async fn a_state_is_read_as_of_any_moment_however_long_the_stream() {
    let store = MemoryStore::new(1);
    let node = start_with(&store, Config { snapshot_every: 100, ..Config::default() }).await;
    for _ in 0..1_100 {
        add(&node, tally(1), 1).await;
        node.cx().sleep(Duration::from_secs(1)).await;
    }
    let after = |seconds| EPOCH.plus(Duration::from_secs(seconds));
    assert_eq!(total_at(&node, Timestamp::from_ms(EPOCH.ms() - 1)).await, None, "it did not exist");
    for seconds in [0, 1, 510, 511, 512, 513, 1_023, 1_024, 1_098, 1_099] {
        let (seq, total, created, updated) = total_at(&node, after(seconds)).await.unwrap();
        assert_eq!((seq, total), (seconds + 1, json!(seconds + 1)));
        assert_eq!((created, updated), (EPOCH, after(seconds)));
    }
    let now = total_at(&node, after(1_000_000)).await.unwrap();
    assert_eq!(now.0, 1_100, "what is to come is not known: it is as now");
}
