//! Which database, as a URL says it: `postgres://user:password@host:port/database?sslmode=...`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use super::error::unavailable;
use crate::journal::Error;

/// How far the server's certificate is checked; the names and their meaning are libpq's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// Not at all (`prefer`, `require`): the connection is encrypted, whoever is at the other end.
    Anybody,
    /// It must come from a trusted authority (`verify-ca`, or `require` with `sslrootcert`).
    Authority,
    /// It must also be the host's (`verify-full`).
    Host,
}

/// A database that can be connected to. Its password is never shown.
#[derive(Clone)]
pub struct Target {
    pub(super) config: Config,
    pub(super) trust: Trust,
    /// A file with the authorities that are trusted instead of the system's, in PEM.
    pub(super) root_cert: Option<PathBuf>,
    /// Files with the client's own certificate and key, in PEM.
    pub(super) client_cert: Option<(PathBuf, PathBuf)>,
}

impl FromStr for Target {
    type Err = Error;

    /// Takes a URL as libpq knows it. Several hosts may be named; the one that takes writes is used.
    fn from_str(url: &str) -> Result<Self, Error> {
        // The driver's own message could quote the URL, and with it the password.
        let refuse = |why: &str| unavailable("the URL of the database", why);
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(refuse("it must begin with postgres://"));
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut rest, mut trust, mut root_cert) = (Vec::new(), Trust::Anybody, None);
        let (mut cert, mut key) = (None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (name, value) {
                ("sslmode", "verify-ca") => (trust, _) = (Trust::Authority, rest.push("sslmode=require")),
                ("sslmode", "verify-full") => (trust, _) = (Trust::Host, rest.push("sslmode=require")),
                ("sslmode", "allow") => rest.push("sslmode=prefer"),
                ("sslrootcert", path) => root_cert = Some(decoded(path)),
                ("sslcert", path) => cert = Some(decoded(path)),
                ("sslkey", path) => key = Some(decoded(path)),
                _ => rest.push(pair),
            }
        }
        let known = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
        let mut config: Config = known.parse().map_err(|_| refuse("it cannot be understood"))?;
        if root_cert.is_some() && trust == Trust::Anybody && config.get_ssl_mode() == SslMode::Require {
            trust = Trust::Authority;
        }
        if config.get_hosts().len() > 1 && config.get_target_session_attrs() == TargetSessionAttrs::Any {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        if config.get_application_name().is_none() {
            config.application_name("promptsales");
        }
        let client_cert = match (cert, key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => return Err(refuse("sslcert and sslkey go together")),
        };
        Ok(Self { config, trust, root_cert, client_cert })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        for (n, host) in self.config.get_hosts().iter().enumerate() {
            let port = self.config.get_ports().get(n).or(self.config.get_ports().first()).unwrap_or(&5432);
            let comma = if n == 0 { "" } else { "," };
            match host {
                Host::Tcp(name) => write!(f, "{comma}{name}:{port}")?,
                Host::Unix(path) => write!(f, "{comma}{}", path.display())?,
            }
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Takes percent-encoding out of a path.
fn decoded(text: &str) -> PathBuf {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let hex = text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match hex {
            Some(code) if *byte == b'%' => {
                out.push(code);
                at += 3;
            }
            Some(_) | None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    PathBuf::from(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_how_far_the_other_end_is_trusted() {
        for (query, mode, trust) in [
            ("", SslMode::Prefer, Trust::Anybody),
            ("?sslmode=disable", SslMode::Disable, Trust::Anybody),
            ("?sslmode=require", SslMode::Require, Trust::Anybody),
            ("?sslmode=require&sslrootcert=/ca.pem", SslMode::Require, Trust::Authority),
            ("?sslmode=verify-ca", SslMode::Require, Trust::Authority),
            ("?sslrootcert=%2Fa%20b.pem&sslmode=verify-full", SslMode::Require, Trust::Host),
        ] {
            let target: Target = format!("postgres://ada:s3cret@db/market{query}").parse().unwrap();
            assert_eq!((target.config.get_ssl_mode(), target.trust), (mode, trust), "{query}");
        }
        let target: Target = "postgres://db/x?sslrootcert=%2Fa%20b.pem".parse().unwrap();
        assert_eq!(target.root_cert, Some(PathBuf::from("/a b.pem")));
    }

    #[test]
    fn the_password_is_never_shown() {
        let target: Target = "postgresql://ada:s3cret@one:5433,two:5434/market".parse().unwrap();
        assert_eq!(format!("{target:?}"), "postgres://one:5433,two:5434/market");
        for wrong in
            ["mysql://ada:s3cret@db/x", "postgres://ada:s3cret@db:port/x", "postgres://a:s3cret@b/c?d=e"]
        {
            let error = wrong.parse::<Target>().unwrap_err().to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
