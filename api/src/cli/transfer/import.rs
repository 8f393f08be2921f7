//! `promptsales import`: a store made of JSON lines.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use promptsales_engine::journal::transfer::{self, Header, Import, Trailer};
use promptsales_engine::journal::{Journal, postgres, sqlite};
use promptsales_engine::runtime::Context as Surroundings;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{print, spinner};
use crate::cli::Ended;
use crate::config::DatabaseUrl;

/// `promptsales import ...`
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The file.
    file: PathBuf,
    /// What is in it.
    #[arg(long)]
    kind: ImportKind,
    /// The data folder to make; it must not be there, be empty, or hold the same import, broken off.
    #[arg(long, env = "PROMPTSALES_DATA_DIR", value_name = "FOLDER", default_value = "data")]
    data_dir: PathBuf,
    /// The PostgreSQL to fill instead: `postgres://user:password@host/database`. It must hold no store, an empty one, or
    /// the same import, broken off.
    #[arg(long, env = "PROMPTSALES_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<DatabaseUrl>,
    /// Prints what it came to as JSON.
    #[arg(long)]
    json: bool,
}

/// What can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ImportKind {
    /// A whole store, as `export` wrote it.
    Journal,
}

/// A file that was checked.
struct Checked {
    path: PathBuf,
    header: Header,
    trailer: Trailer,
}

/// How far an import into a folder is.
#[derive(Debug, Serialize, Deserialize)]
struct Progress {
    blake3: String,
    lines: u64,
}

/// Makes a store of JSON lines.
pub(crate) async fn import(args: ImportArgs) -> anyhow::Result<Ended> {
    match args.kind {
        ImportKind::Journal => journal(args).await,
    }
}

async fn journal(args: ImportArgs) -> anyhow::Result<Ended> {
    let file = Checked::new(args.file)?;
    let (made, done, place) = match &args.database_url {
        Some(url) => {
            let target = url.target()?;
            let (made, done) = into_database(&file, &target).await?;
            (made, done, target.to_string())
        }
        None => {
            let (made, done) = into_folder(&file, &args.data_dir).await?;
            (made, done, args.data_dir.display().to_string())
        }
    };
    let text = format!(
        "{} events up to position {} in {place}, under the new history {}.\nIt starts held: look at it with \
         `promptsales held`, and let it go on with `promptsales release --why ...`",
        made["events"],
        made["position"],
        made["history"].as_str().unwrap_or_default()
    );
    print(args.json, &json!({ "imported": made, "resumedAtLine": done, "held": true }), &text)?;
    Ok(Ended::Done)
}

impl Checked {
    fn new(path: PathBuf) -> anyhow::Result<Self> {
        let bar = spinner("{spinner} checking, line {pos}, {per_sec}")?;
        let file = BufReader::new(File::open(&path).with_context(|| cannot_open(&path))?);
        let (header, trailer) = transfer::verify(file, |line| bar.set_position(line))
            .with_context(|| format!("{} cannot be imported; nothing was done", path.display()))?;
        bar.finish_and_clear();
        if header.since > 0 {
            bail!("{} holds the events behind position {} alone", path.display(), header.since);
        }
        Ok(Self { path, header, trailer })
    }

    fn read(&self) -> anyhow::Result<BufReader<File>> {
        Ok(BufReader::new(File::open(&self.path).with_context(|| cannot_open(&self.path))?))
    }
}

fn cannot_open(path: &Path) -> String {
    format!("cannot open {}", path.display())
}

async fn into_folder(file: &Checked, folder: &Path) -> anyhow::Result<(Value, Option<u64>)> {
    let store = sqlite::ImportStore::open(folder, &file.header).await?;
    let done = done_before(&store.progress_file(), &file.trailer)?;
    let lease = store.journal().take_over(0, Surroundings::real().uuid()).await?;
    let bar = spinner("{spinner} line {pos}, {per_sec}")?;
    let mut import = Import::new(store.journal(), &[lease.fence], file.read()?, done);
    while let Some(lines) = import.next().await? {
        bar.set_position(lines);
        note(&store.progress_file(), &file.trailer, lines)?;
    }
    bar.finish_and_clear();
    let made = store.finish(&file.trailer).await?;
    Ok((serde_json::to_value(made)?, done))
}

async fn into_database(file: &Checked, target: &postgres::Target) -> anyhow::Result<(Value, Option<u64>)> {
    let options = postgres::PostgresOptions::default();
    let store = postgres::ImportStore::open(target, options, &file.header, &file.trailer).await;
    let store = store.with_context(|| format!("cannot import into {target}"))?;
    let done = store.done();
    if let Err(error) = fill(&store, file).await {
        store.break_off().await;
        let broken_off = "the import was broken off; give the same command again to go on with it";
        return Err(error.context(broken_off));
    }
    let made = store.finish(&file.trailer).await?;
    Ok((serde_json::to_value(made)?, done))
}

async fn fill(store: &postgres::ImportStore, file: &Checked) -> anyhow::Result<()> {
    let bar = spinner("{spinner} line {pos}, {per_sec}")?;
    let mut import = Import::new(store.journal(), store.fences(), file.read()?, store.done());
    while let Some(lines) = import.next().await? {
        bar.set_position(lines);
        store.note(lines).await?;
    }
    bar.finish_and_clear();
    Ok(())
}

/// How many lines an import that was broken off had taken; `None` where none was begun.
fn done_before(file: &Path, trailer: &Trailer) -> anyhow::Result<Option<u64>> {
    if !file.exists() {
        note(file, trailer, 0)?;
        return Ok(None);
    }
    // Where the note itself was cut off, everything is looked at again.
    let noted: Option<Progress> = serde_json::from_slice(&std::fs::read(file)?).ok();
    match noted {
        Some(noted) if noted.blake3 != trailer.blake3 => {
            bail!("the import of another file was begun in this folder; empty it first")
        }
        Some(noted) => Ok(Some(noted.lines)),
        None => Ok(Some(0)),
    }
}

fn note(file: &Path, trailer: &Trailer, lines: u64) -> std::io::Result<()> {
    let progress = Progress { blake3: trailer.blake3.clone(), lines };
    std::fs::write(file, serde_json::to_vec(&progress)?)
}
