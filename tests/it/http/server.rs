//! A server for a test: a database, two workspaces with keys, real sockets.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::app::{App, Parts};
use api::limits::Limits;
use api::port::{Freshness, SubscriptionState, Subscriptions};
use api::routes::router_of;
use async_trait::async_trait;
use commands::EventStore;
use commands::clock::SystemClock;
use commands::port::Ports;
use commands::port::credential::fake::FakeCredentials;
use commands::port::payment::fake::FakeGateway;
use commands::port::vault::fake::FakeVault;
use domain::ids::WorkspaceId;
use reqwest::{Method, RequestBuilder};
pub use tests::answer::{Answer, send};
use tests::database::TestDatabase;
use tests::keys::Keys;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::jar;

/// Longer than anything may take that a test waits for.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A view that is at the position it is told to be at.
#[derive(Clone, Default)]
pub struct View(Arc<Mutex<i64>>);

impl View {
    pub fn reaches(&self, position: i64) {
        *self.0.lock().unwrap() = position;
    }
}

#[async_trait]
impl Freshness for View {
    async fn wait(&self, _: &str, position: i64, _: Duration) -> Option<i64> {
        Some(*self.0.lock().unwrap()).filter(|&shown| shown >= position)
    }
}

#[async_trait]
impl Subscriptions for View {
    async fn all(&self) -> commands::Result<Vec<SubscriptionState>> {
        let position = *self.0.lock().unwrap();
        Ok(vec![SubscriptionState { name: "jar".into(), position, ..SubscriptionState::default() }])
    }
}

/// A running server.
pub struct Server {
    pub address: SocketAddr,
    pub database: TestDatabase,
    pub keys: Keys,
    pub view: View,
    pub workspace: WorkspaceId,
    /// A key of the workspace that may do everything a tenant may.
    pub key: String,
    pub stop: CancellationToken,
    pub serving: JoinHandle<std::io::Result<()>>,
    pub http: reqwest::Client,
}

impl Server {
    pub async fn start() -> Self {
        Self::with(Limits::default()).await
    }

    pub async fn with(limits: Limits) -> Self {
        let database = TestDatabase::create().await;
        let store = EventStore::open(database.pool.clone(), database.run.clone(), 1000);
        Self::over(database, store, limits).await
    }

    pub async fn over(database: TestDatabase, store: EventStore, limits: Limits) -> Self {
        let (keys, view) = (Keys::default(), View::default());
        let workspace = WorkspaceId::from_uuid(Uuid::now_v7());
        let key = keys.issue(workspace, &["*"]).reveal();
        let clock = Arc::new(SystemClock);
        let ports = Ports {
            payment: Arc::new(FakeGateway::default()),
            vault: Arc::new(FakeVault::default()),
            credentials: Arc::new(FakeCredentials::default()),
        };
        let app = App::new(Parts {
            freshness: Arc::new(view.clone()),
            subscriptions: Arc::new(view.clone()),
            exposition: Arc::new(|| "jars_total 1\n".to_owned()),
            limits: limits.clone(),
            ..Parts::over(store, clock, Arc::new(keys.clone()), ports)
        });
        let (router, _) = router_of(api::routes::routes().merge(jar::routes()), app);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(api::server::serve(listener, router, limits, stop.clone()));
        let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        Self { address, database, keys, view, workspace, key, stop, serving, http }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.address)).bearer_auth(&self.key)
    }

    pub async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    /// A POST of JSON, with an idempotency key unless that is empty.
    pub async fn post(&self, path: &str, key: &str, body: &str) -> Answer {
        send(self.posting(path, key, body)).await
    }

    pub fn posting(&self, path: &str, key: &str, body: &str) -> RequestBuilder {
        let request = self.request(Method::POST, path).body(body.to_owned());
        let request = request.header("content-type", "application/json");
        if key.is_empty() { request } else { request.header("idempotency-key", key) }
    }

    /// A new jar's id.
    pub async fn jar(&self) -> String {
        let opened = self.post("/api/jars", &Uuid::new_v4().to_string(), r#"{"label":"a"}"#).await;
        assert_eq!(opened.status, 201, "{opened:?}");
        opened.json()["id"].as_str().unwrap().to_owned()
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes as they are, and reads until the server closes the connection.
    pub async fn raw(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        // The server may answer and close before it has read everything.
        _ = stream.write_all(bytes.as_ref()).await;
        until_closed(&mut stream).await
    }

    /// How many events there are, and how many answered commands.
    pub async fn recorded(&self) -> (i64, i64) {
        sqlx::query_as("select (select count(*) from events), (select count(*) from commands)")
            .fetch_one(&self.database.pool)
            .await
            .unwrap()
    }
}

/// Everything a connection says until it is closed.
pub async fn until_closed(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await;
    // A reset closes as well as an end does.
    _ = read.expect("the server closes the connection");
    String::from_utf8_lossy(&said).into_owned()
}
