//! This binary, started again as a server.

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{ChildStdout, Command};

use super::client::Connection;
use super::machine::Memory;

const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(15);
const BETWEEN: Duration = Duration::from_millis(1);
const READY: &str = "listening on ";

/// A server in a child process, which is killed when this is dropped.
pub(super) struct Child {
    process: tokio::process::Child,
    /// `http://HOST:PORT`
    pub(super) base: String,
    /// Held open, because a write to a closed pipe would be a fault in the child.
    _output: Lines<BufReader<ChildStdout>>,
}

impl Child {
    /// Starts this binary with `args` and waits for the line that says where it listens.
    ///
    /// The settings in the environment are kept from it: they might name a database that is not to be loaded. The one
    /// that is comes as `database`; not as an argument, which all users of the machine could read.
    pub(super) async fn start(args: &[OsString], database: Option<&OsStr>) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PROMPTSALES_") {
                command.env_remove(name);
            }
        }
        command.env("PROMPTSALES_LOG", "warn");
        if let Some(url) = database {
            command.env("PROMPTSALES_DATABASE_URL", url);
        }
        let mut process = command.spawn().context("could not start the server")?;
        let mut output = BufReader::new(process.stdout.take().context("the server has no output")?).lines();
        let ready = async {
            while let Some(line) = output.next_line().await? {
                if let Some(base) = line.strip_prefix(READY) {
                    return Ok(base.trim().to_owned());
                }
            }
            anyhow::bail!("the server ended before it listened")
        };
        let base = tokio::time::timeout(START, ready).await.context("the server did not start in time")??;
        Ok(Self { process, base, _output: output })
    }

    /// Waits until the server says that it is ready.
    pub(super) async fn ready(&self) -> anyhow::Result<()> {
        let address = resolve(&self.base).await?;
        let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\n\r\n");
        let ready = async {
            let mut connection = Connection::open(address).await?;
            while connection.exchange(request.as_bytes()).await?.status != 200 {
                tokio::time::sleep(BETWEEN).await;
            }
            Ok(())
        };
        tokio::time::timeout(START, ready).await.context("the server was not ready in time")?
    }

    /// What the process holds in memory.
    pub(super) fn memory(&self) -> anyhow::Result<Memory> {
        Memory::of(self.process.id().context("the server is gone")?)
    }

    /// Kills the process as `kill -9` does and waits until it is gone.
    pub(super) async fn kill(mut self) -> anyhow::Result<()> {
        self.process.kill().await.context("could not kill the server")
    }

    /// Asks the process to end in good order and waits for that; kills it if it does not.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        let id = self.process.id().and_then(|id| rustix::process::Pid::from_raw(id.try_into().ok()?));
        rustix::process::kill_process(id.context("the server is gone")?, rustix::process::Signal::TERM)?;
        match tokio::time::timeout(STOP, self.process.wait()).await {
            Ok(ended) => ended.map(drop).context("could not wait for the server"),
            Err(_) => self.kill().await,
        }
    }
}

/// The address behind a base URL.
pub(super) async fn resolve(base: &str) -> anyhow::Result<SocketAddr> {
    let host = base.strip_prefix("http://").context("expected http://HOST:PORT")?.trim_end_matches('/');
    let mut addresses =
        tokio::net::lookup_host(host).await.with_context(|| format!("could not resolve {host}"))?;
    addresses.next().with_context(|| format!("{host} has no address"))
}
