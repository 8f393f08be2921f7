//! Calls to real servers on this machine.

mod a2a;
mod auth;
mod limits;
mod mcp;
mod oauth;
mod openapi;
mod plain;
mod redirects;
mod secrets;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use promptsales_engine::effect::{Call, CallError, Connector as _, EffectKey, Verified};
use promptsales_engine::id::{Prefix, StreamId, StreamKey, TenantId};
use promptsales_engine::journal::Origin;
use promptsales_engine::runtime::Context;
use serde_json::Value;
use tokio::net::TcpListener;

use super::{HttpConnector, Outgoing, Secrets};

/// A request as the server got it.
#[derive(Debug, Clone)]
struct Seen {
    method: String,
    target: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What the server does with a request.
#[derive(Clone, Default)]
struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    end: End,
}

/// How a reply ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum End {
    /// As it should.
    #[default]
    Complete,
    /// It never begins.
    Silent,
    /// The connection breaks after the body.
    Broken,
    /// The body comes again and again.
    Endless,
    /// After the body nothing more comes, nor the end.
    Open,
}

impl Reply {
    fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    fn json(value: &Value) -> Self {
        Self::text("application/json", value.to_string())
    }

    fn text(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..Self::status(200).with("content-type", content_type) }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn ending(self, end: End) -> Self {
        Self { end, ..self }
    }
}

struct Sent {
    body: Option<Bytes>,
    end: End,
    /// Whether what has been given has had the time to go out.
    has_paused: bool,
}

impl Body for Sent {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if self.end == End::Endless {
            return Poll::Ready(self.body.clone().map(|body| Ok(Frame::data(body))));
        }
        match (self.body.take(), self.end) {
            (Some(body), _) => Poll::Ready(Some(Ok(Frame::data(body)))),
            (None, End::Broken) if !self.has_paused => {
                self.has_paused = true;
                task.waker().wake_by_ref();
                Poll::Pending
            }
            (None, End::Broken) => Poll::Ready(Some(Err(std::io::Error::other("broken")))),
            (None, End::Open) => Poll::Pending,
            (None, _) => Poll::Ready(None),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.body, self.end) {
            (Some(body), End::Complete) => SizeHint::with_exact(body.len() as u64),
            _ => SizeHint::default(),
        }
    }
}

/// A server of this machine.
struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    async fn start(handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (cx, handler, all_seen) = (Context::real(), Arc::new(handler), seen.clone());
        cx.clone().spawn("test server", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (handler, seen) = (handler.clone(), all_seen.clone());
                let service = service_fn(move |request| serve(request, handler.clone(), seen.clone()));
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                cx.spawn("test connection", async move {
                    let _ = connection.await;
                });
            }
        });
        Self { address, seen }
    }

    fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The paths that were asked for, in order.
    fn paths(&self) -> Vec<String> {
        self.seen().iter().map(|seen| seen.path().to_owned()).collect()
    }
}

async fn serve(
    request: Request<Incoming>,
    handler: Arc<impl Fn(&Seen) -> Reply>,
    all: Arc<Mutex<Vec<Seen>>>,
) -> Result<Response<Sent>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let (method, target) = (head.method.to_string(), head.uri.to_string());
    let seen = Seen { method, target, headers: head.headers, body };
    let reply = handler(&seen);
    all.lock().unwrap().push(seen);
    if reply.end == End::Silent {
        std::future::pending::<()>().await;
    }
    let mut response =
        Response::new(Sent { body: Some(reply.body.into()), end: reply.end, has_paused: false });
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap();
    for (name, value) in reply.headers {
        let (name, value) = (HeaderName::from_static(name), HeaderValue::from_str(&value).unwrap());
        response.headers_mut().append(name, value);
    }
    Ok(response)
}

fn outgoing() -> Outgoing {
    Outgoing { allow_local: true, ..Outgoing::default() }
}

fn connector() -> HttpConnector {
    HttpConnector::new(outgoing(), Secrets::none()).unwrap()
}

/// A connector that waits for half a second only.
fn hasty() -> HttpConnector {
    let deadline = Duration::from_millis(500);
    HttpConnector::new(Outgoing { deadline, ..outgoing() }, Secrets::none()).unwrap()
}

fn key() -> EffectKey {
    EffectKey::derive(&["a test"])
}

fn as_call<'a>(operation: &'a str, request: &'a Value) -> Call<'a> {
    static STREAM: LazyLock<StreamKey> = LazyLock::new(|| {
        StreamKey::new(TenantId::default_tenant(), StreamId::new(Prefix::new("run"), key().uuid()))
    });
    static ORIGIN: LazyLock<Origin> = LazyLock::new(|| Origin::root("test", "tester"));
    Call { key: key(), stream: &STREAM, origin: &ORIGIN, operation, request, attempt: 1 }
}

async fn call(connector: &HttpConnector, operation: &str, request: &Value) -> Result<Value, CallError> {
    connector.call(as_call(operation, request)).await
}

async fn verified(connector: &HttpConnector, operation: &str, request: &Value) -> bool {
    matches!(connector.verify(as_call(operation, request)).await, Ok(Verified::NotDone))
}

fn code(outcome: &Result<Value, CallError>) -> (&'static str, &str) {
    match outcome {
        Ok(_) => ("ok", ""),
        Err(CallError::Refused { code, .. }) => ("refused", code),
        Err(CallError::Failed { code, .. }) => ("failed", code),
        Err(CallError::Unknown { code, .. }) => ("unknown", code),
    }
}

fn message(outcome: &Result<Value, CallError>) -> &str {
    match outcome {
        Ok(_) => "",
        Err(
            CallError::Refused { message, .. }
            | CallError::Failed { message, .. }
            | CallError::Unknown { message, .. },
        ) => message,
    }
}
