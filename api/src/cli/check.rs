//! `promptsales check` and `migrate`.

use std::io::Write;
use std::sync::Arc;

use anyhow::Context as _;
use promptsales_engine::journal::Journal;
use promptsales_engine::journal::sqlite::SqliteJournal;
use promptsales_engine::workflow::check::check;

use super::Ended;
use crate::app::Registry;
use crate::config::{Config, ServeArgs};
use crate::http::openapi;
use crate::routes;

/// Checks settings, registry and shipped definitions; touches nothing.
pub(crate) async fn run(args: ServeArgs) -> anyhow::Result<Ended> {
    let config = Config::resolve(ServeArgs { dev: true, ..args })?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "settings     ok: {} on {}", config.data_dir.display(), config.listen)?;
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
    let journal = SqliteJournal::open(&config.data_dir).await;
    let journal: Arc<dyn Journal> =
        Arc::new(journal.with_context(|| format!("cannot use the store in {}", config.data_dir.display()))?);
    writeln!(
        std::io::stdout(),
        "the store in {} is up to date, log {}",
        config.data_dir.display(),
        journal.info().log
    )?;
    journal.close().await;
    Ok(Ended::Done)
}
