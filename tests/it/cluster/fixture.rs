//! A database with the nodes that share it.

use std::sync::Arc;

use promptsales_tests::{Postgres, Proxy, Server, Settings, database_of, until};
use promptsales_workflows::connectors::sandbox::SandboxReport;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The partitions of a store that is made.
pub(super) const PARTITIONS: usize = 64;
/// How long the leases of most tests hold.
pub(super) const LEASE_MS: u64 = 1_000;

/// A database, and the one outside that its nodes share.
pub(super) struct Cluster {
    pub(super) postgres: Arc<Postgres>,
    url: String,
    outside: TempDir,
    sandbox: Option<Value>,
    lease_ms: u64,
}

/// A node with its own way to the database.
pub(super) struct Member {
    pub(super) server: Server,
    pub(super) proxy: Proxy,
}

impl Cluster {
    /// A fresh database on the server that tests share.
    pub(super) fn new() -> Self {
        Self::on(Postgres::shared())
    }

    /// A fresh database on a server.
    pub(super) fn on(postgres: Arc<Postgres>) -> Self {
        let url = postgres.database();
        let outside = tempfile::tempdir().expect("a folder can be made");
        Self { postgres, url, outside, sandbox: None, lease_ms: LEASE_MS }
    }

    /// With an outside that behaves so.
    pub(super) fn with_sandbox(mut self, sandbox: Value) -> Self {
        self.sandbox = Some(sandbox);
        self
    }

    /// With leases that hold so long.
    pub(super) fn with_lease(mut self, lease_ms: u64) -> Self {
        self.lease_ms = lease_ms;
        self
    }

    /// Starts a node that reaches the database over a port.
    pub(super) async fn start(&self, port: u16) -> Server {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let shared = self.outside.path().join("sandbox.jsonl");
        let linked = std::os::unix::fs::symlink(shared, folder.path().join("sandbox.jsonl"));
        linked.expect("a link can be made");
        let url = self.url.replace(&format!(":{}/", self.postgres.port()), &format!(":{port}/"));
        let settings =
            Settings { sandbox: self.sandbox.clone(), ..Settings::on_database(&url, self.lease_ms) };
        Server::over(Arc::new(folder), settings).await
    }

    /// Starts a node behind a proxy of its own.
    pub(super) async fn join(&self) -> Member {
        let proxy = Proxy::start(self.postgres.port());
        Member { server: self.start(proxy.port()).await, proxy }
    }

    /// Starts an owner and a stand-by.
    pub(super) async fn pair(&self) -> (Member, Member) {
        let owner = self.join().await;
        owner.server.until_owner(PARTITIONS).await;
        let standby = self.join().await;
        assert_eq!(standby.server.until_standby().await, owner.server.url);
        (owner, standby)
    }

    /// Asks the database itself.
    pub(super) fn sql(&self, sql: &str) -> String {
        self.postgres.sql(database_of(&self.url), sql)
    }

    /// The epochs of the partitions.
    pub(super) fn epochs(&self) -> Vec<u64> {
        let told = self.sql("SELECT epoch FROM promptsales.partition ORDER BY id");
        told.lines().map(|line| line.parse().expect("a number")).collect()
    }

    /// The outside's books.
    pub(super) fn books(&self) -> SandboxReport {
        let path = self.outside.path().join("sandbox.jsonl");
        SandboxReport::read(&path).expect("the sandbox has its file")
    }
}

/// The value of a metric, over all of its labels.
pub(super) async fn metric(server: &Server, name: &str) -> f64 {
    let told = server.http.get("/metrics").await;
    let text = told.body.as_str().expect("metrics are text").to_owned();
    let lines = text.lines().filter(|line| line.starts_with(name));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// A lead's activity.
pub(super) fn activity(name: &str) -> Value {
    json!({ "activity": name, "score": 1 })
}

/// The path that records an activity of a lead.
pub(super) fn recording(lead: &str) -> String {
    format!("/api/v1/leads/~{lead}/commands/record-activity")
}

/// Records an activity under a key at a node that is about to serve it.
pub(super) async fn record(server: &Server, lead: &str, name: &str) -> Value {
    let recorded = || async {
        let answer = server.http.post_keyed(&recording(lead), name, &activity(name)).await;
        (answer.status == 200).then_some(answer.body)
    };
    until("the record of an activity", recorded).await
}
