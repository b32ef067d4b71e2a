//! HTTP: commands of 64 clients, against a bare handler that does one INSERT.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use api::app::{App, Parts};
use api::limits::Limits;
use api::routes::router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use commands::clock::SystemClock;
use commands::port::Ports;
use commands::port::credential::fake::FakeCredentials;
use commands::port::payment::fake::FakeGateway;
use commands::port::vault::fake::FakeVault;
use serde_json::{Value, json};
use sqlx::PgPool;
use tests::keys::Keys;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::Settings;
use crate::counter::NOTE;
use crate::database::{Database, Peer, Server, workspace};
use crate::drive::{Run, Subject, drive};
use crate::figures::Report;
use crate::subjects::{insert, now};

const CLIENTS: usize = 64;
const CONNECTIONS: [u32; 3] = [8, 16, 32];
const PATH: &str = "/api/ecommerce/products";

pub async fn measure(server: &Server, settings: Settings, report: &mut Report) -> Result<()> {
    let mut watch = server.connect().await?;
    let mut best = (0.0, CONNECTIONS[0]);
    for connections in CONNECTIONS {
        let (run, _) = one(server, Peer::Raw, connections, settings.probe, &mut watch).await?;
        if run.per_second > best.0 {
            best = (run.per_second, connections);
        }
    }
    let section = "HTTP commands, 64 clients";
    let mut medians = Vec::new();
    for (peer, name) in [(Peer::Mewayz, "mewayz".to_owned()), (Peer::Raw, format!("bare axum ({})", best.1))]
    {
        medians.push((peer, name, Vec::new(), Vec::new(), Vec::new(), Vec::new()));
    }
    for _ in 0..settings.runs {
        for (peer, _, runs, speeds, p50, p99) in &mut medians {
            let (run, mut times) = one(server, *peer, best.1, settings.run, &mut watch).await?;
            times.sort_unstable();
            let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
            speeds.push(run.per_second);
            p50.push(at(0.5));
            p99.push(at(0.99));
            runs.push(run);
        }
    }
    let mut speed = Vec::new();
    for (_, name, runs, speeds, p50, p99) in medians {
        speed.push(report.add(section, "commands", &name, "/s", speeds));
        report.add(section, "p50", &name, "ms", p50);
        report.add(section, "p99", &name, "ms", p99);
        report.processor_time(section, "a command", &name, &runs);
    }
    report.target("HTTP commands, against a bare handler", speed[0] / speed[1], 1.0);
    report.print(section);
    report.print(&format!("{section}: processor time"));
    Ok(())
}

/// One run, and how long each request took.
async fn one(
    server: &Server,
    peer: Peer,
    connections: u32,
    lasting: Duration,
    watch: &mut sqlx::PgConnection,
) -> Result<(Run, Vec<Duration>)> {
    let database = server.create(peer, "http").await?;
    server.settle().await?;
    let (address, key, _serving) = match peer {
        Peer::Mewayz => ours(&database).await?,
        _ => bare(&database, connections).await?,
    };
    let clients = Arc::new(Clients {
        http: reqwest::Client::builder().pool_max_idle_per_host(CLIENTS).build()?,
        url: format!("http://{address}{PATH}"),
        key,
        times: Mutex::default(),
    });
    let run = drive(&clients, CLIENTS, lasting, &database, watch).await?;
    let times = std::mem::take(&mut *clients.times.lock().expect("nobody panics with it"));
    server.drop(&database).await?;
    Ok((run, times))
}

/// Clients that each make a product after the other.
struct Clients {
    http: reqwest::Client,
    url: String,
    key: String,
    times: Mutex<Vec<Duration>>,
}

impl Subject for Clients {
    async fn act(&self, _: usize, _: usize, _: u64) -> Result<()> {
        let start = Instant::now();
        let answer = self
            .http
            .post(&self.url)
            .bearer_auth(&self.key)
            .header("idempotency-key", Uuid::new_v4().to_string())
            .json(&json!({ "title": "A product", "description": NOTE }))
            .send()
            .await?;
        let (status, body) = (answer.status(), answer.bytes().await?);
        ensure!(status == 201, "{status}: {}", String::from_utf8_lossy(&body));
        self.times.lock().expect("nobody panics with it").push(start.elapsed());
        Ok(())
    }
}

type Serving = (SocketAddr, String, DropGuard);

/// The whole API, with keys that are kept in memory as the platform keeps them once it knows them.
async fn ours(database: &Database) -> Result<Serving> {
    let (store, stop, keys) = (database.store().await?, CancellationToken::new(), Keys::default());
    let key = keys.issue(workspace(0), &["*"]).reveal();
    let ports = Ports {
        payment: Arc::new(FakeGateway::default()),
        vault: Arc::new(FakeVault::default()),
        credentials: Arc::new(FakeCredentials::default()),
    };
    let app = App::new(Parts::over(store, Arc::new(SystemClock), Arc::new(keys), ports));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(api::server::serve(listener, router(app).0, Limits::default(), stop.clone()));
    Ok((address, key, stop.drop_guard()))
}

/// A handler that writes what it is sent, and nothing else.
async fn bare(database: &Database, connections: u32) -> Result<Serving> {
    let (pool, stop) = (database.pool("mewayz_owner", connections).await?, CancellationToken::new());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let (address, stopping) = (listener.local_addr()?, stop.clone());
    let router = Router::new().route(PATH, post(take)).with_state(pool);
    tokio::spawn(async move {
        axum::serve(listener, router).with_graceful_shutdown(stopping.cancelled_owned()).await
    });
    Ok((address, String::new(), stop.drop_guard()))
}

async fn take(
    State(pool): State<PgPool>,
    Json(body): Json<Value>,
) -> Result<(StatusCode, Json<Value>), StatusCode> {
    let failed = |_| StatusCode::INTERNAL_SERVER_ERROR;
    let id = Uuid::now_v7().to_string();
    let mut connection = pool.acquire().await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    insert(&mut connection, workspace(0), &id, 1, &body.to_string(), now()).await.map_err(failed)?;
    Ok((StatusCode::CREATED, Json(json!({ "id": id, "version": 1 }))))
}
