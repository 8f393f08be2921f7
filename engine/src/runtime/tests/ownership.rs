//! What nodes that share a store promise, over a journal in memory and simulated time.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::json;
use uuid::Uuid;

use crate::entity::{Dedup, Fault};
use crate::id::{Prefix, Slot, StreamId, uuid_v7};
use crate::journal::memory::{self, Link, MemoryJournal, MemoryStore, SyncMode};
use crate::journal::{Journal, Origin};
use crate::runtime::tests::broken::Broken;
use crate::runtime::{Act, Config, Context, Node};
use crate::testkit::{EPOCH, command, key, keyed, member, member_with, node_address};

const PARTITIONS: u32 = 8;

/// A tally in a partition.
fn tally(partition: u32) -> StreamId {
    let slot = Slot::new(u16::try_from(partition * 4_096 / PARTITIONS + 3).unwrap());
    StreamId::new(Prefix::new("tally"), uuid_v7(1, slot, partition.into()))
}

struct Member {
    node: Node,
    journal: Arc<MemoryJournal>,
}

async fn start(store: &MemoryStore, number: u64) -> Member {
    start_with(store, number, Config { lanes: 2, ..Config::default() }).await
}

async fn start_with(store: &MemoryStore, number: u64, config: Config) -> Member {
    let journal = MemoryJournal::open(store);
    let cx = Context::simulated(EPOCH, number + 10 * store.appends());
    Member { node: member(&journal, number, config, cx).await.expect("the node starts"), journal }
}

/// An owner of everything, and a stand-by.
async fn pair(store: &MemoryStore) -> (Member, Member) {
    let owner = start(store, 1).await;
    pass(100).await;
    let standby = start(store, 2).await;
    pass(1_000).await;
    assert_eq!((owned(&owner), owned(&standby)), (PARTITIONS as usize, 0));
    (owner, standby)
}

async fn pass(ms: u64) {
    Context::simulated(EPOCH, 1).sleep(Duration::from_millis(ms)).await;
}

fn owned(member: &Member) -> usize {
    member.node.positions().len()
}

async fn add(member: &Member, partition: u32, amount: i64) -> Result<(), Fault> {
    let added = member.node.command(command(tally(partition), "add", &json!({ "amount": amount }))).await;
    added.map(|_| ())
}

async fn total(member: &Member, partition: u32) -> Result<i64, Fault> {
    let view = member.node.read(&key(tally(partition))).await?;
    Ok(view.and_then(|v| v.state.value()["total"].as_i64()).unwrap_or(0))
}

fn not_owner<T>(number: u64) -> Result<T, Fault> {
    Err(Fault::NotOwner { address: Some(node_address(number)) })
}

fn store() -> MemoryStore {
    MemoryStore::with_partitions(1, PARTITIONS)
}

#[tokio::test(start_paused = true)]
async fn a_standby_says_who_owns_and_takes_over_when_the_owner_dies() {
    let store = store();
    let (owner, standby) = pair(&store).await;
    for partition in 0..PARTITIONS {
        add(&owner, partition, 5).await.unwrap();
        assert_eq!(add(&standby, partition, 1).await, not_owner(1));
        assert_eq!(total(&standby, partition).await, not_owner(1));
    }
    let ring = command(tally(3), "ring", &json!({ "afterMs": 60_000 }));
    owner.node.command(ring).await.unwrap();
    let pass_on = command(tally(4), "pass", &json!({ "amount": 1, "to": tally(5) }));
    owner.node.command(pass_on).await.unwrap();
    owner.journal.kill();
    pass(1_000).await;
    assert_eq!(owned(&standby), 0, "the lease holds until the store says otherwise");
    pass(2_000).await;
    assert_eq!((owned(&owner), owned(&standby)), (0, PARTITIONS as usize));
    for partition in 0..PARTITIONS {
        add(&standby, partition, 2).await.unwrap();
    }
    assert_eq!(total(&standby, 0).await, Ok(7));
    assert_eq!((total(&standby, 4).await, total(&standby, 5).await), (Ok(8), Ok(8)));
    pass(60_000).await;
    let rung = standby.node.read(&key(tally(3))).await.unwrap().unwrap();
    assert_eq!(rung.state.value()["rings"], json!(1), "the timer has fired where it is owned now");
}

#[tokio::test(start_paused = true)]
async fn of_two_schedulers_one_fires_each_timer() {
    let store = store();
    let (owner, standby) = pair(&store).await;
    for partition in 0..PARTITIONS {
        add(&owner, partition, 1).await.unwrap();
        // Some are due before the other takes over, some while it does, and some later.
        let ring = command(tally(partition), "ring", &json!({ "afterMs": 700 * partition }));
        owner.node.command(ring).await.unwrap();
    }
    owner.journal.set_link(Link::Cut(Duration::from_millis(300)));
    pass(4_000).await;
    assert_eq!(owned(&standby), PARTITIONS as usize);
    owner.journal.set_link(Link::Up);
    pass(60_000).await;
    for partition in 0..PARTITIONS {
        let rung = standby.node.read(&key(tally(partition))).await.unwrap().unwrap();
        assert_eq!(rung.state.value()["rings"], json!(1), "partition {partition}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_ends_in_good_order_is_followed_at_once() {
    let store = store();
    let (owner, standby) = pair(&store).await;
    add(&owner, 1, 5).await.unwrap();
    assert!(owner.node.stop().await);
    pass(600).await;
    assert_eq!(owned(&standby), PARTITIONS as usize);
    assert_eq!(total(&standby, 1).await, Ok(5));
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_is_cut_off_steps_down_before_its_lease_can_have_run_out() {
    for link in [Link::Cut(Duration::from_millis(300)), Link::Deaf(Duration::from_secs(60))] {
        let store = store();
        let (owner, standby) = pair(&store).await;
        add(&owner, 1, 5).await.unwrap();
        owner.journal.set_link(link);
        for _ in 0..400 {
            pass(10).await;
            assert!(owned(&owner) == 0 || owned(&standby) == 0, "{link:?}: never two at once");
        }
        assert_eq!(owned(&owner), 0, "{link:?}");
        assert!(matches!(total(&owner, 1).await, Err(Fault::NotOwner { .. })));
        pass(70_000).await;
        assert_eq!(owned(&standby), if matches!(link, Link::Cut(_)) { PARTITIONS as usize } else { 0 });
        owner.journal.set_link(Link::Up);
        pass(2_000).await;
        let now = if matches!(link, Link::Cut(_)) { [&standby, &owner] } else { [&owner, &standby] };
        assert_eq!((owned(now[0]), owned(now[1])), (PARTITIONS as usize, 0));
        add(now[0], 1, 1).await.unwrap();
        assert_eq!(total(now[0], 1).await, Ok(6));
        assert!(matches!(total(now[1], 1).await, Err(Fault::NotOwner { address: Some(_) })));
        assert_eq!(owner.node.tree().services.iter().map(|s| s.restarts).sum::<u64>(), 0);
        assert!(owner.node.stop().await && standby.node.stop().await, "nothing is left waiting");
    }
}

#[tokio::test(start_paused = true)]
async fn a_view_is_not_shown_by_who_may_not_serve() {
    for link in [Link::Cut(Duration::from_millis(300)), Link::Deaf(Duration::from_secs(60))] {
        let store = store();
        let (owner, standby) = pair(&store).await;
        add(&owner, 1, 5).await.unwrap();
        for _ in 0..2 {
            assert_eq!(total(&owner, 1).await, Ok(5));
        }
        assert_eq!(total(&owner, 1).now_or_never(), Some(Ok(5)), "the view is published");
        owner.journal.set_link(link);
        for _ in 0..400 {
            pass(10).await;
            let seen = total(&owner, 1).now_or_never();
            assert!(owned(&owner) > 0 || !matches!(seen, Some(Ok(_))), "{link:?}: {seen:?}");
        }
        assert_eq!(owned(&owner), 0);
        if owned(&standby) > 0 {
            add(&standby, 1, 1).await.unwrap();
            owner.journal.set_link(Link::Up);
            pass(2_000).await;
            assert!(matches!(total(&owner, 1).await, Err(Fault::NotOwner { .. })));
            assert_eq!(total(&standby, 1).await, Ok(6));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_heartbeat_that_goes_astray_costs_nothing() {
    let store = store();
    let (owner, standby) = pair(&store).await;
    owner.journal.set_link(Link::Cut(Duration::from_secs(60)));
    pass(700).await;
    owner.journal.set_link(Link::Up);
    for _ in 0..300 {
        pass(10).await;
        assert_eq!((owned(&owner), owned(&standby)), (PARTITIONS as usize, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_quarantined_stays_so_where_it_is_owned_next() {
    let (store, broken) = (store(), Broken::default());
    let begin = async |number| {
        let journal = MemoryJournal::open(&store);
        let cx = Context::simulated(EPOCH, number + 10 * store.appends());
        let started = member_with(&journal, number, broken.catalog(), Config::default(), cx).await;
        let member = Member { node: started.expect("the node starts"), journal };
        pass(1_000).await;
        member
    };
    let owner = begin(1).await;
    let standby = begin(2).await;
    for partition in [1, 2] {
        add(&owner, partition, 5).await.unwrap();
    }
    owner.node.stop().await;
    pass(1_000).await;
    broken.set(tally(1));
    assert!(matches!(add(&standby, 1, 1).await, Err(Fault::Quarantined { .. })));
    pass(100).await;
    let third = begin(3).await;
    standby.journal.kill();
    pass(5_000).await;
    let restarts = "entities that were brought to life by the next owner";
    for _ in 0..3 {
        assert!(matches!(add(&third, 1, 1).await, Err(Fault::Quarantined { .. })), "{restarts}");
    }
    let shown = third.node.tree().entities;
    assert_eq!(
        shown.iter().map(|live| (live.id, live.state)).collect::<Vec<_>>(),
        [(tally(1), "quarantined")]
    );
    add(&third, 2, 1).await.unwrap();
    broken.mend();
    let origin = Arc::new(Origin::root("press", "ana"));
    let act = Act { why: "mended".to_owned(), origin, dedup: Dedup::None };
    third.node.release(&key(tally(1)), act).await.unwrap();
    assert_eq!(total(&third, 1).await, Ok(5));
}

#[tokio::test(start_paused = true)]
async fn a_later_start_of_a_node_takes_its_place_at_once() {
    let store = store();
    let (first, _) = pair(&store).await;
    add(&first, 1, 5).await.unwrap();
    let again = start(&store, 1).await;
    pass(100).await;
    assert_eq!(owned(&again), PARTITIONS as usize);
    add(&again, 1, 1).await.unwrap();
    pass(500).await;
    assert_eq!(owned(&first), 0);
    assert_ne!(first.node.cx().exit_asked().await.code, 0);
    assert_eq!(total(&again, 1).await, Ok(6));
}

#[tokio::test(start_paused = true)]
async fn a_fence_that_does_not_hold_costs_one_partition_alone() {
    let store = store();
    let (owner, standby) = pair(&store).await;
    for partition in 0..PARTITIONS {
        add(&owner, partition, 5).await.unwrap();
    }
    let stranger = MemoryJournal::open(&store);
    stranger.take_over(2, Uuid::from_u128(9)).await.unwrap();
    let fenced = add(&owner, 2, 1).await;
    assert!(matches!(fenced, Err(Fault::NotOwner { .. })), "{fenced:?}");
    let live = owner.node.tree().entities.into_iter().map(|live| live.id);
    let others: Vec<_> = (0..PARTITIONS).filter(|partition| *partition != 2).map(tally).collect();
    assert_eq!(live.filter(|id| *id != tally(2)).collect::<Vec<_>>(), others);
    add(&owner, 3, 1).await.unwrap();
    pass(1_000).await;
    for partition in 0..PARTITIONS {
        let seen = [total(&owner, partition).await, total(&standby, partition).await];
        let answered: Vec<_> = seen.iter().flatten().collect();
        assert_eq!(
            answered,
            [if partition == 3 { &6 } else { &5 }],
            "one of them owns partition {partition}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_stale_owner_has_on_its_way_is_fenced_and_never_answered_as_done() {
    let store = store();
    let (owner, standby) = pair(&store).await;
    add(&owner, 1, 5).await.unwrap();
    store.set_sync(SyncMode::Held);
    let late = {
        let node = owner.node.clone();
        let command = keyed(tally(1), "add", &json!({ "amount": 1 }), "late");
        async move { node.command(command).await }
    };
    let mut late = std::pin::pin!(late);
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut late).await.is_err());
    owner.journal.set_link(Link::Cut(Duration::from_millis(50)));
    pass(3_000).await;
    assert_eq!(owned(&standby), PARTITIONS as usize);
    store.set_sync(SyncMode::Always);
    add(&standby, 1, 2).await.unwrap();
    store.sync();
    assert!(matches!(late.await, Err(Fault::NotOwner { .. } | Fault::Unknown)));
    assert_eq!(total(&standby, 1).await, Ok(7));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_has_gone_back_in_time_makes_the_owner_read_everything_anew() {
    let store = store();
    let (owner, standby) = pair(&store).await;
    for partition in 0..PARTITIONS {
        add(&owner, partition, 5).await.unwrap();
    }
    store.inject(memory::Fault::Regressed);
    let failed = add(&owner, 1, 1).await;
    assert!(matches!(failed, Err(Fault::Unavailable { .. })), "{failed:?}");
    pass(10).await;
    assert!(owner.node.tree().entities.is_empty(), "nothing that was read before is kept");
    pass(1_000).await;
    assert_eq!(owned(&owner) + owned(&standby), PARTITIONS as usize);
    let now = if owned(&owner) > 0 { &owner } else { &standby };
    add(now, 1, 1).await.unwrap();
    assert_eq!(total(now, 1).await, Ok(6));
}

#[tokio::test(start_paused = true)]
async fn a_token_of_what_another_owns_is_not_waited_for() {
    let store = store();
    let (owner, standby) = pair(&store).await;
    add(&owner, 1, 5).await.unwrap();
    let mark = owner.node.position(&key(tally(1))).unwrap();
    assert_eq!(mark, (1, 1));
    let patience = Duration::from_secs(1);
    assert_eq!(owner.node.until(&[mark], patience).await, Ok(true));
    assert_eq!(owner.node.until(&[(1, 2)], patience).await, Ok(false));
    assert_eq!(standby.node.until(&[mark], patience).await, not_owner(1));
    assert_eq!(standby.node.check_any(), not_owner(1));
}

#[tokio::test(start_paused = true)]
async fn one_commit_carries_many_partitions() {
    let store = store();
    let owner = start_with(&store, 1, Config { lanes: 1, ..Config::default() }).await;
    pass(10).await;
    store.set_latency(Duration::from_millis(5));
    let work = (0..200).map(|n| add(&owner, n % PARTITIONS, 1));
    let answers = futures_util::future::join_all(work).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    for partition in 0..PARTITIONS {
        assert_eq!(total(&owner, partition).await, Ok(25));
    }
}
