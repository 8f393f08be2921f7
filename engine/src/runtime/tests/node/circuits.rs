//! Circuits: what fails in one place holds back no calls to another.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::effect::{
    Call, CallError, Connector, Connectors, Effect, EffectKey, EffectOp, EffectOutcome, EffectState,
};
use crate::journal::memory::MemoryJournal;
use crate::journal::{Entry, Journal, Json, Origin};
use crate::runtime::{NodeSeed, OverdueKind};

/// Calls places by the name in the request, of which some are down.
#[derive(Default)]
struct Places {
    down: Mutex<BTreeSet<String>>,
    called: Mutex<Vec<String>>,
}

impl Places {
    fn down(places: &[&str]) -> Arc<Self> {
        let down = places.iter().map(|place| (*place).to_owned()).collect();
        Arc::new(Self { down: Mutex::new(down), ..Self::default() })
    }

    fn calls(&self, to: &str) -> usize {
        self.called.lock().unwrap().iter().filter(|place| *place == to).count()
    }
}

#[async_trait]
impl Connector for Places {
    fn name(&self) -> &'static str {
        "places"
    }

    fn operations(&self) -> &'static [&'static str] {
        &["do"]
    }

    fn circuit(&self, call: &Call<'_>) -> Option<String> {
        let place = call.request["to"].as_str().expect("it says where");
        assert!(place != "panics", "told to panic");
        (place != "anywhere").then(|| place.to_owned())
    }

    async fn call(&self, call: Call<'_>) -> Result<Value, CallError> {
        let place = call.request["to"].as_str().unwrap().to_owned();
        if place == "silent" {
            self.called.lock().unwrap().push(place);
            return std::future::pending().await;
        }
        let is_down = self.down.lock().unwrap().contains(&place);
        self.called.lock().unwrap().push(place);
        match is_down {
            true => {
                Err(CallError::Failed { code: "unreachable".into(), message: "nobody is there".to_owned() })
            }
            false => Ok(json!({})),
        }
    }
}

/// An entry that intends calls to places, in this order; `from` tells it from others.
fn calls(places: &[&str], from: usize) -> (Entry, Vec<EffectKey>) {
    let (mut entry, mut keys) = (Entry::new(key(tally(1)), EPOCH), Vec::new());
    for (number, place) in places.iter().enumerate() {
        let made = EffectKey::derive(&[place, &(from + number).to_string()]);
        entry.effects.push(EffectOp::Intend(Box::new(Effect {
            key: made,
            stream: key(tally(1)),
            connector: "places".into(),
            operation: "do".into(),
            request: Json::from(&json!({ "to": place })),
            state: EffectState::Intended,
            attempts: 0,
            origin: Arc::new(Origin::root("test", "test")),
            at: EPOCH,
        })));
        keys.push(made);
    }
    (entry, keys)
}

/// Writes calls to places into the ledger of a store that nobody serves.
async fn intend(store: &MemoryStore, places: &[&str]) -> Vec<EffectKey> {
    let journal = MemoryJournal::open(store);
    let fence = journal.take_over(0, Uuid::from_u128(7)).await.unwrap().fence;
    let (entry, keys) = calls(places, 0);
    journal.append(fence, &[entry]).await.unwrap()[0].as_ref().unwrap();
    keys
}

/// Has a node intend calls to places.
async fn intend_on(node: &Node, places: &[&str]) -> Vec<EffectKey> {
    let (entry, keys) = calls(places, 1_000);
    node.0.partitions.holdings.all()[0].append(entry).await.unwrap();
    keys
}

async fn start_calling(store: &MemoryStore, places: &Arc<Places>, config: Config) -> Node {
    let (journal, cx) = (MemoryJournal::open(store), Context::simulated(EPOCH, store.appends()));
    let connectors = Connectors::new(vec![places.clone()]).unwrap();
    let (catalog, leasing, prepare) = (catalog(), None, None);
    let seed =
        NodeSeed { journal, leasing, prepare, index: None, rules: None, catalog, connectors, config, cx };
    Node::start(seed).await.unwrap()
}

async fn outcome(store: &MemoryStore, effect: &EffectKey) -> Option<EffectOutcome> {
    match MemoryJournal::open(store).find_effect(effect).await.unwrap().unwrap().state {
        EffectState::Ended(outcome) => Some(outcome),
        EffectState::Intended | EffectState::Dispatched { .. } => None,
    }
}

async fn confirmed(store: &MemoryStore, effects: &[EffectKey]) -> usize {
    let mut count = 0;
    for effect in effects {
        count += usize::from(matches!(outcome(store, effect).await, Some(EffectOutcome::Confirmed(_))));
    }
    count
}

fn few() -> Config {
    Config { deliveries: 2, ..Config::default() }
}

#[tokio::test(start_paused = true)]
async fn calls_to_one_place_go_on_while_the_circuit_in_front_of_another_is_open() {
    let store = MemoryStore::new(1);
    let dead = intend(&store, &["dead"; 40]).await;
    let alive = intend(&store, &["alive", "anywhere", "alive"]).await;
    let places = Places::down(&["dead"]);
    // Those that wait are many more than may be under way.
    let node = start_calling(&store, &places, few()).await;
    node.cx().sleep(Duration::from_secs(2)).await;
    assert_eq!(
        (places.calls("dead"), confirmed(&store, &alive).await),
        (5, 3),
        "five failures open the circuit"
    );
    let more = intend_on(&node, &["alive"; 5]).await;
    node.cx().sleep(Duration::from_millis(100)).await;
    assert_eq!(confirmed(&store, &more).await, 5, "without delay");
    node.cx().sleep(Duration::from_secs(48)).await;
    let overdue = node.overdue();
    assert!(!overdue.is_empty() && overdue.iter().all(|of| of.kind == OverdueKind::Effect), "{overdue:?}");
    assert!(overdue[0].waits_for.contains("the circuit in front of `do` of `places`"), "{overdue:?}");
    assert!(overdue[0].hint.contains("circuit") && !format!("{overdue:?}").contains("dead"), "{overdue:?}");
    places.down.lock().unwrap().clear();
    node.cx().sleep(Duration::from_secs(60)).await;
    assert_eq!(confirmed(&store, &dead).await, 40, "it is back");
    assert!(places.calls("dead") < 40 + 5 + 20, "while it was down, one call at a time tried");
}

#[tokio::test(start_paused = true)]
async fn a_place_that_does_not_answer_leaves_room_for_calls_to_others() {
    let store = MemoryStore::new(1);
    let silent = intend(&store, &["silent"; 40]).await;
    let alive = intend(&store, &["alive", "anywhere", "alive"]).await;
    let places = Places::down(&[]);
    let node = start_calling(&store, &places, Config { deliveries: 8, ..Config::default() }).await;
    // None of the calls has passed its deadline yet.
    node.cx().sleep(Duration::from_millis(500)).await;
    assert_eq!((places.calls("silent"), confirmed(&store, &alive).await), (2, 3));
    node.cx().sleep(Duration::from_secs(3_600)).await;
    for effect in &silent {
        assert!(matches!(
            outcome(&store, effect).await,
            Some(EffectOutcome::Unknown(_) | EffectOutcome::Failed(_))
        ));
    }
}

#[tokio::test(start_paused = true)]
async fn calls_to_a_place_that_does_not_answer_end_also_where_few_may_wait_for_it() {
    let store = MemoryStore::new(1);
    let silent = intend(&store, &["silent"; 30]).await;
    let few = Config { deliveries: 8, backlog: 3, ..Config::default() };
    let node = start_calling(&store, &Places::down(&[]), few).await;
    node.cx().sleep(Duration::from_secs(7_200)).await;
    for effect in &silent {
        assert!(outcome(&store, effect).await.is_some(), "it waits for ever");
    }
}

#[tokio::test(start_paused = true)]
async fn where_too_many_wait_for_a_circuit_the_rest_stays_in_the_journal_until_they_have_failed() {
    let store = MemoryStore::new(1);
    let dead = intend(&store, &["dead"; 12]).await;
    let places = Places::down(&["dead"]);
    let node = start_calling(&store, &places, Config { backlog: 3, ..few() }).await;
    node.cx().sleep(Duration::from_secs(2)).await;
    let alive = intend_on(&node, &["alive"]).await;
    node.cx().sleep(Duration::from_secs(2)).await;
    assert_eq!(confirmed(&store, &alive).await, 0, "there is no room for more that wait");
    node.cx().sleep(Duration::from_secs(3_600)).await;
    assert_eq!(confirmed(&store, &alive).await, 1);
    for effect in &dead {
        assert!(matches!(outcome(&store, effect).await, Some(EffectOutcome::Failed(_))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_panics_over_where_a_call_goes_is_called_all_the_same() {
    let store = MemoryStore::new(1);
    let odd = intend(&store, &["panics", "anywhere"]).await;
    let node = start_calling(&store, &Places::down(&[]), few()).await;
    node.cx().sleep(Duration::from_secs(2)).await;
    assert_eq!(confirmed(&store, &odd).await, 2);
    assert_eq!(node.tree().partitions[0].restarts, 0);
}
