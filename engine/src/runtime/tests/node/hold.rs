//! A store that was restored.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::effect::{
    CallError, Connectors, Effect, EffectKey, EffectOp, EffectOutcome, EffectState, OnUnknown, Verified,
};
use crate::entity::Dedup;
use crate::journal::memory::MemoryJournal;
use crate::journal::{Entry, Journal, Json, Origin};
use crate::runtime::{History, NodeSeed};
use crate::testkit::Outside;

async fn start_held(store: &MemoryStore, outside: Arc<Outside>) -> Node {
    let (journal, cx) = (MemoryJournal::open(store), Context::simulated(EPOCH, store.appends()));
    let catalog = catalog().add_kind(History::info()).unwrap();
    let connectors = Connectors::new(vec![outside]).unwrap();
    let config = Config::default();
    let seed = NodeSeed {
        journal,
        leasing: None,
        prepare: None,
        index: None,
        rules: None,
        catalog,
        connectors,
        config,
        cx,
    };
    Node::start(seed).await.unwrap()
}

async fn release(node: &Node, why: &str) -> Outcome {
    let origin = Arc::new(Origin::root("test", "ada"));
    node.release_history(why, origin, Dedup::None).await.unwrap().outcome
}

/// Writes an effect into the ledger of a stream.
async fn intend(store: &MemoryStore, stream: StreamId, name: &str) -> EffectKey {
    let journal = MemoryJournal::open(store);
    let fence = journal.take_over(0, Uuid::from_u128(7)).await.unwrap().fence;
    let mut entry = Entry::new(key(stream), EPOCH);
    let effect = Effect {
        key: EffectKey::derive(&[name]),
        stream: key(stream),
        connector: "outside".into(),
        operation: "do".into(),
        request: Json::null(),
        state: EffectState::Intended,
        attempts: 0,
        origin: Arc::new(Origin::root("test", "test")),
        at: EPOCH,
    };
    let made = effect.key;
    entry.effects.push(EffectOp::Intend(Box::new(effect)));
    journal.append(fence, &[entry]).await.unwrap()[0].as_ref().unwrap();
    made
}

#[tokio::test(start_paused = true)]
async fn a_restored_store_answers_reads_and_does_nothing_until_it_is_released() {
    let store = MemoryStore::new(1);
    let first = start(&store).await;
    add(&first, tally(1), 1).await;
    first.command(command(tally(1), "ring", &json!({ "afterMs": 5_000 }))).await.unwrap();
    assert!(!first.is_held());
    first.stop().await;
    store.resume(EPOCH);
    let second = start_held(&store, Arc::default()).await;
    assert!(second.is_held());
    let refused = second.command(command(tally(1), "add", &json!({ "amount": 1 }))).await;
    assert_eq!(refused.unwrap_err(), Fault::Held);
    second.cx().sleep(Duration::from_secs(60)).await;
    let seen = view(&second, tally(1)).await.unwrap();
    assert_eq!(
        (&seen.state.value()["total"], &seen.state.value()["rings"]),
        (&json!(1), &json!(0)),
        "no timer fired"
    );
    assert!(matches!(release(&second, " ").await, Outcome::Rejected(r) if r.code == "no_reason"));
    assert!(second.is_held());
    assert!(matches!(release(&second, "checked by hand").await, Outcome::Accepted(_)));
    assert!(!second.is_held());
    second.cx().sleep(Duration::from_secs(1)).await;
    assert_eq!(view(&second, tally(1)).await.unwrap().state.value()["rings"], json!(1));
    assert!(matches!(release(&second, "again").await, Outcome::Rejected(r) if r.code == "already_released"));
    let released = store.events().into_iter().find(|e| e.body.name == "released").unwrap();
    assert_eq!((&*released.body.origin.principal, released.stream.id.uuid()), ("ada", second.info().history));
    second.stop().await;
    let third = start_held(&store, Arc::default()).await;
    assert!(!third.is_held(), "a release lasts");
    store.resume(EPOCH.plus(Duration::from_secs(100)));
    assert!(start_held(&store, Arc::default()).await.is_held(), "for its own history only");
}

#[tokio::test(start_paused = true)]
async fn what_was_open_in_the_copy_is_called_only_where_it_was_proven_not_done() {
    let unknown = || Err(CallError::Unknown { code: "lost".into(), message: "no answer".to_owned() });
    type Case = (OnUnknown, Result<Verified, CallError>, usize, fn(&EffectOutcome) -> bool);
    let cases: Vec<Case> = vec![
        (OnUnknown::Retry, Ok(Verified::Done(json!(7))), 0, |o| matches!(o, EffectOutcome::Confirmed(_))),
        (OnUnknown::Retry, Ok(Verified::NotDone), 1, |o| matches!(o, EffectOutcome::Confirmed(_))),
        (OnUnknown::Retry, unknown(), 0, |o| matches!(o, EffectOutcome::Unknown(_))),
        (OnUnknown::Verify, unknown(), 0, |o| matches!(o, EffectOutcome::Unknown(_))),
        (OnUnknown::Park, Ok(Verified::NotDone), 0, |o| matches!(o, EffectOutcome::Unknown(_))),
    ];
    for (policy, verified, calls, fits) in cases {
        let store = MemoryStore::new(1);
        let effect = intend(&store, tally(1), "open").await;
        store.resume(EPOCH);
        let outside = Outside::new(policy);
        outside.verified(verified.clone());
        let node = start_held(&store, outside.clone()).await;
        node.cx().sleep(Duration::from_secs(60)).await;
        assert_eq!((outside.calls().len(), node.open_effects(0, 0, 9).await.unwrap().len()), (0, 1), "held");
        release(&node, "the outside was asked").await;
        node.cx().sleep(Duration::from_secs(60)).await;
        assert_eq!(outside.calls().len(), calls, "{policy:?} {verified:?}");
        let ended = MemoryJournal::open(&store).find_effect(&effect).await.unwrap().unwrap().state;
        assert!(matches!(&ended, EffectState::Ended(o) if fits(o)), "{policy:?} {verified:?}: {ended:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_panics_is_a_call_of_unknown_end_and_is_tried_no_more_than_others() {
    for (panics, calls, fits) in [
        (2, 3, (|o| matches!(o, EffectOutcome::Confirmed(_))) as fn(&EffectOutcome) -> bool),
        (u32::MAX, 4, |o| matches!(o, EffectOutcome::Unknown(f) if f.code == "panicked")),
    ] {
        let store = MemoryStore::new(1);
        let effect = intend(&store, tally(1), "poison").await;
        let outside = Outside::new(OnUnknown::Retry);
        outside.panic(panics);
        let node = start_held(&store, outside.clone()).await;
        node.cx().sleep(Duration::from_secs(600)).await;
        assert_eq!(outside.calls().len(), calls, "once and three retries at most");
        let ended = MemoryJournal::open(&store).find_effect(&effect).await.unwrap().unwrap().state;
        assert!(matches!(&ended, EffectState::Ended(o) if fits(o)), "{ended:?}");
        assert_eq!(node.tree().partitions[0].restarts, 0);
    }
}
