//! Leases over a real server: what the shared cases cannot make happen.

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
async fn of_two_claims_at_the_same_time_one_wins() {
    let server = Postgres::shared();
    let url = server.database();
    let (one, two) = (open(&url).await, open(&url).await);
    let (first, second) = (member(1, 11, 60_000), member(2, 22, 60_000));
    let mut wins = [0, 0];
    for round in 0..30 {
        let seen = beat(&one, &first).await;
        assert_eq!(seen, beat(&two, &second).await, "round {round}");
        let (a, b) = (one.claim(&first, &seen), two.claim(&second, &seen));
        // Each is the first to ask in half of the rounds.
        let (a, b) = if round % 2 == 0 {
            futures_util::join!(a, b)
        } else {
            let (b, a) = futures_util::join!(b, a);
            (a, b)
        };
        let (a, b) = (a.expect("it answers"), b.expect("it answers"));
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
