//! What the database must promise, how it is reached, and how its schema comes about.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use futures_util::future::join_all;
use promptsales_engine::journal::postgres::{PostgresJournal, PostgresOptions};
use promptsales_engine::journal::{Error, Journal};
use promptsales_tests::{Postgres, database_of, until};

use super::fixture::{made, open, own};

#[tokio::test]
async fn a_database_whose_commits_could_be_lost_is_refused() {
    let server = Arc::new(Postgres::start());
    let url = server.database();
    let refused = async |setting: &str| {
        let error =
            PostgresJournal::open(&url, PostgresOptions::default()).await.expect_err("it is not safe");
        assert!(matches!(error, Error::Unavailable { .. }), "{error}");
        assert!(error.to_string().contains(&format!("{setting} = off")), "{error}");
    };
    let name = database_of(&url);
    server.sql("postgres", &format!("ALTER DATABASE {name} SET synchronous_commit = off"));
    refused("synchronous_commit").await;
    server.sql("postgres", &format!("ALTER DATABASE {name} RESET synchronous_commit"));
    for setting in ["full_page_writes", "fsync"] {
        // What stands on the command line goes before the file; the other one is read anew.
        server.stop("fast");
        server.launch_with(&format!("-c {setting}=off"));
        refused(setting).await;
        server.stop("fast");
        server.launch();
    }
    open(&url).await.close().await;
}

#[tokio::test]
async fn several_processes_may_start_on_an_empty_database() {
    let server = Postgres::shared();
    let url = server.database();
    let journals = join_all((0..6).map(|_| open(&url))).await;
    let logs: Vec<_> = journals.iter().map(|journal| journal.info().log).collect();
    assert!(logs.iter().all(|log| *log == logs[0]), "there is one store");
    server.sql(database_of(&url), "INSERT INTO promptsales.layout VALUES (99)");
    let error = PostgresJournal::open(&url, PostgresOptions::default()).await.expect_err("it is too new");
    assert!(error.to_string().contains("newer program"), "{error}");
}

#[tokio::test]
async fn connections_are_encrypted_and_the_server_is_checked() {
    let server = Arc::new(Postgres::start());
    let url = server.database();
    let folder = server.folder().join("data");
    certify(&folder);
    let (root, key) = (folder.join("root.crt"), folder.join("server.key"));
    server.own_file(&key);
    server.sql("postgres", "ALTER SYSTEM SET ssl = on");
    server.stop("fast");
    server.launch();
    let with = |host: &str, query: &str| {
        let url = url.replace("127.0.0.1", host).replace("sslmode=disable", query);
        async move { PostgresJournal::open(&url, PostgresOptions::default()).await }
    };
    let root = format!("sslrootcert={}", root.display());
    let full = with("localhost", &format!("sslmode=verify-full&{root}")).await.expect("it is the host's");
    let fences = own_one(&full).await;
    assert!(full.append(fences, &[made(1, 0)]).await.expect("it can be used")[0].is_ok());
    let encrypted = "SELECT count(*) FROM pg_stat_ssl AS s JOIN pg_stat_activity AS a USING (pid)
        WHERE s.ssl AND a.application_name = 'promptsales'";
    assert_ne!(server.sql("postgres", encrypted), "0");
    with("127.0.0.1", &format!("sslmode=verify-ca&{root}")).await.expect("the authority is trusted");
    with("127.0.0.1", "sslmode=require").await.expect("it is encrypted");
    for (host, query) in [
        ("127.0.0.1", format!("sslmode=verify-full&{root}")),
        ("localhost", "sslmode=verify-full".to_owned()),
    ] {
        let error = with(host, &query).await.expect_err("it is not to be trusted");
        assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    }
}

/// Makes an authority, and a certificate of it for `localhost`.
fn certify(folder: &Path) {
    std::fs::write(folder.join("san"), "subjectAltName=DNS:localhost\n").expect("a file can be written");
    let new = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for words in [
        format!("req -x509 {new} -days 2 -subj /CN=authority -keyout root.key -out root.crt"),
        format!("req {new} -subj /CN=localhost -keyout server.key -out server.csr"),
        "x509 -req -in server.csr -CA root.crt -CAkey root.key -CAcreateserial -days 2 -extfile san -out server.crt"
            .to_owned(),
    ] {
        let made = Command::new("openssl").args(words.split(' ')).current_dir(folder).output();
        let made = made.expect("openssl can be run");
        assert!(made.status.success(), "{words}: {}", String::from_utf8_lossy(&made.stderr));
    }
}

async fn own_one(journal: &PostgresJournal) -> promptsales_engine::journal::Fence {
    let partition = journal.info().partition_of(&super::fixture::stream(1));
    journal.take_over(partition, uuid::Uuid::from_u128(1)).await.expect("it can be taken over").fence
}

#[tokio::test]
async fn a_connection_that_the_server_ended_is_replaced() {
    let server = Postgres::shared();
    let url = server.database();
    let journal = open(&url).await;
    let fences = own(&journal, 1).await;
    for round in 0..5 {
        let end = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'",
            database_of(&url)
        );
        server.sql("postgres", &end);
        let appended = until("an append", || async {
            match journal.append(fences[1], &[made(1, round)]).await {
                Ok(answers) => Some(answers),
                Err(Error::Unavailable { .. }) => None,
                Err(error) => panic!("{error}"),
            }
        });
        assert!(appended.await[0].is_ok());
        assert_eq!(journal.load(&super::fixture::stream(1)).await.expect("it can be read").head, round + 1);
    }
}
