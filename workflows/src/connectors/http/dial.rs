//! Connecting: a name becomes addresses, of which only those that are allowed are tried.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use promptsales_engine::effect::CallError;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use url::{Host, Url};

use super::address::{Reach, reach};
use super::failure::{failed, refused};
use super::tls::Tls;

/// The most addresses of one name that are tried.
const ADDRESSES: usize = 4;

/// How long each may take, so that the next one is tried while there is time.
const EACH: Duration = Duration::from_secs(2);

/// A connection to a service, plain or encrypted.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Makes connections.
pub(super) struct Dial {
    allow_local: bool,
    tls: Tls,
}

impl Dial {
    pub(super) fn new(allow_local: bool) -> Self {
        Self { allow_local, tls: Tls::default() }
    }

    /// Connects to the host of a URL; the address is the one that was checked, whatever the name says next time.
    ///
    /// # Errors
    ///
    /// [`CallError::Refused`] where the address is not allowed; [`CallError::Failed`] where nobody can be reached.
    pub(super) async fn connect(&self, url: &Url) -> Result<Box<dyn Duplex>, CallError> {
        let is_encrypted = match url.scheme() {
            "https" => true,
            "http" => false,
            other => return Err(not_allowed(format!("`{other}` is neither http nor https"))),
        };
        let host = url.host().ok_or_else(|| not_allowed("the URI names no host".to_owned()))?;
        let port = url.port_or_known_default().unwrap_or(if is_encrypted { 443 } else { 80 });
        let addresses = self.addresses(&host, port).await?;
        let stream = first_of(&addresses, &host).await?;
        stream.set_nodelay(true).map_err(|error| unreachable(&host, &error))?;
        if !is_encrypted {
            return Ok(Box::new(stream));
        }
        let name = match &host {
            Host::Domain(name) => ServerName::try_from((*name).to_owned()),
            Host::Ipv4(address) => Ok(ServerName::from(IpAddr::V4(*address))),
            Host::Ipv6(address) => Ok(ServerName::from(IpAddr::V6(*address))),
        };
        let name = name.map_err(|error| failed("tls", format!("`{host}` cannot be named: {error}")))?;
        let encrypted = self.tls.connector()?.connect(name, stream).await;
        match encrypted {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(failed("tls", format!("no encrypted connection to `{host}`: {error}"))),
        }
    }

    /// The addresses of a host that are allowed.
    async fn addresses(&self, host: &Host<&str>, port: u16) -> Result<Vec<SocketAddr>, CallError> {
        let found: Vec<SocketAddr> = match host {
            Host::Ipv4(address) => vec![SocketAddr::from((*address, port))],
            Host::Ipv6(address) => vec![SocketAddr::from((*address, port))],
            Host::Domain(name) => {
                lookup_host((*name, port)).await.map_err(|error| unreachable(host, &error))?.collect()
            }
        };
        let is_none = found.is_empty();
        let allowed: Vec<SocketAddr> =
            found.into_iter().filter(|address| self.allows(address.ip())).take(ADDRESSES).collect();
        match (is_none, allowed.is_empty()) {
            (true, _) => Err(failed("unreachable", format!("`{host}` has no address"))),
            (false, true) => Err(not_allowed(format!("`{host}` is not of the public internet"))),
            (false, false) => Ok(allowed),
        }
    }

    fn allows(&self, address: IpAddr) -> bool {
        match reach(address) {
            Reach::Public => true,
            Reach::Local => self.allow_local,
            Reach::Metadata => false,
        }
    }
}

async fn first_of(addresses: &[SocketAddr], host: &Host<&str>) -> Result<TcpStream, CallError> {
    let mut last = None;
    for address in addresses {
        let connected = timeout(EACH, TcpStream::connect(address)).await;
        match connected.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Some(unreachable(host, &error)),
        }
    }
    Err(last.unwrap_or_else(|| failed("unreachable", format!("`{host}` has no address"))))
}

fn unreachable(host: &Host<&str>, error: &std::io::Error) -> CallError {
    failed("unreachable", format!("`{host}` cannot be reached: {error}"))
}

fn not_allowed(message: String) -> CallError {
    refused("address_not_allowed", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn code_of(allow_local: bool, uri: &str) -> String {
        let connected = Dial::new(allow_local).connect(&Url::parse(uri).unwrap()).await;
        match connected.map(|_| ()) {
            Ok(()) => "connected".to_owned(),
            Err(CallError::Refused { code, .. } | CallError::Failed { code, .. }) => code.into_owned(),
            Err(CallError::Unknown { code, .. }) => panic!("{code} before anything was sent"),
        }
    }

    #[tokio::test]
    async fn local_addresses_are_refused_however_they_are_written() {
        let uris = [
            "http://127.0.0.1:9/",
            "http://127.1:9/",
            "http://2130706433:9/",
            "http://0x7f.1:9/",
            "http://0177.0.0.1:9/",
            "http://[::1]:9/",
            "http://[::ffff:7f00:1]:9/",
            "http://localhost:9/",
            "http://169.254.169.254/latest/meta-data",
            "http://[fd00:ec2::254]/",
            "https://10.0.0.1/",
            "http://0:9/",
            "ftp://example.com/",
            "file:///etc/passwd",
            "unix:/run/docker.sock",
        ];
        for uri in uris {
            assert_eq!(code_of(false, uri).await, "address_not_allowed", "{uri}");
        }
    }

    #[tokio::test]
    async fn where_local_addresses_are_allowed_credentials_of_the_machine_are_not() {
        let metadata = [
            "http://169.254.169.254/",
            "http://169.254.170.2/v2/credentials",
            "http://169.254.170.23/v1/credentials",
            "http://[fd00:ec2::254]/",
            "http://[fd00:ec2::23]/v1/credentials",
            "http://[fd20:ce::254]/",
        ];
        for uri in metadata {
            assert_eq!(code_of(true, uri).await, "address_not_allowed", "{uri}");
        }
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        assert_eq!(code_of(true, &format!("http://127.0.0.1:{port}/")).await, "connected");
        drop(free);
        assert_eq!(code_of(true, &format!("http://127.0.0.1:{port}/")).await, "unreachable");
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_does_not_answer_leaves_time_for_the_next() {
        let deaf = tokio::net::TcpSocket::new_v4().unwrap();
        deaf.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let deaf = deaf.listen(1).unwrap();
        let at = deaf.local_addr().unwrap();
        // As many as it has room for: the next gets no answer.
        let mut waiting = Vec::new();
        while let Ok(stream) = timeout(EACH, TcpStream::connect(at)).await {
            waiting.push(stream.unwrap());
        }
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addresses = [at, free.local_addr().unwrap()];
        let found = timeout(EACH * 2, first_of(&addresses, &Host::Domain("two.example"))).await;
        assert_eq!(found.unwrap().unwrap().peer_addr().unwrap(), addresses[1]);
    }
}
