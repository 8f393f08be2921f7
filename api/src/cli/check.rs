//! `promptsales check` and `migrate`.

use std::io::Write;

use anyhow::Context as _;
use promptsales_engine::journal::postgres;
use promptsales_engine::workflow::check::check;

use super::Ended;
use crate::app::Registry;
use crate::config::{Config, ServeArgs};
use crate::http::openapi;
use crate::routes;
use crate::store::{open_journal, place};

/// Checks settings, registry and shipped definitions; touches nothing.
pub(crate) async fn run(args: ServeArgs) -> anyhow::Result<Ended> {
    let config = Config::resolve(ServeArgs { dev: true, ..args })?;
    let mut out = std::io::stdout();
    writeln!(out, "settings     ok: {} on {}", place(&config), config.listen)?;
    if let Some(target) = &config.database {
        let checked = postgres::check(target, &postgres::PostgresOptions::default()).await;
        let found = checked.with_context(|| format!("cannot use the store in {target}"))?;
        writeln!(out, "database     ok: {found}")?;
    }
    let registry = Registry::new()?;
    let kinds: Vec<_> = registry.catalog.kinds().iter().map(|k| k.kind.name).collect();
    writeln!(out, "kinds        ok: {}", kinds.join(", "))?;
    let actions: Vec<_> = registry.actions.iter().map(|a| a.name).collect();
    writeln!(out, "actions      ok: {}", actions.join(", "))?;
    for (name, source) in promptsales_workflows::definitions() {
        let checked = check(source, &registry.actions)?;
        writeln!(out, "definition   ok: {name} {}", checked.definition.version)?;
        for warning in checked.warnings {
            writeln!(out, "  warning: {warning}")?;
        }
    }
    let document = openapi::document(&routes::endpoints(), &registry.catalog);
    let paths = document["paths"].as_object().map_or(0, |paths| paths.len());
    writeln!(out, "interface    ok: {paths} paths")?;
    Ok(Ended::Done)
}

/// Brings the store's schema up to date.
pub(crate) async fn migrate(args: ServeArgs) -> anyhow::Result<Ended> {
    let config = Config::resolve(ServeArgs { dev: true, ..args })?;
    std::fs::create_dir_all(&config.data_dir)?;
    let journal = open_journal(&config).await?;
    let log = journal.info().log;
    writeln!(std::io::stdout(), "the store in {} is up to date, log {log}", place(&config))?;
    journal.close().await;
    Ok(Ended::Done)
}
