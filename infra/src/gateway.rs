//! The simulated payment gateway: a server of its own, with a book of its own, that outlives the platform.
//!
//! It moves no money, but is as careful with it as a real one: every change is on disk before anyone hears of it, a
//! key is acted on once, webhooks are sent until they are taken. By its seed it loses, delays and doubles what it
//! says (never what it does), so that the platform shows whether it copes.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use commands::clock::Clock;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

mod book;
mod charge;
mod faults;
mod journal;
mod outbox;
mod server;
#[cfg(test)]
mod tests;
mod webhooks;
pub mod wire;

pub use faults::{NotAProfile, Profile};
pub use webhooks::Webhook;

use book::Book;
use faults::Faults;
use server::{Desk, Lost, routes};

/// How long a client may take to send its headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long open connections may take to end.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// What a gateway is started with.
#[derive(Debug, Clone)]
pub struct Config {
    pub listen: SocketAddr,
    /// The file that its book is kept in.
    pub book: PathBuf,
    pub seed: u64,
    pub faults: Profile,
    /// How long the payment method `needs_time` takes.
    pub slow: Duration,
    /// Without one, it tells nobody anything.
    pub webhook: Option<Webhook>,
    pub clock: Arc<dyn Clock>,
}

/// A gateway that listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    desk: Arc<Desk>,
    webhook: Option<(Webhook, reqwest::Client)>,
}

impl Server {
    /// Opens the book and begins to listen; nothing is answered before [`Server::run`].
    ///
    /// # Errors
    /// If the book cannot be read or belongs to another process, or the address is taken.
    pub async fn bind(config: Config) -> io::Result<Self> {
        let book = Arc::new(Book::open(&config.book, config.clock)?);
        let client = webhooks::client().map_err(io::Error::other)?;
        let desk = Desk {
            book,
            faults: Faults::new(config.seed, config.faults),
            slow: config.slow,
            tells_by_webhook: config.webhook.is_some(),
        };
        Ok(Self {
            listener: TcpListener::bind(config.listen).await?,
            desk: Arc::new(desk),
            webhook: config.webhook.map(|webhook| (webhook, client)),
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers, and tells by webhook, until it is stopped.
    ///
    /// # Errors
    /// None so far: what fails is one connection's own.
    pub async fn run(self, stop: CancellationToken) -> io::Result<()> {
        let webhooks = self.webhook.map(|(webhook, client)| {
            tokio::spawn(webhooks::deliver(self.desk.book.clone(), client, webhook, stop.clone()))
        });
        let router = routes(self.desk);
        let graceful = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => serve(stream, router.clone(), &graceful),
                // Out of file descriptors, or gone before it was accepted: the next may do better.
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted: {error}");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
        drop(self.listener);
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, graceful.shutdown()).await.is_err() {
            tracing::warn!("some connections did not end in time");
        }
        if let Some(webhooks) = webhooks
            && let Err(error) = webhooks.await
        {
            tracing::error!(%error, "sending webhooks failed: {error}");
        }
        Ok(())
    }
}

/// Serves one connection; an answer marked as [`Lost`] closes it without a byte.
fn serve(stream: TcpStream, router: Router, graceful: &GracefulShutdown) {
    let service = service_fn(move |request: Request<Incoming>| {
        let router = router.clone();
        async move {
            let response = match router.oneshot(request.map(Body::new)).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            match response.extensions().get::<Lost>() {
                None => Ok(response),
                Some(_) => Err(io::Error::from(io::ErrorKind::ConnectionAborted)),
            }
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended: {error}");
        }
    });
}
