//! A real PostgreSQL of the tests' own: a throw-away cluster on a loopback port, with fsync on.
//!
//! One cluster serves all tests of a process, each with a database of its own; a test that stops or breaks its
//! server takes one for itself. The server runs as an unprivileged user, as it refuses to run as root.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

/// A running server. Stopped when dropped.
#[derive(Debug)]
pub struct Postgres {
    folder: TempDir,
    port: u16,
}

/// The server that tests share, for as long as one of them holds it.
static SHARED: Mutex<std::sync::Weak<Postgres>> = Mutex::new(std::sync::Weak::new());
static DATABASES: AtomicU32 = AtomicU32::new(0);

impl Postgres {
    /// The server that all tests of this process share.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn shared() -> std::sync::Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let server = std::sync::Arc::new(Self::start());
            *shared = std::sync::Arc::downgrade(&server);
            server
        })
    }

    /// Makes a cluster and starts its server.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn start() -> Self {
        let folder =
            tempfile::Builder::new().prefix("promptsales-pg-").tempdir().expect("a folder can be made");
        let server = Self { port: free_port(), folder };
        give_away(server.folder.path());
        let data = server.data();
        let made = server
            .run("initdb", &["-D", &text(&data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]);
        assert!(made.status.success(), "initdb failed:\n{}", told(&made));
        server.launch();
        server
    }

    /// Starts the server of a cluster that stands.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn launch(&self) {
        self.launch_with("-c fsync=on");
    }

    /// Starts the server of a cluster that stands, with settings of its own.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn launch_with(&self, settings: &str) {
        let options = format!(
            "-p {} -h 127.0.0.1 -k '' -c max_connections=200 -c shared_buffers=64MB -c max_wal_size=512MB \
             -c log_min_messages=fatal {settings}",
            self.port
        );
        let log = text(&self.folder.path().join("log"));
        let started =
            self.run("pg_ctl", &["-D", &text(&self.data()), "-l", &log, "-w", "-o", &options, "start"]);
        let log = std::fs::read_to_string(log).unwrap_or_default();
        assert!(started.status.success(), "the server did not start:\n{}\n{log}", told(&started));
    }

    /// Stops the server: `fast`, or `immediate`, which is as if it had crashed.
    ///
    /// # Panics
    ///
    /// When it does not stop.
    pub fn stop(&self, mode: &str) {
        let stopped = self.run("pg_ctl", &["-D", &text(&self.data()), "-w", "-m", mode, "stop"]);
        assert!(stopped.status.success(), "the server did not stop:\n{}", told(&stopped));
    }

    /// Lets the server crash and start again some times: runs for a while, and is away for a while.
    ///
    /// # Panics
    ///
    /// When it does not stop or start.
    pub fn crash(&self, times: u32, runs: Duration, is_away: Duration) {
        for _ in 0..times {
            std::thread::sleep(runs);
            self.stop("immediate");
            std::thread::sleep(is_away);
            self.launch();
        }
    }

    /// Copies the data folder of a server that is stopped.
    ///
    /// # Panics
    ///
    /// When it cannot be copied.
    pub fn copy_to(&self, name: &str) {
        let (from, to) = (text(&self.data()), text(&self.folder.path().join(name)));
        let copied = self.spawn(Path::new("cp"), &["-a", &from, &to]);
        assert!(copied.status.success(), "{}", told(&copied));
    }

    /// Puts a copy in the place of the data folder of a server that is stopped.
    ///
    /// # Panics
    ///
    /// When it cannot be put there.
    pub fn restore(&self, name: &str) {
        std::fs::rename(self.data(), self.folder.path().join(format!("{name}-before")))
            .expect("it can be moved");
        std::fs::rename(self.folder.path().join(name), self.data()).expect("it can be moved");
    }

    /// Makes an empty database, and gives its URL.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    pub fn database(&self) -> String {
        let name = format!("case_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        format!("postgres://postgres@127.0.0.1:{}/{name}?sslmode=disable", self.port)
    }

    /// Dumps a database as it is now, restores the dump into another one, and gives its URL.
    ///
    /// # Panics
    ///
    /// When one of PostgreSQL's tools refuses.
    pub fn restore_dump(&self, url: &str) -> String {
        let restored = self.database();
        let file = text(&self.folder.path().join(format!("{}.dump", database_of(&restored))));
        for (program, words) in [
            ("pg_dump", ["--format=custom", "--file", &file, "--dbname", url]),
            ("pg_restore", ["--exit-on-error", "--no-owner", "--dbname", &restored, &file]),
        ] {
            let ran = self.run(program, &words);
            assert!(ran.status.success(), "{program}:\n{}", told(&ran));
        }
        restored
    }

    /// Takes a base copy of the cluster as it is now, and starts a server of its own over it.
    ///
    /// # Panics
    ///
    /// When one of PostgreSQL's tools refuses.
    pub fn restore_base_copy(&self) -> Self {
        let folder = tempfile::Builder::new().prefix("promptsales-pg-").tempdir();
        let copy = Self { port: free_port(), folder: folder.expect("a folder can be made") };
        give_away(copy.folder.path());
        let (port, data) = (self.port.to_string(), text(&copy.data()));
        let words =
            ["-D", &data, "-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-X", "stream", "-c", "fast"];
        let copied = self.run("pg_basebackup", &words);
        assert!(copied.status.success(), "pg_basebackup:\n{}", told(&copied));
        copy.launch();
        copy
    }

    /// Runs SQL in a database, and gives what it answers.
    ///
    /// # Panics
    ///
    /// When the server refuses it.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let port = self.port.to_string();
        let words = ["-X", "-A", "-t", "-q", "-h", "127.0.0.1", "-p", &port, "-U", "postgres"];
        let ran =
            self.run("psql", &[&words[..], &["-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql]].concat());
        assert!(ran.status.success(), "{sql}:\n{}", told(&ran));
        String::from_utf8_lossy(&ran.stdout).trim().to_owned()
    }

    /// Makes a file the server's own, which nobody else may read.
    ///
    /// # Panics
    ///
    /// When it cannot be made so.
    pub fn own_file(&self, path: &Path) {
        give_away(path);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
            .expect("permissions can be set");
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A folder in which the server's user may write.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn run(&self, program: &str, words: &[&str]) -> Output {
        self.spawn(&tool(program), words)
    }

    fn spawn(&self, program: &Path, words: &[&str]) -> Output {
        let mut command = unprivileged(program);
        // A server that outlives the command must not hold the tests' own output.
        let (out, err) = (self.folder.path().join("out"), self.folder.path().join("err"));
        let file = |path: &Path| std::fs::File::create(path).expect("a file can be made");
        let one = std::thread::current().id();
        let (out, err) = (out.with_extension(format!("{one:?}")), err.with_extension(format!("{one:?}")));
        command.args(words).current_dir(self.folder.path()).stdin(Stdio::null());
        command.stdout(file(&out)).stderr(file(&err));
        let status =
            command.status().unwrap_or_else(|error| panic!("{} cannot be run: {error}", program.display()));
        let read = |path: &Path| std::fs::read(path).unwrap_or_default();
        Output { status, stdout: read(&out), stderr: read(&err) }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Where it is stopped already there is nothing to stop.
        let _ = self.run("pg_ctl", &["-D", &text(&self.data()), "-m", "immediate", "-w", "stop"]);
    }
}

/// The name of the database in a URL of [`Postgres::database`].
///
/// # Panics
///
/// When it has none.
pub fn database_of(url: &str) -> &str {
    let path = url.rsplit('/').next().expect("a URL has a path");
    path.split('?').next().expect("the path comes before the query")
}

/// A loopback port that is free at this moment.
///
/// # Panics
///
/// When there is none.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("a listener has an address").port()
}

/// A program of the newest PostgreSQL that is installed.
fn tool(name: &str) -> PathBuf {
    let mut versions: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .collect();
    versions.sort_unstable();
    match versions.last() {
        Some(version) => PathBuf::from(format!("/usr/lib/postgresql/{version}/bin/{name}")),
        None => PathBuf::from(name),
    }
}

/// A command that runs as the user `postgres` where the tests run as root, which the server refuses.
pub(crate) fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--"]).arg(program);
    command
}

/// Lets the server's user use a folder.
fn give_away(folder: &Path) {
    if is_root() {
        let given = Command::new("chown").arg("postgres:postgres").arg(folder).status();
        assert!(given.is_ok_and(|status| status.success()), "the folder can be given to the user postgres");
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder, open).expect("permissions can be set");
    }
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("`id` can be run");
    output.stdout.trim_ascii() == b"0"
}

fn text(path: &Path) -> String {
    path.to_str().expect("the path is UTF-8").to_owned()
}

fn told(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}
