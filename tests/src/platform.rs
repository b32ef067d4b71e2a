//! TestApp: the whole platform in one process, over a database of its own and a simulated gateway.
//!
//! Time stands still unless a test moves it. `drain` waits until nothing follows any more from what has happened.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use api::app::{App, Parts};
use api::key::{Key, KeyRing, ShownKey};
use api::limits::Limits;
use api::page::Cursors;
use api::port::{Freshness, SubscriptionState, Subscriptions};
use api::routes::router;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use commands::EventStore;
use commands::clock::{Clock, ManualClock};
use commands::effect::ask_gateway_when_payment_asks::AskGatewayWhenPaymentAsks;
use commands::effect::ask_gateway_when_refund_is_sent::AskGatewayWhenRefundIsSent;
use commands::port::payment::PaymentGateway;
use domain::ids::{ApiKeyId, CustomerId, WorkspaceId};
use infra::adapter::gateway::GatewayClient;
use infra::gateway::wire::BookView;
use infra::gateway::{Config, Profile, Server, Webhook};
use infra::log::Log;
use infra::subscription::reactor::Reactor;
use infra::subscription::{Host, checkpoint};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::database::TestDatabase;

/// Longer than anything may take that a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the gateway signs its webhooks with.
pub const SECRET: &str = "whsec_test";

/// The platform, running.
pub struct TestApp {
    pub database: TestDatabase,
    pub pool: PgPool,
    pub store: EventStore,
    pub clock: Arc<ManualClock>,
    pub workspace: WorkspaceId,
    pub address: SocketAddr,
    pub gateway: SocketAddr,
    keys: Keys,
    key: String,
    http: reqwest::Client,
    stop: CancellationToken,
    _book: tempfile::TempDir,
}

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    /// The id in it, after a success.
    ///
    /// # Panics
    /// If it was none.
    #[must_use]
    pub fn id(&self) -> String {
        assert!((200..300).contains(&self.status), "{self:?}");
        self.body["id"].as_str().expect("an answer has an id").to_owned()
    }

    /// The status and the problem's code.
    #[must_use]
    pub fn problem(&self) -> (u16, &str) {
        (self.status, self.body["code"].as_str().unwrap_or_default())
    }
}

impl TestApp {
    /// With a gateway to which nothing bad happens.
    pub async fn start() -> Self {
        Self::with_faults(0, Profile::NONE).await
    }

    /// With a gateway of these faults.
    ///
    /// # Panics
    /// If it cannot start.
    pub async fn with_faults(seed: u64, faults: Profile) -> Self {
        let database = TestDatabase::create().await;
        let pool = PgPoolOptions::new().max_connections(24).connect_lazy_with(database.run.clone());
        let store = EventStore::open(pool.clone(), database.run.clone(), 10_000);
        let began = DateTime::from_timestamp(1_900_000_000, 0).expect("a moment");
        let clock = Arc::new(ManualClock::at(began));
        let stop = CancellationToken::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        let book = tempfile::tempdir().expect("a folder");
        let gateway = gateway(&book, address, clock.clone(), (seed, faults), stop.clone()).await;
        let client: Arc<dyn PaymentGateway> = Arc::new(
            GatewayClient::new(&format!("http://{gateway}"), Duration::from_secs(10)).expect("an address"),
        );
        let host = Host {
            log: Log::follow(store.clone(), stop.clone()).await.expect("the log is read"),
            clock: clock.clone(),
            instance: Uuid::now_v7(),
            lease: Duration::from_secs(10),
            stop: stop.clone(),
        };
        let reactors = reactors(&client);
        tokio::spawn(async move {
            host.run(projections::all(), reactors).await.expect("nobody else owns the subscriptions");
        });
        let (keys, workspace) = (Keys::default(), WorkspaceId::from_uuid(Uuid::now_v7()));
        let key = keys.issue(workspace, &["*"]).reveal();
        let limits = Limits::default();
        let app = App::new(Parts {
            store: store.clone(),
            reads: pool.clone(),
            clock: clock.clone(),
            keys: Arc::new(keys.clone()),
            freshness: Arc::new(Views(pool.clone())),
            subscriptions: Arc::new(Views(pool.clone())),
            dependencies: vec![],
            exposition: Arc::new(String::new),
            cursors: Cursors::signed_with(&[7; 32]),
            gateway: client,
            webhook_secret: SECRET.to_owned(),
            limits: limits.clone(),
        });
        let (router, _) = router(app);
        tokio::spawn(api::server::serve(listener, router, limits, stop.clone()));
        let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().expect("a client");
        let _book = book;
        Self { database, pool, store, clock, workspace, address, gateway, keys, key, http, stop, _book }
    }

    /// A key of the workspace with these scopes.
    #[must_use]
    pub fn key(&self, scopes: &[&str]) -> String {
        self.keys.issue(self.workspace, scopes).reveal()
    }

    /// A request with a key of its own for idempotency.
    pub async fn call(&self, method: Method, path: &str, body: Value) -> Answer {
        self.call_as(&self.key, &Uuid::new_v4().to_string(), method, path, body).await
    }

    /// A request with this key and this name.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn call_as(&self, key: &str, name: &str, method: Method, path: &str, body: Value) -> Answer {
        let request = self.http.request(method.clone(), format!("http://{}{path}", self.address));
        let request = request.bearer_auth(key);
        let request =
            if method == Method::GET { request } else { request.header("idempotency-key", name).json(&body) };
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        let text = response.text().await.expect("a whole answer");
        Answer { status, body: serde_json::from_str(&text).unwrap_or(Value::Null) }
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, body).await
    }

    /// What a read shows.
    ///
    /// # Panics
    /// If it shows nothing.
    pub async fn get(&self, path: &str) -> Value {
        let answer = self.call(Method::GET, path, Value::Null).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.body
    }

    /// Puts a SKU on sale at a price in US cents, with so many units at `main`.
    ///
    /// # Panics
    /// If it cannot be.
    pub async fn sell(&self, sku: &str, price: i64, units: i64) {
        let price = json!({"amount": price, "currency": "USD"});
        let variant = json!({"sku": sku, "title": sku, "prices": [price]});
        let product = json!({"title": sku, "variants": [variant]});
        let made = self.post("/api/ecommerce/products", product).await;
        assert_eq!(made.status, 201, "{made:?}");
        if units > 0 {
            let path = format!("/api/ecommerce/stock/{sku}/main/receive");
            let received = self.post(&path, json!({"quantity": units})).await;
            assert_eq!(received.status, 200, "{received:?}");
        }
    }

    /// A body that orders so many of a SKU from `main`, paid with this method.
    #[must_use]
    pub fn wanting(&self, sku: &str, quantity: u32, method: &str) -> Value {
        json!({
            "customer_id": CustomerId::from_uuid(Uuid::now_v7()),
            "currency": "USD",
            "lines": [{"sku": sku, "quantity": quantity, "location": "main"}],
            "payment_method": method,
        })
    }

    /// Places an order; its id.
    pub async fn order(&self, sku: &str, quantity: u32, method: &str) -> String {
        self.post("/api/ecommerce/orders", self.wanting(sku, quantity, method)).await.id()
    }

    /// An order, once nothing follows any more.
    pub async fn order_now(&self, id: &str) -> Value {
        self.drain().await;
        self.get(&format!("/api/ecommerce/orders/{id}")).await
    }

    /// On hand and available units of a SKU at `main`.
    ///
    /// # Panics
    /// If there never were any.
    pub async fn stock(&self, sku: &str) -> (i64, i64) {
        let level = self.get(&format!("/api/ecommerce/stock/{sku}/main")).await;
        let number = |name: &str| level[name].as_i64().unwrap_or_else(|| panic!("{name}: {level}"));
        (number("on_hand"), number("available"))
    }

    /// What the gateway has in its book.
    ///
    /// # Panics
    /// If it does not say.
    pub async fn book(&self) -> BookView {
        let asked = self.http.get(format!("http://{}/v1/book", self.gateway)).send().await;
        asked.expect("the gateway answers").json().await.expect("a book")
    }

    /// Lets time pass, and waits for what follows.
    pub async fn pass(&self, time: TimeDelta) {
        self.clock.advance(time);
        self.drain().await;
    }

    /// Waits until no subscription lags and no deadline is due.
    ///
    /// # Panics
    /// If that does not happen, telling what is waited for.
    pub async fn drain(&self) {
        let expected = i64::try_from(projections::all().len() + commands::process::all().len() + 2);
        let expected = expected.expect("a few");
        let began = Instant::now();
        loop {
            // One statement, one moment: whatever is answered has been written before its checkpoint moved.
            let quiet: bool = sqlx::query_scalar(
                "select (select count(*) from subscriptions where position >= (select position from head)) >= $2
                        and not exists (select from deadlines where due_at <= $1)",
            )
            .bind(self.clock.now())
            .bind(expected)
            .fetch_one(&self.pool)
            .await
            .expect("the database answers");
            if quiet {
                break;
            }
            if began.elapsed() > PATIENCE {
                panic!("it does not become quiet: {}", self.standing().await);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let parked: i64 = sqlx::query_scalar("select count(*) from parked")
            .fetch_one(&self.pool)
            .await
            .expect("the database answers");
        assert_eq!(parked, 0, "{}", self.standing().await);
    }

    async fn standing(&self) -> String {
        let standings = checkpoint::standings(&self.pool).await;
        let due: Vec<(String, String, DateTime<Utc>)> =
            sqlx::query_as("select process, key, due_at from deadlines where due_at <= $1")
                .bind(self.clock.now())
                .fetch_all(&self.pool)
                .await
                .unwrap_or_default();
        let parked: Vec<(String, i64, String)> =
            sqlx::query_as("select subscription, position, reason from parked order by position")
                .fetch_all(&self.pool)
                .await
                .unwrap_or_default();
        format!("{standings:#?} due {due:?} parked {parked:?}")
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn gateway(
    folder: &tempfile::TempDir,
    platform: SocketAddr,
    clock: Arc<ManualClock>,
    (seed, faults): (u64, Profile),
    stop: CancellationToken,
) -> SocketAddr {
    let url = format!("http://{platform}/api/financial/payments/webhook");
    let config = Config {
        listen: "127.0.0.1:0".parse().expect("an address"),
        book: folder.path().join("book"),
        seed,
        faults,
        slow: Duration::from_millis(100),
        webhook: Some(Webhook { url: url.parse().expect("an address"), secret: SECRET.to_owned() }),
        clock,
    };
    let server = Server::bind(config).await.expect("the gateway starts");
    let address = server.local_addr().expect("it listens");
    tokio::spawn(server.run(stop));
    address
}

fn reactors(gateway: &Arc<dyn PaymentGateway>) -> Vec<Reactor> {
    let processes = commands::process::all().into_iter().map(Reactor::Process);
    let payments = AskGatewayWhenPaymentAsks { gateway: gateway.clone() };
    let refunds = AskGatewayWhenRefundIsSent { gateway: gateway.clone() };
    processes.chain([Reactor::Effect(Box::new(payments)), Reactor::Effect(Box::new(refunds))]).collect()
}

/// Keys by id.
#[derive(Clone, Default)]
struct Keys(Arc<Mutex<HashMap<(WorkspaceId, ApiKeyId), Key>>>);

impl Keys {
    fn issue(&self, workspace: WorkspaceId, scopes: &[&str]) -> ShownKey {
        let shown = ShownKey::mint(workspace, ApiKeyId::from_uuid(Uuid::now_v7()));
        let scopes: BTreeSet<String> = scopes.iter().map(|&scope| scope.to_owned()).collect();
        let secret_hash = shown.secret_hash();
        let key =
            Key { scopes: Arc::new(scopes), secret_hash, expires_at: None, revoked: false, suspended: false };
        self.0.lock().expect("no holder of the keys panics").insert((workspace, shown.id), key);
        shown
    }
}

#[async_trait]
impl KeyRing for Keys {
    async fn find(&self, workspace: WorkspaceId, id: ApiKeyId) -> commands::Result<Option<Key>> {
        Ok(self.0.lock().expect("no holder of the keys panics").get(&(workspace, id)).cloned())
    }
}

/// How far the views are, by their checkpoints.
struct Views(PgPool);

#[async_trait]
impl Freshness for Views {
    async fn wait(&self, view: &str, position: i64, at_most: Duration) -> Option<i64> {
        checkpoint::reached(&self.0, view, position, at_most).await.ok().filter(|&shown| shown >= position)
    }
}

#[async_trait]
impl Subscriptions for Views {
    async fn all(&self) -> commands::Result<Vec<SubscriptionState>> {
        let (_, standings) = checkpoint::standings(&self.0).await?;
        let state = |of: checkpoint::Standing| SubscriptionState {
            name: of.name,
            position: of.position,
            lag: of.lag,
            parked: of.parked,
        };
        Ok(standings.into_iter().map(state).collect())
    }
}
