//! `promptsales export`: a store that stands still, as JSON lines.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use promptsales_engine::journal::postgres::{PostgresOptions, StillStore};
use promptsales_engine::journal::sqlite::SqliteJournal;
use promptsales_engine::journal::transfer::{self, Trailer};
use promptsales_engine::journal::{Error, Journal};
use serde_json::json;

use super::{print, spinner};
use crate::backup::{COPY, MANIFEST, verified};
use crate::cli::Ended;
use crate::config::DatabaseUrl;

/// `promptsales export ...`
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The data folder of a stopped server, or a folder that `backup` made.
    #[arg(long, env = "PROMPTSALES_DATA_DIR", value_name = "FOLDER", default_value = "data")]
    data_dir: PathBuf,
    /// The PostgreSQL whose store is written instead, while no server uses it: `postgres://user:password@host/database`.
    #[arg(long, env = "PROMPTSALES_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<DatabaseUrl>,
    /// The file to write; `-` is the standard output.
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: String,
    /// Writes only the events behind this position, for others to follow the log; it cannot be imported. Not of a store
    /// in PostgreSQL, each of whose partitions has positions of its own.
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    since: u64,
    /// Prints what it came to as JSON.
    #[arg(long)]
    json: bool,
}

/// A store that stands still.
enum Source {
    /// One in a folder; of a backup the copy that is read.
    Folder(Box<SqliteJournal>, Option<tempfile::TempDir>),
    Database(Box<StillStore>),
}

/// Writes a store as JSON lines.
pub(crate) async fn export(args: ExportArgs) -> anyhow::Result<Ended> {
    let (source, place) = match &args.database_url {
        Some(_) if args.since > 0 => bail!(
            "--since is for a store in SQLite: in PostgreSQL each partition has positions of its own; leave it out to \
             write the whole store"
        ),
        Some(url) => {
            let target = url.target()?;
            let store = StillStore::open(&target, PostgresOptions::default()).await;
            let store = store.with_context(|| format!("cannot export {target}; nothing was written"))?;
            (Source::Database(Box::new(store)), target.to_string())
        }
        None => (open(&args.data_dir).await?, args.data_dir.display().to_string()),
    };
    let written = if args.out == "-" {
        source.write(&mut BufWriter::new(std::io::stdout()), args.since).await
    } else {
        let file = File::create_new(&args.out).with_context(|| format!("cannot make {}", args.out))?;
        let mut out = BufWriter::new(file);
        let written = source.write(&mut out, args.since).await;
        out.get_ref().sync_all()?;
        written
    };
    source.close().await;
    let written = written?;
    if args.out != "-" {
        let secret =
            if args.since == 0 { "; it holds the store's secret, so keep it like the store" } else { "" };
        let (events, position) = (written.events, written.position);
        let text = format!("{events} events up to position {position} of {place}{secret}");
        print(args.json, &json!({ "file": args.out, "export": written }), &text)?;
    }
    Ok(Ended::Done)
}

impl Source {
    async fn write(&self, out: &mut (impl Write + Send), since: u64) -> anyhow::Result<Trailer> {
        let bar = spinner("{spinner} position {pos}, {per_sec}")?;
        let progress = |position| bar.set_position(position);
        let written = match self {
            Self::Folder(journal, _) => transfer::export(&**journal, out, since, progress).await?,
            Self::Database(store) => {
                transfer::export_merged(store.journal(), out, store.check(), progress).await?
            }
        };
        bar.finish_and_clear();
        Ok(written)
    }

    async fn close(self) {
        match self {
            Self::Folder(journal, scratch) => {
                journal.close().await;
                drop(scratch);
            }
            Self::Database(store) => store.journal().close().await,
        }
    }
}

/// Opens a store to be read; of a backup a copy is read, as opening it would change it.
async fn open(folder: &Path) -> anyhow::Result<Source> {
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
        Ok(journal) => Ok(Source::Folder(Box::new(journal), scratch)),
        Err(error @ Error::InUse { .. }) => Err(error).context(
            "a server uses this store: make a copy of it with `promptsales backup --out FOLDER`, and export that with \
             `--data-dir FOLDER`",
        ),
        Err(error) => Err(error).with_context(|| format!("cannot use the store in {}", folder.display())),
    }
}
