//! `promptsales export` and `import`.

use std::fs::File;
use std::io::{BufReader, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use promptsales_engine::journal::sqlite::{ImportStore, SqliteJournal};
use promptsales_engine::journal::transfer::{self, Import, Trailer};
use promptsales_engine::journal::{Error, Journal};
use promptsales_engine::runtime::Context as Surroundings;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Ended;
use crate::backup::{COPY, MANIFEST, verified};
use crate::config::DatabaseUrl;

/// `promptsales export ...`
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The data folder of a stopped server, or a folder that `backup` made.
    #[arg(long, env = "PROMPTSALES_DATA_DIR", value_name = "FOLDER", default_value = "data")]
    data_dir: PathBuf,
    /// Refused: a store in PostgreSQL has PostgreSQL's own tools.
    #[arg(long, value_name = "URL", hide = true)]
    database_url: Option<DatabaseUrl>,
    /// The file to write; `-` is the standard output.
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: String,
    /// Writes only the events behind this position, for others to follow the log; it cannot be imported.
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    since: u64,
    /// Prints what it came to as JSON.
    #[arg(long)]
    json: bool,
}

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
    /// Refused: a store in PostgreSQL has PostgreSQL's own tools.
    #[arg(long, value_name = "URL", hide = true)]
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

/// How far an import is.
#[derive(Debug, Serialize, Deserialize)]
struct Progress {
    blake3: String,
    lines: u64,
}

/// Writes a store as JSON lines.
pub(crate) async fn export(args: ExportArgs) -> anyhow::Result<Ended> {
    refuse_database(args.database_url.as_ref())?;
    let (journal, scratch) = open(&args.data_dir).await?;
    let bar = spinner("{spinner} position {pos}, {per_sec}")?;
    let progress = |position| bar.set_position(position);
    let written = if args.out == "-" {
        let mut out = BufWriter::new(std::io::stdout());
        transfer::export(&journal, &mut out, args.since, progress).await
    } else {
        let file = File::create_new(&args.out).with_context(|| format!("cannot make {}", args.out))?;
        let mut out = BufWriter::new(file);
        let written = transfer::export(&journal, &mut out, args.since, progress).await;
        out.get_ref().sync_all()?;
        written
    };
    bar.finish_and_clear();
    journal.close().await;
    drop(scratch);
    let written = written?;
    if args.out != "-" {
        let secret =
            if args.since == 0 { "; it holds the store's secret, so keep it like the store" } else { "" };
        let text = format!("{} events up to position {}{secret}", written.events, written.position);
        print(args.json, &json!({ "file": args.out, "export": written }), &text)?;
    }
    Ok(Ended::Done)
}

/// Makes a store of JSON lines.
pub(crate) async fn import(args: ImportArgs) -> anyhow::Result<Ended> {
    refuse_database(args.database_url.as_ref())?;
    match args.kind {
        ImportKind::Journal => journal(args).await,
    }
}

async fn journal(args: ImportArgs) -> anyhow::Result<Ended> {
    let read = || File::open(&args.file).with_context(|| format!("cannot open {}", args.file.display()));
    let bar = spinner("{spinner} checking, line {pos}, {per_sec}")?;
    let (header, trailer) = transfer::verify(BufReader::new(read()?), |line| bar.set_position(line))
        .with_context(|| format!("{} cannot be imported; nothing was done", args.file.display()))?;
    bar.finish_and_clear();
    if header.since > 0 {
        bail!("{} holds the events behind position {} alone", args.file.display(), header.since);
    }
    let store = ImportStore::open(&args.data_dir, &header).await?;
    let done = done_before(&store.progress_file(), &trailer)?;
    let lease = store.journal().take_over(0, Surroundings::real().uuid()).await?;
    let bar = spinner("{spinner} line {pos}, {per_sec}")?;
    let mut import = Import::new(store.journal(), &[lease.fence], BufReader::new(read()?), done);
    while let Some(lines) = import.next().await? {
        bar.set_position(lines);
        note(&store.progress_file(), &trailer, lines)?;
    }
    bar.finish_and_clear();
    let made = store.finish(&trailer).await?;
    let text = format!(
        "{} events up to position {} in {}, under the new history {}.\nIt starts held: look at it with \
         `promptsales held`, and let it go on with `promptsales release --why ...`",
        made.events,
        made.position,
        args.data_dir.display(),
        made.history
    );
    print(args.json, &json!({ "imported": made, "resumedAtLine": done, "held": true }), &text)?;
    Ok(Ended::Done)
}

fn refuse_database(url: Option<&DatabaseUrl>) -> anyhow::Result<()> {
    match url {
        Some(_) => bail!(
            "export and import work on stores in SQLite; move one in PostgreSQL with pg_dump and pg_restore, and mark it \
             with `promptsales restore --mark`"
        ),
        None => Ok(()),
    }
}

/// Opens a store to be read; of a backup a copy is read, as opening it would change it.
async fn open(folder: &Path) -> anyhow::Result<(SqliteJournal, Option<tempfile::TempDir>)> {
    if !folder.join(COPY).exists() {
        bail!("there is no store in {}", folder.display());
    }
    let mut scratch = None;
    let mut store = folder.to_owned();
    if folder.join(MANIFEST).exists() {
        let (copy, _) = verified(folder)?;
        let made = tempfile::tempdir_in(folder.parent().unwrap_or(folder))?;
        std::fs::copy(copy, made.path().join(COPY))?;
        store = made.path().to_owned();
        scratch = Some(made);
    }
    match SqliteJournal::open(&store).await {
        Ok(journal) => Ok((journal, scratch)),
        Err(error @ Error::InUse { .. }) => Err(error).context(
            "a server uses this store: make a copy of it with `promptsales backup --out FOLDER`, and export that with \
             `--data-dir FOLDER`",
        ),
        Err(error) => Err(error).with_context(|| format!("cannot use the store in {}", folder.display())),
    }
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

fn spinner(template: &'static str) -> anyhow::Result<ProgressBar> {
    let bar = ProgressBar::new_spinner().with_style(ProgressStyle::with_template(template)?);
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    Ok(bar)
}

fn print(is_json: bool, value: &serde_json::Value, text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    if is_json {
        writeln!(out, "{value}")?
    } else {
        writeln!(out, "{text}")?
    }
    Ok(())
}
