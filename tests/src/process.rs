//! Process: the platform as processes of their own, which a test may kill, stop and start again.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::key;
use commands::clock::SystemClock;
use commands::identity::workspace;
use commands::{Actor, Context, EventStore};
use domain::ids::WorkspaceId;
use infra::gateway::wire::BookView;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::RngExt;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::answer::{Answer, send};
use crate::database::TestDatabase;

/// Longer than anything may take that a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Below the ports that the system gives to connections: a process that comes back finds its own still free.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A process that does not outlive its test.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// # Panics
    /// If it cannot start.
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().expect("a process starts"))
    }

    /// # Panics
    /// If it is gone.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.0.id()).expect("an id of a process")), signal)
            .expect("a child takes signals");
    }

    /// Its number among the system's processes.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    pub fn is_running(&mut self) -> bool {
        self.0.try_wait().expect("a child can be asked").is_none()
    }

    /// Whether it stands still, by a signal.
    ///
    /// # Panics
    /// If the system does not tell.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        let id = self.id().to_string();
        let state = Command::new("ps").args(["-o", "state=", "-p", &id]).output().expect("ps runs");
        state.stdout.starts_with(b"T")
    }

    /// How it has ended.
    ///
    /// # Panics
    /// If it does not end.
    pub async fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait().expect("a child can be asked") {
                return status;
            }
            assert!(Instant::now() < deadline, "the process should have ended");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// Waits for a condition.
///
/// # Panics
/// If it does not come true.
pub async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The platform's program, built beside the tests.
///
/// # Panics
/// If it is not there.
#[must_use]
pub fn program() -> PathBuf {
    let tests = std::env::current_exe().expect("the tests have a file");
    let program = tests.ancestors().nth(2).expect("it lies in a folder of a folder").join("mewayz");
    assert!(program.exists(), "the tests need the binary: cargo build --workspace");
    program
}

/// An address that nobody listens on.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn free_address() -> SocketAddr {
    let free = (0..1_000).find_map(|_| {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, rand::rng().random_range(PORTS)));
        TcpListener::bind(address).ok().map(|_| address)
    });
    free.expect("a port is free")
}

/// A database, a workspace with a key, and places for processes.
pub struct Premises {
    pub store: EventStore,
    pub workspace: WorkspaceId,
    pub address: SocketAddr,
    pub gateway: SocketAddr,
    /// What else the gateway is started with: its faults, and what they are drawn from.
    pub gateway_arguments: Vec<String>,
    key: String,
    http: reqwest::Client,
    folder: tempfile::TempDir,
    // Dropped last: the others work on it.
    pub database: TestDatabase,
}

impl Premises {
    /// # Panics
    /// If they cannot be had.
    pub async fn open() -> Self {
        Self::over(TestDatabase::create().await).await
    }

    /// With this database.
    ///
    /// # Panics
    /// If they cannot be had.
    pub async fn over(database: TestDatabase) -> Self {
        let store = EventStore::open(database.pool.clone(), database.run.clone(), 1_000);
        let workspace = WorkspaceId::from_uuid(Uuid::now_v7());
        // One context is one command.
        let cx = || Context::internal(store.clone(), Arc::new(SystemClock), workspace, Actor::Job("test"));
        workspace::create(cx(), "test").await.expect("a workspace");
        let key = key::issue(cx(), "test", ["*"], None).await.expect("a key").reveal();
        Self {
            store,
            workspace,
            address: free_address(),
            gateway: free_address(),
            gateway_arguments: Vec::new(),
            key,
            http: reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().expect("a client"),
            folder: tempfile::tempdir().expect("a folder"),
            database,
        }
    }

    /// Where the platform keeps what is not in the database.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `mewayz …`, to be started; its logs go to the file that `PROCESS_LOG` names.
    ///
    /// # Panics
    /// If that file cannot be written.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let log = std::env::var("PROCESS_LOG").map_or(Stdio::null(), |path| {
            std::fs::File::options().create(true).append(true).open(path).expect("a file for logs").into()
        });
        let mut command = Command::new(program());
        command
            .args(arguments)
            .env("DATABASE_URL", self.database.run_url())
            .env("MEWAYZ_MIGRATE_URL", self.database.owner_url())
            .env("MEWAYZ_DATA", self.folder.path())
            .env("MEWAYZ_LISTEN", self.address.to_string())
            .env("MEWAYZ_DATABASE__CONNECTIONS", "8")
            .env("MEWAYZ_GATEWAY__URL", format!("http://{}", self.gateway))
            .env("MEWAYZ_GATEWAY__WEBHOOK_SECRET", "whsec_of_the_tests_and_nobody_else")
            .env("MEWAYZ_GATEWAY__TIMEOUT_MS", "1000")
            .env("MEWAYZ_SUBSCRIPTIONS__LEASE_MS", "500")
            .env_remove("KAFKA_BROKERS")
            .env_remove("FAILPOINTS")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        command
    }

    /// Starts a role.
    #[must_use]
    pub fn start(&self, role: &str, failpoints: &str) -> Process {
        match role {
            "gateway" => {
                let webhook = format!("http://{}/api/financial/payments/webhook", self.address);
                let listen = self.gateway.to_string();
                let arguments = ["gateway", "--listen", &listen, "--webhook", &webhook];
                let mut command = self.command(&arguments);
                Process::start(command.args(&self.gateway_arguments).env("FAILPOINTS", failpoints))
            }
            role => Process::start(self.command(&[role]).env("FAILPOINTS", failpoints)),
        }
    }

    /// Waits until somebody listens.
    pub async fn listens(&self, address: SocketAddr) {
        until("somebody listens", || async { TcpStream::connect(address).is_ok() }).await;
    }

    /// A request to the API with the key, and nothing more.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.request_at(self.address, method, path)
    }

    /// The same, to a process that listens elsewhere.
    pub fn request_at(&self, address: SocketAddr, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("http://{address}{path}")).bearer_auth(&self.key)
    }

    /// A command, sent with the same key of idempotency until it is answered for good.
    ///
    /// # Panics
    /// If it never is.
    pub async fn command_until_answered(
        &self,
        address: SocketAddr,
        path: &str,
        key: &str,
        body: &Value,
    ) -> Answer {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let request = self.request_at(address, Method::POST, path).header("idempotency-key", key);
            // The body may break off as well: what was received is no answer unless all of it was.
            if let Ok(response) = request.json(body).send().await {
                let (status, headers) = (response.status().as_u16(), response.headers().clone());
                if let Ok(body) = response.text().await
                    && status < 500
                {
                    let text =
                        |value: &reqwest::header::HeaderValue| value.to_str().unwrap_or_default().to_owned();
                    let headers =
                        headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
                    return Answer { status, headers, body };
                }
            }
            assert!(Instant::now() < deadline, "{path} was never answered");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The same, with a key of its own.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.command_until_answered(self.address, path, &Uuid::new_v4().to_string(), &body).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    /// Puts a SKU on sale at 10.00 USD, with so many units at `main`.
    ///
    /// # Panics
    /// If it cannot be.
    pub async fn sell(&self, sku: &str, units: i64) {
        let price = json!({"amount": 1_000, "currency": "USD"});
        let variant = json!({"sku": sku, "title": sku, "prices": [price]});
        let made = self.post("/api/ecommerce/products", json!({"title": sku, "variants": [variant]})).await;
        assert_eq!(made.status, 201, "{made:?}");
        let path = format!("/api/ecommerce/stock/{sku}/main/receive");
        let received = self.post(&path, json!({"quantity": units})).await;
        assert_eq!(received.status, 200, "{received:?}");
    }

    /// Orders one unit of a SKU; the order's id.
    ///
    /// # Panics
    /// If it is not taken.
    pub async fn order(&self, sku: &str) -> String {
        let line = json!({"sku": sku, "quantity": 1, "location": "main"});
        let customer = domain::ids::CustomerId::from_uuid(Uuid::now_v7());
        let body =
            json!({"customer_id": customer, "currency": "USD", "lines": [line], "payment_method": "card"});
        let placed = self.post("/api/ecommerce/orders", body).await;
        assert_eq!(placed.status, 201, "{placed:?}");
        placed.json()["id"].as_str().expect("it has an id").to_owned()
    }

    /// What the gateway has in its book.
    ///
    /// # Panics
    /// If it does not say.
    pub async fn book(&self) -> BookView {
        let asked = self.http.get(format!("http://{}/v1/book", self.gateway)).send().await;
        asked.expect("the gateway answers").json().await.expect("a book")
    }

    /// A number, by SQL that knows nothing of the platform's code.
    ///
    /// # Panics
    /// If there is none.
    pub async fn count(&self, sql: &str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.database.pool).await.unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    /// Waits until these read models have all that is in the log.
    pub async fn projected(&self) {
        until("all read models are up to date", || async {
            let views: Vec<String> = projections::all().iter().map(|view| view.name().to_owned()).collect();
            let behind: i64 = sqlx::query_scalar(
                "select count(*) from unnest($1::text[]) as name left join subscriptions using (name)
                 where coalesce(position, 0) < (select position from head)",
            )
            .bind(views)
            .fetch_one(&self.database.pool)
            .await
            .expect("the database answers");
            behind == 0
        })
        .await;
    }

    /// Every read model is what the log says, byte for byte; `mewayz rebuild` ends with 0 if so.
    ///
    /// # Panics
    /// If one is not.
    pub async fn must_equal_a_rebuild(&self) {
        let mut command = self.command(&["rebuild", "--all", "--json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = tokio::task::spawn_blocking(move || command.output()).await;
        let output = output.expect("no panic").expect("it runs");
        let (told, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{told}{errors}");
        assert_eq!(told.lines().count(), projections::all().len(), "{told}{errors}");
        for line in told.lines() {
            let report: Value = serde_json::from_str(line).expect("a report is JSON");
            assert_eq!(report["live"], report["next"], "{report}");
            assert_eq!(report["parked"], json!([]), "{report}");
        }
    }
}
