//! The platform of a build as it is shipped: `serve` and a gateway with mild faults, on a database and topics of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::process::{Process, free_address, until};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::database::{Database, Server};

/// SKUs that customers choose from.
const SKUS: usize = 16;
/// More than are sold.
const UNITS: u32 = 1_000_000;
const ORDERS: &str = "/api/ecommerce/orders";
const SECRET: &str = "whsec_of_the_benchmark_and_nobody_else";

/// A build with a shop that was set up once.
pub struct Build {
    pub name: &'static str,
    program: PathBuf,
    pub database: Database,
    key: String,
    listen: SocketAddr,
    gateway: SocketAddr,
    prefix: String,
    folder: TempDir,
    http: reqwest::Client,
}

/// It runs.
pub struct Running {
    pub serve: Process,
    pub gateway: Process,
}

impl Build {
    /// Makes its tables, a workspace with a key, and something to sell.
    pub async fn set_up(server: &Server, name: &'static str, program: PathBuf) -> Result<Self> {
        let database = server.create_empty(&format!("orders_{name}")).await?;
        let mut build = Self {
            name,
            program,
            database,
            key: String::new(),
            listen: free_address(),
            gateway: free_address(),
            prefix: format!("bench-{}", Uuid::now_v7().simple()),
            folder: tempfile::tempdir()?,
            http: reqwest::Client::builder().pool_max_idle_per_host(64).build()?,
        };
        build.told(&["migrate"])?;
        build.told(&["workspace", "create", "bench"])?;
        let key = ["key", "create", "--workspace", "bench", "--name", "bench", "--scope", "*"];
        build.key = build.told(&key)?;
        let running = build.start().await?;
        for n in 0..SKUS {
            let price = json!({"amount": 1_000, "currency": "USD"});
            let variant = json!({"sku": sku(n), "title": "A thing", "prices": [price]});
            build
                .post("/api/ecommerce/products", &json!({"title": "A thing", "variants": [variant]}))
                .await?;
            let receive = format!("/api/ecommerce/stock/{}/MAIN/receive", sku(n));
            build.post(&receive, &json!({"quantity": UNITS})).await?;
        }
        running.stop().await;
        Ok(build)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env("DATABASE_URL", self.database.url("mewayz_run"))
            .env("MEWAYZ_MIGRATE_URL", self.database.url("mewayz_owner"))
            .env("MEWAYZ_DATA", self.folder.path())
            .env("MEWAYZ_LISTEN", self.listen.to_string())
            .env("MEWAYZ_KAFKA__PREFIX", &self.prefix)
            .env("MEWAYZ_GATEWAY__URL", format!("http://{}", self.gateway))
            .env("MEWAYZ_GATEWAY__WEBHOOK_SECRET", SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// What a job of it says.
    fn told(&self, arguments: &[&str]) -> Result<String> {
        let output = self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).output();
        let Output { status, stdout, stderr } = output.context("the program cannot be started")?;
        ensure!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
        Ok(String::from_utf8(stdout)?.trim().to_owned())
    }

    pub async fn start(&self) -> Result<Running> {
        let book = self.folder.path().join("book.jsonl");
        let webhook = format!("http://{}/api/financial/payments/webhook", self.listen);
        let (listen, book) = (self.gateway.to_string(), path(&book)?);
        let gateway =
            ["gateway", "--faults", "mild", "--listen", &listen, "--book", book, "--webhook", &webhook];
        let running = Running {
            gateway: Process::start(&mut self.command(&gateway)),
            serve: Process::start(&mut self.command(&["serve"])),
        };
        for address in [self.gateway, self.listen] {
            until("somebody listens", || async { TcpStream::connect(address).await.is_ok() }).await;
        }
        Ok(running)
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let answer = self
            .http
            .post(format!("http://{}{path}", self.listen))
            .bearer_auth(&self.key)
            .header("idempotency-key", Uuid::new_v4().to_string())
            .json(body)
            .send()
            .await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "{path}: {status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }

    /// Places an order of one unit; its id.
    pub async fn order(&self, n: usize) -> Result<String> {
        let customer = domain::ids::CustomerId::from_uuid(Uuid::now_v7());
        let line = json!({"sku": sku(n % SKUS), "quantity": 1, "location": "MAIN"});
        let body =
            json!({"customer_id": customer, "currency": "USD", "lines": [line], "payment_method": "ok"});
        let placed = self.post(ORDERS, &body).await?;
        Ok(placed["id"].as_str().context("an order has an id")?.to_owned())
    }
}

impl Running {
    /// Lets what is under way come to its end.
    pub async fn stop(mut self) {
        self.serve.signal(nix::sys::signal::Signal::SIGTERM);
        self.serve.ended().await;
        self.gateway.signal(nix::sys::signal::Signal::SIGTERM);
        // It may wait for the platform to take its notices.
        let until = tokio::time::Instant::now() + Duration::from_secs(6);
        while self.gateway.is_running() && tokio::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(20)).await; // until it is asked again
        }
    }
}

fn sku(n: usize) -> String {
    format!("THING-{n}")
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().context("a folder whose name is no text")
}
