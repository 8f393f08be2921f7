//! Databases for a benchmark alone, beside the one whose URL is given.

use anyhow::Context as _;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};

use crate::config::DatabaseUrl;

/// Makes an empty database on the server of `url`, and answers its URL.
pub(in super::super) async fn create(url: &str, name: &str) -> anyhow::Result<DatabaseUrl> {
    let made = beside(url, name).context("expected postgres://USER:PASSWORD@HOST/DATABASE")?;
    run(url, format!("CREATE DATABASE {name}")).await.context("could not make a database")?;
    let Ok(made) = made.parse();
    Ok(made)
}

/// Removes a database from the server of `url`, also where somebody is still connected to it.
pub(in super::super) async fn remove(url: &str, name: &str) -> anyhow::Result<()> {
    let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    run(url, sql).await.with_context(|| format!("could not remove the database {name}"))
}

/// Bytes that the database of `url` takes on disk.
pub(in super::super) async fn size(url: &str) -> anyhow::Result<u64> {
    let mut connection = PgConnection::connect(url).await?;
    let bytes: i64 =
        sqlx::query_scalar("SELECT pg_database_size(current_database())").fetch_one(&mut connection).await?;
    Ok(u64::try_from(bytes)?)
}

/// Runs a statement whose text holds nothing but what this file and a fresh name brought.
async fn run(url: &str, sql: String) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    connection.execute(AssertSqlSafe(sql)).await?;
    Ok(())
}

/// The URL with another database.
fn beside(url: &str, name: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let server = rest.split('/').next()?;
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    Some(format!("{scheme}://{server}/{name}{query}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_another_database_of_the_same_server() {
        for (url, expected) in [
            ("postgres://ada:s@db:5433/market?sslmode=disable", "postgres://ada:s@db:5433/x?sslmode=disable"),
            ("postgres://db", "postgres://db/x"),
            ("postgres:///market?host=/run", "postgres:///x?host=/run"),
        ] {
            assert_eq!(beside(url, "x").as_deref(), Some(expected));
        }
        assert_eq!(beside("db/market", "x"), None);
    }
}
