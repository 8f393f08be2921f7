//! Leases: which node may serve which partition, by the store's own clock alone.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::fixture::{at, id};
use crate::id::{Prefix, StreamKey, TenantId};
use crate::journal::{Entry, Error, Fence, Journal, Lease, PartitionId};
use crate::partition::{Beat, Member, Ownership, Standing};

/// Long enough that no case sees it run out.
const LONG: Duration = Duration::from_secs(60);
/// Short enough to be waited for, and long enough for some calls.
const SHORT: Duration = Duration::from_millis(1_500);

/// One process's view of a store that several share.
pub struct Node {
    /// Its journal.
    pub journal: Arc<dyn Journal>,
    /// The leases of the same store.
    pub ownership: Arc<dyn Ownership>,
}

/// An empty store of at least two partitions that several processes share, and whose time passes when it is asked to.
#[async_trait]
pub trait Town: Send + Sync + 'static {
    /// Opens the store as one more process does.
    async fn open(&self) -> Node;

    /// Lets the store's time pass.
    async fn pass(&self, duration: Duration);
}

/// One case: what must hold of every store that several nodes share.
pub type Case = fn(Arc<dyn Town>) -> BoxFuture<'static, ()>;

/// Lists functions as named cases.
macro_rules! cases {
    ($($case:ident,)*) => {
        &[$((concat!("ownership::", stringify!($case)), |town| Box::pin($case(town))),)*]
    };
}

/// Every case, with its name.
pub const OWNERSHIP: &[(&str, Case)] = cases![
    a_lease_that_runs_out_lets_another_node_in,
    a_lease_that_is_renewed_is_never_lost,
    of_two_claims_at_the_same_time_one_wins,
    what_is_given_up_is_free_at_once_and_fenced,
    a_node_that_starts_again_takes_its_partitions_back_and_its_place,
    a_claim_needs_a_place_and_the_epoch_that_was_seen,
];

impl Node {
    async fn beat(&self, member: &Member) -> Vec<Standing> {
        match self.ownership.heartbeat(member).await.expect("the store answers") {
            Beat::Renewed(standings) => standings,
            Beat::Replaced => panic!("{member:?} has been replaced"),
        }
    }

    async fn claim(&self, member: &Member, wanted: &[Standing]) -> Vec<Lease> {
        self.ownership.claim(member, wanted).await.expect("the store answers")
    }

    async fn release(&self, fences: &[Fence]) {
        self.ownership.release(fences).await.expect("the store answers");
    }

    /// A stream of a partition.
    fn stream(&self, partition: PartitionId) -> StreamKey {
        let key = |n| StreamKey::new(TenantId::default_tenant(), id(Prefix::new("thing"), n));
        let mut keys = (0..4096).map(key);
        let found = keys.find(|key| self.journal.info().partition_of(key) == partition);
        found.expect("every partition has slots")
    }

    /// Whether an append under a fence is taken; what it is refused for must be the fence.
    async fn can_append(&self, fence: Fence) -> bool {
        let mut entry = Entry::new(self.stream(fence.partition), at(0));
        entry.timers = vec![crate::journal::TimerOp::Clear { name: "none".to_owned() }];
        match self.journal.append(fence, &[entry]).await {
            Ok(answers) => answers[0].is_ok(),
            Err(Error::Fenced { partition }) if partition == fence.partition => false,
            Err(error) => panic!("{error}"),
        }
    }
}

fn member(node: u128, incarnation: u128, lease: Duration) -> Member {
    let (node, incarnation) = (Uuid::from_u128(node), Uuid::from_u128(incarnation));
    Member { node, incarnation, address: format!("http://node-{node}"), lease }
}

fn free(standings: &[Standing]) -> Vec<PartitionId> {
    standings.iter().filter(|standing| standing.free).map(|standing| standing.partition).collect()
}

fn partitions(leases: &[Lease]) -> Vec<PartitionId> {
    leases.iter().map(|lease| lease.fence.partition).collect()
}

fn fences(leases: &[Lease]) -> Vec<Fence> {
    leases.iter().map(|lease| lease.fence).collect()
}

fn all(standings: &[Standing]) -> Vec<PartitionId> {
    standings.iter().map(|standing| standing.partition).collect()
}

async fn a_lease_that_runs_out_lets_another_node_in(town: Arc<dyn Town>) {
    let (one, two) = (town.open().await, town.open().await);
    let (first, second) = (member(1, 11, SHORT), member(2, 22, LONG));
    let seen = one.beat(&first).await;
    assert_eq!(all(&seen), one.journal.info().partitions, "in the order of their numbers");
    assert!(seen.iter().all(|standing| standing.free && standing.owner.is_none()));
    let leases = one.claim(&first, &seen[..2]).await;
    assert_eq!(partitions(&leases), all(&seen[..2]));
    assert!(one.can_append(leases[1].fence).await);

    let seen = two.beat(&second).await;
    assert_eq!(free(&seen), all(&seen[2..]));
    let owner = seen[1].owner.clone().expect("it has an owner");
    assert_eq!(
        (owner.node, owner.incarnation, owner.address),
        (first.node, first.incarnation, first.address.clone())
    );
    assert_eq!(seen[1].epoch, leases[1].fence.epoch);
    assert!(two.claim(&second, &seen[..2]).await.is_empty(), "the lease holds");

    town.pass(SHORT).await;
    let seen = two.beat(&second).await;
    assert_eq!(free(&seen), all(&seen), "it has run out");
    assert_eq!(
        seen[0].owner.as_ref().map(|owner| owner.node),
        Some(first.node),
        "whose it was is still told"
    );
    assert!(one.can_append(leases[1].fence).await, "a fence ends with a take-over alone");
    let taken = two.claim(&second, &seen[..2]).await;
    assert_eq!((partitions(&taken), taken[1].fence.epoch), (all(&seen[..2]), leases[1].fence.epoch + 1));
    assert!(!one.can_append(leases[1].fence).await, "it is fenced");
    assert!(two.can_append(taken[1].fence).await);
    assert!(!one.beat(&first).await[1].free, "the lease of the new owner holds");
}

async fn a_lease_that_is_renewed_is_never_lost(town: Arc<dyn Town>) {
    let (one, two) = (town.open().await, town.open().await);
    let (first, second) = (member(1, 11, SHORT), member(2, 22, LONG));
    let seen = one.beat(&first).await;
    let leases = one.claim(&first, &seen).await;
    for beat in 0..8 {
        assert!(free(&one.beat(&first).await).is_empty());
        let seen = two.beat(&second).await;
        let pretended: Vec<_> =
            seen.into_iter().map(|standing| Standing { free: true, ..standing }).collect();
        assert!(two.claim(&second, &pretended).await.is_empty(), "beat {beat}");
        assert!(one.can_append(leases[1].fence).await);
        town.pass(SHORT / 4).await;
    }
}

async fn of_two_claims_at_the_same_time_one_wins(town: Arc<dyn Town>) {
    let (one, two) = (town.open().await, town.open().await);
    let (first, second) = (member(1, 11, LONG), member(2, 22, LONG));
    for round in 0..10 {
        let seen = one.beat(&first).await;
        assert_eq!(seen, two.beat(&second).await, "round {round}");
        let (a, b) = futures_util::join!(one.claim(&first, &seen), two.claim(&second, &seen));
        let mut claimed = [partitions(&a), partitions(&b)].concat();
        claimed.sort_unstable();
        assert_eq!(claimed, all(&seen), "each has one owner");
        one.release(&fences(&a)).await;
        one.release(&fences(&a)).await;
        two.release(&fences(&b)).await;
    }
}

async fn what_is_given_up_is_free_at_once_and_fenced(town: Arc<dyn Town>) {
    let (one, two) = (town.open().await, town.open().await);
    let (first, second) = (member(1, 11, LONG), member(2, 22, LONG));
    let seen = one.beat(&first).await;
    let leases = one.claim(&first, &seen).await;
    one.release(&[leases[1].fence]).await;
    assert!(!one.can_append(leases[1].fence).await, "it has given it up");
    assert!(one.can_append(leases[0].fence).await);
    let seen = two.beat(&second).await;
    assert_eq!(free(&seen), [seen[1].partition]);
    let taken = two.claim(&second, &seen).await;
    assert_eq!(partitions(&taken), [seen[1].partition]);
    one.release(&[leases[1].fence]).await;
    assert!(!one.beat(&first).await[1].free, "what is another's is left alone");
    assert!(two.can_append(taken[0].fence).await);
}

async fn a_node_that_starts_again_takes_its_partitions_back_and_its_place(town: Arc<dyn Town>) {
    let (old, new) = (town.open().await, town.open().await);
    let (before, after) = (member(1, 11, LONG), member(1, 12, LONG));
    let seen = old.beat(&before).await;
    let leases = old.claim(&before, &seen).await;
    let seen = new.beat(&after).await;
    assert_eq!(free(&seen), all(&seen), "what an earlier start has need not be waited for");
    let taken = new.claim(&after, &seen[..2]).await;
    assert_eq!(taken.len(), 2);
    for _ in 0..2 {
        let found = old.ownership.heartbeat(&before).await.expect("the store answers");
        assert_eq!(found, Beat::Replaced);
        assert!(!new.beat(&after).await[0].free);
    }
    assert!(old.claim(&before, &seen[2..]).await.is_empty(), "it has no place any more");
    assert!(!old.can_append(leases[1].fence).await);
    assert!(new.can_append(taken[1].fence).await);
}

async fn a_claim_needs_a_place_and_the_epoch_that_was_seen(town: Arc<dyn Town>) {
    let (one, two) = (town.open().await, town.open().await);
    let (first, second) = (member(1, 11, LONG), member(2, 22, LONG));
    let seen = one.beat(&first).await;
    assert!(two.claim(&second, &seen).await.is_empty(), "it has not said that it is there");
    two.beat(&second).await;
    let leases = one.claim(&first, &seen).await;
    one.release(&fences(&leases)).await;
    let now = two.beat(&second).await;
    assert_eq!(free(&now), all(&now));
    assert!(now.iter().zip(&seen).all(|(now, seen)| now.epoch > seen.epoch));
    assert!(two.claim(&second, &seen).await.is_empty(), "seen at an epoch that is over");
    assert_eq!(two.claim(&second, &now).await.len(), now.len());
}
