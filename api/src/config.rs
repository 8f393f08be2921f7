//! The settings of a server: flags before environment before file before defaults.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, bail};
use clap::Args;
use promptsales_engine::journal::postgres::Target;
use promptsales_workflows::connectors::sandbox::SandboxConfig;
use serde::Deserialize;

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
    /// A YAML file with settings; flags and environment go before it.
    #[arg(long, env = "PROMPTSALES_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Development: no authentication, on a loopback address only.
    #[arg(long, env = "PROMPTSALES_DEV", value_parser = clap::builder::BoolishValueParser::new())]
    pub dev: bool,
    /// How the sandbox of the outside behaves, as JSON.
    #[arg(long, env = "PROMPTSALES_SANDBOX", value_name = "JSON")]
    pub sandbox: Option<String>,
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
    dev: Option<bool>,
    sandbox: Option<SandboxConfig>,
    log: Option<String>,
    log_format: Option<LogFormat>,
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
    /// How the sandbox of the outside behaves.
    pub sandbox: SandboxConfig,
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
        if !(args.dev || file.dev.unwrap_or(false)) {
            bail!("there is no authentication yet: start with --dev, on a loopback address");
        }
        if !listen.ip().is_loopback() {
            bail!("--dev turns authentication off and binds loopback addresses only: {listen} is none");
        }
        let sandbox = match args.sandbox {
            Some(text) => serde_json::from_str(&text).context("--sandbox is not the JSON of a sandbox")?,
            None => file.sandbox.unwrap_or_default(),
        };
        let database = args.database_url.or(file.database_url).map(|url| url.0.parse()).transpose()?;
        Ok(Self {
            listen,
            database,
            data_dir: args.data_dir.or(file.data_dir).unwrap_or_else(|| PathBuf::from("data")),
            sandbox,
            log: args.log.or(file.log).unwrap_or_else(|| "info".to_owned()),
            log_format: args.log_format.or(file.log_format).unwrap_or_default(),
        })
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
}
