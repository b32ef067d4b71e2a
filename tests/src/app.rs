//! The whole platform in a test: the API on a socket, read models that follow the log, a clock that is told to move.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::app::{App, Parts};
use api::limits::Limits;
use api::page::Cursors;
use api::platform::health::{Database, Migrations};
use api::port::{Freshness, SubscriptionState, Subscriptions};
use api::routes::router;
use async_trait::async_trait;
use chrono::DateTime;
use commands::clock::{Clock, ManualClock};
use commands::port::payment::fake::FakeGateway;
use commands::{Actor, Context, EventStore, Position};
use domain::ids::WorkspaceId;
use infra::log::Log;
use infra::subscription::reactor::Reactor;
use infra::subscription::{Host, checkpoint};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::answer::{Answer, send};
use crate::database::TestDatabase;
use crate::keys::Keys;

/// Longer than anything may take that a test waits for.
const PATIENCE: Duration = Duration::from_secs(20);
/// When tests begin, unless they move the clock.
const BEGINNING: i64 = 1_767_225_600;

/// The platform, with a database of its own. It works as long as this lives.
pub struct TestApp {
    /// Who may do everything a tenant may.
    pub owner: Client,
    pub workspace: WorkspaceId,
    pub store: EventStore,
    pub clock: Arc<ManualClock>,
    pub keys: Keys,
    _working: DropGuard,
    // Dropped last: the others work on it.
    pub database: TestDatabase,
}

impl TestApp {
    /// With all read models, and nothing else that reacts.
    pub async fn start() -> Self {
        Self::reacting(Vec::new()).await
    }

    /// With all read models, and these processes and effects.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn reacting(reactors: Vec<Reactor>) -> Self {
        let database = TestDatabase::create().await;
        let store = EventStore::open(database.pool.clone(), database.run.clone(), 1000);
        let beginning = DateTime::from_timestamp(BEGINNING, 0).expect("a valid time");
        let (clock, stop) = (Arc::new(ManualClock::at(beginning)), CancellationToken::new());
        let host = Host {
            log: Log::follow(store.clone(), stop.clone()).await.expect("the log can be read"),
            clock: clock.clone(),
            instance: Uuid::new_v4(),
            lease: PATIENCE,
            stop: stop.clone(),
        };
        tokio::spawn(host.run(projections::all(), reactors));

        let keys = Keys::default();
        let app = App::new(parts(&database.pool, &store, clock.clone(), keys.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let base = format!("http://{}", listener.local_addr().expect("it is bound"));
        tokio::spawn(api::server::serve(listener, router(app).0, Limits::default(), stop.clone()));

        let workspace = WorkspaceId::from_uuid(Uuid::now_v7());
        let key = keys.issue(workspace, &["*"]).reveal();
        let http = reqwest::Client::builder().timeout(PATIENCE).build().expect("a client");
        let owner = Client { http, base, key, latest: Arc::default() };
        Self { owner, workspace, store, clock, keys, _working: stop.drop_guard(), database }
    }

    /// What the platform itself can do, in the same workspace.
    #[must_use]
    pub fn platform(&self) -> Context {
        let actor = Actor::Job("test");
        Context::internal(self.store.clone(), self.clock.clone(), self.workspace, actor)
    }

    /// Somebody of the same workspace with these scopes only.
    #[must_use]
    pub fn with_scopes(&self, scopes: &[&str]) -> Client {
        Client { key: self.keys.issue(self.workspace, scopes).reveal(), ..self.owner.clone() }
    }

    /// Somebody who may do everything, in another workspace.
    #[must_use]
    pub fn stranger(&self) -> Client {
        let elsewhere = WorkspaceId::from_uuid(Uuid::now_v7());
        Client { key: self.keys.issue(elsewhere, &["*"]).reveal(), ..self.owner.clone() }
    }
}

fn parts(pool: &PgPool, store: &EventStore, clock: Arc<dyn Clock>, keys: Keys) -> Parts {
    Parts {
        store: store.clone(),
        reads: pool.clone(),
        clock,
        keys: Arc::new(keys),
        freshness: Arc::new(Checkpoints(pool.clone())),
        subscriptions: Arc::new(Checkpoints(pool.clone())),
        dependencies: vec![Arc::new(Database(pool.clone())), Arc::new(Migrations(pool.clone()))],
        exposition: Arc::new(String::new),
        gateway: Arc::new(FakeGateway::default()),
        webhook_secret: "whsec_test".to_owned(),
        cursors: Cursors::signed_with(&[7; 32]),
        limits: Limits::default(),
    }
}

/// What the subscriptions themselves say.
struct Checkpoints(PgPool);

#[async_trait]
impl Freshness for Checkpoints {
    async fn wait(&self, view: &str, position: i64, _: Duration) -> Option<i64> {
        checkpoint::reached(&self.0, view, position, PATIENCE).await.ok()
    }
}

#[async_trait]
impl Subscriptions for Checkpoints {
    async fn all(&self) -> commands::Result<Vec<SubscriptionState>> {
        let (_, standings) = checkpoint::standings(&self.0).await?;
        let state = |s: checkpoint::Standing| SubscriptionState {
            name: s.name,
            position: s.position,
            lag: s.lag,
            parked: s.parked,
        };
        Ok(standings.into_iter().map(state).collect())
    }
}

/// Somebody with a key. Who reads sees all that anybody of the test has written.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    key: String,
    latest: Arc<Mutex<Option<Position>>>,
}

impl Client {
    pub async fn get(&self, path: &str) -> Answer {
        let latest = *self.latest.lock().unwrap();
        let joint = if path.contains('?') { '&' } else { '?' };
        let fresh = latest.map(|position| format!("{joint}min_position={position}")).unwrap_or_default();
        send(self.request(Method::GET, &format!("{path}{fresh}"))).await
    }

    /// A command with an idempotency key of its own.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        let request = self.request(Method::POST, path).header("idempotency-key", Uuid::new_v4().to_string());
        self.send(request.json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::PUT, path).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// Makes something new, and answers its id.
    ///
    /// # Panics
    /// If it is not made.
    pub async fn create(&self, path: &str, body: Value) -> String {
        let created = self.post(path, body).await;
        assert_eq!(created.status, 201, "{created:?}");
        created.json()["id"].as_str().expect("it has an id").to_owned()
    }

    /// A request with the key, and nothing more.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key)
    }

    /// Sends it; reads from now on show what it did.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let answer = send(request).await;
        if let Ok(position) = answer.header("position").parse() {
            let mut latest = self.latest.lock().unwrap();
            *latest = (*latest).max(Some(position));
        }
        answer
    }
}
