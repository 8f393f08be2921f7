//! A server under test.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::http::Http;

/// How a server is started.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// How the outside behaves.
    pub sandbox: Option<Value>,
    /// Environment variables beside those that the harness sets.
    pub env: Vec<(String, String)>,
    /// Words before the binary, of a program that runs it: under a limit, in a group.
    pub within: Vec<String>,
}

/// What a server says of its readiness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It owns so many partitions, and everything it needs is there.
    Owner(usize),
    /// It is sound and owns nothing; whoever owns most is there, as far as it knows.
    Standby(Option<String>),
    /// It cannot do anything now.
    NotReady,
}

impl Settings {
    /// A server that keeps everything in a database, and whose lease holds so long.
    pub fn on_database(url: &str, lease_ms: u64) -> Self {
        let env = [
            ("PROMPTSALES_DATABASE_URL", url.to_owned()),
            ("PROMPTSALES_LEASE_MS", lease_ms.to_string()),
            ("PROMPTSALES_HEARTBEAT_MS", (lease_ms / 5).min(500).to_string()),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value)).to_vec();
        Self { env, ..Self::default() }
    }
}

/// The real binary over a folder of its own; killed when dropped.
pub struct Server {
    /// A client of it.
    pub http: Http,
    /// Where it listens.
    pub url: String,
    folder: std::sync::Arc<TempDir>,
    settings: Settings,
    child: Child,
}

impl Server {
    /// Starts a server over a fresh folder.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn start(settings: Settings) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        Self::over(std::sync::Arc::new(folder), settings).await
    }

    /// Starts a server over a folder that is there.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn over(folder: std::sync::Arc<TempDir>, settings: Settings) -> Self {
        let started = Self::try_over(folder, settings).await;
        started.unwrap_or_else(|log| panic!("the server did not start:\n{log}"))
    }

    /// Tries to start a server over a folder that is there; gives its log where it does not start.
    ///
    /// # Errors
    ///
    /// When it ends before it listens.
    ///
    /// # Panics
    ///
    /// When the binary cannot be run.
    pub async fn try_over(folder: std::sync::Arc<TempDir>, settings: Settings) -> Result<Self, String> {
        let mut child = command(folder.path(), &settings).spawn().expect("the binary can be run");
        let stdout = child.stdout.take().expect("the output is piped");
        let mut lines = BufReader::new(stdout).lines();
        while let Some(line) = lines.next_line().await.expect("the output can be read") {
            if let Some(url) = line.strip_prefix("listening on ") {
                let (http, url) = (Http::new(url), url.to_owned());
                return Ok(Self { http, url, folder, settings, child });
            }
        }
        Err(std::fs::read_to_string(folder.path().join("server.log")).unwrap_or_default())
    }

    /// Tries to start a second process over the same folder; gives its log.
    ///
    /// # Panics
    ///
    /// When it starts.
    pub async fn second_process(&self) -> String {
        let second = Self::try_over(self.folder.clone(), self.settings.clone()).await;
        match second {
            Ok(_) => panic!("a second process was let in"),
            Err(log) => log,
        }
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its process id, for signals.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Sends it a signal: `STOP`, `CONT`, ...
    ///
    /// # Panics
    ///
    /// When it has ended.
    pub async fn signal(&self, name: &str) {
        let id = self.pid().expect("the server runs").to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status().await;
        assert!(sent.is_ok_and(|status| status.success()), "a signal can be sent");
    }

    /// What it says of its readiness; [`Readiness::NotReady`] also where it says nothing in time.
    pub async fn readiness(&self) -> Readiness {
        let asked = self.http.send(reqwest::Method::GET, "/readyz", &[], None);
        let Ok(Ok(answer)) = tokio::time::timeout(Duration::from_secs(3), asked).await else {
            return Readiness::NotReady;
        };
        match (answer.status, answer.code()) {
            (200, _) => Readiness::Owner(answer.body["partitions"].as_array().map_or(0, Vec::len)),
            (503, "standby") => Readiness::Standby(answer.body["owner"].as_str().map(str::to_owned)),
            _ => Readiness::NotReady,
        }
    }

    /// Waits until it owns so many partitions.
    pub async fn until_owner(&self, partitions: usize) {
        let owns = || async { (self.readiness().await == Readiness::Owner(partitions)).then_some(()) };
        crate::until("the ownership of every partition", owns).await;
    }

    /// Waits until it stands by, and knows of an owner.
    pub async fn until_standby(&self) -> String {
        let owner = || async {
            match self.readiness().await {
                Readiness::Standby(owner) => owner,
                Readiness::Owner(_) | Readiness::NotReady => None,
            }
        };
        crate::until("the stand-by", owner).await
    }

    /// Kills it hard: SIGKILL.
    ///
    /// # Panics
    ///
    /// When it cannot be killed.
    pub async fn kill(&mut self) {
        self.child.start_kill().expect("the server can be killed");
        self.child.wait().await.expect("the server ends");
    }

    /// Starts it again over the same folder.
    pub async fn restart(&mut self) {
        let settings = self.settings.clone();
        self.restart_with(settings).await;
    }

    /// Starts it again with other settings.
    pub async fn restart_with(&mut self, settings: Settings) {
        *self = Self::over(self.folder.clone(), settings).await;
    }

    /// Asks it to end, and gives its exit code.
    ///
    /// # Panics
    ///
    /// When it does not end within 30 seconds.
    pub async fn terminate(&mut self) -> Option<i32> {
        if let Some(id) = self.child.id() {
            let sent = Command::new("kill").args(["-TERM", &id.to_string()]).status().await;
            assert!(sent.is_ok_and(|status| status.success()), "a signal can be sent");
        }
        let ended = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await;
        ended.expect("the server ends in time").expect("the server can be waited for").code()
    }

    /// What it has written to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }
}

/// The binary: `PROMPTSALES_BIN`, or the one beside this test's own.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("PROMPTSALES_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().expect("a test knows its own path");
    let beside = test.ancestors().nth(2).map(|folder| folder.join("promptsales"));
    let path = beside.filter(|path| path.exists());
    path.expect("build the binary first (`cargo build --bin promptsales`), or set PROMPTSALES_BIN")
}

fn command(folder: &Path, settings: &Settings) -> Command {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("server.log"));
    let program = binary().into_os_string();
    let mut words = settings.within.iter().map(Into::into).chain([program]);
    let mut command = Command::new(words.next().expect("the binary is a word"));
    command
        .args(words)
        .args(["serve", "--dev", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log.expect("the log can be written"))
        .kill_on_drop(true);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PROMPTSALES_")) {
        command.env_remove(name);
    }
    if let Some(sandbox) = &settings.sandbox {
        command.arg("--sandbox").arg(sandbox.to_string());
    }
    command.envs(settings.env.iter().cloned());
    command
}
