//! What the machine can do at best: commits without a server, and a server without commits.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::serve::ListenerExt;
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::now;

const PAGE: [u8; 4_096] = [0x5a; 4_096];
const LENGTH: Duration = Duration::from_secs(2);

/// Appends pages to a file in `dir`, each followed by fdatasync, and answers how many a second that makes.
pub(super) async fn commits_per_second(dir: &Path) -> anyhow::Result<f64> {
    let path = dir.join("commits");
    let mut worker = JoinSet::new();
    worker.spawn_blocking(move || append_and_sync(&path));
    worker.join_next().await.context("the commit loop did not run")??
}

fn append_and_sync(path: &PathBuf) -> anyhow::Result<f64> {
    let mut file = OpenOptions::new().create_new(true).append(true).open(path)?;
    let start = now();
    let mut commits = 0_u32;
    while start.elapsed() < LENGTH {
        file.write_all(&PAGE)?;
        file.sync_data()?;
        commits += 1;
    }
    let length = start.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(f64::from(commits) / length)
}

/// Serves any POST with a constant JSON document of `answer_bytes`, as bare as axum gets.
pub(super) async fn echo(answer_bytes: u32) -> anyhow::Result<()> {
    let answer = Bytes::from(format!("\"{}\"", "x".repeat(answer_bytes as usize - 2)));
    let handler = move |_body: Bytes| {
        let answer = answer.clone();
        async move { ([(CONTENT_TYPE, "application/json")], answer) }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    Ok(axum::serve(listener, Router::new().fallback(handler)).await?)
}
