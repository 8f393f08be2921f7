//! Connections: accepted, served to their end, and ended in good order.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use promptsales_engine::entity::Overload;
use promptsales_engine::runtime::Context;
use tokio::net::{TcpListener, TcpStream};

use super::middleware::{Edge, Seat};
use super::patience::Patient;

/// How long a client may take nothing of what is sent to it, before it is dropped.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);
/// How long no more connections are taken in after one could not be, for want of something.
const PAUSE: Duration = Duration::from_millis(200);
/// Connections beyond the limit that may still ask how the node is, one request each.
const SPARE: usize = 64;
/// How long they have for it.
const SPARE_PATIENCE: Duration = Duration::from_secs(5);

/// A connection that counts; given back when dropped.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Serves until `stopped`; then takes no more, and returns when what is under way has been answered.
///
/// A client that has sent a whole request and closes its side is served like any other: its command counts, and it
/// is answered if it still listens. (`axum::serve` drops such a request, at any point of its way.)
///
/// Connections beyond the limit are told so and closed, but for what asks how the node is; those far beyond it are
/// closed at once.
pub async fn serve(listener: TcpListener, edge: Edge, cx: &Context, stopped: impl Future<Output = ()>) {
    let connections = GracefulShutdown::new();
    let open = Arc::new(AtomicUsize::new(0));
    let (regular, spare) = (Arc::new(edge.at(Seat::Regular)), Arc::new(edge.at(Seat::Spare)));
    let most = edge.limits().connections;
    let mut stopped = std::pin::pin!(stopped);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stopped => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let before = open.fetch_add(1, Relaxed);
                let counted = Counted(open.clone());
                let seat = if before < most { &regular } else { &spare };
                if before < most.saturating_add(SPARE) {
                    connect(stream, seat.clone(), counted, cx, &connections);
                } else {
                    edge.refuse_connection(Overload::ConnectionsFull);
                }
            }
            Err(error) if is_of_one_client(&error) => {}
            Err(error) => {
                tracing::error!(%error, "connections cannot be taken in");
                cx.sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.shutdown().await;
}

fn connect(
    stream: TcpStream,
    edge: Arc<Edge>,
    counted: Counted,
    cx: &Context,
    connections: &GracefulShutdown,
) {
    // An answer is one small packet: it must not wait for the next.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection cannot be set to send at once");
    }
    let patience = edge.limits().head_timeout;
    let mut protocol = http1::Builder::new();
    // Answers are small: their head and body are put together sooner than they are written in two pieces.
    protocol.half_close(true).writev(false).timer(TokioTimer::new());
    match edge.seat() {
        Seat::Regular => protocol.header_read_timeout(patience),
        Seat::Spare => protocol.header_read_timeout(patience.min(SPARE_PATIENCE)).keep_alive(false),
    };
    let answer = service_fn(move |request: hyper::Request<Incoming>| {
        let edge = edge.clone();
        async move { Ok::<_, Infallible>(edge.answer(request.map(Body::new)).await) }
    });
    let stream = Patient::new(stream, WRITE_PATIENCE, cx.clone());
    let served = protocol.serve_connection(TokioIo::new(stream), answer);
    let served = connections.watch(served);
    cx.spawn("connection", async move {
        let _counted = counted;
        if let Err(error) = served.await {
            tracing::debug!(%error, "a connection ended before its time");
        }
    });
}

/// True if accepting failed for a reason that is its client's own.
fn is_of_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionRefused | ConnectionAborted | ConnectionReset)
}
