//! One request and its answer, over a connection of its own.
//!
//! No connection is kept: one that the service has closed meanwhile would make it unknown whether a request was
//! carried out, and whoever waits for a run does not notice the handshake. Nothing is spawned either; whoever drops
//! the future closes the connection.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use promptsales_engine::effect::CallError;
use tokio::time::{Instant, timeout_at};
use url::{Position, Url};

use super::dial::{Dial, Duplex};
use super::failure::{bad_request, failed, refused, unknown};

/// How long connecting may take, all addresses and the handshake together.
const CONNECTING: Duration = Duration::from_secs(8);

/// The most bytes of an answer's head.
const HEAD: usize = 64 * 1024;

/// The most bytes that are read of an error's body.
const ERROR: usize = 64 * 1024;

/// A request as it goes out.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// A complete answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

type Driver = Pin<Box<http1::Connection<TokioIo<Box<dyn Duplex>>, Full<Bytes>>>>;

/// An answer whose body has yet to come.
pub(super) struct Opened {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: Incoming,
    driver: Option<Driver>,
    until: Instant,
    seen: usize,
    cap: usize,
}

impl Ask {
    /// A request without headers or body.
    pub(super) fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: Bytes::new() }
    }
}

/// Sends a request and takes the whole answer, of at most `cap` bytes.
///
/// # Errors
///
/// [`CallError::Failed`] where nothing was sent, [`CallError::Unknown`] where no answer came to what was.
pub(super) async fn exchange(
    dial: &Dial,
    ask: &Ask,
    until: Instant,
    cap: usize,
) -> Result<Answer, CallError> {
    open(dial, ask, until, cap).await?.complete().await
}

/// Sends a request and takes the answer's head; its body, of at most `cap` bytes, is to be read.
///
/// # Errors
///
/// As [`exchange`].
pub(super) async fn open(dial: &Dial, ask: &Ask, until: Instant, cap: usize) -> Result<Opened, CallError> {
    let request = request(ask)?;
    let (mut sender, driver) = timeout_at(until, tokio::time::timeout(CONNECTING, connect(dial, &ask.url)))
        .await
        .flatten()
        .map_err(|_| failed("timeout", "no connection came about in time"))??;
    let mut driver = Some(driver);
    let sent = timeout_at(until, driven(&mut driver, sender.try_send_request(request))).await;
    let response = match sent {
        Ok(Ok(response)) => response,
        Ok(Err(error)) if error.message().is_some() => {
            return Err(failed("unreachable", "the connection was closed before the request was sent"));
        }
        Ok(Err(error)) => return Err(broken(error.error())),
        Err(_) => return Err(too_late()),
    };
    let (head, body) = response.into_parts();
    let cap = if is_error(head.status) { cap.min(ERROR) } else { cap };
    Ok(Opened { status: head.status, headers: head.headers, body, driver, until, seen: 0, cap })
}

impl Opened {
    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    ///
    /// [`CallError::Unknown`] where it breaks off or does not come; [`CallError::Refused`] where it is too large.
    pub(super) async fn piece(&mut self) -> Result<Option<Bytes>, CallError> {
        // Of an error as much is taken as there is room for.
        if !is_error(self.status) && self.body.size_hint().lower() > (self.cap - self.seen) as u64 {
            return Err(too_large(self.cap));
        }
        loop {
            let frame = timeout_at(self.until, driven(&mut self.driver, self.body.frame())).await;
            let frame = match frame.map_err(|_| too_late())? {
                None => return Ok(None),
                Some(frame) => frame.map_err(|error| broken(&error))?,
            };
            // Trailers say nothing that an answer has a place for.
            let Ok(piece) = frame.into_data() else { continue };
            self.seen = self.seen.saturating_add(piece.len());
            if self.seen > self.cap {
                return Err(too_large(self.cap));
            }
            return Ok(Some(piece));
        }
    }

    /// The answer with the rest of its body; an error's is as much as comes of it, since its status says enough.
    ///
    /// # Errors
    ///
    /// As [`Opened::piece`].
    pub(super) async fn complete(mut self) -> Result<Answer, CallError> {
        let mut body = BytesMut::new();
        loop {
            match self.piece().await {
                Ok(Some(piece)) => body.extend_from_slice(&piece),
                Ok(None) => break,
                Err(_) if is_error(self.status) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(Answer { status: self.status, headers: self.headers, body: body.freeze() })
    }
}

async fn connect(dial: &Dial, url: &Url) -> Result<(http1::SendRequest<Full<Bytes>>, Driver), CallError> {
    let stream = dial.connect(url).await?;
    let made = http1::Builder::new().max_buf_size(HEAD).handshake(TokioIo::new(stream)).await;
    let (sender, driver) = made.map_err(|error| failed("unreachable", error.to_string()))?;
    Ok((sender, Box::pin(driver)))
}

fn request(ask: &Ask) -> Result<Request<Full<Bytes>>, CallError> {
    let target = &ask.url[Position::BeforePath..Position::AfterQuery];
    let host = &ask.url[Position::BeforeHost..Position::AfterPort];
    let host = HeaderValue::from_str(host).map_err(|_| bad_request("the URI's host is not plain text"))?;
    let request = Request::builder().method(ask.method.clone()).uri(target).body(Full::new(ask.body.clone()));
    let mut request = request.map_err(|error| bad_request(format!("the request cannot be sent: {error}")))?;
    *request.headers_mut() = ask.headers.clone();
    request.headers_mut().insert(HOST, host);
    Ok(request)
}

/// Runs a job while the connection it depends on is kept going.
async fn driven<T>(driver: &mut Option<Driver>, job: impl Future<Output = T>) -> T {
    tokio::pin!(job);
    if let Some(connection) = driver {
        tokio::select! {
            biased;
            done = &mut job => return done,
            // What it ended with, the job finds out.
            _ = connection => *driver = None,
        }
    }
    job.await
}

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

fn broken(error: &hyper::Error) -> CallError {
    unknown("broken", format!("the connection broke before the answer was complete: {error}"))
}

fn too_late() -> CallError {
    unknown("timeout", "the answer did not come in time")
}

fn too_large(cap: usize) -> CallError {
    refused("answer_too_large", format!("the answer has more than {cap} bytes"))
}
