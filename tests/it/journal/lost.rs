//! Appends whose answers are lost: what became of them is found out, and nothing is done twice.

use std::time::Duration;

use futures_util::poll;
use promptsales_engine::journal::{Error, Journal};
use promptsales_tests::{Cut, Postgres, Proxy};
use uuid::Uuid;

use super::fixture::{PARTITIONS, head, key, made, open, own, stream};

/// What every append begins with.
const APPEND: &str = "WITH fence AS";

fn through(server: &Postgres, proxy: &Proxy) -> (String, String) {
    let url = server.database();
    (url.replace(&server.port().to_string(), &proxy.port().to_string()), url)
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_found_out() {
    let server = Postgres::shared();
    let proxy = Proxy::start(server.port());
    let journal = open(&through(&server, &proxy).0).await;
    let fences = own(&journal, 1).await;
    proxy.cut(APPEND, Cut::Answer);
    let batches = [(fences[1], vec![made(1, 0), made(5, 0)]), (fences[2], vec![made(2, 0)])];
    let answers = journal.append_all(&batches).await;
    assert!(proxy.has_cut());
    for answer in answers {
        assert!(answer.expect("it was committed").iter().all(Result::is_ok));
    }
    // The next appends go on behind it, without events too.
    let mut beside = made(1, 1);
    beside.events.clear();
    beside.keys = vec![key(1, 7)];
    proxy.cut(APPEND, Cut::Answer);
    assert!(journal.append(fences[1], &[beside]).await.expect("it was committed")[0].is_ok());
    let next = journal.append(fences[1], &[made(1, 1)]).await.expect("it goes on");
    assert_eq!(next[0].as_ref().expect("taken").position, 3);
    assert_eq!((head(&journal, 1).await, head(&journal, 5).await, head(&journal, 2).await), (2, 1, 1));
}

#[tokio::test]
async fn an_append_that_never_arrived_has_not_happened() {
    let server = Postgres::shared();
    let proxy = Proxy::start(server.port());
    let journal = open(&through(&server, &proxy).0).await;
    let fences = own(&journal, 1).await;
    for round in 0..3 {
        proxy.cut(APPEND, Cut::Request);
        let error = journal.append(fences[1], &[made(1, round)]).await.expect_err("it was lost");
        assert!(matches!(error, Error::Unavailable { .. }), "{error}");
        assert_eq!(head(&journal, 1).await, round);
        assert!(journal.append(fences[1], &[made(1, round)]).await.expect("it goes on")[0].is_ok());
    }
}

#[tokio::test]
async fn an_append_that_arrives_late_is_fenced() {
    let server = Postgres::shared();
    let proxy = Proxy::start(server.port());
    let (url, direct) = through(&server, &proxy);
    let journal = open(&url).await;
    let fences = own(&journal, 1).await;
    proxy.cut(APPEND, Cut::Late(Duration::from_millis(700)));
    let error = journal.append(fences[1], &[made(1, 0)]).await.expect_err("it has not arrived");
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    promptsales_tests::pause(1_000).await;
    assert_eq!(head(&open(&direct).await, 1).await, 0, "it came when its fate had been decided");
    let next = journal.append(fences[1], &[made(1, 0)]).await.expect("it goes on");
    assert_eq!(next[0].as_ref().expect("taken").position, 1);
}

#[tokio::test]
async fn an_append_whose_fate_cannot_be_found_out_is_unknown_until_it_can() {
    let server = std::sync::Arc::new(Postgres::start());
    let url = server.database();
    let options = promptsales_engine::journal::postgres::PostgresOptions {
        partitions: PARTITIONS,
        deadline: Duration::from_secs(2),
        patience: Duration::from_secs(2),
        ..Default::default()
    };
    let journal = promptsales_engine::journal::postgres::PostgresJournal::open(&url, options).await;
    let journal = journal.expect("it can be opened");
    let fences = own(&journal, 1).await;
    journal.append(fences[1], &[made(1, 0)]).await.expect("it can be used");
    let name = promptsales_tests::database_of(&url).to_owned();
    let holder = std::thread::spawn({
        let server = server.clone();
        let wait = "BEGIN; SELECT FROM promptsales.partition FOR UPDATE; SELECT pg_sleep(9); COMMIT";
        move || server.sql(&name, wait)
    });
    promptsales_tests::pause(700).await;
    let error = journal.append(fences[1], &[made(1, 1)]).await.expect_err("nobody answers");
    assert!(matches!(error, Error::Unknown { .. }), "{error}");
    let error = journal.append(fences[1], &[made(1, 1)]).await.expect_err("still nobody answers");
    assert!(matches!(error, Error::Unavailable { .. }), "it was not sent: {error}");
    holder.join().expect("the lock was held");
    let landed =
        promptsales_tests::until("an answer", || async { journal.load(&stream(1)).await.ok() }).await;
    let next = journal.append(fences[1], &[made(1, landed.head)]).await.expect("it is known again");
    assert_eq!(next[0].as_ref().expect("taken").seq, landed.head + 1);
}

#[tokio::test]
async fn an_append_may_be_dropped_at_any_await() {
    let server = Postgres::shared();
    let journal = open(&server.database()).await;
    let fences = own(&journal, 1).await;
    let (mut before, mut dropped) = (0, 0);
    for round in 0..120_u64 {
        let batch = [made(1, before), made(5 + round * 4, 0)];
        {
            let mut append = std::pin::pin!(journal.append(fences[1], &batch));
            for _ in 0..round % 12 {
                if poll!(&mut append).is_ready() {
                    break;
                }
                promptsales_tests::pause(round % 3).await;
            }
        }
        let (one, two) = (head(&journal, 1).await, head(&journal, 5 + round * 4).await);
        assert!(one == before || one == before + 1, "{one} behind {before}");
        assert_eq!(one > before, two > 0, "all of it stands, or nothing");
        dropped += u64::from(one == before);
        before = one;
    }
    assert!(dropped > 5 && before > 5, "{dropped} dropped, {before} committed");
    let log = journal.read_log(1, 0, usize::MAX).await.expect("it can be read");
    let positions: Vec<_> = log.iter().map(|event| event.position).collect();
    assert_eq!(positions, (1..=positions.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_take_over_waits_for_an_append_that_is_under_way() {
    let server = Postgres::shared();
    let url = server.database();
    let (old, new) = (open(&url).await, open(&url).await);
    let fence = own(&old, 1).await[1];
    let name = promptsales_tests::database_of(&url).to_owned();
    // Whoever inserts the same key waits for this, with the fence in its hand.
    let sql = "BEGIN; INSERT INTO promptsales.idem VALUES (1, 1, NULL, NULL, decode(repeat('05', 16), 'hex'), '', '');
        SELECT pg_sleep(1.5); ROLLBACK";
    let holder = std::thread::spawn({
        let server = server.clone();
        move || server.sql(&name, sql)
    });
    promptsales_tests::pause(500).await;
    let mut late = made(1, 0);
    late.keys = vec![key(1, 5)];
    let late = [late];
    let takes = async {
        promptsales_tests::pause(300).await;
        new.take_over(1, Uuid::from_u128(2)).await.expect("it can be taken over")
    };
    let (appended, lease) = futures_util::join!(old.append(fence, &late), takes);
    assert_eq!(appended.expect("it was first")[0].as_ref().expect("taken").position, 1);
    assert_eq!(lease.position, 1, "the new owner sees what was under way");
    holder.join().expect("the key was held");
    let error = old.append(fence, &[made(1, 1)]).await.expect_err("it is out");
    assert!(matches!(error, Error::Fenced { partition: 1 }), "{error}");
    assert!(new.append(lease.fence, &[made(1, 1)]).await.expect("it is in")[0].is_ok());
}
