//! The server of the demo, as a process of its own.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A server that is running.
pub(super) struct Server {
    /// Where it listens.
    pub(super) url: String,
    child: Child,
}

impl Server {
    /// Starts a server over a folder; its log goes to a file there. The sandbox answers at the pace of a real
    /// platform, so that there is something to see.
    pub(super) async fn start(folder: &Path) -> anyhow::Result<Self> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("server.log"))?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", "--dev", "--listen", "127.0.0.1:0", "--sandbox", r#"{"latencyMs":150}"#])
            .arg("--data-dir")
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("the server cannot be started")?;
        let stdout = child.stdout.take().context("the server's output is piped")?;
        let mut lines = BufReader::new(stdout).lines();
        while let Some(line) = lines.next_line().await? {
            if let Some(url) = line.strip_prefix("listening on ") {
                return Ok(Self { url: url.to_owned(), child });
            }
        }
        let log = std::fs::read_to_string(folder.join("server.log")).unwrap_or_default();
        bail!("the server did not start; its log:\n{log}")
    }

    /// Kills it hard: SIGKILL.
    pub(super) async fn kill(&mut self) -> anyhow::Result<()> {
        self.child.start_kill()?;
        self.child.wait().await?;
        Ok(())
    }

    /// Asks it to end, and waits.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(id) = self.child.id() {
            Command::new("kill").args(["-TERM", &id.to_string()]).status().await?;
        }
        if tokio::time::timeout(Duration::from_secs(20), self.child.wait()).await.is_err() {
            self.kill().await?;
        }
        Ok(())
    }
}
