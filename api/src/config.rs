//! The settings of a server: flags before environment before file before defaults.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use promptsales_engine::id::IdKind;
use promptsales_engine::journal::postgres::Target;
use promptsales_engine::partition::Ownership;
use promptsales_engine::runtime::{self, Leasing};
use promptsales_engine::workflow::run::Run;
use promptsales_workflows::connectors::http::Outgoing;
use promptsales_workflows::connectors::sandbox::SandboxConfig;
use serde::Deserialize;
use uuid::Uuid;

use crate::limits::LimitArgs;
use crate::stream::StreamLimits;

/// Writers over a database: while one waits for its commit, the other puts the next together.
const DATABASE_LANES: usize = 2;

/// Entities kept in memory at a time unless something else is said.
const LIVE_ENTITIES: usize = 100_000;

/// What `serve` can be told.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    /// The address to listen on.
    #[arg(long, env = "PROMPTSALES_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// The folder that everything is kept in (SQLite).
    #[arg(long, env = "PROMPTSALES_DATA_DIR", value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// The PostgreSQL that everything is kept in instead: `postgres://user:password@host/database`.
    #[arg(long, env = "PROMPTSALES_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<DatabaseUrl>,
    /// Where other nodes and clients reach this node: `http://host:port`; otherwise the address it listens on.
    #[arg(long, env = "PROMPTSALES_ADVERTISE", value_name = "URL")]
    pub advertise: Option<String>,
    /// The node's own id, a UUID; otherwise one is made and kept in the data folder.
    #[arg(long, env = "PROMPTSALES_NODE_ID", value_name = "UUID")]
    pub node_id: Option<Uuid>,
    /// How long a node's lease holds, where several share a store: how long the others wait for it when it is gone.
    #[arg(long, env = "PROMPTSALES_LEASE_MS", value_name = "MILLISECONDS")]
    pub lease_ms: Option<u32>,
    /// How often a node renews its lease; a third of it at most.
    #[arg(long, env = "PROMPTSALES_HEARTBEAT_MS", value_name = "MILLISECONDS")]
    pub heartbeat_ms: Option<u32>,
    /// Entities kept in memory at a time; beyond it the ones idle longest are let go [default: 100000].
    #[arg(long, env = "PROMPTSALES_LIVE_ENTITIES", value_name = "COUNT")]
    pub live_entities: Option<usize>,
    /// What is let in.
    #[command(flatten)]
    pub limits: LimitArgs,
    /// How many days after its end a run's events are kept; afterwards its last state alone. Otherwise for ever.
    #[arg(long, env = "PROMPTSALES_KEEP_RUNS_DAYS", value_name = "DAYS")]
    pub keep_runs_days: Option<u32>,
    /// How many days after its end a run is deleted; not fewer than its events are kept. Otherwise never.
    #[arg(long, env = "PROMPTSALES_DELETE_RUNS_DAYS", value_name = "DAYS")]
    pub delete_runs_days: Option<u32>,
    /// How often a stream of events without news gives a sign of life [default: 15000].
    #[arg(long, env = "PROMPTSALES_STREAM_HEARTBEAT_MS", value_name = "MILLISECONDS")]
    pub stream_heartbeat_ms: Option<u32>,
    /// Streams of events open at the same time [default: 64].
    #[arg(long, env = "PROMPTSALES_STREAM_CLIENTS", value_name = "COUNT")]
    pub stream_clients: Option<usize>,
    /// A YAML file with settings; flags and environment go before it.
    #[arg(long, env = "PROMPTSALES_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Development: no authentication, on a loopback address only; workflows may call local addresses.
    #[arg(long, env = "PROMPTSALES_DEV", value_parser = clap::builder::BoolishValueParser::new())]
    pub dev: bool,
    /// How the sandbox of the outside behaves, as JSON.
    #[arg(long, env = "PROMPTSALES_SANDBOX", value_name = "JSON")]
    pub sandbox: Option<String>,
    /// A YAML or JSON file of the secrets that workflows call services with: names with texts or maps.
    #[arg(long, env = "PROMPTSALES_SECRETS", value_name = "FILE")]
    pub secrets: Option<PathBuf>,
    /// What goes to the log: `info`, `debug`, `promptsales_engine=trace`, ...
    #[arg(long, env = "PROMPTSALES_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// The form of the log: `text` or `json`.
    #[arg(long, env = "PROMPTSALES_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// The URL of a database. It may hold a password, so neither it nor what is wrong with it is ever shown.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The URL itself, with the password.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// What it leads to.
    ///
    /// # Errors
    ///
    /// When it cannot be understood.
    pub fn target(&self) -> anyhow::Result<Target> {
        Ok(self.0.parse()?)
    }
}

impl FromStr for DatabaseUrl {
    type Err = Infallible;

    fn from_str(url: &str) -> Result<Self, Infallible> {
        Ok(Self(url.to_owned()))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(..)")
    }
}

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// A line for a person.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// The file of settings. Unknown fields are refused.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    listen: Option<SocketAddr>,
    data_dir: Option<PathBuf>,
    database_url: Option<DatabaseUrl>,
    advertise: Option<String>,
    node_id: Option<Uuid>,
    lease_ms: Option<u32>,
    heartbeat_ms: Option<u32>,
    live_entities: Option<usize>,
    limits: Option<LimitArgs>,
    keep_runs_days: Option<u32>,
    delete_runs_days: Option<u32>,
    stream_heartbeat_ms: Option<u32>,
    stream_clients: Option<usize>,
    dev: Option<bool>,
    sandbox: Option<SandboxConfig>,
    secrets: Option<PathBuf>,
    log: Option<String>,
    log_format: Option<LogFormat>,
}

/// How a node takes part where several share a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Where it can be reached, if that is not where it listens.
    pub advertise: Option<String>,
    /// Its own id, where it was given.
    pub node_id: Option<Uuid>,
    /// How long its lease holds.
    pub lease: Duration,
    /// How often it is renewed.
    pub heartbeat: Duration,
}

/// The settings of a server, complete and checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The folder that everything is kept in, but for what is in the database.
    pub data_dir: PathBuf,
    /// The database that everything is kept in, where it is not SQLite in the folder.
    pub database: Option<Target>,
    /// How the node takes part where several share a store.
    pub membership: Membership,
    /// Entities kept in memory at a time.
    pub live_entities: usize,
    /// What is let in, as far as it was said.
    pub limits: LimitArgs,
    /// How long the events of runs that have ended are kept; `None` for ever.
    pub keep_runs: Option<Duration>,
    /// After what time runs that have ended are deleted; `None` for never.
    pub delete_runs: Option<Duration>,
    /// The limits of streams of events.
    pub streams: StreamLimits,
    /// How the sandbox of the outside behaves.
    pub sandbox: SandboxConfig,
    /// The file of the secrets that services are called with.
    pub secrets: Option<PathBuf>,
    /// What calls to services may do.
    pub outgoing: Outgoing,
    /// What goes to the log.
    pub log: String,
    /// The form of the log.
    pub log_format: LogFormat,
}

impl Config {
    /// Puts flags, environment, file and defaults together.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or what is asked for is not allowed.
    pub fn resolve(args: ServeArgs) -> anyhow::Result<Self> {
        let file = args.config.as_deref().map(read).transpose()?.unwrap_or_default();
        let listen = args.listen.or(file.listen).unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080)));
        let dev = args.dev || file.dev.unwrap_or(false);
        if !dev {
            bail!("there is no authentication yet: start with --dev, on a loopback address");
        }
        if !listen.ip().is_loopback() {
            bail!("--dev turns authentication off and binds loopback addresses only: {listen} is none");
        }
        let membership = Membership::resolve(&args, &file)?;
        let streams = stream_limits(&args, &file)?;
        let (keep_runs, delete_runs) = run_times(&args, &file)?;
        let sandbox = match args.sandbox {
            Some(text) => serde_json::from_str(&text).context("--sandbox is not the JSON of a sandbox")?,
            None => file.sandbox.unwrap_or_default(),
        };
        let database = args.database_url.or(file.database_url).map(|url| url.target()).transpose()?;
        Ok(Self {
            limits: args.limits.or(file.limits.unwrap_or_default()),
            listen,
            database,
            membership,
            streams,
            live_entities: args.live_entities.or(file.live_entities).unwrap_or(LIVE_ENTITIES),
            keep_runs,
            delete_runs,
            data_dir: args.data_dir.or(file.data_dir).unwrap_or_else(|| PathBuf::from("data")),
            sandbox,
            secrets: args.secrets.or(file.secrets),
            outgoing: Outgoing { allow_local: dev, ..Outgoing::default() },
            log: args.log.or(file.log).unwrap_or_else(|| "info".to_owned()),
            log_format: args.log_format.or(file.log_format).unwrap_or_default(),
        })
    }
}

impl Config {
    /// The limits of the engine.
    pub fn engine(&self) -> runtime::Config {
        let Membership { lease, heartbeat, .. } = self.membership;
        let lanes = if self.database.is_some() { DATABASE_LANES } else { 1 };
        let live_entities = self.live_entities;
        let of_runs = |time: Option<Duration>| time.map(|time| (Run::PREFIX, time)).into_iter().collect();
        let (retention, deletion) = (of_runs(self.keep_runs), of_runs(self.delete_runs));
        let lease_margin = lease / 8;
        let others = self.limits.engine(runtime::Config::default());
        runtime::Config {
            lease,
            heartbeat,
            lease_margin,
            lanes,
            live_entities,
            retention,
            deletion,
            ..others
        }
    }

    /// How the node takes part under leases. Its id is kept in the data folder, so that it stays over restarts.
    ///
    /// # Errors
    ///
    /// When the id cannot be read or kept.
    pub fn leasing(&self, ownership: Arc<dyn Ownership>, cx: &runtime::Context) -> anyhow::Result<Leasing> {
        let node = match self.membership.node_id {
            Some(node) => node,
            None => kept_id(&self.data_dir.join("node-id"), cx)?,
        };
        Ok(Leasing { ownership, node, address: self.address() })
    }

    /// Where others reach the node: where it says so, or where it listens.
    fn address(&self) -> String {
        self.membership.advertise.clone().unwrap_or_else(|| format!("http://{}", self.listen))
    }
}

impl Membership {
    fn resolve(args: &ServeArgs, file: &File) -> anyhow::Result<Self> {
        let millis = |arg: Option<u32>, file: Option<u32>, other: Duration| {
            arg.or(file).map_or(other, |ms| Duration::from_millis(ms.into()))
        };
        let defaults = runtime::Config::default();
        let lease = millis(args.lease_ms, file.lease_ms, defaults.lease);
        let heartbeat = millis(args.heartbeat_ms, file.heartbeat_ms, (lease / 4).min(defaults.heartbeat));
        if lease < Duration::from_millis(500) || heartbeat.is_zero() || heartbeat * 3 > lease {
            bail!(
                "a lease of {lease:?} and a heartbeat each {heartbeat:?} do not go together: 500 ms at least, and three heartbeats within it"
            );
        }
        let advertise = args.advertise.as_ref().or(file.advertise.as_ref());
        let is_url = |url: &&String| url.starts_with("http://") || url.starts_with("https://");
        if let Some(wrong) = advertise.filter(|url| !is_url(url)) {
            bail!("--advertise takes http://host:port: `{wrong}` is none");
        }
        let advertise = advertise.map(|url| url.trim_end_matches('/').to_owned());
        Ok(Self { advertise, node_id: args.node_id.or(file.node_id), lease, heartbeat })
    }
}

/// How long the events of runs that have ended are kept, and after what time the runs are deleted.
fn run_times(args: &ServeArgs, file: &File) -> anyhow::Result<(Option<Duration>, Option<Duration>)> {
    let keep = args.keep_runs_days.or(file.keep_runs_days);
    let delete = args.delete_runs_days.or(file.delete_runs_days);
    if let Some((keep, delete)) = keep.zip(delete).filter(|(keep, delete)| delete < keep) {
        bail!(
            "--delete-runs-days {delete} is below --keep-runs-days {keep}: events go before their run, or with it"
        );
    }
    let days = |days: u32| Duration::from_secs(u64::from(days) * 24 * 3600);
    Ok((keep.map(days), delete.map(days)))
}

/// The limits of streams of events.
fn stream_limits(args: &ServeArgs, file: &File) -> anyhow::Result<StreamLimits> {
    let default = StreamLimits::default();
    let heartbeat = args.stream_heartbeat_ms.or(file.stream_heartbeat_ms);
    let heartbeat = heartbeat.map_or(default.heartbeat, |ms| Duration::from_millis(ms.into()));
    if heartbeat < Duration::from_millis(100) {
        bail!("a stream gives a sign of life each 100 ms at most, not each {heartbeat:?}");
    }
    let clients = args.stream_clients.or(file.stream_clients).unwrap_or(default.clients);
    Ok(StreamLimits { heartbeat, clients })
}

/// Reads the node's id, or makes one and keeps it.
fn kept_id(path: &Path, cx: &runtime::Context) -> anyhow::Result<Uuid> {
    match std::fs::read_to_string(path) {
        Ok(text) => text.trim().parse().with_context(|| format!("{} holds no node id", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let id = cx.uuid();
            std::fs::write(path, format!("{id}\n"))
                .with_context(|| format!("cannot write {}", path.display()))?;
            Ok(id)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn read(path: &Path) -> anyhow::Result<File> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_yaml_ng::from_str(&text).with_context(|| format!("{} cannot be used", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(dev: bool, listen: &str) -> ServeArgs {
        ServeArgs { dev, listen: Some(listen.parse().unwrap()), ..ServeArgs::default() }
    }

    #[test]
    fn the_password_of_the_database_is_never_shown() {
        let database_url = Some("postgres://ada:s3cret@db/market".parse().unwrap());
        let args = ServeArgs { database_url, ..args(true, "127.0.0.1:0") };
        let shown = format!("{args:?} {:?}", Config::resolve(args.clone()).unwrap());
        assert!(shown.contains("postgres://db:5432/market") && !shown.contains("s3cret"), "{shown}");
        let database_url = Some("postgres://ada:s3cret@db:port/market".parse().unwrap());
        let error = Config::resolve(ServeArgs { database_url, ..args }).unwrap_err();
        assert!(!format!("{error:#}").contains("s3cret"), "{error:#}");
    }

    #[test]
    fn without_authentication_only_loopback_is_bound() {
        assert!(Config::resolve(args(false, "127.0.0.1:0")).is_err());
        assert!(Config::resolve(args(true, "0.0.0.0:0")).is_err());
        assert!(Config::resolve(args(true, "127.0.0.1:0")).is_ok());
        assert!(Config::resolve(args(true, "[::1]:0")).is_ok());
    }

    #[test]
    fn secrets_stand_in_a_file_and_development_reaches_local_addresses() {
        let secrets = Some(PathBuf::from("secrets.yaml"));
        let config = Config::resolve(ServeArgs { secrets, ..args(true, "127.0.0.1:0") }).unwrap();
        assert_eq!(config.secrets.as_deref(), Some(Path::new("secrets.yaml")));
        assert!(config.outgoing.allow_local && !Outgoing::default().allow_local);
    }

    #[test]
    fn runs_are_deleted_no_sooner_than_their_events() {
        let with = |keep_runs_days, delete_runs_days| {
            Config::resolve(ServeArgs { keep_runs_days, delete_runs_days, ..args(true, "127.0.0.1:80") })
        };
        let error = with(Some(3), Some(2)).unwrap_err().to_string();
        assert!(error.contains("--delete-runs-days 2") && error.contains("--keep-runs-days 3"), "{error}");
        for (keep, delete) in
            [(None, None), (Some(3), None), (None, Some(0)), (Some(3), Some(3)), (Some(0), Some(9))]
        {
            let engine = with(keep, delete).unwrap().engine();
            let days = |days: u32| (Run::PREFIX, Duration::from_secs(u64::from(days) * 86_400));
            assert_eq!(engine.retention, keep.map(days).into_iter().collect::<Vec<_>>());
            assert_eq!(engine.deletion, delete.map(days).into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_lease_holds_for_three_heartbeats() {
        let with = |lease_ms, heartbeat_ms| {
            Config::resolve(ServeArgs { lease_ms, heartbeat_ms, ..args(true, "127.0.0.1:80") })
        };
        let membership = with(None, None).unwrap().membership;
        assert_eq!((membership.lease.as_millis(), membership.heartbeat.as_millis()), (2_000, 500));
        assert_eq!(with(Some(600), None).unwrap().membership.heartbeat.as_millis(), 150);
        for (lease, heartbeat) in [(499, 100), (2_000, 700), (2_000, 0)] {
            assert!(with(Some(lease), Some(heartbeat)).is_err(), "{lease} {heartbeat}");
        }
    }

    #[test]
    fn a_node_is_reached_where_it_says_or_where_it_listens() {
        let mut config = Config::resolve(args(true, "127.0.0.1:0")).unwrap();
        config.listen = "127.0.0.1:4711".parse().unwrap();
        assert_eq!(config.address(), "http://127.0.0.1:4711");
        let with = |advertise: &str| {
            Config::resolve(ServeArgs { advertise: Some(advertise.to_owned()), ..args(true, "127.0.0.1:0") })
        };
        assert_eq!(with("http://node-1:80/").unwrap().address(), "http://node-1:80");
        assert!(with("node-1:80").is_err());
    }

    #[test]
    fn a_node_keeps_its_id() {
        let folder = tempfile::tempdir().unwrap();
        let (path, cx) = (folder.path().join("node-id"), runtime::Context::real());
        let id = kept_id(&path, &cx).unwrap();
        assert_eq!(kept_id(&path, &cx).unwrap(), id);
        std::fs::write(&path, "nothing").unwrap();
        assert!(kept_id(&path, &cx).is_err());
    }
}
