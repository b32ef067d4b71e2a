//! Cost: what a command costs the database in commits to disk and in round trips.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use sqlx::PgConnection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::Settings;
use crate::database::{Database, Peer, Server};
use crate::drive::{Subject, drive};
use crate::figures::Report;
use crate::subjects::{Ours, PostgresEs, Raw};

const CONCURRENT: [usize; 3] = [1, 32, 128];
const CONNECTIONS: usize = 32;

pub async fn measure(server: &Server, settings: Settings, report: &mut Report) -> Result<()> {
    let mut watch = server.connect().await?;
    for workers in CONCURRENT {
        for peer in Peer::ALL {
            let database = server.create(peer, "cost").await?;
            let calls = Arc::new(AtomicU64::new(0));
            let counted = database.through(proxy(server.address(), calls.clone()).await?);
            let connections = CONNECTIONS.min(workers);
            let before = synced(&mut watch).await?;
            let (done, called) = match peer {
                Peer::Mewayz => {
                    let subject = Arc::new(Ours::new(counted.store().await?));
                    counting(&subject, workers, settings, &database, &calls, &mut watch).await?
                }
                Peer::Raw => {
                    let subject = Arc::new(Raw::open(&counted, connections).await?);
                    counting(&subject, workers, settings, &database, &calls, &mut watch).await?
                }
                Peer::PostgresEs => {
                    let subject = Arc::new(PostgresEs::open(&counted, connections).await?);
                    counting(&subject, workers, settings, &database, &calls, &mut watch).await?
                }
            };
            // Backends report what they did when they end at the latest.
            server.drop(&database).await?;
            let synced = synced(&mut watch).await? - before;
            let case = format!("{workers} at once");
            report.add("cost: fsyncs of the log", &case, peer.name(), "each", vec![synced as f64 / done]);
            report.add("cost: round trips", &case, peer.name(), "each", vec![called / done]);
        }
    }
    report.print("cost: fsyncs of the log");
    report.print("cost: round trips");
    Ok(())
}

/// How often something was done, and in how many round trips.
async fn counting(
    subject: &Arc<impl Subject>,
    workers: usize,
    settings: Settings,
    on: &Database,
    calls: &AtomicU64,
    watch: &mut PgConnection,
) -> Result<(f64, f64)> {
    let before = calls.load(Ordering::Relaxed);
    let run = drive(subject, workers, settings.run, on, watch).await?;
    Ok((run.done as f64, (calls.load(Ordering::Relaxed) - before) as f64))
}

async fn synced(watch: &mut PgConnection) -> Result<i64> {
    Ok(sqlx::query_scalar("select wal_sync from pg_stat_wal").fetch_one(watch).await?)
}

/// Stands before the server and counts what is asked of it: each Sync and each simple Query is a round trip.
async fn proxy(server: (String, u16), calls: Arc<AtomicU64>) -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(forward(client, server.clone(), calls.clone()));
        }
    });
    Ok(address)
}

async fn forward(client: TcpStream, server: (String, u16), calls: Arc<AtomicU64>) -> Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    // The first message has no type; the others are a type, a length that counts itself, and the rest.
    let (mut started, mut unread, mut buffer) = (false, Vec::new(), vec![0; 64 * 1024]);
    loop {
        let read = from_client.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        to_server.write_all(&buffer[..read]).await?;
        unread.extend_from_slice(&buffer[..read]);
        let mut at = 0;
        loop {
            let head = usize::from(started);
            let Some(length) = unread.get(at + head..at + head + 4) else { break };
            let length = u32::from_be_bytes(length.try_into()?) as usize;
            if unread.len() < at + head + length {
                break;
            }
            if started && matches!(unread[at], b'S' | b'Q') {
                calls.fetch_add(1, Ordering::Relaxed);
            }
            (started, at) = (true, at + head + length);
        }
        unread.drain(..at);
    }
}
