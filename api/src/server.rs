//! Server: connections, and how long and how much each of them may.
//!
//! Own accept loop on hyper: a server without time-outs holds a half-sent head open for good. A connection has
//! to say something soon, a head has to end soon, and no address may have more than its share of them.

mod guard;
mod peers;

pub use guard::Framing;

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use self::guard::Guard;
use self::peers::Peers;
use crate::limits::Limits;

/// What an HTTP/2 connection begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long to wait when no more sockets can be opened.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(100);

/// Serves until `stop`; then takes no more, and gives what is under way its time to end.
///
/// # Errors
/// If the listener cannot be asked where it listens.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
) -> io::Result<()> {
    tracing::info!(address = %listener.local_addr()?, "listening");
    let (limits, connections) = (Arc::new(limits), TaskTracker::new());
    let (places, peers) =
        (Arc::new(Semaphore::new(limits.connections)), Peers::new(limits.connections_per_peer));
    while let Some((stream, peer)) = accept(&listener, &stop).await {
        let (Ok(place), Some(share)) = (places.clone().try_acquire_owned(), peers.admit(peer.ip())) else {
            peers::turn_away(&stream);
            continue;
        };
        let connection = connection(stream, peer.ip(), router.clone(), limits.clone(), stop.clone());
        connections.spawn(async move {
            connection.await;
            drop((place, share));
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(limits.drain_time, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "stopped before everything under way had ended");
    }
    Ok(())
}

/// The next connection, or `None` when it is time to stop.
async fn accept(listener: &TcpListener, stop: &CancellationToken) -> Option<(TcpStream, SocketAddr)> {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return None,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(connection) => return Some(connection),
            // A connection that was gone before it was accepted is nothing; out of descriptors is something.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::error!(error = %error, "no connection can be accepted");
                tokio::time::sleep(OUT_OF_SOCKETS).await;
            }
        }
    }
}

async fn connection(
    mut stream: TcpStream,
    peer: IpAddr,
    router: Router,
    limits: Arc<Limits>,
    stop: CancellationToken,
) {
    _ = stream.set_nodelay(true);
    let first = tokio::select! {
        () = stop.cancelled() => return,
        first = tokio::time::timeout(limits.first_byte, first_bytes(&mut stream)) => first,
    };
    let Ok(Ok(first)) = first else { return };
    let is_http2 = first == PREFACE;
    let framing = Framing::default();
    let io = TokioIo::new(Guard::new(stream, first, framing.clone(), limits.write_time));
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(framing.clone());
        router.clone().oneshot(request.map(Body::new))
    });
    let ended = if is_http2 {
        let mut connection = pin!(http2_builder(&limits).serve_connection(io, service));
        until(&stop, connection.as_mut(), |connection| connection.graceful_shutdown()).await
    } else {
        let mut connection = pin!(http1_builder(&limits).serve_connection(io, service));
        until(&stop, connection.as_mut(), |connection| connection.graceful_shutdown()).await
    };
    if let Err(error) = ended {
        tracing::debug!(peer = %peer, error = %error, "a connection ended badly");
    }
}

/// Lets a connection run; when it is time to stop, tells it to end after what is under way.
async fn until<C: Future>(
    stop: &CancellationToken,
    mut connection: std::pin::Pin<&mut C>,
    shut_down: impl FnOnce(std::pin::Pin<&mut C>),
) -> C::Output {
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = stop.cancelled() => {}
    }
    shut_down(connection.as_mut());
    connection.await
}

/// As much as it takes to tell HTTP/2 from HTTP/1: nothing is read but the preface or the beginning of a request.
async fn first_bytes(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut first = Vec::with_capacity(PREFACE.len());
    while first.len() < PREFACE.len() && PREFACE.starts_with(&first) {
        if (&mut *stream).take((PREFACE.len() - first.len()) as u64).read_buf(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(first)
}

fn http1_builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_headers(limits.header_fields)
        .max_header_size(limits.head_bytes)
        // Room for a head of the greatest size and what was read with it.
        .max_buf_size(limits.head_bytes.max(8 * 1024) * 2);
    builder
}

fn http2_builder(limits: &Limits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.concurrent_streams)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(limits.ping_interval)
        .keep_alive_timeout(limits.ping_interval);
    builder
}
