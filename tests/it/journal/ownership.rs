//! Leases: which node may serve which partition, by the database's clock alone.

use std::time::Duration;

use promptsales_engine::journal::postgres::PostgresJournal;
use promptsales_engine::journal::{Error, Journal};
use promptsales_engine::partition::{Beat, Member, Ownership, Standing};
use promptsales_tests::{Postgres, pause, until};
use uuid::Uuid;

use super::fixture::{PARTITIONS, key, made, open};

fn member(node: u128, incarnation: u128, lease_ms: u64) -> Member {
    Member {
        node: Uuid::from_u128(node),
        incarnation: Uuid::from_u128(incarnation),
        address: format!("http://node-{node}"),
        lease: Duration::from_millis(lease_ms),
    }
}

async fn beat(journal: &PostgresJournal, member: &Member) -> Vec<Standing> {
    match journal.heartbeat(member).await.expect("the database answers") {
        Beat::Renewed(standings) => standings,
        Beat::Replaced => panic!("{member:?} has been replaced"),
    }
}

#[tokio::test]
async fn a_lease_that_runs_out_lets_another_node_in() {
    let server = Postgres::shared();
    let url = server.database();
    let (one, two) = (open(&url).await, open(&url).await);
    let (first, second) = (member(1, 11, 800), member(2, 22, 60_000));
    let standings = beat(&one, &first).await;
    assert_eq!(standings.len(), PARTITIONS as usize);
    assert!(standings.iter().all(|standing| standing.free && standing.owner.is_none()));
    let leases = one.claim(&first, &standings[..2]).await.expect("they are free");
    assert_eq!(leases.iter().map(|lease| lease.fence.partition).collect::<Vec<_>>(), [0, 1]);
    assert!(one.append(leases[1].fence, &[made(1, 0)]).await.expect("it owns it")[0].is_ok());

    let seen = beat(&two, &second).await;
    assert_eq!(seen.iter().map(|standing| standing.free).collect::<Vec<_>>(), [false, false, true, true]);
    let owner = seen[1].owner.clone().expect("it has an owner");
    assert_eq!((owner.node, owner.incarnation), (first.node, first.incarnation));
    assert_eq!(owner.address, "http://node-1");
    assert!(two.claim(&second, &seen[..2]).await.expect("it answers").is_empty(), "the lease holds");
    let pretended: Vec<_> =
        seen.iter().cloned().map(|standing| Standing { free: true, ..standing }).collect();
    assert_eq!(two.claim(&second, &pretended).await.expect("it answers").len(), 2, "only what is free");

    let seen = until("the end of the lease", || async {
        let seen = beat(&two, &second).await;
        seen[1].free.then_some(seen)
    })
    .await;
    let taken = two.claim(&second, &seen[..2]).await.expect("they are free");
    assert_eq!(taken.len(), 2);
    assert_eq!((taken[1].position, taken[1].fence.epoch), (1, leases[1].fence.epoch + 1));
    let error = one.append(leases[1].fence, &[made(1, 1)]).await.expect_err("it is fenced");
    assert!(matches!(error, Error::Fenced { partition: 1 }), "{error}");
    assert!(two.append(taken[1].fence, &[made(1, 1)]).await.expect("it owns it")[0].is_ok());
    assert!(!beat(&one, &first).await[1].free, "the lease of the new owner holds");
}

#[tokio::test]
async fn of_two_claims_at_the_same_time_one_wins() {
    let server = Postgres::shared();
    let url = server.database();
    let (one, two) = (open(&url).await, open(&url).await);
    let (first, second) = (member(1, 11, 60_000), member(2, 22, 60_000));
    let mut wins = [0, 0];
    for round in 0..30 {
        let seen = beat(&one, &first).await;
        assert_eq!(seen, beat(&two, &second).await, "round {round}");
        let claims = futures_util::join!(one.claim(&first, &seen), two.claim(&second, &seen));
        let (a, b) = (claims.0.expect("it answers"), claims.1.expect("it answers"));
        let ids: Vec<_> = a.iter().chain(&b).map(|lease| lease.fence.partition).collect();
        assert_eq!(ids, (0..PARTITIONS).collect::<Vec<_>>(), "each has one owner");
        assert!(a.is_empty() || b.is_empty(), "one gets them all");
        wins = [wins[0] + a.len(), wins[1] + b.len()];
        let fences = |leases: &[promptsales_engine::journal::Lease]| -> Vec<_> {
            leases.iter().map(|lease| lease.fence).collect()
        };
        // Each may only give up what is its own.
        one.release(&fences(&a)).await.expect("it answers");
        one.release(&fences(&a)).await.expect("it answers");
        two.release(&fences(&b)).await.expect("it answers");
    }
    assert!(wins.iter().all(|wins| *wins > 0), "{wins:?}");
}

#[tokio::test]
async fn a_claim_waits_for_appends_that_are_under_way_and_sees_them() {
    let server = Postgres::shared();
    let url = server.database();
    let (one, two) = (open(&url).await, open(&url).await);
    let (first, second) = (member(1, 11, 500), member(2, 22, 60_000));
    let seen = beat(&one, &first).await;
    let leases = one.claim(&first, &seen).await.expect("they are free");
    let name = promptsales_tests::database_of(&url).to_owned();
    // Whoever inserts the same key waits for this, with the fence in its hand.
    let sql = "BEGIN; INSERT INTO promptsales.idem VALUES (1, 1, NULL, NULL, decode(repeat('05', 16), 'hex'), '', '');
        SELECT pg_sleep(3); ROLLBACK";
    let holder = std::thread::spawn({
        let server = server.clone();
        move || server.sql(&name, sql)
    });
    pause(700).await;
    let mut late = made(2, 0);
    late.keys = vec![key(2, 5)];
    let late = [late];
    let claims = async {
        until("the end of the lease", || async {
            let seen = beat(&two, &second).await;
            seen[2].free.then_some(())
        })
        .await;
        let seen = beat(&two, &second).await;
        two.claim(&second, &seen).await.expect("they are free")
    };
    let (appended, taken) = futures_util::join!(one.append(leases[2].fence, &late), claims);
    assert_eq!(appended.expect("it was first")[0].as_ref().expect("taken").position, 1);
    assert_eq!(taken.iter().map(|lease| lease.position).collect::<Vec<_>>(), [0, 0, 1, 0]);
    holder.join().expect("the key was held");
    let error = one.append(leases[3].fence, &[made(3, 0)]).await.expect_err("it is out");
    assert!(matches!(error, Error::Fenced { partition: 3 }), "{error}");
    assert!(two.append(taken[2].fence, &[made(2, 1)]).await.expect("it is in")[0].is_ok());
}

#[tokio::test]
async fn what_is_given_up_is_free_at_once_and_fenced() {
    let server = Postgres::shared();
    let url = server.database();
    let (one, two) = (open(&url).await, open(&url).await);
    let (first, second) = (member(1, 11, 60_000), member(2, 22, 60_000));
    let seen = beat(&one, &first).await;
    let leases = one.claim(&first, &seen).await.expect("they are free");
    one.release(&[leases[1].fence]).await.expect("it answers");
    let error = one.append(leases[1].fence, &[made(1, 0)]).await.expect_err("it has given it up");
    assert!(matches!(error, Error::Fenced { partition: 1 }), "{error}");
    let seen = beat(&two, &second).await;
    assert_eq!(seen.iter().map(|standing| standing.free).collect::<Vec<_>>(), [false, true, false, false]);
    let taken = two.claim(&second, &seen).await.expect("it answers");
    assert_eq!(taken.iter().map(|lease| lease.fence.partition).collect::<Vec<_>>(), [1]);
    one.release(&[leases[1].fence]).await.expect("it answers");
    assert!(!beat(&one, &first).await[1].free, "what is another's is left alone");
}

#[tokio::test]
async fn a_node_that_starts_again_takes_its_partitions_back_and_its_place() {
    let server = Postgres::shared();
    let url = server.database();
    let (old, new) = (open(&url).await, open(&url).await);
    let (before, after) = (member(1, 11, 60_000), member(1, 12, 60_000));
    let seen = beat(&old, &before).await;
    let leases = old.claim(&before, &seen).await.expect("they are free");
    let seen = beat(&new, &after).await;
    assert!(seen.iter().all(|standing| standing.free), "they are an earlier start's");
    let taken = new.claim(&after, &seen[..2]).await.expect("it answers");
    assert_eq!(taken.len(), 2);
    for _ in 0..3 {
        let found = old.heartbeat(&before).await.expect("the database answers");
        assert_eq!(found, Beat::Replaced);
        assert!(!beat(&new, &after).await[0].free);
    }
    assert!(old.claim(&before, &seen[2..]).await.expect("it answers").is_empty(), "it has no place any more");
    let error = old.append(leases[1].fence, &[made(1, 0)]).await.expect_err("it is fenced");
    assert!(matches!(error, Error::Fenced { .. }), "{error}");
    assert!(new.append(taken[1].fence, &[made(1, 0)]).await.expect("it owns it")[0].is_ok());
}

#[tokio::test]
async fn a_lease_that_is_renewed_is_never_lost() {
    let server = Postgres::shared();
    let url = server.database();
    let (one, two) = (open(&url).await, open(&url).await);
    let (first, second) = (member(1, 11, 400), member(2, 22, 60_000));
    let seen = beat(&one, &first).await;
    let leases = one.claim(&first, &seen).await.expect("they are free");
    for n in 0..15 {
        assert!(!beat(&one, &first).await[1].free);
        let seen = beat(&two, &second).await;
        let all: Vec<_> = seen.into_iter().map(|standing| Standing { free: true, ..standing }).collect();
        assert!(two.claim(&second, &all).await.expect("it answers").is_empty(), "beat {n}");
        assert!(one.append(leases[1].fence, &[made(1, n)]).await.expect("it owns it")[0].is_ok());
        pause(100).await;
    }
}
