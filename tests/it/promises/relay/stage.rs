//! A log, topics of its own, and relays as processes of their own.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

use commands::EventStore;
use infra::relay::progress::Progress;
use infra::relay::verify::{Verified, verify};
use infra::relay::{Relay, RelayConfig, RelayError, RelayState};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::kafka::{Read, brokers, ends, prefix, read_topics};
use tests::log::append_some;
pub use tests::process::until;
use tests::process::{Process, program};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::exact::compare;

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// What a test plays on.
pub struct Stage {
    pub store: EventStore,
    pub config: RelayConfig,
    pub url: String,
}

impl Stage {
    pub async fn set(pool: PgPoolOptions, connect: PgConnectOptions) -> Self {
        let url = connect.to_url_lossy().to_string();
        let pool = pool.connect_with(connect.clone()).await.unwrap();
        Self::over(EventStore::open(pool, connect, 100), url)
    }

    /// The same over the log of another test's.
    pub fn over(store: EventStore, url: String) -> Self {
        let config =
            RelayConfig { brokers: brokers(), prefix: prefix(), partitions: 2, ..RelayConfig::default() };
        Self { store, config, url }
    }

    /// Starts `mewayz relay …`.
    pub fn relay(&self, arguments: &[&str], failpoints: &str) -> Process {
        Process::start(&mut self.command(arguments, failpoints))
    }

    /// `mewayz relay …`, to be started. What it logs is shown with the test's failure.
    pub fn command(&self, arguments: &[&str], failpoints: &str) -> Command {
        let mut relay = Command::new(program());
        self.to_kafka(&mut relay)
            .arg("relay")
            .args(arguments)
            .env("DATABASE_URL", &self.url)
            .env("FAILPOINTS", failpoints)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit());
        relay
    }

    /// Lets a process relay to these topics.
    pub fn to_kafka<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("KAFKA_BROKERS", &self.config.brokers)
            .env("MEWAYZ_KAFKA__PREFIX", &self.config.prefix)
            .env("MEWAYZ_KAFKA__PARTITIONS", self.config.partitions.to_string())
    }

    /// Runs a relay in this process for as long as the work takes; it must neither end before nor fail.
    pub async fn relaying(&self, work: impl AsyncFnOnce(&mut watch::Receiver<RelayState>)) {
        let relay = Relay::new(self.store.clone(), self.config.clone());
        let (stop, mut state) = (CancellationToken::new(), relay.state());
        let running = relay.run(stop.clone());
        tokio::pin!(running);
        tokio::select! {
            ended = &mut running => panic!("the relay has ended: {ended:?}"),
            worked = tokio::time::timeout(PATIENCE, work(&mut state)) => worked.unwrap(),
        }
        stop.cancel();
        running.await.unwrap();
    }

    /// Runs a relay that is expected to stop.
    pub async fn run_relay(&self) -> Result<(), RelayError> {
        append_some(&self.store, 0).await;
        let run = Relay::new(self.store.clone(), self.config.clone());
        let stop = CancellationToken::new();
        let ended = tokio::time::timeout(Duration::from_secs(30), run.run(stop)).await;
        ended.expect("the relay stops by itself")
    }

    pub async fn verify(&self) -> Verified {
        verify(&self.store, &self.config).await.unwrap()
    }

    /// Waits until the topics go as far as the log, as their progress says.
    pub async fn caught_up(&self) {
        let head = self.store.head().await.unwrap();
        until("the relay has caught up", || async { self.progress().await >= head }).await;
    }

    /// How far the topics go.
    pub async fn progress(&self) -> i64 {
        let config = self.config.clone();
        let read = tokio::task::spawn_blocking(move || infra::relay::progress::read(&config)).await.unwrap();
        read.ok().flatten().map_or(-1, |progress| progress.position)
    }

    /// The newest record of the progress topic.
    pub async fn read_progress(&self) -> Read {
        let config = self.config.clone();
        let read = tokio::task::spawn_blocking(move || infra::relay::progress::read(&config)).await.unwrap();
        let value = serde_json::to_string(&read.unwrap().unwrap()).unwrap();
        Read { key: "progress".into(), headers: Vec::new(), value }
    }

    /// How many records and markers the topics of events hold, committed or not.
    pub fn uncommitted(&self) -> i64 {
        ends(&self.config.brokers, &self.config.prefix)
    }

    pub fn topics(&self) -> BTreeMap<(String, i32), Vec<Read>> {
        read_topics(&self.config.brokers, &self.config.prefix)
    }

    /// The topics are exactly the log, and end where their progress says: by SQL and a reader that know nothing of
    /// the relay.
    pub async fn must_be_the_log(&self) {
        let compared = compare(&self.store, &self.config).await;
        let mut ends = compared.unwrap_or_else(|difference| panic!("{difference}"));
        let told: Progress = serde_json::from_str(&self.read_progress().await.value).unwrap();
        let told = told.ends.into_iter().map(|(context, ends)| (self.config.topic(&context), ends));
        ends.retain(|_, ends| ends.iter().any(|end| *end > 0));
        assert_eq!(told.collect::<BTreeMap<_, _>>(), ends, "the last position of each partition");
    }

    /// They are so by `relay verify`, too.
    pub async fn must_be_exact(&self) {
        self.must_be_the_log().await;
        let head = self.store.head().await.unwrap();
        let verified = self.verify().await;
        assert_eq!(verified.difference, None);
        assert_eq!((verified.position, verified.head), (head, head));
        assert_eq!(verified.equal.values().sum::<i64>(), head);
    }
}
