//! Server: connections, and how long and how much each of them may.
//!
//! Own accept loop on hyper: a server without time-outs holds a half-sent head open for good. A head has to end
//! soon once it has begun, and no address may have more than its share of connections. While there is room, a
//! connection on which nothing is asked is kept for longer than clients keep theirs: if the server closes it
//! while the client uses it again, the request is reset (the keep-alive race).

mod guard;
mod places;
mod refusal;

pub use guard::Framing;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
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
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use self::guard::Guard;
use self::places::{Place, Places};
use crate::extract::Peer;
use crate::limits::Limits;

/// What an HTTP/2 connection begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long it may take to hear that there is no place, and how many at once are waited for.
const FAREWELL: (Duration, usize) = (Duration::from_secs(1), 64);
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
    let (limits, connections, turned_away) = (Arc::new(limits), TaskTracker::new(), TaskTracker::new());
    let places = Places::new(limits.connections, limits.connections_per_peer);
    while let Some((stream, peer)) = accept(&listener, &stop).await {
        if let Some(place) = places.take(peer.ip()) {
            connections.spawn(connection(stream, place, router.clone(), limits.clone(), stop.clone()));
        } else {
            metrics::counter!("http_connections_refused_total").increment(1);
            if turned_away.len() < FAREWELL.1 {
                turned_away.spawn(tokio::time::timeout(FAREWELL.0, turn_away(stream)));
            } else {
                _ = stream.try_write(&refusal::no_place());
            }
        }
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

/// Says that there is no place once something is asked, and lets it be heard: a client takes what comes before its
/// question for no answer, and closing on what was not read resets the connection, and takes the answer with it.
async fn turn_away(mut stream: TcpStream) -> io::Result<()> {
    let mut unread = [0; 1024];
    if stream.read(&mut unread).await? > 0 {
        stream.write_all(&refusal::no_place()).await?;
        stream.shutdown().await?;
        while stream.read(&mut unread).await? > 0 {}
    }
    Ok(())
}

async fn connection(
    mut stream: TcpStream,
    place: Place,
    router: Router,
    limits: Arc<Limits>,
    stop: CancellationToken,
) {
    _ = stream.set_nodelay(true);
    let patience = if place.may_be_kept { limits.idle_time } else { limits.first_byte };
    let first = tokio::select! {
        () = stop.cancelled() => return,
        first = tokio::time::timeout(patience, first_bytes(&mut stream)) => first,
    };
    let Ok(Ok(first)) = first else { return };
    let is_http2 = first == PREFACE;
    let framing = Framing::default();
    let io = TokioIo::new(Guard::new(stream, first, is_http2, framing.clone(), &limits));
    let peer = Peer(place.peer);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(framing.clone());
        request.extensions_mut().insert(peer);
        router.clone().oneshot(request.map(Body::new))
    });
    let ended = if is_http2 {
        let mut connection = pin!(http2_builder(&limits).serve_connection(io, service));
        if !place.may_be_kept {
            // What came with its beginning is answered.
            connection.as_mut().graceful_shutdown();
        }
        until(&stop, connection.as_mut(), |connection| connection.graceful_shutdown()).await
    } else {
        let mut connection = pin!(http1_builder(&limits, place.may_be_kept).serve_connection(io, service));
        until(&stop, connection.as_mut(), |connection| connection.graceful_shutdown()).await
    };
    if let Err(error) = ended {
        tracing::debug!(peer = %place.peer, error = %error, "a connection ended badly");
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

fn http1_builder(limits: &Limits, keep_alive: bool) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .keep_alive(keep_alive)
        // From the end of one request to the end of the next one's head; the guard counts the head's own time.
        .header_read_timeout(if keep_alive {
            limits.idle_time.max(limits.head_time)
        } else {
            limits.head_time
        })
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
        // Beyond what is let in: so who asks for too much hears a problem, and not a bare status.
        .max_header_list_size(u32::try_from(limits.head_bytes * 2).unwrap_or(u32::MAX))
        .keep_alive_interval(limits.ping_interval)
        .keep_alive_timeout(limits.ping_interval);
    builder
}
