//! `promptsales backup`, `restore`, `held` and `release`.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use promptsales_engine::journal::Journal;
use promptsales_engine::journal::postgres::{self, PostgresOptions};
use promptsales_engine::journal::sqlite::{self, SqliteJournal};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::Ended;
use super::client::{Client, ServerArgs};
use crate::backup::{COPY, MANIFEST, Manifest, digest_of, verified};
use crate::config::DatabaseUrl;

/// What to do with a store that was restored.
const STARTS_HELD: &str = "It starts held: look at it with `promptsales held`, and let it go on with `promptsales release --why ...`";

/// `promptsales backup ...`
#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// The folder to make; it must not be there, or be empty.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Copies the store in this folder, whose server is stopped, instead of a running server's.
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
}

/// `promptsales restore ...`
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The folder that `backup` made.
    #[arg(required_unless_present = "mark")]
    from: Option<PathBuf>,
    /// The data folder to make; it must not be there, or be empty.
    #[arg(long, value_name = "FOLDER", required_unless_present = "mark")]
    data_dir: Option<PathBuf>,
    /// Marks a database that PostgreSQL's own tools have restored, and that no server uses yet, as restored.
    #[arg(long, requires = "database_url", conflicts_with_all = ["from", "data_dir"])]
    mark: bool,
    /// The database to mark: `postgres://user:password@host/database`.
    #[arg(long, env = "PROMPTSALES_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<DatabaseUrl>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// `promptsales held ...`
#[derive(Debug, Args)]
pub(crate) struct HeldArgs {
    #[command(flatten)]
    server: ServerArgs,
}

/// `promptsales release ...`
#[derive(Debug, Args)]
pub(crate) struct ReleaseArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// What makes the release right; it is kept in the journal.
    #[arg(long)]
    why: String,
}

/// Makes a backup.
pub(crate) async fn backup(args: BackupArgs) -> anyhow::Result<Ended> {
    empty_folder(&args.out)?;
    let part = args.out.join("journal.db.part");
    let is_json = args.server.json();
    let manifest = match args.data_dir {
        Some(folder) => copy_of(&folder, &part).await?,
        None => download(&Client::new(args.server), &part).await?,
    };
    std::fs::rename(&part, args.out.join(COPY))?;
    let described = args.out.join(MANIFEST);
    let mut file = std::fs::File::create_new(&described)?;
    serde_json::to_writer_pretty(&mut file, &manifest)?;
    file.sync_all()?;
    std::fs::File::open(&args.out)?.sync_all()?;
    let (facts, out) = (&manifest.backup, args.out.display());
    let text = format!("{} events up to position {} in {out}, checked", facts.events, facts.position);
    print(is_json, &serde_json::to_value(&manifest)?, &text)
}

/// Makes a store of a backup, or marks a database as one that was made of a backup.
pub(crate) async fn restore(args: RestoreArgs) -> anyhow::Result<Ended> {
    match (&args.from, &args.data_dir, &args.database_url) {
        (Some(from), Some(folder), _) => restore_folder(from, folder, args.json).await,
        (_, _, Some(url)) if args.mark => mark(&url.target()?, args.json).await,
        _ => bail!("give the backup and a `--data-dir`, or `--mark` and a `--database-url`"),
    }
}

async fn restore_folder(from: &Path, folder: &Path, is_json: bool) -> anyhow::Result<Ended> {
    let (copy, manifest) = verified(from)?;
    let restored = sqlite::restore(&copy, folder).await;
    let restored = restored.with_context(|| format!("{} was not restored", from.display()))?;
    let text = format!(
        "{} events up to position {} in {}, under the new history {}.\n{STARTS_HELD}",
        restored.events,
        restored.position,
        folder.display(),
        restored.history
    );
    print(is_json, &json!({ "restored": restored, "from": manifest.backup, "held": true }), &text)
}

async fn mark(target: &postgres::Target, is_json: bool) -> anyhow::Result<Ended> {
    let marked = postgres::mark_restored(target, &PostgresOptions::default()).await;
    let marked = marked.with_context(|| format!("{target} was not marked; nothing was changed"))?;
    let text = format!(
        "{} events in {} partitions of {target}, under the new history {}.\n{STARTS_HELD}",
        marked.events, marked.partitions, marked.history
    );
    print(is_json, &json!({ "marked": marked, "held": true }), &text)
}

/// Lists the effects that wait for the release.
pub(crate) async fn held(args: HeldArgs) -> anyhow::Result<Ended> {
    let client = Client::new(args.server);
    let list = client.get("/api/v1/admin/held?limit=100").await?;
    client.table(&list, &["key", "stream", "connector", "operation", "attempts", "intendedAt"])
}

/// Ends the hold on a restored store.
pub(crate) async fn release(args: ReleaseArgs) -> anyhow::Result<Ended> {
    let client = Client::new(args.server);
    client.print(client.post("/api/v1/admin/release", &json!({ "why": args.why })).await?)
}

fn print(is_json: bool, value: &serde_json::Value, text: &str) -> anyhow::Result<Ended> {
    let mut out = std::io::stdout();
    if is_json {
        writeln!(out, "{value}")?
    } else {
        writeln!(out, "{text}")?
    }
    Ok(Ended::Done)
}

fn empty_folder(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    if std::fs::read_dir(folder)?.next().is_some() {
        bail!("{} is not empty: give every backup a folder of its own", folder.display());
    }
    Ok(())
}

/// Copies a store that no server uses.
async fn copy_of(folder: &Path, to: &Path) -> anyhow::Result<Manifest> {
    if !folder.join(COPY).exists() {
        bail!("there is no store in {}", folder.display());
    }
    let journal = SqliteJournal::open(folder).await;
    let journal = journal.with_context(|| format!("cannot use the store in {}", folder.display()))?;
    let copied = journal.back_up(to).await;
    journal.close().await;
    let backup = copied?;
    let (bytes, blake3) = digest_of(&mut std::fs::File::open(to)?)?;
    Ok(Manifest { backup, bytes, blake3 })
}

/// Has a running server make a copy, and takes it.
async fn download(client: &Client, to: &Path) -> anyhow::Result<Manifest> {
    let mut response = client.open("/api/v1/admin/backup").await?;
    let described = response.headers().get("x-backup").context("the server's answer is no backup")?;
    let manifest: Manifest = serde_json::from_slice(described.as_bytes())?;
    let style = "{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}";
    let bar = ProgressBar::new(manifest.bytes).with_style(ProgressStyle::with_template(style)?);
    let mut file = tokio::fs::File::create_new(to).await?;
    let mut hasher = blake3::Hasher::new();
    while let Some(piece) = response.chunk().await.context("the copy was cut off")? {
        hasher.update(&piece);
        file.write_all(&piece).await?;
        bar.inc(piece.len() as u64);
    }
    bar.finish_and_clear();
    file.sync_all().await?;
    if hasher.finalize().to_hex().as_str() != manifest.blake3 {
        bail!("the copy was cut off or changed on its way; make it again");
    }
    Ok(manifest)
}
